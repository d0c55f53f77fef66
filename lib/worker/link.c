// SPDX-License-Identifier: BSD-3-Clause

// Frames: which interface a frame belongs to, whether it is for this station, and everything that is
// answered or learned on the link itself. What neighbours tell goes to the control thread, which
// keeps the neighbour table (lib/neigh).

#include "net/hdr6.h"
#include "net/local.h"
#include "table/neighbour.h"
#include "worker/stages.h"

#include <rte_ether.h>
#include <rte_prefetch.h>

#include <string.h>

#define NO_IFACE UINT8_MAX
#define PREFETCH 8
#define MAC_MASK UINT64_C(0xffffffffffff)

static void take_note(struct worker *w, unsigned iface, const struct ipaddr *addr,
	const struct rte_ether_addr *mac, bool solicited)
{
	uint32_t known = neighbour_find(w->dataplane->neighbours, (uint8_t)iface, addr);
	struct msg msg = {
		.type = MSG_NEIGHBOUR_SEEN,
		.worker = (uint16_t)w->number,
		.seen =
			{
				.mac = *mac,
				.iface = (uint8_t)iface,
				.solicited = solicited,
				.addr = *addr,
			},
	};
	uint64_t mac_word = 0;

	memcpy(&mac_word, mac, sizeof(*mac));
	if (!solicited && known != NEIGHBOUR_NONE &&
		neighbour_mac(w->dataplane->neighbours, known) == mac_word)
		return;
	// block events share the ring and matter more: a flood of ARP must not fill it
	if (channel_room(&w->channel) > CHANNEL_MESSAGES / 2)
		channel_say(&w->channel, &msg);
}

static bool is_on_link(const struct worker *w, unsigned iface, rte_be32_t addr)
{
	const struct nexthop *nh = snapshot_route(w->snapshot, rte_be_to_cpu_32(addr));

	return nh->kind == NEXTHOP_CONNECTED && nh->iface == iface;
}

// Whether an ARP request for this address is ours to answer: the interface's own, or an outside address
// asked for from outside.
static bool answers_for(const struct worker *w, unsigned iface, rte_be32_t addr)
{
	const struct nexthop *nh = snapshot_route(w->snapshot, rte_be_to_cpu_32(addr));

	switch (nh->kind) {
	case NEXTHOP_LOCAL:
		return nh->iface == iface;
	case NEXTHOP_POOL:
	case NEXTHOP_STATIC:
	case NEXTHOP_SERVICE:
		return w->snapshot->iface[iface].realm & REALM_EXTERNAL;
	default:
		return false;
	}
}

static void send_own(struct worker *w, struct burst *b, unsigned i, enum verdict verdict)
{
	transmit_frame(w, b->iface[i], b->mbuf[i], verdict);
	b->mbuf[i] = NULL;
	burst_end(b, i, verdict);
}

static void receive_arp(
	struct worker *w, struct burst *b, unsigned i, uint8_t *data, uint32_t length)
{
	unsigned iface = b->iface[i];
	struct ipaddr sender;
	struct arp arp;
	bool ours;

	if (!arp_read(data, length, &arp)) {
		burst_end(b, i, V_FRAME_SHORT);
		return;
	}
	ours = answers_for(w, iface, arp.target);
	sender = ipaddr_v4(arp.sender);
	if (is_on_link(w, iface, arp.sender))
		take_note(w, iface, &sender, &arp.sender_mac, ours);
	if (arp.operation == ARP_REQUEST && ours && arp.sender != arp.target) {
		arp_answer(b->mbuf[i], data, &w->iface_mac[iface]);
		send_own(w, b, i, V_ARP);
		return;
	}
	burst_end(b, i, V_ARP);
}

static bool is_own6(const struct worker *w, unsigned iface, const uint8_t address[16])
{
	const struct iface *f = &w->snapshot->iface[iface];

	for (unsigned i = 0; i < f->addrs; i++) {
		if (f->addr[i].addr.family == 6 && !memcmp(f->addr[i].addr.bytes, address, 16))
			return true;
	}
	return false;
}

static bool is_on_link6(const struct worker *w, unsigned iface, const struct ipaddr *addr)
{
	const struct iface *f = &w->snapshot->iface[iface];

	for (unsigned i = 0; i < f->addrs; i++) {
		struct ipprefix net = ipprefix_make(&f->addr[i].addr, f->addr[i].len);

		if (ipprefix_has(&net, addr))
			return true;
	}
	return false;
}

// Answers or takes note of packet i if it is neighbour discovery. Returns false if it is not.
static bool receive_nd(struct worker *w, struct burst *b, unsigned i)
{
	const uint8_t *ip = b->ip[i];
	unsigned iface = b->iface[i];
	struct ipaddr source;
	struct nd nd;

	if (!nd_read(ip, b->room[i], &nd))
		return false;
	source = ipaddr_v6(nd.solicitation ? nd.source : nd.target);
	if (nd.has_mac && is_on_link6(w, iface, &source))
		take_note(w, iface, &source, &nd.mac, nd.solicitation || nd.solicited);
	if (nd.solicitation && is_own6(w, iface, nd.target) &&
		nd_answer(b->mbuf[i], b->ip[i], &nd, &w->iface_mac[iface]))
		send_own(w, b, i, V_NEIGHBOUR_DISCOVERY);
	else
		burst_end(b, i, V_NEIGHBOUR_DISCOVERY);
	return true;
}

// What may be neighbour discovery, by a look at two bytes (RFC 4861 section 7.1).
static inline bool may_be_nd(const struct burst *b, unsigned i)
{
	return b->room[i] >= IPV6_MIN && b->ip[i][IPV6_NEXT] == PROTOCOL_ICMPV6 &&
		b->ip[i][IPV6_HOP_LIMIT] == UINT8_MAX;
}

static uint64_t take_nd(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (unlikely(may_be_nd(b, i)))
			receive_nd(w, b, i);
	}
	return mask & b->live;
}

// The VLAN of a frame and what is inside: *type and the offset of its payload.
static bool untag(
	const uint8_t *frame, uint32_t length, unsigned *vlan, uint16_t *type, uint32_t *offset)
{
	memcpy(type, frame + 12, sizeof(*type));
	*vlan = 0;
	*offset = RTE_ETHER_HDR_LEN;
	if (likely(*type != RTE_BE16(RTE_ETHER_TYPE_VLAN)))
		return true;
	if (length < RTE_ETHER_HDR_LEN + 4)
		return false;
	*vlan = (frame[14] << 8 | frame[15]) & 0xfff;
	memcpy(type, frame + 16, sizeof(*type));
	*offset += 4;
	return true;
}

static void count_received(
	struct worker *w, unsigned iface, unsigned packets, uint64_t bytes, unsigned groups)
{
	struct iface_stats *stats = &w->stats.iface[iface];

	stat_add(&stats->rx_packets, packets);
	stat_add(&stats->rx_bytes, bytes);
	stat_add(&stats->rx_multicast, groups);
}

// The slow way of one frame: tags, groups, other stations, and everything but IP. Returns the Ethernet type of
// an IP packet for this station, or 0.
static rte_be16_t receive_slowly(
	struct worker *w, struct burst *b, unsigned i, const uint8_t *iface_of)
{
	struct rte_mbuf *m = b->mbuf[i];
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t length = rte_pktmbuf_data_len(m), offset;
	const struct iface *iface;
	unsigned vlan;
	uint16_t type;
	bool group;

	b->iface[i] = iface_of[0] != NO_IFACE ? iface_of[0] : 0;
	if (length < RTE_ETHER_HDR_LEN || !untag(frame, length, &vlan, &type, &offset)) {
		burst_end(b, i, V_FRAME_SHORT);
		return 0;
	}
	if (iface_of[vlan] == NO_IFACE) {
		burst_end(b, i, V_VLAN);
		return 0;
	}
	b->iface[i] = iface_of[vlan];
	iface = &w->snapshot->iface[b->iface[i]];
	group = frame[0] & 1;
	count_received(w, b->iface[i], 1, rte_pktmbuf_pkt_len(m), group);
	if (!group && !iface->promiscuous &&
		memcmp(frame, &w->iface_mac[b->iface[i]], RTE_ETHER_ADDR_LEN)) {
		burst_end(b, i, V_MAC);
		return 0;
	}
	b->ip[i] = frame + offset;
	b->room[i] = (uint16_t)(length - offset);
	switch (type) {
	case RTE_BE16(RTE_ETHER_TYPE_IPV4):
	case RTE_BE16(RTE_ETHER_TYPE_IPV6):
		if (type != RTE_BE16(RTE_ETHER_TYPE_IPV4) && group && may_be_nd(b, i) &&
			receive_nd(w, b, i))
			return 0;
		// an IP packet in a frame for everybody is for nobody here (RFC 1812 section 5.3.4)
		if (!group)
			return type;
		burst_end(b, i, V_MULTICAST);
		return 0;
	case RTE_BE16(RTE_ETHER_TYPE_ARP):
		receive_arp(w, b, i, frame + offset, length - offset);
		return 0;
	default:
		burst_end(b, i, V_ETHERTYPE);
		return 0;
	}
}

// Nearly every frame: untagged IP for this station alone. Returns its Ethernet type, or 0 for any other frame.
static inline rte_be16_t receive_fast(struct burst *b, unsigned i, uint64_t mac, uint8_t iface)
{
	struct rte_mbuf *m = b->mbuf[i];
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint64_t to;
	uint16_t type;

	if (unlikely(rte_pktmbuf_data_len(m) < RTE_ETHER_HDR_LEN))
		return 0;
	memcpy(&to, frame, sizeof(to));
	memcpy(&type, frame + 12, sizeof(type));
	if (unlikely((to ^ mac) & MAC_MASK))
		return 0;
	if (unlikely(
		    type != RTE_BE16(RTE_ETHER_TYPE_IPV4) && type != RTE_BE16(RTE_ETHER_TYPE_IPV6)))
		return 0;
	b->iface[i] = iface;
	b->ip[i] = frame + RTE_ETHER_HDR_LEN;
	b->room[i] = (uint16_t)(rte_pktmbuf_data_len(m) - RTE_ETHER_HDR_LEN);
	return type;
}

struct received link_receive(struct worker *w, struct burst *b, unsigned port)
{
	const uint8_t *iface_of = w->snapshot->iface_of[port];
	uint8_t iface = iface_of[0];
	bool has_untagged = iface != NO_IFACE;
	struct received received = {0};
	uint64_t mac = 0, bytes = 0;
	unsigned packets = 0;

	if (likely(has_untagged))
		memcpy(&mac, &w->iface_mac[iface], RTE_ETHER_ADDR_LEN);
	for (unsigned i = 0; i < b->n && i < PREFETCH; i++)
		rte_prefetch0(rte_pktmbuf_mtod(b->mbuf[i], void *));
	for (unsigned i = 0; i < b->n; i++) {
		rte_be16_t type = 0;

		if (i + PREFETCH < b->n)
			rte_prefetch0(rte_pktmbuf_mtod(b->mbuf[i + PREFETCH], void *));
		if (likely(has_untagged))
			type = receive_fast(b, i, mac, iface);
		if (likely(type)) {
			packets++;
			bytes += rte_pktmbuf_pkt_len(b->mbuf[i]);
		} else {
			type = receive_slowly(w, b, i, iface_of);
		}
		received.ipv4 |= (uint64_t)(type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) << i;
		received.ipv6 |= (uint64_t)(type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) << i;
	}
	if (packets)
		count_received(w, iface, packets, bytes, 0);
	b->v6 = received.ipv6;
	if (received.ipv6)
		received.ipv6 = take_nd(w, b, received.ipv6);
	return received;
}
