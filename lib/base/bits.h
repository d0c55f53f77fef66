// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Small arithmetic that several folders need: bit walks, rounding, container_of.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The structure of type `type` whose member `member` lies at `ptr`.
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline unsigned bit_lowest(uint64_t mask)
{
	return (unsigned)__builtin_ctzll(mask);
}

// Takes the lowest bit out of a mask and writes its number; returns false if there is none. To walk a
// mask: for (uint64_t todo = mask; bit_take(&todo, &i);)
static inline bool bit_take(uint64_t *mask, unsigned *number)
{
	if (!*mask)
		return false;
	*number = bit_lowest(*mask);
	*mask &= *mask - 1;
	return true;
}

static inline unsigned bit_count(uint64_t mask)
{
	return (unsigned)__builtin_popcountll(mask);
}

static inline uint64_t bit(unsigned n)
{
	return UINT64_C(1) << n;
}

// The lowest n bits set, n 0 to 64.
static inline uint64_t bits_below(unsigned n)
{
	return n >= 64 ? ~UINT64_C(0) : bit(n) - 1;
}

static inline bool is_power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

static inline uint64_t div_round_up(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

// Counts what other threads read while it changes. One thread writes a counter.
static inline void count_add(uint32_t *counter, int32_t n)
{
	__atomic_store_n(counter, *counter + (uint32_t)n, __ATOMIC_RELAXED);
}

static inline uint32_t count_read(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}
