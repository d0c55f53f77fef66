// SPDX-License-Identifier: BSD-3-Clause

// The short way (fast.h) of IPv4: NAT44 both ways, and all that comes from outside for a mapping that is here or for a
// border relay.

#include "worker/fast.h"
#include "xlate/rewrite.h"

#include <rte_prefetch.h>

// Reads the addresses of packet i, which is ordinary, and what else of it is asked for on either way.
static inline void read_ipv4(struct burst *b, unsigned i)
{
	const uint8_t *ip = b->ip[i];

	b->src[i] = load32(ip + IPV4_SOURCE);
	b->dst[i] = load32(ip + IPV4_DESTINATION);
	b->length[i] = host16(ip + IPV4_TOTAL);
	b->ihl[i] = IPV4_MIN;
	fast_read_source(b, i, ip + IPV4_MIN, ip[IPV4_PROTOCOL]);
}

// Reads those of the mask that are ordinary, whose ends are two and that came in by an interface of a realm; what came by
// one of another is added to `others`.
static uint64_t read_all(
	const struct worker *w, struct burst *b, uint64_t mask, enum realm realm, uint64_t *others)
{
	uint64_t plain = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const uint8_t *ip = b->ip[i];

		if (unlikely(w->snapshot->iface[b->iface[i]].realm != realm)) {
			*others |= bit(i);
			continue;
		}
		if (unlikely(!fast_is_single(b, i) || !plain_is_ipv4(ip, b->room[i])))
			continue;
		if (unlikely(fast_turns_connection(ip + IPV4_MIN, ip[IPV4_PROTOCOL])))
			continue;
		read_ipv4(b, i);
		plain |= (uint64_t)(b->src[i] != b->dst[i]) << i;
	}
	burst_unread(b, plain);
	return plain;
}

// Sends packet i by its mapping, or returns false.
static inline bool go_out(struct worker *w, struct burst *b, unsigned i, uint64_t *loose)
{
	const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];

	if (unlikely(!fast_refresh(w, b, i, b->ip[i] + IPV4_MIN)))
		return false;
	b->src[i] = m->outside;
	rewrite_packet(b, i, IPV4_SOURCE, 0, m->outside, m->outside_port, 1);
	*loose |= (uint64_t)!hdr_has_df(b->ip[i]) << i;
	return true;
}

static uint64_t from_inside(struct worker *w, struct burst *b, uint64_t mask, uint64_t *others)
{
	const struct bib *bib = &w->nat.bib;
	const struct index_bucket *home[BURST_MAX];
	uint64_t plain = read_all(w, b, mask, REALM_INTERNAL, others), tcp = 0, out = 0, loose = 0;
	uint64_t hash[BURST_MAX];
	unsigned i;

	if (!plain)
		return 0;
	for (uint64_t todo = plain; bit_take(&todo, &i);) {
		hash[i] = bib_hash(bib, b->l4[i], b->src[i], b->src_port[i]);
		home[i] = index_home(&bib->by_inside, hash[i]);
		rte_prefetch0(home[i]);
	}
	classify_routes(w, plain, b->dst, b->route);
	for (uint64_t todo = plain; bit_take(&todo, &i);) {
		b->mapping[i] = index_first_at(&bib->by_inside, home[i], hash[i]);
		rte_prefetch0(&bib->mapping[b->mapping[i]]);
	}
	for (uint64_t todo = plain; bit_take(&todo, &i);) {
		const struct mapping *m = fast_mapping(bib, b, i);

		if (unlikely(!m ||
			    !fast_may_leave(&w->snapshot->nexthop[b->route[i]], b->length[i])))
			continue;
		if (b->l4[i] == L4_TCP) {
			rte_prefetch0(&w->nat.sessions.session[m->session]);
			tcp |= bit(i);
			continue;
		}
		out |= (uint64_t)go_out(w, b, i, &loose) << i;
	}
	for (uint64_t todo = tcp; bit_take(&todo, &i);)
		out |= (uint64_t)go_out(w, b, i, &loose) << i;
	if (loose)
		identify(w, b, loose);
	b->big &= ~out;
	transmit(w, b, out, V_NAT44_OUT);
	return out;
}

// Packets from outside, by what their destinations are.
struct arrived {
	uint64_t mapped; // in a port block of this worker
	uint64_t softwire;
};

// Whether an outside tuple (host order) is fixed, and another worker's: of others nat_slot() knows.
static inline bool is_elsewhere(
	const struct worker *w, const struct nexthop *nh, uint32_t outside, uint16_t port)
{
	const struct pool *pool = w->snapshot->policy[nh->policy]->pool;

	return port < pool->fixed_end && pool->workers > 1 &&
		pool_owner(pool, nh->number + (outside - nh->first), port) != w->number;
}

// Sorts those of the mask by their routes, and asks for their ports.
static struct arrived sort(
	const struct worker *w, struct burst *b, uint64_t mask, const uint32_t *slot[BURST_MAX])
{
	const struct snapshot *s = w->snapshot;
	struct arrived arrived = {0};
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = &s->nexthop[b->route[i]];
		uint32_t outside = rte_be_to_cpu_32(b->dst[i]);
		uint16_t port = host16(b->ip[i] + IPV4_MIN + 2);

		b->dst_port[i] = load16(b->ip[i] + IPV4_MIN + 2);
		if (unlikely(snapshot_may_be_ours(s, b->src[i])))
			continue;
		if (nh->kind == NEXTHOP_SERVICE) {
			arrived.softwire |= (uint64_t)(nh->service == SERVICE_SOFTWIRE) << i;
			continue;
		}
		if (unlikely(nh->kind != NEXTHOP_POOL || is_elsewhere(w, nh, outside, port)))
			continue;
		// ports of static mappings are nobody's there
		slot[i] = nat_slot(&w->nat, nh, b->l4[i], outside, port);
		if (unlikely(!slot[i]))
			continue;
		rte_prefetch0(slot[i]);
		arrived.mapped |= bit(i);
	}
	return arrived;
}

// Finds the mappings of those whose ports have been asked for. Returns those that have one, and are no more than that.
static uint64_t find_mappings(
	struct worker *w, struct burst *b, uint64_t mask, const uint32_t *const slot[BURST_MAX])
{
	struct mapping *mapping = w->nat.bib.mapping;
	uint64_t found = 0, tcp = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		b->mapping[i] = slot_mapping(*slot[i]);
		rte_prefetch0(&mapping[b->mapping[i]]);
		found |= (uint64_t)(b->mapping[i] != 0) << i;
		tcp |= (uint64_t)(b->l4[i] == L4_TCP) << i;
	}
	tcp &= found;
	// UDP may have sessions, or refresh
	if (unlikely(w->nat.udp_in))
		found = tcp;
	for (uint64_t todo = tcp; bit_take(&todo, &i);)
		rte_prefetch0(&w->nat.sessions.session[mapping[b->mapping[i]].session]);
	for (uint64_t todo = tcp; bit_take(&todo, &i);) {
		if (unlikely(!nat_track_data(&w->nat, b->mapping[i], b->src[i], b->src_port[i],
			    b->ip[i][IPV4_MIN + TCP_FLAGS_BYTE], w->now)))
			found &= ~bit(i);
	}
	return found;
}

// Sends those of the mask, whose mappings have been found, to their hosts.
static uint64_t go_in(struct worker *w, struct burst *b, uint64_t mask)
{
	rte_be32_t address[BURST_MAX] = {0}; // gcc cannot tell that those of the mask are written
	uint32_t route[BURST_MAX];
	uint64_t own = 0, in = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		address[i] = w->nat.bib.mapping[b->mapping[i]].inside;
		own |= (uint64_t)!alias_is(address[i]) << i;
	}
	classify_routes(w, own, address, route);
	for (uint64_t todo = own; bit_take(&todo, &i);) {
		const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];
		const struct nexthop *nh = &w->snapshot->nexthop[route[i]];

		if (unlikely(!(nh->realm & REALM_INTERNAL) || b->length[i] > nh->mtu))
			continue;
		b->route[i] = route[i];
		b->dst[i] = m->inside;
		rewrite_packet(b, i, IPV4_DESTINATION, 2, m->inside, m->inside_port, 1);
		in |= bit(i);
	}
	b->big &= ~in;
	transmit(w, b, in, V_NAT44_IN);
	if (mask & ~own)
		in |= aliased_fast_in(w, b, mask & ~own);
	return in;
}

static uint64_t from_outside(struct worker *w, struct burst *b, uint64_t mask, uint64_t *others)
{
	uint64_t plain = read_all(w, b, mask, REALM_EXTERNAL, others), found, in = 0;
	const uint32_t *slot[BURST_MAX];
	struct arrived arrived;

	if (!plain)
		return 0;
	classify_routes(w, plain, b->dst, b->route);
	arrived = sort(w, b, plain, slot);
	found = arrived.mapped ? find_mappings(w, b, arrived.mapped, slot) : 0;
	if (found)
		in = go_in(w, b, found);
	if (arrived.softwire)
		in |= softwire_fast_in(w, b, arrived.softwire);
	return in;
}

uint64_t nat44_fast(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t todo = mask, inside = 0, outside = 0, done;
	unsigned first;

	// destinations by other names are looked up first
	if (unlikely(!bit_take(&todo, &first) || w->snapshot->dstnat.count))
		return 0;
	// those of a burst came by one device, and nearly always by interfaces of one realm
	if (w->snapshot->iface[b->iface[first]].realm == REALM_INTERNAL) {
		done = from_inside(w, b, mask, &outside);
		if (unlikely(outside))
			done |= from_outside(w, b, outside, &inside);
		return done;
	}
	done = from_outside(w, b, mask, &inside);
	if (unlikely(inside))
		done |= from_inside(w, b, inside, &outside);
	return done;
}
