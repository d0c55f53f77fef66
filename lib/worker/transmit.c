// SPDX-License-Identifier: BSD-3-Clause

// Next hops and frames. A packet whose next hop is not known yet goes to the control thread, which asks
// for it and sends the packet back when it has the answer (lib/neigh).

#include "net/frag.h"
#include "net/frag6.h"
#include "net/hdr6.h"
#include "table/neighbour.h"
#include "worker/stages.h"

#include <rte_ethdev.h>

#include <string.h>

static void flush_iface(struct worker *w, unsigned iface);

// The frames that wait for an interface, with room for another burst.
static struct transmit *transmit_room(struct worker *w, unsigned iface)
{
	struct transmit *t = &w->transmit[iface];

	if (unlikely(t->n > TRANSMIT_MAX - BURST_MAX))
		flush_iface(w, iface);
	return t;
}

void transmit_frame(struct worker *w, unsigned iface, struct rte_mbuf *mbuf, enum verdict verdict)
{
	struct transmit *t = transmit_room(w, iface);

	t->mbuf[t->n] = mbuf;
	t->verdict[t->n++] = (uint8_t)verdict;
	w->transmit_waiting |= bit(iface);
}

// Makes the frame begin `header` bytes before the IP packet.
static void move_start(struct rte_mbuf *mbuf, const uint8_t *ip, size_t header)
{
	int grown = (int)header - (int)(ip - rte_pktmbuf_mtod(mbuf, uint8_t *));

	mbuf->data_off = (uint16_t)(mbuf->data_off - grown);
	mbuf->data_len = (uint16_t)(mbuf->data_len + grown);
	mbuf->pkt_len = (uint32_t)((int)mbuf->pkt_len + grown);
}

// The Ethernet header of everything that leaves by one interface to one station: the first eight bytes
// and the four after them, and a tag if the interface is a VLAN.
struct header {
	uint64_t first;
	uint32_t second;
	rte_be16_t vlan;
	rte_be16_t type;
	uint8_t length;
};

static struct header header_make(
	const struct worker *w, unsigned iface, uint64_t mac, uint16_t ethertype)
{
	uint16_t vlan = w->snapshot->iface[iface].vlan;
	struct header h = {
		.vlan = rte_cpu_to_be_16(vlan),
		.type = rte_cpu_to_be_16(ethertype),
		.length = vlan ? RTE_ETHER_HDR_LEN + 4 : RTE_ETHER_HDR_LEN,
	};
	uint8_t bytes[12];

	memcpy(bytes, &mac, RTE_ETHER_ADDR_LEN);
	memcpy(bytes + 6, &w->iface_mac[iface], RTE_ETHER_ADDR_LEN);
	memcpy(&h.first, bytes, 8);
	memcpy(&h.second, bytes + 8, 4);
	return h;
}

static inline void header_write(const struct header *h, struct rte_mbuf *mbuf, uint8_t *ip)
{
	uint8_t *frame = ip - h->length;

	if (unlikely(frame != rte_pktmbuf_mtod(mbuf, uint8_t *)))
		move_start(mbuf, ip, h->length);
	memcpy(frame, &h->first, 8);
	memcpy(frame + 8, &h->second, 4);
	memcpy(ip - 2, &h->type, 2);
	if (unlikely(h->vlan)) {
		rte_be16_t tag[2] = {RTE_BE16(RTE_ETHER_TYPE_VLAN), h->vlan};

		memcpy(frame + 12, tag, sizeof(tag));
	}
}

void transmit_ip(struct worker *w, unsigned iface, struct rte_mbuf *mbuf, uint8_t *ip, uint64_t mac,
	uint16_t ethertype, enum verdict verdict)
{
	struct header h = header_make(w, iface, mac, ethertype);

	header_write(&h, mbuf, ip);
	transmit_frame(w, iface, mbuf, verdict);
}

static struct ipaddr destination_of(const struct burst *b, unsigned i)
{
	return b->v6 & bit(i) ? ipaddr_v6(b->ip[i] + IPV6_DESTINATION) : ipaddr_v4(b->dst[i]);
}

// Gives packet i to the control thread until its next hop is known.
static void wait_for(struct worker *w, struct burst *b, unsigned i, const struct nexthop *nh,
	enum verdict verdict)
{
	struct msg msg = {
		.type = MSG_NEIGHBOUR_WANTED,
		.worker = (uint16_t)w->number,
		.wanted =
			{
				.mbuf = b->mbuf[i],
				.neighbour = nh->kind == NEXTHOP_GATEWAY ? nh->neighbour
									 : NEIGHBOUR_NONE,
				.iface = nh->iface,
				.verdict = (uint8_t)verdict,
				.addr = destination_of(b, i),
			},
	};

	// the packet without its frame header: the interface it leaves by may have another
	rte_pktmbuf_adj(b->mbuf[i], (uint16_t)(b->ip[i] - rte_pktmbuf_mtod(b->mbuf[i], uint8_t *)));
	burst_end(b, i, V_NEIGHBOUR);
	// block events share the ring and matter more
	if (channel_room(&w->channel) > CHANNEL_MESSAGES / 2 && channel_say(&w->channel, &msg))
		b->mbuf[i] = NULL;
}

// The link-layer address of packet i's next hop, or 0.
static uint64_t next_hop(
	const struct worker *w, const struct burst *b, unsigned i, const struct nexthop *nh)
{
	const struct neighbour_table *neighbours = w->dataplane->neighbours;
	uint32_t entry = nh->neighbour;

	if (nh->kind == NEXTHOP_CONNECTED) {
		struct ipaddr to = destination_of(b, i);

		entry = neighbour_find(neighbours, nh->iface, &to);
	}
	return entry == NEIGHBOUR_NONE ? 0 : neighbour_mac(neighbours, entry);
}

// Sends the pieces that packet i has been cut into, in order. The first of them counts as the packet.
static void send_pieces(struct worker *w, struct burst *b, unsigned i, enum verdict verdict)
{
	struct burst *p = &w->pieces;

	if (!p->n) {
		burst_end(b, i, V_BUFFER);
		return;
	}
	p->live = bits_below(p->n);
	p->v6 = b->v6 & bit(i) ? p->live : 0;
	p->big = 0;
	for (unsigned k = 0; k < p->n; k++) {
		p->ip[k] = rte_pktmbuf_mtod(p->mbuf[k], uint8_t *);
		p->route[k] = b->route[i];
		p->dst[k] = b->dst[i];
	}
	transmit(w, p, bit(0), verdict);
	transmit(w, p, bits_below(p->n) & ~bit(0), V_COUNT);
	// those that found no next hop, and no room to wait for it
	for (unsigned k = 0; k < p->n; k++) {
		if (p->live & bit(k))
			continue;
		rte_pktmbuf_free(p->mbuf[k]);
		if (!k && p->mbuf[k])
			stat_add(&w->stats.verdict[p->verdict[k]], 1);
	}
	rte_pktmbuf_free(b->mbuf[i]);
	b->mbuf[i] = NULL;
}

// In fragments that fit its way out.
static void transmit_pieces(struct worker *w, struct burst *b, unsigned i, enum verdict verdict)
{
	struct burst *p = &w->pieces;

	p->n = frag_split(w->dataplane->mbufs, b->mbuf[i], b->ip[i],
		w->snapshot->nexthop[b->route[i]].mtu, p->mbuf, BURST_MAX);
	send_pieces(w, b, i, verdict);
}

void transmit_fragments6(struct worker *w, struct burst *b, unsigned i, uint16_t mtu, rte_be32_t id,
	enum verdict verdict)
{
	struct burst *p = &w->pieces;
	uint16_t most = w->snapshot->nexthop[b->route[i]].mtu;

	p->n = frag6_split(w->dataplane->mbufs, b->mbuf[i], b->ip[i], mtu < most ? mtu : most, id,
		p->mbuf, BURST_MAX);
	send_pieces(w, b, i, verdict);
}

void transmit(struct worker *w, struct burst *b, uint64_t mask, enum verdict verdict)
{
	uint32_t gateway = UINT32_MAX; // the route that `header` is for, if packets can share it
	struct header header = {0};
	struct transmit *t = NULL;
	unsigned n = 0, i; // frames in `t`
	uint64_t waiting = 0;

	for (uint64_t todo = mask & ~b->big; bit_take(&todo, &i);) {
		if (b->route[i] != gateway) {
			const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
			uint64_t mac = next_hop(w, b, i, nh);

			if (unlikely(!mac)) {
				wait_for(w, b, i, nh, verdict);
				continue;
			}
			if (t)
				t->n = n;
			gateway = nh->kind == NEXTHOP_GATEWAY ? b->route[i] : UINT32_MAX;
			waiting |= bit(nh->iface);
			t = transmit_room(w, nh->iface);
			n = t->n;
			// a gateway is of one IP version, and so is all that leaves by it
			header = header_make(w, nh->iface, mac,
				b->v6 & bit(i) ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
		}
		header_write(&header, b->mbuf[i], b->ip[i]);
		t->mbuf[n] = b->mbuf[i];
		t->verdict[n++] = (uint8_t)verdict;
	}
	if (t)
		t->n = n;
	w->transmit_waiting |= waiting;
	for (uint64_t todo = mask & b->big; bit_take(&todo, &i);)
		transmit_pieces(w, b, i, verdict);
}

// Counts frames that have left, in runs of the same verdict.
static void count_sent(struct worker *w, unsigned iface, const struct transmit *t, unsigned sent)
{
	struct iface_stats *stats = &w->stats.iface[iface];

	for (unsigned i = 0, run; i < sent; i += run) {
		uint8_t verdict = t->verdict[i];

		for (run = 1; i + run < sent && t->verdict[i + run] == verdict; run++)
			;
		// what the control thread sends was never received
		if (verdict != V_COUNT)
			stat_add(&w->stats.verdict[verdict], run);
	}
	stat_add(&stats->tx_packets, sent);
}

static unsigned send_to_device(struct worker *w, const struct port *port, struct transmit *t)
{
	uint64_t bytes = 0;
	unsigned queue = port->queues > 1 ? w->number : 0;
	unsigned sent;

	for (unsigned i = 0; i < t->n; i++)
		bytes += rte_pktmbuf_pkt_len(t->mbuf[i]);
	sent = rte_eth_tx_burst(port->id, (uint16_t)queue, t->mbuf, (uint16_t)t->n);
	for (unsigned i = sent; i < t->n; i++)
		bytes -= rte_pktmbuf_pkt_len(t->mbuf[i]);
	t->bytes = bytes;
	return sent;
}

// A port that another worker owns: it sends and counts.
static unsigned send_by_owner(
	struct worker *w, const struct port *port, unsigned iface, struct transmit *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		*handover_of(t->mbuf[i]) = (struct handover){
			.kind = HANDOVER_TRANSMIT,
			.iface = (uint8_t)iface,
			.verdict = t->verdict[i],
		};
		if (!steer_frame(w, port->owner, t->mbuf[i]))
			return i;
	}
	return t->n;
}

static void flush_iface(struct worker *w, unsigned iface)
{
	const struct port *port = &w->dataplane->port[w->snapshot->iface[iface].port];
	struct transmit *t = &w->transmit[iface];
	struct iface_stats *stats = &w->stats.iface[iface];
	bool owned = port->queues > 1 || port->owner == w->number;
	unsigned sent;

	if (owned) {
		sent = send_to_device(w, port, t);
		count_sent(w, iface, t, sent);
		stat_add(&stats->tx_bytes, t->bytes);
	} else {
		sent = send_by_owner(w, port, iface, t);
	}
	if (unlikely(sent < t->n)) {
		for (unsigned i = sent; i < t->n; i++) {
			if (t->verdict[i] != V_COUNT)
				stat_add(&w->stats.verdict[owned ? V_TRANSMIT : V_RING], 1);
		}
		stat_add(&stats->tx_drops, t->n - sent);
		rte_pktmbuf_free_bulk(&t->mbuf[sent], t->n - sent);
	}
	t->n = 0;
}

void transmit_flush(struct worker *w)
{
	unsigned iface;

	for (uint64_t todo = w->transmit_waiting; bit_take(&todo, &iface);)
		flush_iface(w, iface);
	w->transmit_waiting = 0;
}
