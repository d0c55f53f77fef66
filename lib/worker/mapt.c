// SPDX-License-Identifier: BSD-3-Clause

// MAP-T (RFC 7599) around the two translations (xlate/mapt.c). A packet from a subscriber becomes IPv4 as soon as it
// is known to be his and goes on like one out of a softwire; it is `mapped`, so that whoever has to answer makes it
// what it was. IPv6 fragments wait for the ports of the first, as IPv4 ones do.

#include "xlate/mapt.h"

#include "net/hdr6.h"
#include "net/icmp6.h"
#include "net/local.h"
#include "net/siit_icmp.h"
#include "worker/softwire.h"

#include <string.h>

// Takes account of those of the mask that did not enter, and tells those whose address and port are not theirs (RFC
// 7599 section 8.3).
static void refuse(struct worker *w, struct burst *b, uint64_t mask,
	const struct softwire_search *x, const uint16_t length[BURST_MAX])
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		struct softwire_stats *stats =
			x->softwire[i] ? softwire_stats_of(w, x->softwire[i]) : NULL;
		uint16_t told = 0;

		if (b->verdict[i] == V_SOFTWIRE_SOURCE)
			told = classify6_refuse(
				w, b, i, V_SOFTWIRE_SOURCE, ICMP6_UNREACHABLE, ICMP6_POLICY, 0);
		if (!stats)
			continue;
		softwire_count(&stats->dropped_ipv6, length[i]);
		if (told)
			softwire_count(&stats->out_icmpv6_error, told);
	}
}

void mapt_resume(struct worker *w, struct burst *b, uint64_t mask)
{
	struct softwire_search x;
	uint16_t length[BURST_MAX];
	uint64_t entered;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		length[i] = b->length[i];
		if (unlikely(classify6_asks_for_route(w, b, i)))
			mask &= ~bit(i);
	}
	entered = mapt_enter(w->snapshot, b, mask, softwire_error_source(w), &x);
	defrag_recall(b, entered & b->fragments);
	b->mapped |= entered;
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (likely(x.softwire[i] != NULL))
			softwire_count(&softwire_stats_of(w, x.softwire[i])->rcvd_ipv6, length[i]);
	}
	if (unlikely(mask & ~entered))
		refuse(w, b, mask & ~entered, &x, length);
	softwire_go_on(w, b, entered, &x, V_MAPT_OUT);
}

void mapt_out(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t pieces = mask & b->fragments;

	if (unlikely(pieces))
		defrag6(w, b, steer_pieces(w, b, pieces));
	if (mask & ~pieces)
		mapt_resume(w, b, mask & ~pieces);
}

static enum verdict translated(enum verdict verdict)
{
	switch (verdict) {
	case V_SOFTWIRE_IN:
		return V_MAPT_IN;
	case V_SOFTWIRE_HAIRPIN:
		return V_MAPT_HAIRPIN;
	default:
		return verdict;
	}
}

void mapt_in(struct worker *w, struct burst *b, uint64_t mask, const struct softwire_search *x,
	enum verdict verdict)
{
	uint64_t pass = 0, big = mask & b->big;
	unsigned i;

	verdict = translated(verdict);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		struct softwire_stats *stats = softwire_stats_of(w, x->softwire[i]);
		uint16_t length = b->length[i];

		// that of a fragment stands in its Fragment header
		memcpy(&b->id[i], b->ip[i] + 4, sizeof(b->id[i]));
		if (unlikely(!mapt_leave(w->snapshot, b, i, x))) {
			softwire_count(&stats->dropped_ipv4, length);
			if (b->fragments & bit(i))
				softwire_count(&stats->dropped_ipv4_fragment, length);
			continue;
		}
		softwire_count(&stats->sent_ipv6, b->length[i]);
		pass |= bit(i);
	}
	transmit(w, b, pass & ~big, verdict);
	for (uint64_t todo = pass & big; bit_take(&todo, &i);)
		transmit_fragments6(w, b, i, x->softwire[i]->lowest_mtu6,
			rte_cpu_to_be_32(rte_be_to_cpu_16(b->id[i])), verdict);
}

void mapt_refuse(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire,
	enum verdict verdict, struct icmp_error error)
{
	const struct siit_mtu mtu = {
		.mtu4 = UINT16_MAX,
		.mtu6 = w->snapshot->iface[b->iface[i]].mtu6,
		.quoted = b->length[i],
	};
	struct siit_error told = {.type = error.type, .code = error.code, .word = error.mtu};
	rte_be32_t self = softwire_error_source(w);
	uint16_t length;
	const struct softwire *from;
	struct icmp6_error error6;
	uint8_t source[16];

	if ((b->icmp_error | b->tails) & bit(i) || !siit_error_to6(&told, &mtu)) {
		burst_end(b, i, verdict);
		return;
	}
	from = mapt_restore(w->snapshot, b, i);
	if (!from)
		return;
	// hosts behind the subscriber's translator hear only of what has an IPv4 address
	nat64pfx_embed(&from->dmr, self, source);
	error6 = (struct icmp6_error){
		.type = told.type,
		.code = told.code,
		.word = told.word,
		.source = self ? source : w->snapshot->iface[b->iface[i]].addr6,
	};
	length = classify6_refuse_restored(w, b, i, verdict, &error6);
	if (length)
		softwire_count(&softwire_stats_of(w, softwire)->out_icmpv6_error, length);
}

// The answer is translated like one from anybody.
bool mapt_answer(struct worker *w, struct burst *b, unsigned i)
{
	rte_be32_t box = b->dst[i];

	if (b->l4[i] != L4_ICMP || b->flags[i] != ICMP_ECHO ||
		(b->icmp_error | b->fragments) & bit(i)) {
		burst_end(b, i, V_LOCAL);
		return false;
	}
	echo_answer4(b->mbuf[i], b->ip[i], b->ip[i] + b->ihl[i], &w->iface_mac[b->iface[i]]);
	b->dst[i] = b->src[i];
	b->src[i] = box;
	b->flags[i] = ICMP_ECHO_REPLY;
	b->route[i] = (uint32_t)(snapshot_route(w->snapshot, rte_be_to_cpu_32(b->dst[i])) -
		w->snapshot->nexthop);
	softwire_in(w, b, bit(i), bit(i), V_ECHO);
	return true;
}
