// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ordinary packets, nearly all that there are, told by a few comparisons: TCP and UDP, whole, from one port to another,
// in headers without options, and not on their last hop. What says no here may be right all the same: who has to know
// reads its headers by hdr.h and hdr6.h.

#include "net/csum.h"
#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/tunnel.h"

#include <rte_branch_prediction.h>

#define PLAIN_TCP_MIN 20
#define PLAIN_UDP_MIN 8

#define PLAIN_MORE_OR_OFFSET RTE_BE16(0x3fff)

// Whether the `room` bytes at `l4` are TCP or UDP from one port to another.
static inline bool plain_is_l4(const uint8_t *l4, uint8_t protocol, uint32_t room)
{
	if (protocol == PROTOCOL_TCP ? room < PLAIN_TCP_MIN
				     : protocol != PROTOCOL_UDP || room < PLAIN_UDP_MIN)
		return false;
	return load16(l4) && load16(l4 + 2);
}

// Whether the `room` bytes at `ip` are an ordinary IPv6 packet, and nothing behind it.
static inline bool plain_is_ipv6(const uint8_t *ip, uint32_t room)
{
	return likely(room >= IPV6_MIN + PLAIN_UDP_MIN) && ip[0] >> 4 == 6 &&
		host16(ip + IPV6_LENGTH) == room - IPV6_MIN && ip[IPV6_HOP_LIMIT] > 1 &&
		plain_is_l4(ip + IPV6_MIN, ip[IPV6_NEXT], room - IPV6_MIN);
}

// Whether the `length` bytes at `ip`, at least so many as the headers of UDP have, are an ordinary IPv4 packet.
static inline bool plain_has_ipv4(const uint8_t *ip, uint32_t length)
{
	uint64_t sum;

	if (unlikely(ip[0] != 0x45 || load16(ip + IPV4_FRAGMENT) & PLAIN_MORE_OR_OFFSET ||
		    ip[IPV4_TTL] <= 1))
		return false;
	if (unlikely(!plain_is_l4(ip + IPV4_MIN, ip[IPV4_PROTOCOL], length - (uint32_t)IPV4_MIN)))
		return false;
	sum = (uint64_t)load32(ip) + load32(ip + 4) + load32(ip + 8) + load32(ip + 12) +
		load32(ip + 16);
	return csum_fold(sum) == 0xffff && hdr_is_somebody(load32(ip + IPV4_SOURCE)) &&
		hdr_is_somebody(load32(ip + IPV4_DESTINATION));
}

// Whether the `room` bytes at `ip` begin with an ordinary IPv4 packet; what a short frame is filled up with may follow.
static inline bool plain_is_ipv4(const uint8_t *ip, uint32_t room)
{
	uint32_t length;

	if (unlikely(room < IPV4_MIN + PLAIN_UDP_MIN))
		return false;
	length = host16(ip + IPV4_TOTAL);
	return length >= IPV4_MIN + PLAIN_UDP_MIN && length <= room && plain_has_ipv4(ip, length);
}

// Whether the `room` bytes at `outer` are an ordinary IPv4 packet behind an IPv6 header of the same class, and nothing
// behind it.
static inline bool plain_is_tunnel(const uint8_t *outer, uint32_t room)
{
	const uint8_t *ip = outer + TUNNEL_HEADER;

	if (unlikely(room < TUNNEL_HEADER + IPV4_MIN + PLAIN_UDP_MIN))
		return false;
	// the version, and the class that is the inner header's too
	if (unlikely(outer[IPV6_NEXT] != PROTOCOL_IPV4 ||
		    rte_be_to_cpu_32(load32(outer)) >> 20 != (0x600u | ip[1])))
		return false;
	return likely(load16(outer + IPV6_LENGTH) == load16(ip + IPV4_TOTAL) &&
		       host16(ip + IPV4_TOTAL) == room - TUNNEL_HEADER) &&
		plain_has_ipv4(ip, room - (uint32_t)TUNNEL_HEADER);
}
