// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Fields of headers, at any alignment. Those of host16() and store_host16() are in host order, the others as they
// lie on the wire.

#include <rte_byteorder.h>

#include <stdint.h>
#include <string.h>

static inline uint16_t load16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint16_t host16(const void *p)
{
	return rte_be_to_cpu_16(load16(p));
}

static inline void store16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void store_host16(void *p, uint16_t v)
{
	store16(p, rte_cpu_to_be_16(v));
}
