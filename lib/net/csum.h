// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The Internet checksum (RFC 1071) and its incremental update (RFC 1624 equation 3).
//
// Sums are kept unfolded in 32 or 64 bits. One's complement addition is the same in either byte
// order as long as all words are read alike, so everything here works on values as they lie in
// memory (network byte order); nothing is swapped.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Folds a sum to 16 bits; the result is 0 only if all summands were.
static inline uint16_t csum_fold32(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

static inline uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return csum_fold32((uint32_t)(sum + (sum >> 32)));
}

// The change of a sum when a 16-bit or 32-bit field goes from `from` to `to`.
static inline uint32_t csum_change16(uint16_t from, uint16_t to)
{
	return (uint32_t)(uint16_t)~from + to;
}

static inline uint32_t csum_change32(uint32_t from, uint32_t to)
{
	return (~from & 0xffff) + (~from >> 16) + (to & 0xffff) + (to >> 16);
}

// Applies a change, of at most some thousand fields, to a checksum: HC' = ~(~HC + change).
static inline uint16_t csum_apply(uint16_t csum, uint32_t change)
{
	return (uint16_t)~csum_fold32((uint32_t)(uint16_t)~csum + change);
}

// As csum_apply for UDP, where 0 means "none" (RFC 768): none stays none, and a sum that comes to 0
// is sent as all ones.
static inline uint16_t csum_apply_udp(uint16_t csum, uint32_t change)
{
	uint16_t updated;

	if (!csum)
		return 0;
	updated = csum_apply(csum, change);
	return updated ? updated : 0xffff;
}

// The unfolded sum of bytes; an odd last byte counts as followed by zero.
static inline uint64_t csum_sum(const void *data, size_t length)
{
	const uint8_t *p = data;
	uint64_t sum = 0;
	uint16_t half;
	uint32_t word;

	for (; length >= 4; p += 4, length -= 4) {
		memcpy(&word, p, 4);
		sum += word;
	}
	if (length >= 2) {
		memcpy(&half, p, 2);
		sum += half;
		p += 2;
		length -= 2;
	}
	if (length) {
		half = 0;
		memcpy(&half, p, 1);
		sum += half;
	}
	return sum;
}
