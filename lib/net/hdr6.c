// SPDX-License-Identifier: BSD-3-Clause

#include "net/hdr6.h"

#include "net/csum.h"
#include "net/load.h"

#include <rte_ip.h>

#include <string.h>

#define TCP_MIN  20
#define DCCP_MIN 12 // with short sequence numbers
#define REST_MIN 8  // of UDP and ICMPv6

#define TCP_SYN_BIT 0x02

// in the third and fourth byte of a fragment header
#define MORE_FRAGMENTS RTE_BE16(0x0001)
#define OFFSET         RTE_BE16(0xfff8)

#define ROUTING_TYPE_0 0 // RFC 5095

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

bool hdr6_is_link_local(const uint8_t address[16])
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

bool hdr6_is_multicast(const uint8_t address[16])
{
	return address[0] == 0xff;
}

bool hdr6_is_nobody(const uint8_t address[16])
{
	uint64_t high = load64(address), low = rte_be_to_cpu_64(load64(address + 8));

	// ::, ::1 and ::ffff:0:0/96 (RFC 4291 sections 2.5.2, 2.5.3 and 2.5.5.2)
	return !high && (low <= 1 || low >> 32 == 0xffff);
}

// Whether a protocol is an extension header, and how long the one at `p` is (RFC 8200 section 4, RFC 4302
// section 2.2); of 8 bytes there.
static uint32_t extension_size(uint8_t protocol, const uint8_t *p)
{
	switch (protocol) {
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_DESTINATION:
	case PROTOCOL_MOBILITY:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6:
		return (p[1] + 1u) * 8;
	case PROTOCOL_AH:
		return (p[1] + 2u) * 4;
	case PROTOCOL_FRAGMENT:
		return IPV6_FRAGMENT;
	default:
		return 0;
	}
}

static void note_fragment(struct hdr6_chain *chain, const uint8_t *ip, uint32_t at)
{
	rte_be16_t word = load16(ip + at + 2);

	chain->fragment = (uint16_t)at;
	chain->first = !(word & OFFSET);
	chain->last = !(word & MORE_FRAGMENTS);
}

bool hdr6_follow(const uint8_t *ip, uint32_t room, struct hdr6_chain *chain)
{
	uint32_t at = IPV6_MIN;
	uint8_t protocol = ip[IPV6_NEXT];

	*chain = (struct hdr6_chain){.first = true, .last = true};
	while (hdr6_is_extension(protocol) && chain->first) {
		uint32_t size = at + 8 <= room ? extension_size(protocol, ip + at) : 0;

		// RFC 8200 section 4.1: for every hop only right behind the IPv6 header
		if (!size || at + size > room || (protocol == PROTOCOL_HOP_BY_HOP && at > IPV6_MIN))
			return false;
		if (protocol == PROTOCOL_FRAGMENT)
			note_fragment(chain, ip, at);
		else if (protocol == PROTOCOL_ROUTING && ip[at + 3])
			chain->routing = (uint16_t)at;
		protocol = ip[at];
		at += size;
	}
	chain->upper = (uint16_t)at;
	chain->protocol = protocol;
	return true;
}

// The kind of an upper protocol in IPv6: ICMP is nothing there, and ICMPv6 is its counterpart.
static enum l4 l4_of6(uint8_t protocol)
{
	if (protocol == PROTOCOL_ICMPV6)
		return L4_ICMP;
	return protocol == PROTOCOL_ICMP ? L4_COUNT : l4_of(protocol);
}

static void note_kind(struct burst *b, unsigned i, enum l4 kind)
{
	b->l4[i] = (uint8_t)kind;
	if (kind == L4_TCP || kind == L4_ICMP || kind == L4_DCCP)
		b->stateful |= bit(i);
	if (kind == L4_DCCP)
		b->slotless |= bit(i);
	if (kind == L4_COUNT)
		b->portless |= bit(i);
}

static void read_icmp(struct burst *b, unsigned i, const uint8_t *l4)
{
	b->flags[i] = l4[0];
	if (icmp6_is_query(l4[0]))
		b->src_port[i] = b->dst_port[i] = load16(l4 + 4);
	if (icmp6_is_error(l4[0]))
		b->icmp_error |= bit(i);
}

// The transport header of a packet, or of a first fragment; `room` bytes from there on are here. Returns false
// if it is cut short.
static bool read_l4(struct burst *b, unsigned i, uint32_t room)
{
	const uint8_t *l4 = b->ip[i] + b->ihl[i];
	enum l4 kind = l4_of6(b->protocol[i]);
	uint32_t least = REST_MIN;

	note_kind(b, i, kind);
	b->src_port[i] = b->dst_port[i] = 0;
	b->flags[i] = 0;
	if (kind == L4_COUNT)
		return true;
	if (kind == L4_TCP)
		least = TCP_MIN;
	else if (kind == L4_DCCP)
		least = DCCP_MIN;
	if (room < least)
		return false;
	if (kind == L4_ICMP) {
		read_icmp(b, i, l4);
		return true;
	}
	b->src_port[i] = load16(l4);
	b->dst_port[i] = load16(l4 + 2);
	if (kind == L4_TCP) {
		b->flags[i] = l4[13];
		b->syn |= (uint64_t)((l4[13] & TCP_SYN_BIT) != 0) << i;
	} else if (kind == L4_DCCP) {
		b->flags[i] = (uint8_t)((l4[8] >> 1 & 0x0f) + 1);
	}
	return true;
}

// What is behind the addresses of packet i, of which `there` bytes are in the first segment.
static void read_headers(struct burst *b, unsigned i, uint32_t there)
{
	struct hdr6_chain chain;
	bool whole;

	// nearly always nothing stands between
	if (likely(!hdr6_is_extension(b->ip[i][IPV6_NEXT]))) {
		b->ihl[i] = IPV6_MIN;
		b->protocol[i] = b->ip[i][IPV6_NEXT];
		if (!read_l4(b, i, there - IPV6_MIN))
			burst_end(b, i, V_L4_SHORT);
		return;
	}
	if (!hdr6_follow(b->ip[i], there, &chain)) {
		burst_end(b, i, chain.fragment ? V_FRAGMENT_HEADER : V_HEADER_CHAIN);
		return;
	}
	if (chain.upper > UINT8_MAX) {
		burst_end(b, i, V_HEADER_CHAIN);
		return;
	}
	whole = chain.first && chain.last;
	b->ihl[i] = (uint8_t)chain.upper;
	b->protocol[i] = chain.protocol;
	if (chain.routing && b->ip[i][chain.routing + 2] == ROUTING_TYPE_0)
		b->options |= bit(i);
	if (!whole) {
		b->fragments |= bit(i);
		b->loose |= bit(i);
	}
	if (!chain.first) {
		b->tails |= bit(i);
		b->raw |= bit(i);
		note_kind(b, i, l4_of6(chain.protocol));
		b->src_port[i] = b->dst_port[i] = 0;
		b->flags[i] = 0;
	} else if (!read_l4(b, i, there - chain.upper)) {
		burst_end(b, i, whole ? V_L4_SHORT : V_FRAGMENT_HEADER);
	}
}

static void read_ipv6(struct burst *b, unsigned i)
{
	const struct rte_mbuf *m = b->mbuf[i];
	const uint8_t *ip = b->ip[i];
	uint32_t room = b->room[i], length;

	if (room < IPV6_MIN) {
		burst_end(b, i, V_FRAME_SHORT);
		return;
	}
	length = IPV6_MIN + (uint32_t)rte_be_to_cpu_16(load16(ip + IPV6_LENGTH));
	// a jumbogram's length of 0 (RFC 2675) ends the packet before its headers do
	if (ip[0] >> 4 != 6 || length > UINT16_MAX ||
		length > room + rte_pktmbuf_pkt_len(m) - rte_pktmbuf_data_len(m)) {
		burst_end(b, i, V_IP_HEADER);
		return;
	}
	b->length[i] = (uint16_t)length;
	if (hdr6_is_nobody(ip + IPV6_SOURCE) || hdr6_is_multicast(ip + IPV6_SOURCE))
		burst_end(b, i, V_IP_SOURCE);
	else if (hdr6_is_multicast(ip + IPV6_DESTINATION))
		burst_end(b, i, V_MULTICAST);
	else if (hdr6_is_nobody(ip + IPV6_DESTINATION))
		burst_end(b, i, V_IP_DESTINATION);
	else
		read_headers(b, i, length < room ? length : room);
}

void hdr6_read(struct burst *b, uint64_t mask)
{
	unsigned i;

	burst_unread(b, UINT64_MAX);
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		read_ipv6(b, i);
}

bool hdr6_icmp_is_right(const struct burst *b, unsigned i)
{
	const struct rte_mbuf *m = b->mbuf[i];
	uint32_t at = rte_pktmbuf_data_len(m) - b->room[i] + b->ihl[i];
	uint32_t length = (uint32_t)(b->length[i] - b->ihl[i]);
	uint16_t sum;

	if (rte_raw_cksum_mbuf(m, at, length, &sum) < 0)
		return false;
	// with the pseudo-header of RFC 8200 section 8.1
	return csum_fold(sum + csum_sum(b->ip[i] + IPV6_SOURCE, 32) + rte_cpu_to_be_32(length) +
		       rte_cpu_to_be_32(PROTOCOL_ICMPV6)) == 0xffff;
}

void hdr6_hop(struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		b->ip[i][IPV6_HOP_LIMIT]--;
}
