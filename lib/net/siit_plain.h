// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IP/ICMP translation (RFC 7915) of ordinary packets (plain.h), together with what goes with it for all of them: a port
// by another name, and one hop counted. Addresses and ports are in the order of the wire.

#include "net/mbuf.h"
#include "net/plain.h"
#include "net/siit_header.h"

#define SIIT_GROWTH (IPV6_MIN - IPV4_MIN)

// Whether the IPv4 packet that an IPv6 one of `length` bytes becomes may be fragmented, so that its identification
// means something (RFC 6864).
static inline bool siit_is_loose(uint32_t length)
{
	return length - SIIT_GROWTH <= SIIT_ALWAYS_FITS;
}

// Mends the checksum of the TCP or UDP header at `l4` for what has had the sum `was`, of some dozen words, and has the sum
// `is`. Taking away is adding what is missing to a multiple of 0xffff, which is nothing (RFC 1624).
static inline void siit_mend(uint8_t *l4, uint8_t protocol, uint64_t was, uint64_t is)
{
	uint8_t *at = l4 + (protocol == PROTOCOL_TCP ? 16 : 6);
	uint16_t sum = load16(at);
	uint16_t mended =
		(uint16_t)~csum_fold((uint16_t)~sum + is + (UINT64_C(0xffff) << 32) - was);

	// UDP has 0 for none (RFC 768)
	if (protocol == PROTOCOL_UDP && (!sum || !mended))
		mended = sum ? 0xffff : 0;
	store16(at, mended);
}

// Makes of the IPv6 packet at `ip` an IPv4 one, which ends where that does, between these addresses, from that port;
// `id` is its identification if it is loose. Returns where it begins.
static inline uint8_t *siit_plain_to4(
	uint8_t *ip, rte_be32_t src, rte_be32_t dst, rte_be16_t src_port, rte_be16_t id)
{
	uint8_t *l4 = ip + IPV6_MIN, *to = ip + SIIT_GROWTH;
	uint32_t class = host16(ip) >> 4 & 0xff, total = host16(ip + IPV6_LENGTH) + IPV4_MIN;
	uint32_t first = rte_cpu_to_be_32(0x45u << 24 | class << 16 | total);
	uint32_t loose = rte_cpu_to_be_32((uint32_t)rte_be_to_cpu_16(id) << 16);
	uint32_t second = total > SIIT_ALWAYS_FITS ? RTE_BE32(0x4000) : loose;
	uint32_t third =
		rte_cpu_to_be_32((ip[IPV6_HOP_LIMIT] - 1u) << 24 | (uint32_t)ip[IPV6_NEXT] << 16);
	uint64_t addresses = (uint64_t)src + dst;
	uint16_t sum = (uint16_t)~csum_fold(addresses + first + second + third);

	siit_mend(l4, ip[IPV6_NEXT], csum_sum(ip + IPV6_SOURCE, 32) + load16(l4),
		addresses + src_port);
	store16(l4, src_port);
	memcpy(to, &first, sizeof(first));
	memcpy(to + 4, &second, sizeof(second));
	memcpy(to + 8, &third, sizeof(third));
	store16(to + 10, sum);
	memcpy(to + 12, &src, sizeof(src));
	memcpy(to + 16, &dst, sizeof(dst));
	return to;
}

// Whether siit_plain_to6() can be asked for the IPv4 packet at `ip`, which is ordinary, at the end of a way that carries
// IPv6 packets of `mtu` bytes and, of those that may be fragmented, no more than of `lowest` (RFC 7915 section 4).
static inline bool siit_plain_fits(
	const struct rte_mbuf *mbuf, const uint8_t *ip, uint16_t mtu, uint16_t lowest)
{
	uint32_t length = host16(ip + IPV4_TOTAL) + (uint32_t)SIIT_GROWTH;

	return mbuf->nb_segs == 1 && mbuf_has_room(mbuf, ip - SIIT_GROWTH) && length <= mtu &&
		(length <= lowest || hdr_has_df(ip)) &&
		(ip[IPV4_PROTOCOL] == PROTOCOL_TCP ||
			(ip[IPV4_PROTOCOL] == PROTOCOL_UDP && load16(ip + IPV4_MIN + 6)));
}

// Makes of the IPv4 packet at `ip`, which is no UDP without checksum, an IPv6 one, which ends where that does, between
// these addresses, to that port. There must be room for it. Returns where it begins.
static inline uint8_t *siit_plain_to6(
	uint8_t *ip, const uint8_t src[16], const uint8_t dst[16], rte_be16_t dst_port)
{
	uint8_t *l4 = ip + IPV4_MIN, *to = ip - SIIT_GROWTH;
	uint64_t first = rte_cpu_to_be_64(UINT64_C(6) << 60 | (uint64_t)ip[1] << 52 |
		(uint64_t)(host16(ip + IPV4_TOTAL) - IPV4_MIN) << 16 |
		(uint64_t)ip[IPV4_PROTOCOL] << 8 | (uint64_t)(ip[IPV4_TTL] - 1));

	siit_mend(l4, ip[IPV4_PROTOCOL],
		(uint64_t)load32(ip + IPV4_SOURCE) + load32(ip + IPV4_DESTINATION) + load16(l4 + 2),
		csum_sum(src, 16) + csum_sum(dst, 16) + dst_port);
	store16(l4 + 2, dst_port);
	memcpy(to, &first, sizeof(first));
	memcpy(to + IPV6_SOURCE, src, 16);
	memcpy(to + IPV6_DESTINATION, dst, 16);
	return to;
}
