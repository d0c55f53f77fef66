// SPDX-License-Identifier: BSD-3-Clause

#include "net/tunnel.h"

#include "net/csum.h"
#include "net/hdr6.h"
#include "net/icmp.h"
#include "net/load.h"
#include "net/mbuf.h"

#include <rte_ip.h>

#include <string.h>

#define QUOTE_MIN 8 // bytes behind the header (RFC 792)

// Explicit congestion notification, in the low bits of a traffic class (RFC 3168 section 5).
#define ECN      0x03
#define ECN_NONE 0
#define ECN_ECT1 1
#define ECN_CE   3

// In the second word of an IPv4 header.
#define OFFSET        RTE_BE16(0x1fff)
#define DONT_FRAGMENT RTE_BE16(0x4000)

// The same for all packets of a flow, and for all fragments of a datagram, whose ports are only in the first.
static uint32_t flow_label(const uint8_t *ip, unsigned ihl)
{
	uint64_t key = (uint64_t)load32(ip + 12) << 32 | load32(ip + 16);
	enum l4 l4 = l4_of(ip[9]);

	if (!(load16(ip + 6) & (OFFSET | RTE_BE16(RTE_IPV4_HDR_MF_FLAG))) &&
		(l4 == L4_UDP || l4 == L4_TCP || l4 == L4_DCCP))
		key ^= (uint64_t)load32(ip + ihl) * UINT64_C(0x9e3779b97f4a7c15);
	key ^= key >> 32;
	return (uint32_t)((key ^ ip[9]) * UINT64_C(0xd6e8feb86659fd93) >> 44);
}

uint8_t *tunnel_encapsulate(struct rte_mbuf *mbuf, uint8_t *ip, const uint8_t src[16],
	const uint8_t dst[16], const struct tunnel_rules *rules)
{
	struct rte_ipv6_hdr *outer = (struct rte_ipv6_hdr *)(ip - TUNNEL_HEADER);
	uint16_t length = rte_be_to_cpu_16(load16(ip + 2));
	uint8_t class = ip[1];

	if (!mbuf_has_room(mbuf, (const uint8_t *)outer))
		return NULL;
	if (!rules->uniform)
		class = (uint8_t)(rules->dscp << 2 | (class & ECN));
	outer->vtc_flow = rte_cpu_to_be_32(
		6u << 28 | (uint32_t) class << 20 | flow_label(ip, (ip[0] & 0x0f) * 4u));
	outer->payload_len = rte_cpu_to_be_16(length);
	outer->proto = PROTOCOL_IPV4;
	outer->hop_limits = rules->hop_limit;
	memcpy(outer->src_addr, src, 16);
	memcpy(outer->dst_addr, dst, 16);
	mbuf_begin(mbuf, (uint8_t *)outer);
	mbuf_cut(mbuf, TUNNEL_HEADER + (uint32_t)length);
	return (uint8_t *)outer;
}

// The congestion mark of a packet that leaves a tunnel (RFC 6040 section 4.2, figure 4).
static uint8_t ecn_out(uint8_t inner, uint8_t outer)
{
	if (inner == ECN_NONE || inner == ECN_CE)
		return inner;
	return outer == ECN_CE || outer == ECN_ECT1 ? outer : inner;
}

enum tunnel_result tunnel_decapsulate(
	uint8_t *ip6, unsigned header, uint32_t length, uint32_t room, bool uniform)
{
	uint8_t *ip = ip6 + header;
	uint8_t outer = (uint8_t)(ip6[0] << 4 | ip6[1] >> 4), class;
	uint32_t total;
	uint16_t was, sum;

	if (length < header + IPV4_MIN || room < header + IPV4_MIN || ip[0] >> 4 != 4)
		return TUNNEL_MALFORMED;
	total = rte_be_to_cpu_16(load16(ip + 2));
	if (total < IPV4_MIN || total > length - header)
		return TUNNEL_MALFORMED;
	if ((ip[1] & ECN) == ECN_NONE && (outer & ECN) == ECN_CE)
		return TUNNEL_CONGESTED;
	class = (uint8_t)((uniform ? outer : ip[1]) & ~ECN) | ecn_out(ip[1] & ECN, outer & ECN);
	if (class == ip[1])
		return TUNNEL_FINE;
	was = load16(ip);
	ip[1] = class;
	sum = csum_apply(load16(ip + 10), csum_change16(was, load16(ip)));
	memcpy(ip + 10, &sum, sizeof(sum));
	return TUNNEL_FINE;
}

// Whether an ICMP error may be sent about an IPv4 packet (RFC 1122 section 3.2.2).
static bool may_report(const uint8_t *ip, unsigned ihl)
{
	return !(load16(ip + 6) & OFFSET) && (ip[9] != PROTOCOL_ICMP || icmp_is_query(ip[ihl]));
}

bool tunnel_quoted(uint8_t *icmp6, uint32_t room, struct tunnel_quote *quote)
{
	uint8_t *ip6 = icmp6 + 8, protocol;
	uint32_t at = IPV6_MIN;
	unsigned ihl;

	if (room < 8 + IPV6_MIN || ip6[0] >> 4 != 6)
		return false;
	room -= 8;
	protocol = ip6[6];
	if (protocol == PROTOCOL_FRAGMENT) {
		if (room < at + 8 || load16(ip6 + at + 2) & RTE_BE16(0xfff8))
			return false;
		protocol = ip6[at];
		at += 8;
	}
	if (protocol != PROTOCOL_IPV4 || room < at + IPV4_MIN || ip6[at] >> 4 != 4)
		return false;
	*quote = (struct tunnel_quote){ip6, ip6 + at, (uint16_t)(room - at)};
	ihl = (quote->inner[0] & 0x0f) * 4u;
	return ihl >= IPV4_MIN && quote->length >= ihl + QUOTE_MIN && may_report(quote->inner, ihl);
}

uint8_t *tunnel_relay(struct rte_mbuf *mbuf, const uint8_t *icmp6, const struct tunnel_quote *quote,
	rte_be32_t source)
{
	struct icmp_error error = {
		.type = ICMP_UNREACHABLE, .code = ICMP_HOST_UNREACHABLE, .source = source};
	uint16_t length = rte_be_to_cpu_16(load16(quote->inner + 2));
	uint8_t *ip = quote->inner - ICMP_ERROR_ADDED;

	if (icmp6[0] == ICMP6_TOO_BIG) {
		// no path is narrower than what IPv6 asks of links (RFC 8200 section 5)
		uint32_t mtu = RTE_MAX(rte_be_to_cpu_32(load32(icmp6 + 4)), (uint32_t)IPV6_MTU_MIN);

		if (!(load16(quote->inner + 6) & DONT_FRAGMENT))
			return NULL;
		error.code = ICMP_FRAGMENTATION_NEEDED;
		error.mtu = (uint16_t)(RTE_MIN(mtu, (uint32_t)UINT16_MAX) - TUNNEL_HEADER);
	} else if (icmp6[0] != ICMP6_UNREACHABLE &&
		(icmp6[0] != ICMP6_TIME_EXCEEDED || icmp6[1] != 0)) {
		return NULL;
	}
	length = icmp_error_write(ip, &error, RTE_MIN(length, quote->length));
	mbuf_begin(mbuf, ip);
	mbuf_cut(mbuf, length);
	return ip;
}
