// SPDX-License-Identifier: BSD-3-Clause

// The way of nearly every packet of lw4o6 and MAP-E, whose headers are read and written once: TCP and UDP, whole and
// in one segment, with nothing to be said about them. All others, and those that turn out to be others on the way,
// are left as they came to softwire_out.c and softwire_in.c, which know every case and say why.

#include "net/plain.h"
#include "worker/softwire.h"
#include "xlate/bound.h"

#include <string.h>

// Packets of one border relay that have not been counted yet.
struct tally {
	const struct softwire *softwire;
	uint32_t packets;
	uint32_t bytes;
};

static void count(const struct worker *w, const struct tally *t, bool outward)
{
	struct softwire_stats *stats = softwire_stats_of(w, t->softwire);
	struct softwire_count *ipv4 = outward ? &stats->sent_ipv4 : &stats->rcvd_ipv4;
	struct softwire_count *ipv6 = outward ? &stats->rcvd_ipv6 : &stats->sent_ipv6;

	stat_add(&ipv4->packets, t->packets);
	stat_add(&ipv4->bytes, t->bytes);
	stat_add(&ipv6->packets, t->packets);
	stat_add(&ipv6->bytes, t->bytes + t->packets * TUNNEL_HEADER);
}

static inline void tally_add(const struct worker *w, struct tally *t,
	const struct softwire *softwire, uint32_t length, bool outward)
{
	if (softwire != t->softwire) {
		if (t->softwire)
			count(w, t, outward);
		*t = (struct tally){.softwire = softwire};
	}
	t->packets++;
	t->bytes += length;
}

// Whether packet i is in one buffer.
static inline bool is_single(const struct burst *b, unsigned i)
{
	return b->mbuf[i]->nb_segs == 1;
}

// The border relay that an IPv6 packet is for; NULL: another, or not to be told so soon.
static inline const struct softwire *relay_of(const struct snapshot *s, const uint8_t *outer)
{
	uint32_t hop = shortcut6_find(&s->shortcuts, outer + IPV6_DESTINATION);
	const struct nexthop *nh;

	if (unlikely(hop == SHORTCUT6_NONE))
		return NULL;
	nh = &s->nexthop[hop];
	if (unlikely(nh->kind != NEXTHOP_SERVICE || nh->service != SERVICE_SOFTWIRE))
		return NULL;
	return &s->softwire[nh->number];
}

// Packets by what has to be done to find who has their addresses.
struct asked {
	uint64_t bound; // asked for already
	uint64_t ruled;
};

// Those of the mask that are tunnel packets for here, whose inner addresses are read.
static struct asked read_tunnels(
	const struct worker *w, struct burst *b, uint64_t mask, struct softwire_search *x)
{
	const struct snapshot *s = w->snapshot;
	struct bound_table table = {0};
	struct asked asked = {0};
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct iface *iface = &s->iface[b->iface[i]];
		const uint8_t *ip = b->ip[i] + TUNNEL_HEADER;
		const struct softwire *relay;

		if (unlikely(!is_single(b, i) || iface->realm != REALM_INTERNAL ||
			    !iface->forwards6 || iface->validation == VALIDATE_IFACE ||
			    !plain_is_tunnel(b->ip[i], b->room[i])))
			continue;
		relay = relay_of(s, b->ip[i]);
		if (unlikely(!relay))
			continue;
		b->src[i] = load32(ip + IPV4_SOURCE);
		b->dst[i] = load32(ip + IPV4_DESTINATION);
		b->src_port[i] = load16(ip + IPV4_MIN);
		x->softwire[i] = relay;
		if (likely(bound_ask(&table, x, i, relay, b->src[i], b->src_port[i])))
			asked.bound |= bit(i);
		else
			asked.ruled |= (uint64_t)(relay->kind == SOFTWIRE_MAP_E) << i;
	}
	return asked;
}

// Those of the mask whose rule is told by their source, since several may have one BR address.
static uint64_t find_rules(
	const struct worker *w, const struct burst *b, uint64_t mask, struct softwire_search *x)
{
	uint32_t route[BURST_MAX];
	uint64_t found = 0;
	unsigned i;

	classify_routes(w, mask, b->src, route);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = &w->snapshot->nexthop[route[i]];

		if (unlikely(nh->kind != NEXTHOP_SERVICE || nh->service != SERVICE_SOFTWIRE))
			continue;
		x->softwire[i] = &w->snapshot->softwire[nh->number];
		rte_prefetch0(x->softwire[i]);
		found |= bit(i);
	}
	for (uint64_t todo = found; bit_take(&todo, &i);) {
		found &= ~((uint64_t)(x->softwire[i]->kind != SOFTWIRE_MAP_E) << i);
		rte_prefetch0(x->softwire[i]->state);
	}
	return found;
}

// Whether packet i comes from who has its source, and may leave as it is.
static inline bool may_leave(const struct worker *w, const struct burst *b, unsigned i,
	const struct softwire_search *x, uint32_t length)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
	const uint8_t *outer = b->ip[i];

	return !memcmp(outer + IPV6_SOURCE, x->subscriber[i], 16) &&
		!memcmp(outer + IPV6_DESTINATION, x->br[i], 16) &&
		(nh->kind == NEXTHOP_GATEWAY || nh->kind == NEXTHOP_CONNECTED) &&
		nh->realm & REALM_EXTERNAL && length <= nh->mtu &&
		length <= x->softwire[i]->path_mru && !x->softwire[i]->nested;
}

uint64_t softwire_fast_out(struct worker *w, struct burst *b, uint64_t mask)
{
	struct tally tally = {0};
	struct softwire_search x;
	struct asked asked = read_tunnels(w, b, mask, &x);
	uint64_t found, out = 0;
	unsigned i;

	if (!(asked.bound | asked.ruled))
		return 0;
	x.marked = 0;
	if (asked.ruled)
		asked.ruled = find_rules(w, b, asked.ruled, &x);
	classify_routes(w, asked.bound | asked.ruled, b->dst, b->route);
	found = asked.ruled ? softwire_find_ruled(b->src, b->src_port, asked.ruled, w->number, &x)
			    : 0;
	for (uint64_t todo = asked.bound | found; bit_take(&todo, &i);) {
		uint32_t length = b->room[i] - (uint32_t)TUNNEL_HEADER;

		if (likely(asked.bound & bit(i)) && unlikely(!bound_answer(&x, i)))
			continue;
		if (unlikely(x.marked & bit(i) || !may_leave(w, b, i, &x, length)))
			continue;
		b->ip[i] += TUNNEL_HEADER;
		hdr_hop_one(b->ip[i]);
		out |= bit(i);
		tally_add(w, &tally, x.softwire[i], length, true);
	}
	if (tally.packets)
		count(w, &tally, true);
	b->v6 &= ~out;
	b->big &= ~out;
	transmit(w, b, out, V_SOFTWIRE_OUT);
	return out;
}

// Whether packet i fits its tunnel as it is.
static inline bool may_enter(const struct burst *b, unsigned i, const struct softwire *softwire,
	const struct nexthop *nh)
{
	return softwire_is_inside_hop(nh) && b->length[i] + TUNNEL_HEADER <= nh->mtu &&
		b->length[i] <= softwire->payload_mtu && is_single(b, i);
}

// The border relay that the destination of packet i is behind.
static inline const struct softwire *relay_behind(
	const struct snapshot *s, const struct burst *b, unsigned i)
{
	return &s->softwire[s->nexthop[b->route[i]].number];
}

// Asks for who has the destinations of the mask.
static struct asked ask(
	const struct worker *w, const struct burst *b, uint64_t mask, struct softwire_search *x)
{
	const struct snapshot *s = w->snapshot;
	struct bound_table table = {0};
	struct asked asked = {0};
	unsigned i;

	// rules are many, tables few
	for (uint64_t todo = s->mapdom ? mask : 0; bit_take(&todo, &i);)
		rte_prefetch0(relay_behind(s, b, i));
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct softwire *relay = relay_behind(s, b, i);

		if (unlikely(b->l4[i] == L4_ICMP))
			continue;
		x->softwire[i] = relay;
		if (likely(bound_ask(&table, x, i, relay, b->dst[i], b->dst_port[i]))) {
			asked.bound |= bit(i);
		} else if (relay->kind == SOFTWIRE_MAP_E) {
			asked.ruled |= bit(i);
			rte_prefetch0(relay->state);
		}
	}
	return asked;
}

uint64_t softwire_fast_in(struct worker *w, struct burst *b, uint64_t mask)
{
	struct tally tally = {0};
	struct softwire_search x;
	struct asked asked = ask(w, b, mask & ~(b->fragments | b->portless | b->options), &x);
	uint64_t route[BURST_MAX], found = 0, in = 0;
	unsigned n = 0, i;

	x.marked = 0;
	if (asked.ruled)
		found = softwire_find_ruled(b->dst, b->dst_port, asked.ruled, w->number, &x);
	for (uint64_t todo = asked.bound; bit_take(&todo, &i);)
		found |= (uint64_t)bound_answer(&x, i) << i;
	if (!found)
		return 0;
	softwire_routes(w, found, &x, route);
	for (uint64_t todo = found; bit_take(&todo, &i);) {
		uint32_t hop = (uint32_t)route[n++];
		uint8_t *outer, *ip = b->ip[i];

		if (unlikely(!may_enter(b, i, x.softwire[i], &w->snapshot->nexthop[hop])))
			continue;
		outer = tunnel_encapsulate(
			b->mbuf[i], ip, x.br[i], x.subscriber[i], &softwire_rules);
		if (unlikely(!outer))
			continue;
		hdr_hop_one(ip);
		b->ip[i] = outer;
		b->route[i] = hop;
		in |= bit(i);
		tally_add(w, &tally, x.softwire[i], b->length[i], false);
	}
	if (tally.packets)
		count(w, &tally, false);
	b->v6 |= in;
	b->big &= ~in;
	transmit(w, b, in, V_SOFTWIRE_IN);
	return in;
}
