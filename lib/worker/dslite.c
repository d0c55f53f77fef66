// SPDX-License-Identifier: BSD-3-Clause

// Softwires of DS-Lite (RFC 6333) around NAT44: what is in fragments is put together before it leaves its softwire,
// and fragmented after it has entered one.

#include "xlate/dslite.h"

#include "net/hdr6.h"
#include "net/local.h"
#include "net/tunnel.h"
#include "worker/stages.h"
#include "xlate/nat64.h"

static const struct aftr *aftr_of(const struct worker *w, const struct burst *b, unsigned i)
{
	const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];

	return dslite_aftr(&w->nat, alias_at(&w->nat.aliases, m->inside));
}

// Who asks whether an AFTR is there gets an answer.
static uint64_t answer_echoes(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (b->l4[i] != L4_ICMP || b->flags[i] != ICMP6_ECHO)
			continue;
		burst_end(b, i, V_ECHO);
		if (!echo_answer6(b->mbuf[i], b->ip[i], b->room[i], &w->iface_mac[b->iface[i]])) {
			b->verdict[i] = V_ICMP_CHECKSUM;
			continue;
		}
		transmit_frame(w, b->iface[i], b->mbuf[i], V_ECHO);
		b->mbuf[i] = NULL;
	}
	return mask & b->live;
}

void carry_dslite(struct worker *w, struct burst *b, uint64_t mask, bool may_steer)
{
	uint64_t entered;

	if (may_steer && w->dataplane->workers > 1)
		mask = steer_service(w, b, mask);
	if (unlikely(mask & b->fragments)) {
		reassemble(w, b, mask & b->fragments);
		mask &= ~b->fragments;
	}
	mask = answer_echoes(w, b, mask);
	entered = dslite_enter(&w->nat, b, mask, w->now);
	if (entered)
		carry4(w, b, entered, V_DSLITE_OUT, false);
	nat64_settle(&w->nat, b, mask);
}

uint16_t dslite_mtu(const struct worker *w, const struct burst *b, unsigned i)
{
	const struct aftr *aftr = aftr_of(w, b, i);
	uint16_t mtu = w->snapshot->nexthop[b->route[i]].mtu;

	return aftr->mtu && aftr->mtu < mtu ? aftr->mtu : mtu;
}

bool dslite_fragments(const struct worker *w, const struct burst *b, unsigned i)
{
	return aftr_of(w, b, i)->despite_df;
}

void carry_softwired(
	struct worker *w, struct burst *b, uint64_t mask, uint64_t hairpin, enum verdict verdict)
{
	uint64_t big = mask & b->big;
	unsigned i;

	mask = dslite_leave(&w->nat, b, mask);
	big &= mask;
	transmit(w, b, mask & ~(big | hairpin), V_DSLITE_IN);
	transmit(w, b, mask & hairpin & ~big, verdict);
	for (uint64_t todo = big; bit_take(&todo, &i);)
		transmit_fragments6(w, b, i, dslite_mtu(w, b, i), rte_cpu_to_be_32(w->tunnel_id++),
			hairpin & bit(i) ? verdict : V_DSLITE_IN);
}

void dslite_refuse(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	struct icmp_error error)
{
	const struct alias *alias = alias_at(&w->nat.aliases, b->src[i]);
	const struct nexthop *nh = snapshot_route6(w->snapshot, alias->key.address);
	unsigned iface = b->iface[i];

	burst_end(b, i, verdict);
	if ((b->icmp_error | b->tails) & bit(i) || !w->snapshot->iface[iface].icmp_errors ||
		!(nh->realm & REALM_INTERNAL) || classify_withholds_error(w) ||
		!dslite_error_make(&w->nat, b, i, &error))
		return;
	classify_count_error(w, iface);
	b->route[i] = (uint32_t)(nh - w->snapshot->nexthop);
	b->big &= ~bit(i);
	b->live |= bit(i);
	transmit(w, b, bit(i), verdict);
	// it has not been ended if it is on its way
	if (b->live & bit(i))
		b->mbuf[i] = NULL;
	b->live &= ~bit(i);
}
