// SPDX-License-Identifier: BSD-3-Clause

// A+P packets (RFC 7596, RFC 7597, RFC 7599) on their way to who has their destination address and port: into his
// tunnel, or translated.

#include "net/hdr6.h"
#include "worker/softwire.h"

#include <string.h>

static void count_dropped4(
	struct worker *w, const struct burst *b, unsigned i, const struct softwire *softwire)
{
	struct softwire_stats *stats = softwire_stats_of(w, softwire);

	softwire_count(&stats->dropped_ipv4, b->length[i]);
	if (b->fragments & bit(i))
		softwire_count(&stats->dropped_ipv4_fragment, b->length[i]);
}

// What the ICMP policy of the border relays lets in of packets from outside.
static uint64_t admit_icmp(
	struct worker *w, struct burst *b, uint64_t mask, const struct softwire_search *x)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct softwire *softwire = x->softwire[i];
		struct softwire_stats *stats = softwire_stats_of(w, softwire);

		if (likely(b->l4[i] != L4_ICMP))
			continue;
		if (softwire->incoming_icmp4 &&
			(!(b->icmp_error & bit(i)) ||
				softwire_may_pass(softwire->icmp4_rate, &stats->icmp4_tokens,
					&stats->icmp4_tick, w->now)))
			continue;
		softwire_count(&stats->dropped_icmpv4, b->length[i]);
		count_dropped4(w, b, i, softwire);
		burst_end(b, i, V_ICMP_POLICY);
	}
	return mask & b->live;
}

static void refuse_unknown(
	struct worker *w, struct burst *b, uint64_t mask, const struct softwire_search *x)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct softwire *softwire = x->softwire[i];

		count_dropped4(w, b, i, softwire);
		if (softwire->generate_icmp4)
			softwire_refuse(w, b, i, softwire, V_NO_SOFTWIRE,
				(struct icmp_error){
					.type = ICMP_UNREACHABLE, .code = ICMP_HOST_UNREACHABLE});
		else
			burst_end(b, i, V_NO_SOFTWIRE);
	}
}

// The MTU of a tunnel, outer header included.
static uint32_t tunnel_mtu(const struct softwire *softwire, const struct nexthop *nh)
{
	return min_u32(nh->mtu, softwire->payload_mtu + TUNNEL_HEADER);
}

// How large an IPv6 packet may be that is made of an IPv4 one which has DF or not (RFC 7915 section 4).
static uint32_t translated_mtu(const struct softwire *softwire, const struct nexthop *nh, bool df)
{
	return df ? nh->mtu : min_u32(nh->mtu, softwire->lowest_mtu6);
}

// Whether packet i fits its way to the subscriber, or may be sent in fragments; else it is ended (RFC 2473 section
// 7.2, RFC 7915 section 4.1).
static bool fit(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
	bool translated = softwire->kind == SOFTWIRE_MAP_T, df = hdr_has_df(b->ip[i]);
	uint32_t growth = translated ? siit_growth(b, i) : TUNNEL_HEADER, mtu;

	if (unlikely(!softwire_is_inside_hop(nh))) {
		burst_end(b, i, V_NO_ROUTE);
		return false;
	}
	mtu = translated ? translated_mtu(softwire, nh, df) : tunnel_mtu(softwire, nh);
	b->big &= ~bit(i);
	if (likely(b->length[i] + growth <= mtu))
		return true;
	// an error is cut short by the translation
	if (translated && b->icmp_error & bit(i))
		return true;
	if (df) {
		softwire_refuse(w, b, i, softwire, V_TOO_BIG,
			(struct icmp_error){.type = ICMP_UNREACHABLE,
				.code = ICMP_FRAGMENTATION_NEEDED,
				.mtu = (uint16_t)(mtu - growth)});
		return false;
	}
	b->big |= bit(i);
	return true;
}

// Sends packets that have to be cut in pieces, behind their outer headers (RFC 2473 section 7.2).
static void send_big(struct worker *w, struct burst *b, uint64_t mask,
	const struct softwire_search *x, enum verdict verdict)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		transmit_fragments6(w, b, i,
			(uint16_t)tunnel_mtu(x->softwire[i], &w->snapshot->nexthop[b->route[i]]),
			rte_cpu_to_be_32(w->tunnel_id++), verdict);
}

// Sends those of the mask into their tunnels.
static void encapsulate(struct worker *w, struct burst *b, uint64_t mask,
	const struct softwire_search *x, enum verdict verdict)
{
	uint64_t pass = mask;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		uint8_t *outer = tunnel_encapsulate(
			b->mbuf[i], b->ip[i], x->br[i], x->subscriber[i], &softwire_rules);

		if (unlikely(!outer)) {
			burst_end(b, i, V_BUFFER);
			pass &= ~bit(i);
			continue;
		}
		b->ip[i] = outer;
		b->length[i] = (uint16_t)(b->length[i] + TUNNEL_HEADER);
		softwire_count(&softwire_stats_of(w, x->softwire[i])->sent_ipv6, b->length[i]);
	}
	b->v6 |= pass;
	transmit(w, b, pass & ~b->big, verdict);
	if (unlikely(pass & b->big))
		send_big(w, b, pass & b->big, x, verdict);
}

void softwire_in(
	struct worker *w, struct burst *b, uint64_t mask, uint64_t keep_ttl, enum verdict verdict)
{
	struct softwire_search x;
	uint64_t found = softwire_find(w->snapshot, b, mask, b->route, false, &x);
	uint64_t outside = mask & ~(b->tunnelled | b->mapped | keep_ttl), pass, translated = 0;
	uint64_t route[BURST_MAX];
	unsigned n = 0, i;

	for (uint64_t todo = outside; bit_take(&todo, &i);)
		softwire_count(&softwire_stats_of(w, x.softwire[i])->rcvd_ipv4, b->length[i]);
	pass = admit_icmp(w, b, outside, &x) | (mask & ~outside);
	if (unlikely(pass & ~found))
		refuse_unknown(w, b, pass & ~found, &x);
	pass &= found;
	softwire_routes(w, pass, &x, route);
	for (uint64_t todo = pass; bit_take(&todo, &i);)
		b->route[i] = (uint32_t)route[n++];
	for (uint64_t todo = pass; bit_take(&todo, &i);) {
		if (unlikely(!fit(w, b, i, x.softwire[i]))) {
			count_dropped4(w, b, i, x.softwire[i]);
			pass &= ~bit(i);
			continue;
		}
		translated |= (uint64_t)(x.softwire[i]->kind == SOFTWIRE_MAP_T) << i;
	}
	hdr_hop(b, pass & ~keep_ttl);
	if (pass & ~translated)
		encapsulate(w, b, pass & ~translated, &x, verdict);
	if (translated)
		mapt_in(w, b, translated, &x, verdict);
}
