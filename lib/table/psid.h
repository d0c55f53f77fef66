// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Port sets (RFC 7597 section 5.1, RFC 7596 section 5.1): which ports of a shared IPv4 address a
// subscriber has. Pure arithmetic; ports are in host order.
//
//	 15          16-a-1            m-1        0
//	+-----------+-----------------+------------+
//	| A, a bits | PSID, k bits    | j, m bits  |     a + k + m = 16
//	+-----------+-----------------+------------+
//
// With a > 0 the ports whose A is zero, those below 2^(16-a), belong to nobody.

#include <stdbool.h>
#include <stdint.h>

#define PSID_BITS 16 // of a port

#define PSID_OFFSET_MAP  6 // where nothing was said: without the ports below 1024
#define PSID_OFFSET_LW46 0 // one range a subscriber

// How an address is divided. The same for all who share it, or their sets would overlap.
struct psid_geometry {
	uint8_t offset; // a
	uint8_t length; // k; 0: one subscriber has all ports, and protocols without any
};

static inline bool psid_geometry_is_valid(struct psid_geometry g)
{
	return g.offset + g.length <= PSID_BITS;
}

static inline bool psid_same_geometry(struct psid_geometry a, struct psid_geometry b)
{
	return a.offset == b.offset && a.length == b.length;
}

static inline bool psid_is_valid(struct psid_geometry g, uint32_t psid)
{
	return psid >> g.length == 0;
}

// m
static inline unsigned psid_low_bits(struct psid_geometry g)
{
	return PSID_BITS - g.offset - g.length;
}

// Whether a port is nobody's.
static inline bool psid_is_reserved(struct psid_geometry g, uint16_t port)
{
	return g.offset && !(port >> (PSID_BITS - g.offset));
}

// The set that a port is in, if it is in any.
static inline uint16_t psid_of_port(struct psid_geometry g, uint16_t port)
{
	return (uint16_t)((port >> psid_low_bits(g)) & ((1u << g.length) - 1));
}

static inline bool psid_has_port(struct psid_geometry g, uint16_t psid, uint16_t port)
{
	return !psid_is_reserved(g, port) && psid_of_port(g, port) == psid;
}

// How many ranges of ports a set has, from number 0 on, and how long each of them is.
static inline uint32_t psid_ranges(struct psid_geometry g)
{
	return g.offset ? (1u << g.offset) - 1 : 1;
}

static inline uint32_t psid_range_size(struct psid_geometry g)
{
	return 1u << psid_low_bits(g);
}

static inline uint32_t psid_ports(struct psid_geometry g)
{
	return psid_ranges(g) * psid_range_size(g);
}

// The first port of a range of a set.
static inline uint16_t psid_range_first(struct psid_geometry g, uint16_t psid, uint32_t range)
{
	uint32_t high = g.offset ? range + 1 : 0;

	return (uint16_t)(high << (PSID_BITS - g.offset) | (uint32_t)psid << psid_low_bits(g));
}
