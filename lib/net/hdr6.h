// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv6 and transport headers (RFC 8200): checking and reading them, for a burst and for the packet that an
// ICMPv6 error quotes. Addresses are pointers to 16 bytes in the order of the wire, at any alignment.

#include "net/burst.h"

#include <stdbool.h>
#include <stdint.h>

#define IPV6_MIN         40
#define IPV6_LENGTH      4 // where what stands in a header
#define IPV6_NEXT        6
#define IPV6_HOP_LIMIT   7
#define IPV6_SOURCE      8
#define IPV6_DESTINATION 24
#define IPV6_FRAGMENT    8 // bytes of a fragment header
#define IPV6_MTU_MIN     1280

#define PROTOCOL_HOP_BY_HOP  0
#define PROTOCOL_ROUTING     43
#define PROTOCOL_FRAGMENT    44
#define PROTOCOL_AH          51
#define PROTOCOL_NONE        59
#define PROTOCOL_DESTINATION 60
#define PROTOCOL_MOBILITY    135
#define PROTOCOL_HIP         139
#define PROTOCOL_SHIM6       140

// ICMPv6 types (RFC 4443), as far as somebody asks for them; those below 128 are errors.
enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_REDIRECT = 137,
};

static inline bool icmp6_is_error(uint8_t type)
{
	return type < 128;
}

static inline bool icmp6_is_query(uint8_t type)
{
	return type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY;
}

// Where the headers of a packet are, in bytes from its IPv6 header.
struct hdr6_chain {
	uint16_t upper;    // of what is behind the extension headers
	uint16_t fragment; // of the fragment header; 0: there is none
	uint16_t
		routing; // of a routing header that has not been followed to its end; 0: there is none
	uint8_t protocol; // of what is at `upper`
	bool first, last; // with a fragment header: of the parts of the datagram
};

// Whether a protocol number is that of an extension header that hdr6_follow() looks behind.
static inline bool hdr6_is_extension(uint8_t protocol)
{
	// by number, in words of 64
	static const uint64_t extension[4] = {
		UINT64_C(1) << PROTOCOL_HOP_BY_HOP | UINT64_C(1) << PROTOCOL_ROUTING |
			UINT64_C(1) << PROTOCOL_FRAGMENT | UINT64_C(1) << PROTOCOL_AH |
			UINT64_C(1) << PROTOCOL_DESTINATION,
		0,
		UINT64_C(1) << (PROTOCOL_MOBILITY - 128) | UINT64_C(1) << (PROTOCOL_HIP - 128) |
			UINT64_C(1) << (PROTOCOL_SHIM6 - 128),
	};

	return extension[protocol / 64] >> (protocol % 64) & 1;
}

// Follows the extension headers of the packet at `ip`, of which `room` bytes, at least 40, are there. Of a later
// fragment `upper` is where its part begins, and `protocol` what its fragment header says. Returns false if
// they are cut short, or the one for every hop is not the first.
bool hdr6_follow(const uint8_t *ip, uint32_t room, struct hdr6_chain *chain);

// Reads the IPv6 packets of `mask`, whose ip[] and room[] are set; what was read before is forgotten. Fills
// length, ihl, protocol, l4, ports and flags, and all masks that tell of headers; `options` are packets that
// ask for a route. Ends what is malformed. Ports and checksums are not judged, since routed packets are their
// ends' affair. A fragment is one unless it is a whole datagram (RFC 6946); a first one must have all headers
// (RFC 7112), and later ones are `raw`.
void hdr6_read(struct burst *b, uint64_t mask);

// Whether the ICMPv6 message of packet i, which is no fragment, has a right checksum.
bool hdr6_icmp_is_right(const struct burst *b, unsigned i);

// Takes one from the hop limit of the IPv6 packets of `mask`.
void hdr6_hop(struct burst *b, uint64_t mask);

// Kinds of address (RFC 4291 section 2.4).
bool hdr6_is_link_local(const uint8_t address[16]);
bool hdr6_is_multicast(const uint8_t address[16]);

// Addresses that are on no link: unspecified, loopback, IPv4-mapped.
bool hdr6_is_nobody(const uint8_t address[16]);
