// SPDX-License-Identifier: BSD-3-Clause

#include "worker/softwire.h"

#include "base/clock.h"
#include "net/hdr6.h"

#include <rte_fib6.h>

#include <string.h>

const struct tunnel_rules softwire_rules = {.hop_limit = 64, .uniform = true};

uint64_t softwire_hops(const struct worker *w, const struct burst *b, uint64_t mask)
{
	uint64_t hops = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		hops |= (uint64_t)softwire_is_hop(w, b->route[i]) << i;
	return hops;
}

void softwire_routes(const struct worker *w, uint64_t mask, const struct softwire_search *x,
	uint64_t route[BURST_MAX])
{
	uint8_t address[BURST_MAX][16];
	unsigned n = 0, i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		memcpy(address[n++], x->subscriber[i], sizeof(address[0]));
	rte_fib6_lookup_bulk(w->snapshot->fib6, address, route, (int)n);
}

rte_be32_t softwire_error_source(const struct worker *w)
{
	for (unsigned i = 0; i < w->snapshot->ifaces; i++) {
		const struct iface *f = &w->snapshot->iface[i];

		if (f->addr4 && f->enabled && f->realm & REALM_EXTERNAL)
			return f->addr4;
	}
	return 0;
}

bool softwire_may_pass(uint32_t rate, uint32_t *tokens, uint32_t *tick, uint32_t now)
{
	uint64_t more = (uint64_t)(now - *tick) * rate / TICKS_A_SECOND;

	if (rate == UINT32_MAX)
		return true;
	if (!*tick || more + *tokens >= rate) {
		*tokens = rate;
		*tick = now;
	} else if (more) {
		*tokens += (uint32_t)more;
		*tick = now;
	}
	if (!*tokens)
		return false;
	--*tokens;
	return true;
}

void softwire_count_reassembled(
	const struct worker *w, const uint8_t br[16], uint32_t fragments, uint32_t bytes)
{
	const struct nexthop *nh = snapshot_route6(w->snapshot, br);
	struct softwire_stats *stats;

	if (nh->kind != NEXTHOP_SERVICE || nh->service != SERVICE_SOFTWIRE)
		return;
	stats = softwire_stats_of(w, &w->snapshot->softwire[nh->number]);
	stat_add(&stats->reassembled_ipv6.packets, fragments);
	stat_add(&stats->reassembled_ipv6.bytes, bytes);
}

bool softwire_way_back(
	const struct worker *w, const struct burst *b, unsigned i, struct softwire_back *back)
{
	const uint8_t *outer = softwire_outer_of(b, i);

	memcpy(back->subscriber, outer + IPV6_SOURCE, sizeof(back->subscriber));
	memcpy(back->br, outer + IPV6_DESTINATION, sizeof(back->br));
	back->nexthop = snapshot_route6(w->snapshot, back->subscriber);
	return softwire_is_inside_hop(back->nexthop);
}

bool softwire_send_back(struct worker *w, struct burst *b, unsigned i, uint8_t *ip,
	const struct softwire_back *back, enum verdict verdict)
{
	uint8_t *outer =
		tunnel_encapsulate(b->mbuf[i], ip, back->br, back->subscriber, &softwire_rules);

	if (!outer)
		return false;
	b->ip[i] = outer;
	b->v6 |= bit(i);
	b->big &= ~bit(i);
	b->route[i] = (uint32_t)(back->nexthop - w->snapshot->nexthop);
	b->live |= bit(i);
	transmit(w, b, bit(i), verdict);
	return true;
}

// Ends packet i, which came by a tunnel, and tells its sender, by the tunnel.
static void refuse_tunnelled(struct worker *w, struct burst *b, unsigned i,
	const struct softwire *softwire, enum verdict verdict, struct icmp_error error)
{
	uint32_t there = b->length[i] < b->room[i] ? b->length[i] : b->room[i];
	uint8_t *ip = b->ip[i] - ICMP_ERROR_ADDED;
	struct softwire_back back;
	uint32_t bytes;

	burst_end(b, i, verdict);
	error.source = softwire_error_source(w);
	if ((b->icmp_error | b->tails) & bit(i) || !error.source ||
		!w->snapshot->iface[b->iface[i]].icmp_errors || classify_withholds_error(w))
		return;
	if (!softwire_way_back(w, b, i, &back))
		return;
	bytes = TUNNEL_HEADER + icmp_error_write(ip, &error, there);
	if (!softwire_send_back(w, b, i, ip, &back, verdict))
		return;
	classify_count_error(w, b->iface[i]);
	softwire_count(&softwire_stats_of(w, softwire)->out_icmpv4_error, bytes);
}

void softwire_refuse(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire,
	enum verdict verdict, struct icmp_error error)
{
	uint32_t bytes;

	if (b->mapped & bit(i)) {
		mapt_refuse(w, b, i, softwire, verdict, error);
		return;
	}
	if (b->tunnelled & bit(i)) {
		refuse_tunnelled(w, b, i, softwire, verdict, error);
		return;
	}
	// from outside nobody can have such a source
	if (nexthop_is_outside(snapshot_route(w->snapshot, rte_be_to_cpu_32(b->src[i]))))
		bytes = classify_turn_back(w, b, i, verdict, error.type, error.code, error.mtu);
	else
		bytes = classify_refuse(w, b, i, verdict, error.type, error.code, error.mtu);
	if (bytes)
		softwire_count(&softwire_stats_of(w, softwire)->out_icmpv4_error, bytes);
}
