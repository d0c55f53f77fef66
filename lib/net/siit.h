// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IP/ICMP translation (RFC 7915) of one packet of a burst, in its own buffer: IPv6 to IPv4 or back, with the
// packet that an ICMP error quotes. Which addresses stand for which is the caller's affair (RFC 6052, NAT64's
// mappings, MAP-T's rules). Time to live and hop limit are copied: who forwards counts.
//
// Afterwards ip[], room[], length[], ihl[], src[], dst[] and `v6` are those of the new packet, and so are the
// types of ICMP in flags[]; what was read of ports still holds. The mbuf begins
// where it did, or at the packet if that needs the room.

#include "net/burst.h"

#include <stdbool.h>
#include <stdint.h>

// What an IPv6 packet becomes.
struct siit4 {
	rte_be32_t src;
	rte_be32_t dst;
	rte_be32_t quoted_src; // of the packet that an ICMP error quotes
	rte_be32_t quoted_dst;
	rte_be16_t id; // identification of what is no fragment and may become one
	uint16_t mtu4; // of the next hops on both sides, for errors that tell an MTU
	uint16_t mtu6;
};

// What an IPv4 packet becomes.
struct siit6 {
	uint8_t src[16];
	uint8_t dst[16];
	uint8_t quoted_src[16];
	uint8_t quoted_dst[16];
	uint16_t mtu4;
	uint16_t mtu6;
	// UDP without checksum gets one, if it is no fragment (RFC 7915 section 4.5, RFC 6146 section 3.4); else it
	// ends, and so do the other fragments of the datagram
	bool sum_udp;
};

// The addresses of the packet that an ICMPv6 or ICMPv4 error quotes, each four or sixteen bytes.
struct siit_quoted {
	const uint8_t *src;
	const uint8_t *dst;
};

// Finds what the ICMP error i quotes. Returns false if that is no packet to translate; an error among those
// (RFC 7915 sections 4.3 and 5.3).
bool siit_quoted4(const struct burst *b, unsigned i, struct siit_quoted *q);
bool siit_quoted6(const struct burst *b, unsigned i, struct siit_quoted *q);

// Translates packet i, whose headers have been read; an ICMP error's checksum is right. Returns false, having
// ended it, if it cannot be.
bool siit_to_ipv4(struct burst *b, unsigned i, const struct siit4 *to);
bool siit_to_ipv6(struct burst *b, unsigned i, const struct siit6 *to);

// By how much packet i, an IPv4 one, would grow.
unsigned siit_growth(const struct burst *b, unsigned i);
