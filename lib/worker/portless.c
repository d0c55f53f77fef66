// SPDX-License-Identifier: BSD-3-Clause

// Protocols without ports. A host that has an outside address to itself may use them as its policy says; for all
// others they end here. Nothing is kept, so they are not handed to an owner, and fragments go one by one.

#include "net/hdr.h"
#include "worker/softwire.h"
#include "xlate/whole.h"

// Which static mapping carries packet i on each side of its way; NULL: it does not go there.
struct by {
	const struct static_mapping *out;
	const struct static_mapping *in;
};

static struct by find(
	const struct snapshot *s, const struct burst *b, unsigned i, bool out, bool in)
{
	return (struct by){
		.out = out ? whole_find_out(s, b, i) : NULL,
		.in = in ? whole_find_in(s, b, i) : NULL,
	};
}

static bool drops_fragments(const struct snapshot *s, const struct static_mapping *by)
{
	return by && s->policy[by->policy]->fragments.behavior == FRAGMENTS_DROP;
}

// Whether packet i may go on, out of the host's address or in to it or both; else it is ended.
static bool admit(struct worker *w, struct burst *b, unsigned i, bool out, bool in)
{
	const struct snapshot *s = w->snapshot;
	struct by by = find(s, b, i, out, in);

	if ((out && !by.out) || (in && !by.in))
		burst_end(b, i, b->icmp_error & bit(i) ? V_ICMP_QUOTE : V_PROTOCOL);
	else if (b->fragments & bit(i) && (drops_fragments(s, by.out) || drops_fragments(s, by.in)))
		burst_end(b, i, V_FRAGMENT);
	else
		return true;
	return false;
}

struct ways portless_sort(struct worker *w, struct burst *b, struct ways ways)
{
	uint64_t whole = (ways.out | ways.in) & b->portless, fine = 0;
	// what is behind a border relay is not translated once more
	uint64_t into = ways.in | (ways.hairpin & ~softwire_hops(w, b, ways.hairpin));
	struct quoted q;
	unsigned i;

	for (uint64_t todo = (ways.out | ways.in) & b->icmp_error; bit_take(&todo, &i);)
		whole |= (uint64_t)hdr_quoted_bare(b, i, &q) << i;
	for (uint64_t todo = whole; bit_take(&todo, &i);) {
		fine |= (uint64_t)admit(w, b, i, ways.out & bit(i), into & bit(i)) << i;
	}
	ways.whole_out = fine & ways.out;
	ways.whole_in = fine & into;
	ways.out &= ~whole;
	ways.in &= ~whole;
	ways.hairpin &= ~whole;
	return ways;
}

// Finds the route to the inside address of each of the mask; it must lead inside.
static void route_inside(struct worker *w, struct burst *b, uint64_t mask)
{
	const struct snapshot *s = w->snapshot;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		rte_be32_t inside = whole_find_in(s, b, i)->inside;
		const struct nexthop *nh = snapshot_route(s, rte_be_to_cpu_32(inside));

		b->route[i] = (uint32_t)(nh - s->nexthop);
		b->big |= (uint64_t)(b->length[i] > nh->mtu) << i;
		if (!(nh->realm & REALM_INTERNAL))
			burst_end(b, i, V_NO_ROUTE);
	}
}

void portless_forward(
	struct worker *w, struct burst *b, uint64_t out, uint64_t in, enum verdict verdict)
{
	uint64_t redirected = filter(w, b, 0, out);
	uint64_t pass, softwired;
	bool counted = verdict != V_NAT44_IN;
	unsigned i;

	route_inside(w, b, in & b->live);
	pass = classify_size(w, b, (out | in) & b->live, 0);
	// where nobody shares the address, the host's own identifications are unique
	for (uint64_t todo = pass; bit_take(&todo, &i);) {
		struct by by = find(w->snapshot, b, i, out & bit(i), in & bit(i));

		if (by.out)
			whole_translate_out(b, i, by.out);
		if (by.in)
			whole_translate_in(b, i, by.in, by.out || counted);
	}
	dstnat_in(w, b, pass & in);
	softwired = softwire_hops(w, b, pass & out & ~in);
	if (softwired)
		softwire_in(w, b, softwired, softwired, V_SOFTWIRE_HAIRPIN);
	transmit(w, b, pass & out & ~(in | redirected | softwired), V_NAT44_OUT);
	if (unlikely(redirected))
		transmit(w, b, pass & redirected, V_REDIRECTED);
	transmit(w, b, pass & in & ~out, verdict);
	transmit(w, b, pass & in & out, V_NAT44_HAIRPIN);
}
