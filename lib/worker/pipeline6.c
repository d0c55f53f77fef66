// SPDX-License-Identifier: BSD-3-Clause

// The way of an IPv6 packet. Native ones pass as they are, by route; what services take goes their ways. A host
// without an IPv4 address runs through NAT44 under an alias (session/alias.h): its packets enter as IPv4 and leave
// as what they were.

#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/icmp6.h"
#include "worker/stages.h"
#include "xlate/dslite.h"
#include "xlate/nat64.h"

// Ends those of the mask that no IPv4 packet can be made of or that have come to their last hop (RFC 6146 section
// 3.4). Returns the others.
static uint64_t admit(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (unlikely(b->ip[i][IPV6_HOP_LIMIT] <= 1))
			classify6_refuse(w, b, i, V_TTL, ICMP6_TIME_EXCEEDED, ICMP6_HOP_LIMIT, 0);
		else if (unlikely(classify6_asks_for_route(w, b, i)))
			;
		else if (unlikely(b->l4[i] == L4_COUNT))
			classify6_refuse(
				w, b, i, V_PROTOCOL, ICMP6_UNREACHABLE, ICMP6_PORT_UNREACHABLE, 0);
	}
	return mask & b->live;
}

// Tells those of the mask that found no room that their destination cannot be reached (RFC 6146 section 3.5.1.1).
static void tell_refused(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask & ~b->live; bit_take(&todo, &i);) {
		if (verdict_is_refusal(b->verdict[i]))
			classify6_refuse(w, b, i, b->verdict[i], ICMP6_UNREACHABLE,
				ICMP6_ADDRESS_UNREACHABLE, 0);
	}
}

static void carry_nat64(struct worker *w, struct burst *b, uint64_t mask, bool may_steer)
{
	uint64_t entered;

	if (may_steer && w->dataplane->workers > 1)
		mask = steer_service(w, b, mask);
	mask = admit(w, b, mask);
	entered = nat64_enter(&w->nat, b, mask, w->now);
	tell_refused(w, b, mask);
	if (entered)
		carry4(w, b, entered, V_NAT64_OUT, false);
	nat64_settle(&w->nat, b, mask);
}

void carry_entered(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t softwired = 0;
	unsigned i;

	hdr_read_own(b, mask);
	defrag_recall(b, mask);
	for (uint64_t todo = mask & b->live; bit_take(&todo, &i);)
		softwired |= (uint64_t)(alias_at(&w->nat.aliases, b->src[i])->b4 != 0) << i;
	if (mask & b->live & ~softwired)
		carry4(w, b, mask & b->live & ~softwired, V_NAT64_OUT, false);
	if (softwired)
		carry4(w, b, softwired, V_DSLITE_OUT, false);
	nat64_settle(&w->nat, b, mask);
}

void carry_aliased(
	struct worker *w, struct burst *b, uint64_t mask, uint64_t hairpin, enum verdict verdict)
{
	enum verdict turned = verdict == V_NAT44_HAIRPIN ? V_NAT64_HAIRPIN : verdict;
	uint64_t softwired = w->snapshot->aftrs ? dslite_of(&w->nat, b, mask) : 0;
	uint64_t big = mask & b->big & ~softwired;
	unsigned i;

	if (softwired)
		carry_softwired(w, b, softwired, hairpin & softwired,
			verdict == V_NAT44_HAIRPIN ? V_DSLITE_HAIRPIN : verdict);
	mask &= ~softwired;
	mask = nat64_leave(&w->nat, b, mask);
	transmit(w, b, mask & ~(big | hairpin), V_NAT64_IN);
	transmit(w, b, mask & hairpin & ~big, turned);
	for (uint64_t todo = mask & big; bit_take(&todo, &i);) {
		const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];

		transmit_fragments6(w, b, i, policy_of(&w->nat, m->policy)->lowest_mtu6,
			rte_cpu_to_be_32(rte_be_to_cpu_16(b->id[i])),
			hairpin & bit(i) ? turned : V_NAT64_IN);
	}
}

void carry6(struct worker *w, struct burst *b, uint64_t mask, bool may_steer)
{
	struct ways6 ways;
	uint64_t native, redirected;

	if (w->snapshot->softwires)
		mask &= ~softwire_fast_out(w, b, mask);
	if (w->nat.aliases.used)
		mask &= ~aliased_fast_out(w, b, mask);
	if (!mask)
		return;
	hdr6_read(b, mask);
	ways = classify6(w, b, mask & b->live);
	redirected = filter6(w, b, ways.out);
	native = classify6_size(w, b, (ways.out | ways.in) & b->live);
	hdr6_hop(b, native);
	transmit(w, b, native & ~redirected, V_ROUTED6);
	if (unlikely(redirected))
		transmit(w, b, native & redirected, V_REDIRECTED);
	if (ways.service[SERVICE_NAT64])
		carry_nat64(w, b, ways.service[SERVICE_NAT64], may_steer);
	if (ways.service[SERVICE_DSLITE])
		carry_dslite(w, b, ways.service[SERVICE_DSLITE], may_steer);
	if (ways.service[SERVICE_MAPT])
		mapt_out(w, b, ways.service[SERVICE_MAPT]);
	if (ways.service[SERVICE_SOFTWIRE])
		softwire_out(w, b, ways.service[SERVICE_SOFTWIRE]);
}

void carry_gathered6(struct worker *w, struct burst *b, uint64_t mask)
{
	struct ways6 ways;
	uint64_t mapped;
	unsigned i;

	hdr6_read(b, mask);
	ways = classify6(w, b, mask & b->live);
	mapped = ways.service[SERVICE_MAPT];
	// the border relay may have gone with a reload
	for (uint64_t todo = mask & b->live & ~mapped; bit_take(&todo, &i);)
		burst_end(b, i, V_NO_SOFTWIRE);
	defrag_recall(b, mapped);
	if (mapped)
		mapt_resume(w, b, mapped);
}
