// SPDX-License-Identifier: BSD-3-Clause

// NAT44 (RFC 4787, 5382, 5508): endpoint-independent mappings over port blocks.
//
// A lookup goes through the burst several times: each pass touches what the pass before has prefetched,
// so that the memory latencies of all packets overlap.

#include "net/hdr.h"
#include "net/mss.h"
#include "xlate/rewrite.h"
#include "xlate/xlate.h"

#include <rte_prefetch.h>

static struct flow flow_from_inside(const struct burst *b, unsigned i)
{
	return (struct flow){
		.inside = b->src[i],
		.remote = b->dst[i],
		.inside_port = b->src_port[i],
		.remote_port = b->dst_port[i],
		.l4 = b->l4[i],
	};
}

static uint64_t find_dependent(const struct nat *nat, struct burst *b, uint64_t mask)
{
	uint64_t found = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		struct flow flow = flow_from_inside(b, i);
		const struct mapping *m;

		b->mapping[i] = nat_find_dependent(nat, &flow);
		if (!b->mapping[i])
			continue;
		m = &nat->bib.mapping[b->mapping[i]];
		b->marked |= (uint64_t)((m->flags & MAPPING_MARKED) != 0) << i;
		found |= bit(i);
	}
	return found;
}

// Those whose mapping has sessions, UDP among them.
static uint64_t with_sessions(const struct nat *nat, const struct burst *b, uint64_t mask)
{
	uint64_t with = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct mapping *m = &nat->bib.mapping[b->mapping[i]];

		with |= (uint64_t)((m->flags & MAPPING_SESSIONS) != 0) << i;
	}
	return with;
}

uint64_t nat44_find_out(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now)
{
	const struct bib *bib = &nat->bib;
	uint64_t hash[BURST_MAX];
	uint64_t missing = 0, marked = 0, stale = 0, found;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		hash[i] = bib_hash(bib, b->l4[i], b->src[i], b->src_port[i]);
		rte_prefetch0(index_home(&bib->by_inside, hash[i]));
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		b->mapping[i] = index_first(&bib->by_inside, hash[i]);
		rte_prefetch0(&bib->mapping[b->mapping[i]]);
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct mapping *m = &bib->mapping[b->mapping[i]];

		if (unlikely(!mapping_is_inside(m, b->l4[i], b->src[i], b->src_port[i]))) {
			b->mapping[i] = bib_find_inside(bib, b->l4[i], b->src[i], b->src_port[i]);
			if (!b->mapping[i]) {
				missing |= bit(i);
				continue;
			}
			m = &bib->mapping[b->mapping[i]];
		}
		// static mappings are not reached through their subscriber's blocks, so carry no mark
		if (unlikely(m->flags & (MAPPING_MARKED | MAPPING_STATIC)))
			marked |= bit(i);
		stale |= (uint64_t)(m->seen != now) << i;
	}
	b->marked = marked;
	b->stale = stale;
	found = mask & ~missing;
	if (unlikely(nat->dependent))
		found |= find_dependent(nat, b, missing);
	if (unlikely(nat->udp_in))
		b->stateful |= with_sessions(nat, b, found);
	return found;
}

// A first packet to a port that a static mapping forwards makes its mapping.
static bool open_static(struct nat *nat, struct burst *b, unsigned i, uint32_t now)
{
	enum l4 l4 = b->l4[i];
	const struct static_mapping *from = static_by_outside(&nat->snapshot->statics, b->dst[i],
		l4_protocol(l4), rte_be_to_cpu_16(b->dst_port[i]));
	enum verdict verdict = V_NO_MAPPING;

	// an earlier packet of this burst may have made it
	b->mapping[i] = bib_find_outside(&nat->bib, l4, b->dst[i], b->dst_port[i]);
	if (b->mapping[i])
		return true;
	if (from && !nat_may_open(l4, b->flags[i]))
		verdict = V_NOT_SYN;
	else if (from && !(l4 == L4_ICMP && b->flags[i] != ICMP_ECHO))
		verdict = nat_open_static(nat, from, l4, b->dst_port[i], now, &b->mapping[i]);
	if (verdict == V_NAT44_IN)
		return true;
	burst_end(b, i, verdict);
	return false;
}

// Where UDP that comes in must be tracked: its mapping has sessions, or it refreshes.
static void track_udp_in(const struct nat *nat, struct burst *b, uint64_t mask)
{
	uint64_t with = with_sessions(nat, b, mask);
	unsigned i;

	b->stateful |= with;
	for (uint64_t todo = mask & ~with; bit_take(&todo, &i);) {
		const struct mapping *m = &nat->bib.mapping[b->mapping[i]];

		if (policy_of(nat, m->policy)->inbound_refresh)
			b->stale |= bit(i);
	}
}

uint64_t nat44_find_in(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now)
{
	static const uint32_t nobody = 0;
	const struct nexthop *nexthop = nat->snapshot->nexthop;
	const uint32_t *slot[BURST_MAX];
	uint64_t indexed = mask & b->slotless, found = 0;
	unsigned i;

	for (uint64_t todo = indexed; bit_take(&todo, &i);)
		slot[i] = &nobody;
	for (uint64_t todo = mask & ~indexed; bit_take(&todo, &i);) {
		const struct nexthop *nh = &nexthop[b->route[i]];
		uint32_t outside = rte_be_to_cpu_32(b->dst[i]);
		uint16_t port = rte_be_to_cpu_16(b->dst_port[i]);

		slot[i] = NULL;
		if (unlikely(nat_has_statics(nat, nh, outside, port)))
			indexed |= bit(i);
		else
			slot[i] = nat_slot(nat, nh, b->l4[i], outside, port);
		if (unlikely(!slot[i]))
			slot[i] = &nobody;
		rte_prefetch0(slot[i]);
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		b->mapping[i] = slot_mapping(*slot[i]);
		found |= (uint64_t)(b->mapping[i] != 0) << i;
		rte_prefetch0(&nat->bib.mapping[b->mapping[i]]);
	}
	for (uint64_t todo = indexed; bit_take(&todo, &i);) {
		b->mapping[i] = nat_find_outside(
			nat, &nexthop[b->route[i]], b->l4[i], b->dst[i], b->dst_port[i]);
		found |= (uint64_t)(b->mapping[i] != 0) << i;
	}
	for (uint64_t todo = mask & ~found; bit_take(&todo, &i);) {
		if (open_static(nat, b, i, now))
			found |= bit(i);
	}
	b->stale &= ~mask;
	if (unlikely(nat->udp_in))
		track_udp_in(nat, b, found);
	return found;
}

// Whether packet i may open anything.
static enum verdict may_open(const struct burst *b, unsigned i)
{
	if (!nat_may_open(b->l4[i], b->flags[i]))
		return V_NOT_SYN;
	return b->l4[i] == L4_ICMP && b->flags[i] != ICMP_ECHO ? V_NO_MAPPING : V_NAT44_OUT;
}

uint64_t nat44_open(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now)
{
	struct opening opening[BURST_MAX];
	struct flow flow[BURST_MAX];
	uint64_t found = 0, fresh = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		flow[i] = flow_from_inside(b, i);
		if (may_open(b, i) != V_NAT44_OUT)
			continue;
		opening[i] = nat_prepare(nat, &flow[i]);
		fresh |= bit(i);
	}
	for (uint64_t todo = fresh; bit_take(&todo, &i);)
		nat_prepare_subscriber(nat, &opening[i]);
	for (uint64_t todo = fresh; bit_take(&todo, &i);)
		nat_prepare_block(nat, &opening[i], flow[i].l4);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		enum verdict verdict = V_NAT44_OUT;

		// an earlier packet of this burst may have made it
		b->mapping[i] = nat_find_inside(nat, &flow[i]);
		if (!b->mapping[i]) {
			verdict = may_open(b, i);
			if (verdict == V_NAT44_OUT)
				verdict = nat_open_prepared(
					nat, &flow[i], &opening[i], now, &b->mapping[i]);
		}
		if (verdict == V_NAT44_OUT)
			found |= bit(i);
		else
			burst_end(b, i, verdict);
	}
	if (unlikely(nat->udp_in))
		b->stateful |= with_sessions(nat, b, found);
	return found;
}

// The session of packet i, or nothing: a mapping that was made for it alone goes with it.
static bool track(struct nat *nat, struct burst *b, unsigned i, bool outward, uint32_t now)
{
	uint32_t number = b->mapping[i];
	rte_be32_t remote = outward ? b->dst[i] : b->src[i];
	rte_be16_t port = outward ? b->dst_port[i] : b->src_port[i];
	enum verdict verdict;

	if (likely(nat_track_data(nat, number, remote, port, b->flags[i], now)))
		return true;
	verdict = nat_track(nat, number, remote, port, b->flags[i], outward, now);
	if (likely(verdict == V_NAT44_OUT || verdict == V_NAT44_IN))
		return true;
	if (!nat->bib.mapping[number].sessions)
		mapping_end(nat, number, true, now);
	burst_end(b, i, verdict);
	return false;
}

uint64_t nat44_track(struct nat *nat, struct burst *b, uint64_t mask, bool outward, uint32_t now)
{
	uint64_t go_on = mask;
	unsigned i;

	for (uint64_t todo = mask & b->stateful; bit_take(&todo, &i);)
		rte_prefetch0(&nat->sessions.session[nat->bib.mapping[b->mapping[i]].session]);
	for (uint64_t todo = mask & (b->stateful | b->stale); bit_take(&todo, &i);) {
		if (!track(nat, b, i, outward, now))
			go_on &= ~bit(i);
	}
	return go_on;
}

// Both ends of a connection learn here how large its segments may be (policy's mss-clamping).
static void clamp(const struct nat *nat, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		uint16_t mss = policy_of(nat, nat->bib.mapping[b->mapping[i]].policy)->mss;
		uint32_t there = b->length[i] < b->room[i] ? b->length[i] : b->room[i];

		if (mss)
			mss_clamp(b->ip[i] + b->ihl[i], there - b->ihl[i], mss);
	}
}

void nat44_translate_out(const struct nat *nat, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct mapping *m = &nat->bib.mapping[b->mapping[i]];

		if (likely(!(b->tails & bit(i))))
			rewrite_packet(b, i, 12, 0, m->outside, m->outside_port, 1);
		else
			rewrite_address(b, i, 12, m->outside, 1);
		b->src[i] = m->outside;
		b->src_port[i] = m->outside_port;
	}
	if (unlikely(mask & b->syn))
		clamp(nat, b, mask & b->syn);
}

void nat44_translate_in(const struct nat *nat, struct burst *b, uint64_t mask, uint64_t keep_ttl)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct mapping *m = &nat->bib.mapping[b->mapping[i]];
		uint8_t ttl_step = keep_ttl & bit(i) ? 0 : 1;

		if (likely(!(b->tails & bit(i))))
			rewrite_packet(b, i, 16, 2, m->inside, m->inside_port, ttl_step);
		else
			rewrite_address(b, i, 16, m->inside, ttl_step);
		b->dst[i] = m->inside;
		b->dst_port[i] = m->inside_port;
	}
	if (unlikely(mask & b->syn))
		clamp(nat, b, mask & b->syn);
}

bool nat44_error_find_out(const struct nat *nat, struct burst *b, unsigned i)
{
	struct quoted q;
	struct flow flow;

	// who sent the quoted packet must be whom the error is for; and an alias is nothing that a host can quote
	if (!hdr_quoted(b, i, &q) || q.src != b->dst[i] ||
		(alias_is(q.dst) && q.dst != b->src[i])) {
		burst_end(b, i, V_ICMP_QUOTE);
		return false;
	}
	flow = (struct flow){
		.inside = q.dst,
		.remote = q.src,
		.inside_port = q.dst_port,
		.remote_port = q.src_port,
		.l4 = (uint8_t)q.proto,
	};
	b->mapping[i] = nat_find_inside(nat, &flow);
	if (b->mapping[i])
		return true;
	burst_end(b, i, V_NO_MAPPING);
	return false;
}

bool nat44_error_find_in(const struct nat *nat, struct burst *b, unsigned i)
{
	const struct nexthop *nexthop = &nat->snapshot->nexthop[b->route[i]];
	struct quoted q;

	if (!hdr_quoted(b, i, &q) || q.src != b->dst[i]) {
		burst_end(b, i, V_ICMP_QUOTE);
		return false;
	}
	b->mapping[i] = nat_find_outside(nat, nexthop, q.proto, q.src, q.src_port);
	if (b->mapping[i])
		return true;
	burst_end(b, i, V_NO_MAPPING);
	return false;
}

// The sender may be the host itself or a router on the way to it, which has no outside address of its
// own; the host's stands for both (RFC 5508 REQ-5c).
void nat44_error_translate_out(const struct nat *nat, struct burst *b, unsigned i)
{
	const struct mapping *m = &nat->bib.mapping[b->mapping[i]];
	struct quoted q;

	hdr_quoted(b, i, &q);
	rewrite_quoted(b, i, &q, 16, 2, m->outside, m->outside_port);
	rewrite_address(b, i, 12, m->outside, 1);
	b->src[i] = m->outside;
}

void nat44_error_translate_in(const struct nat *nat, struct burst *b, unsigned i, bool keep_ttl)
{
	const struct mapping *m = &nat->bib.mapping[b->mapping[i]];
	struct quoted q;

	hdr_quoted(b, i, &q);
	rewrite_quoted(b, i, &q, 12, 0, m->inside, m->inside_port);
	rewrite_address(b, i, 16, m->inside, keep_ttl ? 0 : 1);
	b->dst[i] = m->inside;
}
