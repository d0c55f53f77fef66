// SPDX-License-Identifier: BSD-3-Clause

#include "net/hdr.h"

#include "net/csum.h"
#include "net/load.h"

#include <rte_ip.h>

#include <string.h>

// in the second word of an IPv4 header
#define MORE_FRAGMENTS_OR_OFFSET RTE_BE32(0x3fff)
#define OFFSET                   RTE_BE32(0x1fff)
#define DONT_FRAGMENT            RTE_BE32(0x4000)

#define TCP_MIN     20
#define DCCP_MIN    12 // with short sequence numbers
#define TCP_SYN_BIT 0x02

#define OPTION_END          0
#define OPTION_NOP          1
#define OPTION_LOOSE_ROUTE  131
#define OPTION_STRICT_ROUTE 137

// The sum over an ICMP message, across segments; a message that is whole and right gives 0xffff.
static uint16_t icmp_sum(const struct burst *b, unsigned i)
{
	const struct rte_mbuf *m = b->mbuf[i];
	uint32_t at = rte_pktmbuf_data_len(m) - b->room[i] + b->ihl[i];
	uint16_t sum;

	if (rte_raw_cksum_mbuf(m, at, (uint32_t)(b->length[i] - b->ihl[i]), &sum) < 0)
		return 0;
	return sum;
}

static void read_icmp(struct burst *b, unsigned i, const uint8_t *l4)
{
	uint8_t type = l4[0];

	b->flags[i] = type;
	if (icmp_is_query(type)) {
		b->src_port[i] = b->dst_port[i] = load16(l4 + 4);
		return;
	}
	if (!icmp_is_error(type)) {
		burst_end(b, i, V_ICMP_TYPE);
		return;
	}
	// RFC 5508 REQ-3: an error with a bad checksum is dropped; a query's is the hosts' affair
	if (icmp_sum(b, i) != 0xffff) {
		burst_end(b, i, V_ICMP_CHECKSUM);
		return;
	}
	b->src_port[i] = b->dst_port[i] = 0;
	b->icmp_error |= bit(i);
}

static inline void read_ports(struct burst *b, unsigned i, const uint8_t *l4)
{
	uint16_t src = load16(l4), dst = load16(l4 + 2);

	b->src_port[i] = src;
	b->dst_port[i] = dst;
	// RFC 4787 section 4.2.1 leaves port 0 open; nothing good comes from or goes to it
	if (unlikely(!src || !dst))
		burst_end(b, i, V_PORT_ZERO);
}

// The transport header after `ihl` bytes; `room` bytes from there on are the datagram's and here.
static inline void read_l4(struct burst *b, unsigned i, unsigned ihl, uint32_t room)
{
	const uint8_t *l4 = b->ip[i] + ihl;
	enum l4 kind = l4_of(b->ip[i][9]);

	b->l4[i] = (uint8_t)kind;
	if (likely(kind == L4_UDP)) {
		if (likely(room >= 8))
			read_ports(b, i, l4);
		else
			burst_end(b, i, V_L4_SHORT);
	} else if (kind == L4_TCP) {
		b->stateful |= bit(i);
		if (likely(room >= TCP_MIN)) {
			b->flags[i] = l4[13];
			b->syn |= (uint64_t)((l4[13] & TCP_SYN_BIT) != 0) << i;
			read_ports(b, i, l4);
		} else {
			burst_end(b, i, V_L4_SHORT);
		}
	} else if (kind == L4_DCCP) {
		b->stateful |= bit(i);
		b->slotless |= bit(i);
		if (room >= DCCP_MIN) {
			b->flags[i] = (uint8_t)((l4[8] >> 1 & 0x0f) + 1);
			read_ports(b, i, l4);
		} else {
			burst_end(b, i, V_L4_SHORT);
		}
	} else if (kind == L4_ICMP) {
		b->stateful |= bit(i);
		if (likely(room >= 8))
			read_icmp(b, i, l4);
		else
			burst_end(b, i, V_L4_SHORT);
	} else {
		b->portless |= bit(i);
	}
}

// A fragment, whose ports are those of its datagram: who knows them fills them in.
static void read_fragment(struct burst *b, unsigned i, uint32_t word)
{
	enum l4 kind = l4_of(b->ip[i][9]);

	b->l4[i] = (uint8_t)kind;
	b->flags[i] = 0;
	b->src_port[i] = b->dst_port[i] = 0;
	b->fragments |= bit(i);
	b->raw |= bit(i);
	b->loose |= bit(i);
	if (word & OFFSET)
		b->tails |= bit(i);
	if (kind == L4_TCP || kind == L4_ICMP || kind == L4_DCCP)
		b->stateful |= bit(i);
	if (kind == L4_DCCP)
		b->slotless |= bit(i);
	if (kind == L4_COUNT)
		b->portless |= bit(i);
}

bool hdr_read_first(struct burst *b, unsigned i)
{
	unsigned ihl = b->ihl[i];
	uint32_t there = b->length[i] < b->room[i] ? b->length[i] : b->room[i];
	uint32_t room = there - ihl;
	const uint8_t *l4 = b->ip[i] + ihl;

	if (b->l4[i] == L4_ICMP && room && icmp_is_error(l4[0])) {
		burst_end(b, i, V_FRAGMENT_HEADER);
		return false;
	}
	read_l4(b, i, ihl, room);
	if (!(b->live & bit(i))) {
		if (b->verdict[i] == V_L4_SHORT)
			b->verdict[i] = V_FRAGMENT_HEADER;
		return false;
	}
	if (b->l4[i] == L4_UDP)
		b->flags[i] = !load16(l4 + 6);
	if (b->l4[i] == L4_TCP && (l4[12] >> 4) * 4u > room) {
		burst_end(b, i, V_FRAGMENT_HEADER);
		return false;
	}
	return true;
}

// What is behind a header of any length that says nothing wrong about itself; the source of an `own` packet may
// be anything.
static inline void read_addresses(
	struct burst *b, unsigned i, unsigned ihl, uint32_t room, bool own)
{
	const uint8_t *ip = b->ip[i];
	rte_be32_t src = load32(ip + 12), dst = load32(ip + 16);
	uint32_t word = load32(ip + 4);

	b->src[i] = src;
	b->dst[i] = dst;
	b->ihl[i] = (uint8_t)ihl;
	b->loose |= (uint64_t) !(word & DONT_FRAGMENT) << i;
	if (unlikely(!own && !hdr_is_somebody(src)))
		burst_end(b, i, V_IP_SOURCE);
	else if (unlikely(!hdr_is_somebody(dst)))
		burst_end(b, i, (uint8_t)dst < 224 ? V_IP_DESTINATION : V_MULTICAST);
	else if (unlikely(word & MORE_FRAGMENTS_OR_OFFSET))
		read_fragment(b, i, word);
	else
		read_l4(b, i, ihl, room);
}

// Any IPv4 packet; what is wrong with its header decides the verdict.
static void read_slowly(struct burst *b, unsigned i, bool own)
{
	const struct rte_mbuf *m = b->mbuf[i];
	const uint8_t *ip = b->ip[i];
	uint32_t room = b->room[i];
	uint32_t behind = rte_pktmbuf_pkt_len(m) - rte_pktmbuf_data_len(m);
	uint32_t ihl, length;

	if (room < IPV4_MIN) {
		burst_end(b, i, V_FRAME_SHORT);
		return;
	}
	ihl = (ip[0] & 0x0f) * 4u;
	length = rte_be_to_cpu_16(load16(ip + 2));
	b->length[i] = (uint16_t)length;
	if (ip[0] >> 4 != 4 || ihl < IPV4_MIN || ihl > room || length < ihl ||
		length > room + behind)
		burst_end(b, i, V_IP_HEADER);
	else if (csum_fold(csum_sum(ip, ihl)) != 0xffff)
		burst_end(b, i, V_IP_CHECKSUM);
	else
		read_addresses(b, i, ihl, (length < room ? length : room) - ihl, own);
	if (ihl > IPV4_MIN)
		b->options |= bit(i);
}

// Nearly every packet: a header of 20 bytes, and all of it in the first segment.
static inline void read_ipv4(struct burst *b, unsigned i, bool own)
{
	const uint8_t *ip = b->ip[i];
	uint32_t room = b->room[i], length;
	uint64_t sum;

	if (unlikely(room < IPV4_MIN || ip[0] != 0x45)) {
		read_slowly(b, i, own);
		return;
	}
	sum = (uint64_t)load32(ip) + load32(ip + 4) + load32(ip + 8) + load32(ip + 12) +
		load32(ip + 16);
	length = rte_be_to_cpu_16(load16(ip + 2));
	if (unlikely(length < IPV4_MIN || length > room || csum_fold(sum) != 0xffff)) {
		read_slowly(b, i, own);
		return;
	}
	b->length[i] = (uint16_t)length;
	read_addresses(b, i, IPV4_MIN, length - IPV4_MIN, own);
}

void hdr_read(struct burst *b, uint64_t mask)
{
	unsigned i;

	burst_unread(b, UINT64_MAX);
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		read_ipv4(b, i, false);
}

void hdr_read_own(struct burst *b, uint64_t mask)
{
	unsigned i;

	burst_unread(b, mask);
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		read_ipv4(b, i, true);
}

bool hdr_has_source_route(const uint8_t *ip, unsigned ihl)
{
	for (unsigned at = IPV4_MIN, size; at < ihl && ip[at] != OPTION_END; at += size) {
		if (ip[at] == OPTION_NOP) {
			size = 1;
			continue;
		}
		size = at + 1 < ihl ? ip[at + 1] : 0;
		if (size < 2 || at + size > ihl)
			return false;
		// the pointer counts from one: behind the option's end the route has been followed
		if ((ip[at] == OPTION_LOOSE_ROUTE || ip[at] == OPTION_STRICT_ROUTE) && size >= 3 &&
			ip[at + 2] <= size)
			return true;
	}
	return false;
}

void hdr_hop(struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		hdr_hop_one(b->ip[i]);
}

// The IPv4 header of what the ICMP error i quotes, with at least the 8 bytes that must be quoted behind it.
static bool quoted_header(const struct burst *b, unsigned i, struct quoted *q)
{
	uint8_t *ip = b->ip[i] + b->ihl[i] + 8;
	uint32_t there = b->length[i] < b->room[i] ? b->length[i] : b->room[i];
	uint32_t room = there - b->ihl[i] - 8;
	uint32_t ihl;

	if (room < IPV4_MIN)
		return false;
	ihl = (ip[0] & 0x0f) * 4u;
	if (ip[0] >> 4 != 4 || ihl < IPV4_MIN || room < ihl + 8)
		return false;
	// RFC 5508 REQ-3a: a bad inner header checksum
	if (csum_fold(csum_sum(ip, ihl)) != 0xffff)
		return false;
	q->ip = ip;
	q->src = load32(ip + 12);
	q->dst = load32(ip + 16);
	q->l4 = ip + ihl;
	q->l4_length = (uint16_t)(room - ihl);
	q->proto = l4_of(ip[9]);
	q->src_port = q->dst_port = 0;
	return true;
}

bool hdr_quoted(const struct burst *b, unsigned i, struct quoted *q)
{
	// only a first fragment has ports
	if (!quoted_header(b, i, q) || load16(q->ip + 6) & RTE_BE16(0x1fff))
		return false;
	switch (q->proto) {
	case L4_UDP:
	case L4_TCP:
	case L4_DCCP:
		q->src_port = load16(q->l4);
		q->dst_port = load16(q->l4 + 2);
		return true;
	case L4_ICMP:
		q->src_port = q->dst_port = load16(q->l4 + 4);
		return icmp_is_query(q->l4[0]);
	default:
		return false;
	}
}

bool hdr_quoted_bare(const struct burst *b, unsigned i, struct quoted *q)
{
	return quoted_header(b, i, q) && q->proto == L4_COUNT;
}
