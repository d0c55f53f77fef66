// SPDX-License-Identifier: BSD-3-Clause

#include "net/siit_header.h"

#include "net/csum.h"
#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/load.h"

#define DONT_FRAGMENT   0x4000
#define MORE_FRAGMENTS  0x2000
#define OFFSET          0x1fff
#define MORE_FRAGMENTS6 0x0001
#define OFFSET6         0xfff8

#define PROTOCOL_IGMP 2

uint16_t siit_sum4(rte_be32_t src, rte_be32_t dst)
{
	return csum_fold((uint64_t)src + dst);
}

uint16_t siit_sum6(const uint8_t src[16], const uint8_t dst[16])
{
	return csum_fold(csum_sum(src, 16) + csum_sum(dst, 16));
}

// Protocols that the other family has something else for, or nothing.
static bool is_translated(uint8_t protocol4)
{
	switch (protocol4) {
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_IGMP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_FRAGMENT:
	case PROTOCOL_AH: // of addresses that change
	case PROTOCOL_ICMPV6:
	case PROTOCOL_DESTINATION:
		return false;
	default:
		return true;
	}
}

bool siit_read4(const uint8_t *ip, struct siit_header *h)
{
	uint16_t word = host16(ip + 6), size = (ip[0] & 0x0f) * 4;

	*h = (struct siit_header){
		.protocol = ip[9] == PROTOCOL_ICMP ? PROTOCOL_ICMPV6 : ip[9],
		.class = ip[1],
		.hops = ip[8],
		.is_fragment = word & (MORE_FRAGMENTS | OFFSET),
		.more = word & MORE_FRAGMENTS,
		.offset = word & OFFSET,
		.id = host16(ip + 4),
		.payload = (uint16_t)(host16(ip + 2) - size),
		.size = size,
		.sum = siit_sum4(load32(ip + 12), load32(ip + 16)),
	};
	return is_translated(ip[9]);
}

// An AH, which means something for the very packet alone, is followed like other extension headers.
static bool has_ah(const uint8_t *ip, unsigned upper)
{
	uint8_t next = ip[IPV6_NEXT];
	unsigned at = IPV6_MIN;

	while (at < upper && next != PROTOCOL_AH) {
		unsigned size = next == PROTOCOL_FRAGMENT ? IPV6_FRAGMENT : (ip[at + 1] + 1) * 8u;

		next = ip[at];
		at += size;
	}
	return at < upper;
}

// Whether a protocol that a fragment header names is one more extension header (RFC 7915 section 5.1.1).
static bool is_extension(uint8_t protocol)
{
	return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING ||
		protocol == PROTOCOL_FRAGMENT || protocol == PROTOCOL_DESTINATION;
}

enum verdict siit_read6(const uint8_t *ip, uint32_t room, struct siit_header *h)
{
	struct hdr6_chain chain;
	const uint8_t *fragment;

	if (!hdr6_follow(ip, room, &chain) || IPV6_MIN + host16(ip + IPV6_LENGTH) < chain.upper)
		return V_HEADER_CHAIN;
	*h = (struct siit_header){
		.protocol = chain.protocol,
		.class = (uint8_t)(host16(ip) >> 4),
		.hops = ip[IPV6_HOP_LIMIT],
		.payload = (uint16_t)(IPV6_MIN + host16(ip + IPV6_LENGTH) - chain.upper),
		.size = chain.upper,
		.sum = siit_sum6(ip + IPV6_SOURCE, ip + IPV6_DESTINATION),
	};
	if (chain.protocol == PROTOCOL_ICMP || has_ah(ip, chain.upper) ||
		(chain.protocol != PROTOCOL_ICMPV6 && !is_translated(chain.protocol)))
		return is_extension(chain.protocol) ? V_HEADER_CHAIN : V_PROTOCOL;
	if (!chain.fragment)
		return V_COUNT;
	fragment = ip + chain.fragment;
	h->is_fragment = true;
	h->more = host16(fragment + 2) & MORE_FRAGMENTS6;
	h->offset = (uint16_t)((host16(fragment + 2) & OFFSET6) / 8);
	h->id = rte_be_to_cpu_32(load32(fragment + 4));
	return is_extension(fragment[0]) ? V_HEADER_CHAIN : V_COUNT;
}

// It is put together by words: a sum over bytes that have just been stored would wait for them.
void siit_write4(
	uint8_t *ip, const struct siit_header *h, rte_be32_t src, rte_be32_t dst, rte_be16_t id)
{
	uint32_t total = (uint16_t)(IPV4_MIN + h->payload);
	uint32_t word = h->offset | (h->more ? MORE_FRAGMENTS : 0u);
	uint32_t protocol = h->protocol == PROTOCOL_ICMPV6 ? PROTOCOL_ICMP : h->protocol;
	uint32_t first = rte_cpu_to_be_32(0x45u << 24 | (uint32_t)h->class << 16 | total);
	uint32_t second = (uint32_t)rte_be_to_cpu_16(id) << 16;
	uint32_t third = rte_cpu_to_be_32((uint32_t)h->hops << 24 | protocol << 16);
	uint16_t sum;

	if (h->is_fragment)
		second = h->id << 16;
	else if (total > SIIT_ALWAYS_FITS)
		second = DONT_FRAGMENT; // atomic, so its identification means nothing (RFC 6864)
	second = rte_cpu_to_be_32(second | word);
	sum = (uint16_t)~csum_fold((uint64_t)first + second + third + src + dst);
	memcpy(ip, &first, sizeof(first));
	memcpy(ip + 4, &second, sizeof(second));
	memcpy(ip + 8, &third, sizeof(third));
	memcpy(ip + 10, &sum, sizeof(sum));
	memcpy(ip + 12, &src, sizeof(src));
	memcpy(ip + 16, &dst, sizeof(dst));
}

unsigned siit_size6(const struct siit_header *h)
{
	return h->is_fragment ? IPV6_MIN + IPV6_FRAGMENT : IPV6_MIN;
}

void siit_write6(
	uint8_t *ip, const struct siit_header *h, const uint8_t src[16], const uint8_t dst[16])
{
	uint8_t *fragment = ip + IPV6_MIN, next = h->is_fragment ? PROTOCOL_FRAGMENT : h->protocol;
	uint32_t id = rte_cpu_to_be_32(h->id);
	uint64_t first;

	first = rte_cpu_to_be_64(UINT64_C(6) << 60 | (uint64_t)h->class << 52 |
		(uint64_t)(siit_size6(h) - IPV6_MIN + h->payload) << 16 | (uint64_t)next << 8 |
		h->hops);
	memcpy(ip, &first, sizeof(first));
	memcpy(ip + IPV6_SOURCE, src, 16);
	memcpy(ip + IPV6_DESTINATION, dst, 16);
	if (!h->is_fragment)
		return;
	fragment[0] = h->protocol;
	fragment[1] = 0;
	store_host16(fragment + 2, (uint16_t)(h->offset * 8 | (h->more ? MORE_FRAGMENTS6 : 0)));
	memcpy(fragment + 4, &id, sizeof(id));
}
