// SPDX-License-Identifier: BSD-3-Clause

// The short way (fast.h) of lw4o6 and MAP.

#include "net/ipid.h"
#include "net/siit_plain.h"
#include "worker/fast.h"
#include "worker/softwire.h"
#include "xlate/bound.h"
#include "xlate/mapt.h"

#include <string.h>

// What an IPv4 packet has more as an IPv6 one.
static inline uint32_t growth_of(const struct softwire *softwire)
{
	return softwire->kind == SOFTWIRE_MAP_T ? SIIT_GROWTH : TUNNEL_HEADER;
}

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
	uint32_t growth = growth_of(t->softwire);

	stat_add(&ipv4->packets, t->packets);
	stat_add(&ipv4->bytes, t->bytes);
	stat_add(&ipv6->packets, t->packets);
	stat_add(&ipv6->bytes, t->bytes + t->packets * growth);
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

// Packets by what has to be done to find who has their addresses.
struct asked {
	uint64_t bound;  // asked for already
	uint64_t ruled;  // by the IPv4 address
	uint64_t mapped; // by the IPv6 address, with MAP-T
};

// Those of the mask that are for here, whose addresses and ports are read.
static struct asked read_all(
	const struct worker *w, struct burst *b, uint64_t mask, struct softwire_search *x)
{
	const struct snapshot *s = w->snapshot;
	struct bound_table table = {0};
	struct asked asked = {0};
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct iface *iface = &s->iface[b->iface[i]];
		const uint8_t *outer = b->ip[i], *ip = outer + TUNNEL_HEADER;
		const struct nexthop *nh = NULL;

		if (likely(fast_is_single(b, i) && iface->realm == REALM_INTERNAL &&
			    iface->forwards6 && iface->validation != VALIDATE_IFACE &&
			    b->room[i] >= IPV6_MIN))
			nh = fast_service(s, outer);
		if (unlikely(!nh))
			continue;
		if (nh->service == SERVICE_SOFTWIRE && plain_is_tunnel(outer, b->room[i])) {
			const struct softwire *relay = &s->softwire[nh->number];

			b->src[i] = load32(ip + IPV4_SOURCE);
			b->dst[i] = load32(ip + IPV4_DESTINATION);
			b->src_port[i] = load16(ip + IPV4_MIN);
			x->softwire[i] = relay;
			if (likely(bound_ask(&table, x, i, relay, b->src[i], b->src_port[i])))
				asked.bound |= bit(i);
			else
				asked.ruled |= (uint64_t)(relay->kind == SOFTWIRE_MAP_E) << i;
		} else if (nh->service == SERVICE_MAPT && plain_is_ipv6(outer, b->room[i])) {
			b->src_port[i] = load16(outer + IPV6_MIN);
			mapdom_prefetch6(s->mapdom, outer + IPV6_SOURCE);
			asked.mapped |= bit(i);
		}
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

// Whether packet i leaves the box by its route, and fits that way.
static inline bool may_leave(
	const struct worker *w, const struct burst *b, unsigned i, uint32_t length)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];

	return (nh->kind == NEXTHOP_GATEWAY || nh->kind == NEXTHOP_CONNECTED) &&
		nh->realm & REALM_EXTERNAL && length <= nh->mtu;
}

// Whether packet i comes by the tunnel of who has its source, and may leave it.
static inline bool is_true(
	const struct burst *b, unsigned i, const struct softwire_search *x, uint32_t length)
{
	const uint8_t *outer = b->ip[i];

	return !memcmp(outer + IPV6_SOURCE, x->subscriber[i], 16) &&
		!memcmp(outer + IPV6_DESTINATION, x->br[i], 16) &&
		length <= x->softwire[i]->path_mru && !x->softwire[i]->nested;
}

// Takes packet i out of its tunnel. Returns false if it may not leave like that.
static inline bool decapsulate(const struct worker *w, struct burst *b, unsigned i,
	const struct softwire_search *x, struct tally *tally)
{
	uint32_t length = b->room[i] - (uint32_t)TUNNEL_HEADER;

	if (unlikely(
		    x->marked & bit(i) || !is_true(b, i, x, length) || !may_leave(w, b, i, length)))
		return false;
	b->ip[i] += TUNNEL_HEADER;
	hdr_hop_one(b->ip[i]);
	tally_add(w, tally, x->softwire[i], length, true);
	return true;
}

// Takes those that have been asked for, and those that have been found, out of their tunnels. Returns them, but for those
// that may not leave like that.
static uint64_t send_tunnelled(struct worker *w, struct burst *b, uint64_t asked, uint64_t found,
	struct softwire_search *x, struct tally *tally)
{
	uint64_t late = 0, out = 0;
	unsigned i;

	for (uint64_t todo = asked; bit_take(&todo, &i);) {
		if (likely(bound_answer(x, i)))
			out |= (uint64_t)decapsulate(w, b, i, x, tally) << i;
		else
			late |= bit(i);
	}
	for (uint64_t todo = late; bit_take(&todo, &i);) {
		if (bound_answer_late(x, i))
			out |= (uint64_t)decapsulate(w, b, i, x, tally) << i;
	}
	for (uint64_t todo = found; bit_take(&todo, &i);)
		out |= (uint64_t)decapsulate(w, b, i, x, tally) << i;
	return out;
}

// Translates those of the mask.
static uint64_t send_mapped(struct worker *w, struct burst *b, uint64_t found,
	struct softwire_search *x, struct tally *tally)
{
	uint64_t out = 0;
	unsigned i;

	for (uint64_t todo = found; bit_take(&todo, &i);) {
		const struct softwire_state *state = x->softwire[i]->state;

		x->marked |= (uint64_t)atomic_load_explicit(&state->marked, memory_order_relaxed)
			<< i;
		rte_prefetch0(&state->stats[w->number]);
	}
	for (uint64_t todo = found; bit_take(&todo, &i);) {
		uint32_t length = b->room[i] - (uint32_t)SIIT_GROWTH;
		rte_be16_t id = 0;

		if (unlikely(x->marked & bit(i) || !may_leave(w, b, i, length)))
			continue;
		if (siit_is_loose(b->room[i]))
			id = ipid_whole(&w->ids,
				ipid_counter_whole(
					&w->ids, b->src[i], b->dst[i], b->ip[i][IPV6_NEXT]));
		b->ip[i] = siit_plain_to4(b->ip[i], b->src[i], b->dst[i], b->src_port[i], id);
		out |= bit(i);
		tally_add(w, tally, x->softwire[i], length, true);
	}
	return out;
}

uint64_t softwire_fast_out(struct worker *w, struct burst *b, uint64_t mask)
{
	struct tally tally = {0};
	struct softwire_search x;
	struct asked asked = read_all(w, b, mask, &x);
	uint64_t found = 0, tunnelled = 0, mapped = 0;

	if (!(asked.bound | asked.ruled | asked.mapped))
		return 0;
	x.marked = 0;
	if (asked.ruled)
		asked.ruled = find_rules(w, b, asked.ruled, &x);
	if (asked.mapped)
		asked.mapped = mapt_find(w->snapshot, b, asked.mapped, &x);
	classify_routes(w, asked.bound | asked.ruled | asked.mapped, b->dst, b->route);
	if (asked.ruled)
		found = softwire_find_ruled(b->src, b->src_port, asked.ruled, w->number, &x);
	if (asked.bound | found)
		tunnelled = send_tunnelled(w, b, asked.bound, found, &x, &tally);
	if (asked.mapped)
		mapped = send_mapped(w, b, asked.mapped, &x, &tally);
	if (tally.packets)
		count(w, &tally, true);
	b->v6 &= ~(tunnelled | mapped);
	b->big &= ~(tunnelled | mapped);
	transmit(w, b, tunnelled, V_SOFTWIRE_OUT);
	transmit(w, b, mapped, V_MAPT_OUT);
	return tunnelled | mapped;
}

// Whether packet i fits its tunnel as it is.
static inline bool may_enter(const struct burst *b, unsigned i, const struct softwire *softwire,
	const struct nexthop *nh)
{
	return b->length[i] + TUNNEL_HEADER <= nh->mtu && b->length[i] <= softwire->payload_mtu &&
		fast_is_single(b, i);
}

// Puts packet i into the tunnel of who has its destination. Returns false, with the packet as it was, if that is not to
// be done here.
static inline bool encapsulate(
	struct burst *b, unsigned i, const struct softwire_search *x, const struct nexthop *nh)
{
	uint8_t *ip = b->ip[i], *outer;

	if (unlikely(!may_enter(b, i, x->softwire[i], nh)))
		return false;
	outer = tunnel_encapsulate(b->mbuf[i], ip, x->br[i], x->subscriber[i], &softwire_rules);
	if (unlikely(!outer))
		return false;
	hdr_hop_one(ip);
	b->ip[i] = outer;
	return true;
}

// Translates packet i for who has its destination; likewise.
static inline bool translate(
	struct burst *b, unsigned i, const struct softwire_search *x, const struct nexthop *nh)
{
	const struct softwire *softwire = x->softwire[i];
	uint8_t remote[16];

	if (unlikely(!siit_plain_fits(b->mbuf[i], b->ip[i], nh->mtu, softwire->lowest_mtu6)))
		return false;
	nat64pfx_embed(&softwire->dmr, b->src[i], remote);
	b->ip[i] = siit_plain_to6(b->ip[i], remote, x->subscriber[i], b->dst_port[i]);
	return true;
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
		} else if (relay->kind != SOFTWIRE_BINDING) {
			asked.ruled |= bit(i);
			rte_prefetch0(relay->state);
			rte_prefetch0(&relay->dmr);
		}
	}
	return asked;
}

uint64_t softwire_fast_in(struct worker *w, struct burst *b, uint64_t mask)
{
	struct tally tally = {0};
	struct softwire_search x;
	struct asked asked = ask(w, b, mask & ~(b->fragments | b->portless | b->options), &x);
	uint64_t route[BURST_MAX], found = 0, in = 0, mapped = 0;
	unsigned n = 0, i;

	x.marked = 0;
	if (asked.ruled)
		found = softwire_find_ruled(b->dst, b->dst_port, asked.ruled, w->number, &x);
	for (uint64_t todo = asked.bound; bit_take(&todo, &i);)
		found |= (uint64_t)bound_answer(&x, i) << i;
	for (uint64_t todo = asked.bound & ~found; bit_take(&todo, &i);)
		found |= (uint64_t)bound_answer_late(&x, i) << i;
	if (!found)
		return 0;
	softwire_routes(w, found, &x, route);
	for (uint64_t todo = found; bit_take(&todo, &i);) {
		uint32_t hop = (uint32_t)route[n++];
		const struct nexthop *nh = &w->snapshot->nexthop[hop];
		bool maps = x.softwire[i]->kind == SOFTWIRE_MAP_T;

		if (unlikely(!softwire_is_inside_hop(nh)) ||
			!(maps ? translate(b, i, &x, nh) : encapsulate(b, i, &x, nh)))
			continue;
		mapped |= (uint64_t)maps << i;
		b->route[i] = hop;
		in |= bit(i);
		tally_add(w, &tally, x.softwire[i], b->length[i], false);
	}
	if (tally.packets)
		count(w, &tally, false);
	b->v6 |= in;
	b->big &= ~in;
	transmit(w, b, in & ~mapped, V_SOFTWIRE_IN);
	transmit(w, b, mapped, V_MAPT_IN);
	return in;
}
