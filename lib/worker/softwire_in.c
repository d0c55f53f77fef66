// SPDX-License-Identifier: BSD-3-Clause

// A+P packets (RFC 7596, RFC 7597) on their way into the tunnel of who has their destination address and port.

#include "net/hdr6.h"
#include "worker/softwire.h"

#include <rte_fib6.h>

#include <string.h>

#define DONT_FRAGMENT 0x40 // in the seventh byte of an IPv4 header

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

static void look_up_subscribers(
	const struct worker *w, struct burst *b, uint64_t mask, const struct softwire_search *x)
{
	uint8_t address[BURST_MAX][16];
	uint64_t found[BURST_MAX];
	unsigned n = 0, i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		memcpy(address[n++], x->subscriber[i], sizeof(address[0]));
	rte_fib6_lookup_bulk(w->snapshot->fib6, address, found, (int)n);
	n = 0;
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		b->route[i] = (uint32_t)found[n++];
}

// The MTU of a tunnel, outer header included.
static uint32_t tunnel_mtu(const struct softwire *softwire, const struct nexthop *nh)
{
	return min_u32(nh->mtu, softwire->payload_mtu + TUNNEL_HEADER);
}

// Whether packet i fits the tunnel, or may be sent in fragments of it; else it is ended (RFC 2473 section 7.2).
static bool fit(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
	uint32_t mtu;

	if (unlikely(!softwire_is_inside_hop(nh))) {
		burst_end(b, i, V_NO_ROUTE);
		return false;
	}
	mtu = tunnel_mtu(softwire, nh);
	b->big &= ~bit(i);
	if (likely((uint32_t)b->length[i] + TUNNEL_HEADER <= mtu))
		return true;
	if (b->ip[i][6] & DONT_FRAGMENT) {
		softwire_refuse(w, b, i, softwire, V_TOO_BIG,
			(struct icmp_error){.type = ICMP_UNREACHABLE,
				.code = ICMP_FRAGMENTATION_NEEDED,
				.mtu = (uint16_t)(mtu - TUNNEL_HEADER)});
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

void softwire_in(
	struct worker *w, struct burst *b, uint64_t mask, uint64_t keep_ttl, enum verdict verdict)
{
	struct softwire_search x;
	uint64_t found = softwire_find(w->snapshot, b, mask, b->route, false, &x);
	uint64_t pass;
	unsigned i;

	for (uint64_t todo = mask & ~(b->tunnelled | keep_ttl); bit_take(&todo, &i);)
		softwire_count(&softwire_stats_of(w, x.softwire[i])->rcvd_ipv4, b->length[i]);
	pass = admit_icmp(w, b, mask & ~(b->tunnelled | keep_ttl), &x) |
		(mask & (b->tunnelled | keep_ttl));
	if (unlikely(pass & ~found))
		refuse_unknown(w, b, pass & ~found, &x);
	pass &= found;
	look_up_subscribers(w, b, pass, &x);
	for (uint64_t todo = pass; bit_take(&todo, &i);) {
		if (unlikely(!fit(w, b, i, x.softwire[i]))) {
			count_dropped4(w, b, i, x.softwire[i]);
			pass &= ~bit(i);
		}
	}
	hdr_hop(b, pass & ~keep_ttl);
	for (uint64_t todo = pass; bit_take(&todo, &i);) {
		uint8_t *outer = tunnel_encapsulate(
			b->mbuf[i], b->ip[i], x.br[i], x.subscriber[i], &softwire_rules);

		if (unlikely(!outer)) {
			burst_end(b, i, V_BUFFER);
			pass &= ~bit(i);
			continue;
		}
		b->ip[i] = outer;
		b->length[i] = (uint16_t)(b->length[i] + TUNNEL_HEADER);
		softwire_count(&softwire_stats_of(w, x.softwire[i])->sent_ipv6, b->length[i]);
	}
	b->v6 |= pass;
	transmit(w, b, pass & ~b->big, verdict);
	if (unlikely(pass & b->big))
		send_big(w, b, pass & b->big, &x, verdict);
}
