// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv4 and transport headers: checking and reading them, for a burst and for the packet that an ICMP
// error quotes.

#include "net/burst.h"
#include "net/load.h"

#include <stdbool.h>

#define IPV4_MIN         20
#define IPV4_TOTAL       2 // where what stands in a header
#define IPV4_FRAGMENT    6
#define IPV4_TTL         8
#define IPV4_PROTOCOL    9
#define IPV4_SOURCE      12
#define IPV4_DESTINATION 16

// ICMP types (RFC 792), as far as somebody asks for them.
enum icmp_type {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
};

// Reads the IPv4 packets of `mask`, whose ip[] and room[] are set; what was read before is forgotten. Fills src,
// dst, ports, length, ihl, l4 and flags, and all masks that tell of headers; ends what is malformed or not to be
// forwarded. What is behind the IP header of a fragment is not read.
void hdr_read(struct burst *b, uint64_t mask);

// The same for packets that the box has made itself of others, and given a source that no packet on a wire may
// have. What was read of them before is forgotten, of others not.
void hdr_read_own(struct burst *b, uint64_t mask);

// Reads the ports and flags of packet i, which is the first fragment of a datagram. Returns false, having
// ended it, unless the whole transport header is in it (RFC 1858, RFC 3128) and is one to translate; an
// ICMP error is none, because its checksum and what it quotes are only in all fragments together.
bool hdr_read_first(struct burst *b, unsigned i);

// Whether the options of an IPv4 header of `ihl` bytes ask for a route that has not been followed to its
// end.
bool hdr_has_source_route(const uint8_t *ip, unsigned ihl);

// Takes one from the time to live of the IPv4 packets of `mask`.
void hdr_hop(struct burst *b, uint64_t mask);

// The same for one packet.
static inline void hdr_hop_one(uint8_t *ip)
{
	// time to live, protocol and checksum; the first is the high byte of a summand (RFC 1624)
	uint32_t word = load32(ip + 8), sum = (word >> 16) + 1;

	sum += sum >= 0xffff;
	word = ((word - 1) & 0xffff) | sum << 16;
	memcpy(ip + 8, &word, sizeof(word));
}

// Whether a packet may not be fragmented.
static inline bool hdr_has_df(const uint8_t *ip)
{
	return ip[IPV4_FRAGMENT] & 0x40;
}

// What stands in an IPv4 packet quoted by an ICMP error.
struct quoted {
	uint8_t *ip;
	uint8_t *l4;
	enum l4 proto;
	rte_be32_t src;
	rte_be32_t dst;
	rte_be16_t src_port; // of an ICMP query: its identifier, in both
	rte_be16_t dst_port;
	uint16_t l4_length; // of the transport header and data quoted
};

// Reads the packet quoted by the ICMP error i. Returns false if it is cut short, no first fragment or
// not translatable, itself an error among that (RFC 5508 REQ-3, RFC 1122 section 3.2.2).
bool hdr_quoted(const struct burst *b, unsigned i, struct quoted *q);

// The same for a quoted packet, or fragment, of a protocol that has no ports (L4_COUNT). Returns false for all
// others.
bool hdr_quoted_bare(const struct burst *b, unsigned i, struct quoted *q);

// What the first byte of an address says (RFC 6890, RFC 1812 section 5.3.7): 0/8 and 127/8 are on no link,
// 224/4 and above are nobody's own.
static inline bool hdr_is_somebody(rte_be32_t address)
{
	uint8_t first = (uint8_t)address;

	return (uint8_t)(first - 1) < 223 && first != 127;
}

static inline bool icmp_is_query(uint8_t type)
{
	return type == ICMP_ECHO || type == ICMP_ECHO_REPLY;
}

// The errors that quote a packet and are translated (RFC 5508 REQ-10).
static inline bool icmp_is_error(uint8_t type)
{
	return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
		type == ICMP_PARAMETER_PROBLEM;
}
