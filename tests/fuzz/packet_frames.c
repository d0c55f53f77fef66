// SPDX-License-Identifier: BSD-3-Clause

#include "net/csum.h"
#include "net/hdr.h"
#include "net/hdr6.h"

#include "packet_box.h"

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <string.h>

// Makes lengths and checksums of an IPv4 packet right, as far as its headers are there.
static void put_right4(uint8_t *data, unsigned length)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)data;
	unsigned ihl = length ? (data[0] & 15) * 4u : 0, rest = length - ihl;
	uint8_t *l4 = data + ihl;
	uint16_t sum = 0;

	if (length < sizeof(*ip) || data[0] >> 4 != 4 || ihl < sizeof(*ip) || ihl > length)
		return;
	ip->total_length = rte_cpu_to_be_16((uint16_t)length);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~csum_fold(csum_sum(ip, ihl));
	if (ip->fragment_offset & RTE_BE16(0x3fff))
		return;
	if (ip->next_proto_id == IPPROTO_TCP && rest >= sizeof(struct rte_tcp_hdr)) {
		memcpy(l4 + 16, &sum, 2);
		sum = rte_ipv4_udptcp_cksum(ip, l4);
		memcpy(l4 + 16, &sum, 2);
	} else if (ip->next_proto_id == IPPROTO_UDP && rest >= sizeof(struct rte_udp_hdr)) {
		rte_be16_t be = rte_cpu_to_be_16((uint16_t)rest);

		memcpy(l4 + 4, &be, 2);
		memcpy(l4 + 6, &sum, 2);
		sum = rte_ipv4_udptcp_cksum(ip, l4);
		memcpy(l4 + 6, &sum, 2);
	} else if (ip->next_proto_id == IPPROTO_ICMP && rest >= 4) {
		memcpy(l4 + 2, &sum, 2);
		sum = (uint16_t)~csum_fold(csum_sum(l4, rest));
		memcpy(l4 + 2, &sum, 2);
	}
}

// The same for IPv6, as far as its upper header follows at once, and for what a tunnel packet carries.
static void put_right6(uint8_t *data, unsigned length)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)data;
	unsigned rest = length - (unsigned)sizeof(*ip);
	uint8_t *l4 = data + sizeof(*ip);
	unsigned at = ip->proto == IPPROTO_TCP ? 16 : ip->proto == IPPROTO_UDP ? 6 : 2;
	uint16_t sum = 0;

	if (length < sizeof(*ip))
		return;
	ip->payload_len = rte_cpu_to_be_16((uint16_t)rest);
	if (ip->proto == IPPROTO_IPIP)
		put_right4(l4, rest);
	if ((ip->proto != IPPROTO_TCP && ip->proto != IPPROTO_UDP && ip->proto != IPPROTO_ICMPV6) ||
		rest < at + 2)
		return;
	memcpy(l4 + at, &sum, 2);
	sum = rte_ipv6_udptcp_cksum(ip, l4);
	memcpy(l4 + at, &sum, 2);
}

static void put_right(uint8_t *data, unsigned length)
{
	if (length && data[0] >> 4 == 6)
		put_right6(data, length);
	else
		put_right4(data, length);
}

// Puts a frame, or an IP packet with a frame header before it, into a receive queue.
void arrive(unsigned iface, unsigned flags, const void *data, unsigned length, unsigned padding)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(box.world->mbufs);
	uint8_t *at;

	if (!m)
		return;
	if (flags & FRAME_PACKET) {
		struct rte_ether_hdr *ether = (struct rte_ether_hdr *)rte_pktmbuf_append(
			m, RTE_ETHER_HDR_LEN + (iface == WORLD_OUTSIDE ? 4 : 0));
		bool ipv6 = length && *(const uint8_t *)data >> 4 == 6;
		rte_be16_t type =
			ipv6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);

		ether->dst_addr = box_mac[iface];
		ether->src_addr = peer_mac[iface];
		ether->ether_type = type;
		if (iface == WORLD_OUTSIDE) {
			const rte_be16_t tag[2] = {RTE_BE16(VLAN), type};

			ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
			memcpy(ether + 1, tag, sizeof(tag));
		}
	}
	at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(length + padding));
	if (at) {
		memcpy(at, data, length);
		memset(at + length, 0, padding);
	}
	if (at && flags & FRAME_RIGHT)
		put_right(at, length + padding);
	if (!at || rte_ring_enqueue(box.rx[iface][flags & FRAME_SECOND ? 1 : 0], m))
		rte_pktmbuf_free(m);
}

static void swap(uint8_t *a, uint8_t *b, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

// Turns an IPv4 packet round. Returns whether it is one that can be.
static bool turn4(uint8_t *data, unsigned length, uint8_t flags)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)data;
	uint8_t *l4;

	if (length < sizeof(*ip) ||
		length < rte_ipv4_hdr_len(ip) + (ip->next_proto_id == IPPROTO_TCP ? 20u : 8u))
		return false;
	l4 = data + rte_ipv4_hdr_len(ip);
	swap(data + 12, data + 16, 4);
	ip->time_to_live = 64;
	if (ip->next_proto_id == IPPROTO_ICMP)
		l4[0] ^= ICMP_ECHO;
	else
		swap(l4, l4 + 2, 2);
	if (ip->next_proto_id == IPPROTO_TCP)
		l4[13] = flags;
	return true;
}

static void answer6(unsigned iface, uint8_t flags)
{
	struct sent *sent = &box.sent[iface];
	uint8_t *ip = sent->ip, *l4 = ip + IPV6_MIN;

	swap(ip + IPV6_SOURCE, ip + IPV6_DESTINATION, 16);
	ip[IPV6_HOP_LIMIT] = 64;
	if (ip[IPV6_NEXT] == IPPROTO_IPIP) {
		if (!turn4(l4, sent->length - IPV6_MIN, flags))
			return;
	} else {
		swap(l4, l4 + 2, 2);
	}
	if (ip[IPV6_NEXT] == IPPROTO_TCP && sent->length >= IPV6_MIN + 14)
		l4[13] = flags;
	arrive(iface, FRAME_PACKET | FRAME_RIGHT, ip, sent->length, 0);
}

// An ICMPv6 error of a router about the last packet, which is one of IPv6.
static void answer_error6(unsigned iface, uint8_t type, uint8_t code)
{
	struct sent *sent = &box.sent[iface];
	uint8_t packet[IPV6_MTU_MIN] = {0x60, [IPV6_NEXT] = IPPROTO_ICMPV6, [IPV6_HOP_LIMIT] = 64};
	unsigned quoted = sent->length, room = sizeof(packet) - IPV6_MIN - 8;

	if (quoted > room)
		quoted = room;
	memcpy(packet + IPV6_SOURCE, sent->ip + IPV6_DESTINATION, 16);
	memcpy(packet + IPV6_DESTINATION, sent->ip + IPV6_SOURCE, 16);
	packet[IPV6_MIN] = type;
	packet[IPV6_MIN + 1] = code;
	packet[IPV6_MIN + 6] = 5; // an MTU of 1280
	memcpy(packet + IPV6_MIN + 8, sent->ip, quoted);
	arrive(iface, FRAME_PACKET | FRAME_RIGHT, packet, IPV6_MIN + 8 + quoted, 0);
}

void answer(unsigned iface, uint8_t flags)
{
	struct sent *sent = &box.sent[iface];

	if (sent->length && sent->ip[0] >> 4 == 6)
		answer6(iface, flags);
	else if (turn4(sent->ip, sent->length, flags))
		arrive(iface, FRAME_PACKET | FRAME_RIGHT, sent->ip, sent->length, 0);
}

void answer_error(unsigned iface, uint8_t type, uint8_t code)
{
	struct sent *sent = &box.sent[iface];
	uint8_t packet[576];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet;
	unsigned quoted = sent->length;

	if (!quoted)
		return;
	if (sent->ip[0] >> 4 == 6) {
		answer_error6(iface, type, code);
		return;
	}
	if (quoted > sizeof(packet) - sizeof(*ip) - 8)
		quoted = sizeof(packet) - sizeof(*ip) - 8;
	memset(packet, 0, sizeof(*ip) + 8);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.time_to_live = 64,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = iface == WORLD_OUTSIDE ? RTE_BE32(RTE_IPV4(198u, 51, 100, 254))
						   : RTE_BE32(RTE_IPV4(100u, 64, 0, 2)),
		.dst_addr = ((struct rte_ipv4_hdr *)sent->ip)->src_addr,
	};
	packet[sizeof(*ip)] = type;
	packet[sizeof(*ip) + 1] = code;
	packet[sizeof(*ip) + 6] = 5; // a next-hop MTU of 1280 and more
	memcpy(packet + sizeof(*ip) + 8, sent->ip, quoted);
	arrive(iface, FRAME_PACKET | FRAME_RIGHT, packet, (unsigned)sizeof(*ip) + 8 + quoted, 0);
}
