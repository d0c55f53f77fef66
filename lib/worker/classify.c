// SPDX-License-Identifier: BSD-3-Clause

// Routes. One lookup of the destination tells everything: an address of the box, an outside address of a
// pool, a next hop, or nothing; with the realm that a packet came from, that says which way it goes.

#include "net/hdr.h"
#include "net/icmp.h"
#include "net/local.h"
#include "worker/softwire.h"

#include <rte_fib.h>

void classify_routes(const struct worker *w, uint64_t mask, const rte_be32_t address[BURST_MAX],
	uint32_t route[BURST_MAX])
{
	uint32_t addresses[BURST_MAX];
	uint64_t found[BURST_MAX];
	unsigned n = 0, i;

	// nearly always all packets of a burst, whose arrays are copied as they are
	if (likely(!(mask & (mask + 1)))) {
		n = bit_count(mask);
		for (i = 0; i < n; i++)
			addresses[i] = rte_be_to_cpu_32(address[i]);
		rte_fib_lookup_bulk(w->snapshot->fib, addresses, found, (int)n);
		for (i = 0; i < n; i++)
			route[i] = (uint32_t)found[i];
		return;
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		addresses[n++] = rte_be_to_cpu_32(address[i]);
	rte_fib_lookup_bulk(w->snapshot->fib, addresses, found, (int)n);
	n = 0;
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		route[i] = (uint32_t)found[n++];
}

// Whether an ICMP error may be sent about packet i: not about an error, nor a fragment other than the first,
// nor to what is no single host, nor where the configuration forbids (RFC 1812 section 4.3.2.7, RFC 5508
// REQ-9 and REQ-10).
static bool may_report(const struct worker *w, const struct burst *b, unsigned i, rte_be32_t source)
{
	if ((b->icmp_error | b->tails) & bit(i) || !source ||
		!w->snapshot->iface[b->iface[i]].icmp_errors)
		return false;
	switch ((enum nexthop_kind)snapshot_route(w->snapshot, rte_be_to_cpu_32(b->src[i]))->kind) {
	case NEXTHOP_LOCAL:
	case NEXTHOP_BROADCAST:
		return false;
	default:
		return true;
	}
}

bool classify_withholds_error(struct worker *w)
{
	if (w->icmp_tokens)
		return false;
	stat_add(&w->stats.icmp_errors_withheld, 1);
	return true;
}

void classify_count_error(struct worker *w, unsigned iface)
{
	w->icmp_tokens--;
	stat_add(&w->stats.icmp_errors_sent, 1);
	stat_add(&w->stats.iface[iface].rx_drops, 1);
}

// Ends packet i with a verdict and makes it an ICMP error about itself. Returns the length of that if it is one now,
// which the caller has to send.
static uint16_t report(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	const struct icmp_error *error)
{
	uint16_t length;

	burst_end(b, i, verdict);
	if (!may_report(w, b, i, error->source))
		return 0;
	if (classify_withholds_error(w))
		return 0;
	if (unlikely(w->snapshot->dstnat.count))
		dstnat_undo(w, b, i);
	length = icmp_error_make(b->mbuf[i], b->ip[i], error);
	if (length)
		classify_count_error(w, b->iface[i]);
	return length;
}

uint16_t classify_refuse(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	uint8_t type, uint8_t code, uint16_t mtu)
{
	const struct icmp_error error = {
		.type = type,
		.code = code,
		.mtu = mtu,
		.source = w->snapshot->iface[b->iface[i]].addr4,
	};
	uint16_t length;

	if (unlikely(alias_is(b->src[i]))) {
		classify6_refuse_aliased(w, b, i, verdict, type, code, mtu);
		return 0;
	}
	length = report(w, b, i, verdict, &error);
	if (!length)
		return 0;
	transmit_frame(w, b->iface[i], b->mbuf[i], verdict);
	b->mbuf[i] = NULL;
	return length;
}

uint16_t classify_turn_back(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	uint8_t type, uint8_t code, uint16_t mtu)
{
	struct rte_mbuf *m = b->mbuf[i];
	uint16_t header = (uint16_t)(b->ip[i] - rte_pktmbuf_mtod(m, uint8_t *));
	struct icmp_error error = {
		.type = type,
		.code = code,
		.mtu = mtu,
		.source = w->snapshot->iface[b->iface[i]].addr4,
	};
	uint16_t length;

	// where subscribers have IPv6 alone, so may the interface
	if (!error.source)
		error.source = softwire_error_source(w);
	length = report(w, b, i, verdict, &error);
	if (!length)
		return 0;
	*handover_of(m) = (struct handover){
		.kind = HANDOVER_HAIRPIN,
		.iface = b->iface[i],
		.verdict = (uint8_t)verdict,
		.ip_offset = header,
	};
	fragment_push(&w->again, m);
	b->mbuf[i] = NULL;
	return length;
}

static void answer_local(struct worker *w, struct burst *b, unsigned i)
{
	// the box answers hosts in their own family alone
	if (unlikely(alias_is(b->src[i]))) {
		burst_end(b, i, V_LOCAL);
		return;
	}
	if (b->l4[i] != L4_ICMP || b->flags[i] != ICMP_ECHO || b->icmp_error & bit(i)) {
		// an interface's address is reached by that interface alone
		if (w->snapshot->nexthop[b->route[i]].iface == b->iface[i])
			punt(w, b, i);
		else
			burst_end(b, i, V_LOCAL);
		return;
	}
	echo_answer4(b->mbuf[i], b->ip[i], b->ip[i] + b->ihl[i], &w->iface_mac[b->iface[i]]);
	transmit_frame(w, b->iface[i], b->mbuf[i], V_ECHO);
	b->mbuf[i] = NULL;
	burst_end(b, i, V_ECHO);
}

enum way { WAY_NONE, WAY_SOFTWIRE, WAY_OUT, WAY_HAIRPIN, WAY_IN, WAY_ROUTED, WAY_PASS };

// With one arm the realm says nothing; then a source that a policy serves is inside.
static bool is_from_inside(const struct worker *w, const struct burst *b, unsigned i)
{
	switch ((enum realm)w->snapshot->iface[b->iface[i]].realm) {
	case REALM_INTERNAL:
		return true;
	case REALM_EXTERNAL:
		return false;
	default:
		return nat_policy_for(&w->nat, b->src[i]) >= 0;
	}
}

// The inside host and the remote end of packet i; for an ICMP error those of the packet that it quotes.
struct ends {
	rte_be32_t inside;
	rte_be32_t remote;
	rte_be16_t remote_port;
};

static struct ends ends_of(const struct burst *b, unsigned i, bool outward)
{
	struct ends ends = {b->src[i], b->dst[i], b->dst_port[i]};
	struct quoted q;

	if (b->icmp_error & bit(i) && hdr_quoted(b, i, &q)) {
		// what the error is about came from where the error goes
		ends = (struct ends){q.dst, q.src, q.src_port};
		if (!outward)
			ends = (struct ends){q.src, q.dst, q.dst_port};
		if (q.proto == L4_ICMP)
			ends.remote_port = 0;
	} else if (!outward) {
		ends = (struct ends){b->dst[i], b->src[i], b->src_port[i]};
	}
	if (b->l4[i] != L4_UDP && b->l4[i] != L4_TCP && !(b->icmp_error & bit(i)))
		ends.remote_port = 0;
	return ends;
}

// Whether the traffic of packet i is left untranslated (RFC 6888 REQ-6).
static bool passes(const struct worker *w, const struct burst *b, unsigned i, bool outward)
{
	const struct snapshot *s = w->snapshot;
	struct ends ends;
	int slot;

	if (!s->pass_through.count)
		return false;
	ends = ends_of(b, i, outward);
	slot = nat_policy_for(&w->nat, ends.inside);
	return slot >= 0 &&
		pass_through_has(
			&s->pass_through, s->policy[slot]->instance, ends.remote, ends.remote_port);
}

// The way of a packet whose destination is a next hop.
static enum way way_by_hop(
	const struct worker *w, const struct burst *b, unsigned i, const struct nexthop *nh)
{
	bool inside = nh->realm & REALM_INTERNAL;

	if (!is_from_inside(w, b, i)) {
		if (inside && passes(w, b, i, false))
			return WAY_PASS;
		// a fragment may pass by a port that is not known yet
		return inside && b->raw & bit(i) && w->snapshot->pass_through.count ? WAY_IN
										    : WAY_NONE;
	}
	if (nh->realm & REALM_EXTERNAL && inside)
		inside = snapshot_policy_of(w->snapshot, b->dst[i]) >= 0;
	if (inside)
		return alias_is(b->src[i]) ? WAY_NONE : WAY_ROUTED;
	return nh->realm & REALM_ASK && passes(w, b, i, true) ? WAY_PASS : WAY_OUT;
}

// Whether the services of both ends let their subscribers reach others by the box.
static bool may_hairpin(
	const struct worker *w, const struct burst *b, unsigned i, const struct nexthop *nh)
{
	const struct snapshot *s = w->snapshot;
	bool there = nh->kind == NEXTHOP_SERVICE ? s->softwire[nh->number].hairpinning
						 : s->policy[nh->policy]->hairpinning;
	int slot = nat_policy_for(&w->nat, b->src[i]);

	return there && (slot < 0 || s->policy[slot]->hairpinning);
}

// The way of any packet, or its end.
static enum way sort(struct worker *w, struct burst *b, unsigned i)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
	enum way way;

	// not in hdr_read(): a hairpinned packet of a shared address is right to look like that
	if (b->src[i] == b->dst[i]) {
		burst_end(b, i, V_LAND);
		return WAY_NONE;
	}
	if (snapshot_is_ours(w->snapshot, b->src[i]) && !is_from_inside(w, b, i)) {
		burst_end(b, i, V_SPOOFED);
		return WAY_NONE;
	}
	// where to is only known when the port is
	if (nh->realm & REALM_DSTNAT && b->raw & ~b->portless & bit(i) && is_from_inside(w, b, i))
		return WAY_OUT;
	switch ((enum nexthop_kind)nh->kind) {
	case NEXTHOP_LOCAL:
		answer_local(w, b, i);
		return WAY_NONE;
	case NEXTHOP_NONE:
		classify_refuse(w, b, i, V_NO_ROUTE, ICMP_UNREACHABLE, ICMP_NET_UNREACHABLE, 0);
		return WAY_NONE;
	case NEXTHOP_BLACKHOLE:
		burst_end(b, i, V_BLACKHOLE);
		return WAY_NONE;
	case NEXTHOP_BROADCAST:
		burst_end(b, i, V_MULTICAST);
		return WAY_NONE;
	case NEXTHOP_SERVICE:
		way = is_from_inside(w, b, i) ? WAY_HAIRPIN : WAY_SOFTWIRE;
		break;
	case NEXTHOP_POOL:
	case NEXTHOP_STATIC:
		way = is_from_inside(w, b, i) ? WAY_HAIRPIN : WAY_IN;
		break;
	default:
		way = way_by_hop(w, b, i, nh);
		break;
	}
	if (way == WAY_NONE)
		burst_end(b, i, V_REALM);
	else if (way == WAY_HAIRPIN && !may_hairpin(w, b, i, nh))
		burst_end(b, i, V_HAIRPINNING);
	else if (b->ip[i][8] <= 1)
		classify_refuse(w, b, i, V_TTL, ICMP_TIME_EXCEEDED, 0, 0);
	else
		return way;
	return WAY_NONE;
}

static void sort_slowly(struct worker *w, struct burst *b, unsigned i, struct ways *ways)
{
	switch (sort(w, b, i)) {
	case WAY_NONE:
		break;
	case WAY_HAIRPIN:
		ways->hairpin |= bit(i);
		ways->out |= bit(i);
		break;
	case WAY_SOFTWIRE:
		ways->softwire |= bit(i);
		break;
	case WAY_OUT:
		ways->out |= bit(i);
		break;
	case WAY_IN:
		ways->in |= bit(i);
		break;
	case WAY_ROUTED:
		ways->routed |= bit(i);
		break;
	case WAY_PASS:
		ways->pass |= bit(i);
		break;
	}
}

// A host that asks for a route of its own does not get it (RFC 7915 section 4.1 has the same rule).
static uint64_t refuse_source_routes(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask & b->options; bit_take(&todo, &i);) {
		if (hdr_has_source_route(b->ip[i], b->ihl[i]))
			classify_refuse(w, b, i, V_SOURCE_ROUTE, ICMP_UNREACHABLE,
				ICMP_SOURCE_ROUTE_FAILED, 0);
	}
	return mask & b->live;
}

struct ways classify(struct worker *w, struct burst *b, uint64_t mask)
{
	const struct snapshot *snapshot = w->snapshot;
	struct ways ways = {0};
	uint64_t out = 0, in = 0, big = 0;
	unsigned i;

	classify_routes(w, mask, b->dst, b->route);
	if (unlikely(snapshot->dstnat.count))
		dstnat_out(w, b, mask);
	if (unlikely(mask & b->options))
		mask = refuse_source_routes(w, b, mask);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = &snapshot->nexthop[b->route[i]];
		uint8_t realm = snapshot->iface[b->iface[i]].realm;

		if (unlikely(b->length[i] > nh->mtu))
			big |= bit(i);
		// nearly all packets: inside to outside, or to a pool from there
		if (unlikely(b->ip[i][8] <= 1 || b->l4[i] == L4_COUNT || b->src[i] == b->dst[i]))
			sort_slowly(w, b, i, &ways);
		else if (realm == REALM_INTERNAL && nh->realm == REALM_EXTERNAL)
			out |= bit(i);
		else if (realm == REALM_EXTERNAL && nh->kind == NEXTHOP_POOL &&
			likely(!snapshot_may_be_ours(snapshot, b->src[i])))
			in |= bit(i);
		else if (realm == REALM_EXTERNAL && nh->kind == NEXTHOP_SERVICE &&
			nh->service == SERVICE_SOFTWIRE &&
			likely(!snapshot_may_be_ours(snapshot, b->src[i])))
			ways.softwire |= bit(i);
		else
			sort_slowly(w, b, i, &ways);
	}
	ways.out |= out;
	ways.in |= in;
	b->big = big;
	b->aliased = 0;
	return ways;
}

uint64_t classify_inside(struct worker *w, struct burst *b, uint64_t mask)
{
	rte_be32_t address[BURST_MAX] = {0}; // gcc cannot tell that those of the mask are written
	uint64_t inside = mask, aliased = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		address[i] = w->nat.bib.mapping[b->mapping[i]].inside;
	classify_routes(w, mask, address, b->route);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];

		b->big |= (uint64_t)(b->length[i] > nh->mtu) << i;
		if (likely(nh->realm & REALM_INTERNAL))
			continue;
		inside &= ~bit(i);
		if (alias_is(w->nat.bib.mapping[b->mapping[i]].inside))
			aliased |= bit(i);
		else
			burst_end(b, i, V_NO_ROUTE);
	}
	b->aliased = aliased;
	if (unlikely(aliased))
		inside |= classify6_aliased(w, b, aliased);
	return inside;
}

uint64_t classify_outside(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t outside = mask;
	unsigned i;

	classify_routes(w, mask, b->dst, b->route);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];

		if (nexthop_is_outside(nh))
			continue;
		burst_end(b, i, V_NO_ROUTE);
		outside &= ~bit(i);
	}
	return outside;
}

uint64_t classify_first(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t fine = mask;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = snapshot_route(w->snapshot, rte_be_to_cpu_32(b->src[i]));

		if (nh->kind != NEXTHOP_POOL && nh->kind != NEXTHOP_STATIC &&
			nh->kind != NEXTHOP_LOCAL && nh->kind != NEXTHOP_BROADCAST)
			continue;
		burst_end(b, i, V_SPOOFED);
		fine &= ~bit(i);
	}
	return fine;
}

uint64_t classify_size(struct worker *w, struct burst *b, uint64_t mask, uint64_t hairpin)
{
	unsigned i;

	for (uint64_t todo = mask & b->big; bit_take(&todo, &i);) {
		uint16_t mtu = w->snapshot->nexthop[b->route[i]].mtu;

		if (!hdr_has_df(b->ip[i]))
			continue;
		if (unlikely(b->aliased & bit(i)))
			mtu = classify6_inner_mtu(w, b, i);
		if (unlikely(!mtu))
			continue;
		if (!(hairpin & bit(i)))
			classify_refuse(w, b, i, V_TOO_BIG, ICMP_UNREACHABLE,
				ICMP_FRAGMENTATION_NEEDED, mtu);
		else
			classify_turn_back(w, b, i, V_TOO_BIG, ICMP_UNREACHABLE,
				ICMP_FRAGMENTATION_NEEDED, mtu);
	}
	return mask & b->live;
}
