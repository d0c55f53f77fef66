// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv4 in IPv6 (RFC 2473), as all softwires have it: DS-Lite (RFC 6333), lw4o6 (RFC 7596) and MAP-E
// (RFC 7597). What the box does to a packet at its end of a tunnel; who the other end is, and whether the
// packet may pass, is the caller's affair.

#include "net/hdr.h"

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define TUNNEL_HEADER 40 // bytes that a tunnel adds

// How a tunnel treats what it carries.
struct tunnel_rules {
	uint8_t hop_limit; // of outer headers (RFC 2473 section 6.3)
	bool uniform; // one DSCP inside and outside, else each keeps its own (RFC 2983 section 3)
	uint8_t dscp; // of outer headers, where they have their own
};

// Puts the IPv4 packet at `ip` into a tunnel. Its header has been checked, and it is sent on as long as that
// says: padding of the frame that it came in is left out. Congestion marks are copied (RFC 6040 section
// 4.1), and flows have labels of their own (RFC 6438). Returns the outer header, at which the mbuf begins
// then, or NULL if there is no room for it and a frame's header before it.
uint8_t *tunnel_encapsulate(struct rte_mbuf *mbuf, uint8_t *ip, const uint8_t src[16],
	const uint8_t dst[16], const struct tunnel_rules *rules);

enum tunnel_result {
	TUNNEL_FINE,
	TUNNEL_MALFORMED, // no IPv4 packet, or one that ends behind the outer one
	TUNNEL_CONGESTED, // marked on the way, and its ends would not understand (RFC 6040 section 4.2)
};

// Takes the IPv4 packet behind `header` bytes of IPv6 headers, the last of which has said that there is one,
// out of its tunnel: looks at its lengths, and gives it the congestion mark and, with `uniform`, the DSCP of
// the outer header. Its own header is not checked further. The outer packet is `length` bytes long, of
// which `room` are in the first segment.
enum tunnel_result tunnel_decapsulate(
	uint8_t *ip6, unsigned header, uint32_t length, uint32_t room, bool uniform);

// What stands in a tunnel packet quoted by an ICMPv6 error.
struct tunnel_quote {
	const uint8_t *outer; // IPv6 header
	uint8_t *inner;       // IPv4 header
	uint16_t length; // bytes that are quoted from there on, at least eight behind the header
};

// Reads the tunnel packet that the ICMPv6 error at `icmp6`, of which `room` bytes are here, quotes. Returns
// false if it quotes none, or too little of it, or what no error may be sent about: another error, or a
// fragment that is not the first of its datagram.
bool tunnel_quoted(uint8_t *icmp6, uint32_t room, struct tunnel_quote *quote);

// Turns an ICMPv6 error about a tunnel packet into the ICMPv4 error about what was in the tunnel, from `source`
// to the sender of that (RFC 2473 section 8.3): the other end cannot be reached, or the tunnel has so small
// an MTU, if the sender has asked to be told. Returns its IPv4 header, at which the mbuf begins then, or
// NULL, with the packet as it was, if there is nothing to tell.
uint8_t *tunnel_relay(struct rte_mbuf *mbuf, const uint8_t *icmp6, const struct tunnel_quote *quote,
	rte_be32_t source);
