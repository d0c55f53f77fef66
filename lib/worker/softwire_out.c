// SPDX-License-Identifier: BSD-3-Clause

// A+P packets (RFC 7596, RFC 7597) out of their tunnels, and on by their inner addresses. An IPv4 packet that came
// by a tunnel keeps the outer header right before its own, so that whoever has to answer knows whom; it is
// `tunnelled`.

#include "net/hdr6.h"
#include "net/icmp6.h"
#include "net/local.h"
#include "net/mbuf.h"
#include "worker/softwire.h"

#include <string.h>

// Packet i from a softwire, without its outer headers but for the first.
static void decapsulate(struct burst *b, unsigned i)
{
	uint8_t *outer = b->ip[i];
	unsigned header = b->ihl[i];
	uint32_t total;

	switch (tunnel_decapsulate(
		outer, header, b->length[i], b->room[i], softwire_rules.uniform)) {
	case TUNNEL_FINE:
		break;
	case TUNNEL_MALFORMED:
		burst_end(b, i, V_TUNNEL_INSIDE);
		return;
	case TUNNEL_CONGESTED:
		burst_end(b, i, V_TUNNEL_CONGESTION);
		return;
	}
	if (header > TUNNEL_HEADER) {
		uint8_t *frame = rte_pktmbuf_mtod(b->mbuf[i], uint8_t *);
		uint16_t gone = (uint16_t)(header - TUNNEL_HEADER);
		rte_be16_t length = rte_cpu_to_be_16((uint16_t)(b->length[i] - header));

		// extension headers have said what they had to say
		memcpy(outer + IPV6_LENGTH, &length, sizeof(length));
		outer[IPV6_NEXT] = PROTOCOL_IPV4;
		memmove(frame + gone, frame, (size_t)(outer - frame) + TUNNEL_HEADER);
		rte_pktmbuf_adj(b->mbuf[i], gone);
	}
	// what is behind the packet inside stays behind
	total = (uint32_t)(outer[header + 2] << 8 | outer[header + 3]);
	mbuf_cut(b->mbuf[i],
		(uint32_t)(outer + header - rte_pktmbuf_mtod(b->mbuf[i], uint8_t *)) + total);
	b->ip[i] = outer + header;
	b->room[i] = (uint16_t)(b->room[i] - header);
}

// Whether a tunnel packet that an ICMPv6 error quotes is one that the box has sent: into a softwire that there is,
// for whoever has the address and port inside.
static bool is_quoted_softwire(const struct worker *w, const struct tunnel_quote *quote)
{
	const uint8_t *ip = quote->inner, *l4 = ip + (ip[0] & 0x0f) * 4u;
	enum l4 protocol = l4_of(ip[9]);
	struct softwire_holder holder;
	const struct nexthop *nh;
	rte_be32_t to;
	rte_be16_t port;

	memcpy(&to, ip + 16, sizeof(to));
	memcpy(&port, l4 + (protocol == L4_ICMP ? 4 : 2), sizeof(port));
	nh = snapshot_route(w->snapshot, rte_be_to_cpu_32(to));
	return nh->kind == NEXTHOP_SERVICE && nh->service == SERVICE_SOFTWIRE &&
		softwire_holder(&w->snapshot->softwire[nh->number], to, rte_be_to_cpu_16(port),
			protocol != L4_COUNT, &holder) &&
		!memcmp(holder.subscriber, quote->outer + IPV6_DESTINATION, 16) &&
		!memcmp(holder.br, quote->outer + IPV6_SOURCE, 16);
}

// An ICMPv6 message to a BR address: an error about a tunnel packet, which this one must then be for, or an echo
// request. Returns whether it has become an ICMP error for the sender of what was in the tunnel.
static bool take_icmp6(struct worker *w, struct burst *b, unsigned i)
{
	uint8_t *icmp6 = b->ip[i] + b->ihl[i], *ip;
	uint32_t there = b->length[i] < b->room[i] ? b->length[i] : b->room[i];
	struct tunnel_quote quote;
	rte_be32_t source = softwire_error_source(w);

	if (!(b->icmp_error & bit(i))) {
		if (!echo_answer6(b->mbuf[i], b->ip[i], b->room[i], &w->iface_mac[b->iface[i]])) {
			burst_end(b, i, V_LOCAL);
			return false;
		}
		transmit_frame(w, b->iface[i], b->mbuf[i], V_ECHO);
		b->mbuf[i] = NULL;
		burst_end(b, i, V_ECHO);
		return false;
	}
	if (!hdr6_icmp_is_right(b, i)) {
		burst_end(b, i, V_ICMP_CHECKSUM);
		return false;
	}
	if (!tunnel_quoted(icmp6, there - b->ihl[i], &quote) ||
		memcmp(quote.outer + IPV6_SOURCE, b->ip[i] + IPV6_DESTINATION, 16) ||
		!is_quoted_softwire(w, &quote)) {
		burst_end(b, i, V_ICMP_QUOTE);
		return false;
	}
	if (!source || classify_withholds_error(w)) {
		burst_end(b, i, V_ICMP_QUOTE);
		return false;
	}
	ip = tunnel_relay(b->mbuf[i], icmp6, &quote, source);
	if (!ip) {
		burst_end(b, i, V_ICMP_QUOTE);
		return false;
	}
	b->ip[i] = ip;
	b->room[i] = rte_pktmbuf_data_len(b->mbuf[i]);
	return true;
}

// The IPv4 packets of a mask of IPv6 packets to BR addresses.
struct opened {
	uint64_t tunnelled;
	uint64_t relayed;
};

static struct opened open_tunnels(struct worker *w, struct burst *b, uint64_t mask)
{
	struct opened opened = {0};
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (likely(b->protocol[i] == PROTOCOL_IPV4))
			decapsulate(b, i);
		else if (b->protocol[i] != PROTOCOL_ICMPV6)
			burst_end(b, i, V_LOCAL);
		else if (take_icmp6(w, b, i))
			opened.relayed |= bit(i);
	}
	opened.tunnelled = mask & b->live & ~opened.relayed;
	b->v6 &= ~(opened.tunnelled | opened.relayed);
	hdr_read(b, opened.tunnelled | opened.relayed);
	opened.tunnelled &= b->live;
	opened.relayed &= b->live;
	b->tunnelled |= opened.tunnelled;
	return opened;
}

// Sends ICMP errors that have been made of ICMPv6 ones.
static void send_relayed(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t hairpin = 0, out = 0;
	unsigned i;

	classify_routes(w, mask, b->dst, b->route);
	b->big &= ~mask;
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];

		if (nexthop_is_outside(nh))
			hairpin |= bit(i);
		else if (nh->kind == NEXTHOP_GATEWAY || nh->kind == NEXTHOP_CONNECTED)
			out |= bit(i);
		else
			burst_end(b, i, V_NO_ROUTE);
	}
	transmit(w, b, out, V_SOFTWIRE_RELAYED);
	if (hairpin)
		carry_across(w, b, hairpin, V_SOFTWIRE_RELAYED, true);
}

// Ends packet i, whose tunnel does not come from who has its source.
static void refuse_source(
	struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire)
{
	struct softwire_stats *stats = softwire_stats_of(w, softwire);
	uint32_t bytes;

	softwire_count(&stats->dropped_ipv6, b->length[i] + TUNNEL_HEADER);
	if (!softwire->generate_icmp6 || b->icmp_error & bit(i) ||
		!softwire_may_pass(
			softwire->icmp6_rate, &stats->icmp6_tokens, &stats->icmp6_tick, w->now)) {
		burst_end(b, i, V_SOFTWIRE_SOURCE);
		return;
	}
	b->ip[i] -= TUNNEL_HEADER;
	b->room[i] = (uint16_t)(b->room[i] + TUNNEL_HEADER);
	b->v6 |= bit(i);
	// of the outer packet
	b->tails &= ~bit(i);
	bytes = classify6_refuse(w, b, i, V_SOFTWIRE_SOURCE, ICMP6_UNREACHABLE, ICMP6_POLICY, 0);
	if (bytes)
		softwire_count(&stats->out_icmpv6_error, bytes);
}

// Whether the tunnel that packet i came by is that of who has its source.
static bool is_true(
	const struct worker *w, const struct burst *b, unsigned i, const struct softwire_search *x)
{
	const uint8_t *outer = softwire_outer_of(b, i);
	const struct softwire *softwire = x->softwire[i];

	if (memcmp(outer + IPV6_SOURCE, x->subscriber[i], 16) ||
		memcmp(outer + IPV6_DESTINATION, x->br[i], 16))
		return false;
	// RFC 7597 section 8.1: the rule with the longest prefix of the outer source decides
	return !softwire->nested ||
		mapdom_find6(w->snapshot->mapdom, x->subscriber[i]) ==
		softwire - w->snapshot->softwire;
}

// Those that come from where they say; `route` is that of the BR address.
static uint64_t validate(
	struct worker *w, struct burst *b, uint64_t mask, struct softwire_search *x)
{
	uint32_t source[BURST_MAX];
	uint64_t ours = 0, found;
	unsigned i;

	classify_routes(w, mask, b->src, source);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		ours |= (uint64_t)softwire_is_hop(w, source[i]) << i;
		x->softwire[i] = &w->snapshot->softwire[w->snapshot->nexthop[b->route[i]].number];
	}
	found = softwire_find(w->snapshot, b, ours, source, true, x);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		struct softwire_stats *stats = softwire_stats_of(w, x->softwire[i]);

		softwire_count(&stats->rcvd_ipv6, b->length[i] + TUNNEL_HEADER);
		if (unlikely(!(found & bit(i)) || !is_true(w, b, i, x))) {
			refuse_source(w, b, i, x->softwire[i]);
		} else if (unlikely(b->length[i] > x->softwire[i]->path_mru)) {
			softwire_count(&stats->dropped_ipv6, b->length[i] + TUNNEL_HEADER);
			burst_end(b, i, V_PATH_MRU);
		}
	}
	return mask & b->live;
}

// Does what mitigations say; returns those that they redirect.
static uint64_t check_marked(
	struct worker *w, struct burst *b, uint64_t mask, const struct softwire_search *x)
{
	uint64_t redirected = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		struct subkey key = softwire_subkey(x->softwire[i], x->subscriber[i]);

		redirected |= (uint64_t)filter_by(w, b, i, &key) << i;
	}
	return redirected;
}

// A packet from a softwire to an address of the box: an echo request is answered by the tunnel. Returns whether
// it was.
static bool answer_local(struct worker *w, struct burst *b, unsigned i)
{
	struct softwire_back back;

	if (!softwire_way_back(w, b, i, &back) || b->l4[i] != L4_ICMP || b->flags[i] != ICMP_ECHO ||
		b->icmp_error & bit(i) || b->length[i] + TUNNEL_HEADER > back.nexthop->mtu) {
		burst_end(b, i, V_LOCAL);
		return false;
	}
	echo_answer4(b->mbuf[i], b->ip[i], b->ip[i] + b->ihl[i], &w->iface_mac[b->iface[i]]);
	if (softwire_send_back(w, b, i, b->ip[i], &back, V_ECHO))
		return true;
	burst_end(b, i, V_BUFFER);
	return false;
}

static bool answer(struct worker *w, struct burst *b, unsigned i)
{
	return b->mapped & bit(i) ? mapt_answer(w, b, i) : answer_local(w, b, i);
}

// Whether packet i may go on to an outside address that NAT has; else it is ended.
static bool may_cross(struct burst *b, unsigned i, const struct softwire *softwire,
	const struct nat_policy *policy)
{
	if (!softwire->hairpinning || !policy->hairpinning)
		burst_end(b, i, V_HAIRPINNING);
	else if (b->fragments & bit(i) && policy->fragments.behavior == FRAGMENTS_DROP)
		burst_end(b, i, V_FRAGMENT);
	else
		return true;
	return false;
}

// Whether packet i may go where its destination is: outside, or, if that is an outside address of the box, to another
// subscriber; else it is ended.
static bool sort(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
	bool hairpin = softwire_is_hop(w, b->route[i]);

	switch ((enum nexthop_kind)nh->kind) {
	case NEXTHOP_GATEWAY:
	case NEXTHOP_CONNECTED:
		if (nh->realm & REALM_EXTERNAL)
			return true;
		burst_end(b, i, V_REALM);
		return false;
	case NEXTHOP_SERVICE:
		if (hairpin && softwire->hairpinning &&
			w->snapshot->softwire[nh->number].hairpinning)
			return true;
		burst_end(b, i, hairpin ? V_HAIRPINNING : V_REALM);
		return false;
	case NEXTHOP_POOL:
	case NEXTHOP_STATIC:
		return may_cross(b, i, softwire, w->snapshot->policy[nh->policy]);
	case NEXTHOP_NONE:
		softwire_refuse(w, b, i, softwire, V_NO_ROUTE,
			(struct icmp_error){
				.type = ICMP_UNREACHABLE, .code = ICMP_NET_UNREACHABLE});
		return false;
	case NEXTHOP_BLACKHOLE:
		burst_end(b, i, V_BLACKHOLE);
		return false;
	case NEXTHOP_BROADCAST:
		burst_end(b, i, V_MULTICAST);
		return false;
	default:
		burst_end(b, i, V_REALM);
		return false;
	}
}

// Whether packet i fits the interface it leaves by, or may be fragmented; else it is ended.
static bool fit_out(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire)
{
	uint16_t mtu = w->snapshot->nexthop[b->route[i]].mtu;

	b->big &= ~bit(i);
	if (likely(b->length[i] <= mtu))
		return true;
	if (!hdr_has_df(b->ip[i])) {
		b->big |= bit(i);
		return true;
	}
	softwire_refuse(w, b, i, softwire, V_TOO_BIG,
		(struct icmp_error){
			.type = ICMP_UNREACHABLE, .code = ICMP_FRAGMENTATION_NEEDED, .mtu = mtu});
	return false;
}

static bool is_alive(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire)
{
	if (likely(b->ip[i][IPV4_TTL] > 1))
		return true;
	softwire_refuse(w, b, i, softwire, V_TTL, (struct icmp_error){.type = ICMP_TIME_EXCEEDED});
	return false;
}

void softwire_go_on(struct worker *w, struct burst *b, uint64_t mask,
	const struct softwire_search *x, enum verdict verdict)
{
	uint64_t redirected = 0, hairpin = 0, across = 0, out = 0, answered = 0;
	unsigned i;

	classify_routes(w, mask, b->dst, b->route);
	if (unlikely(mask & x->marked))
		redirected = check_marked(w, b, mask & x->marked, x);
	for (uint64_t todo = mask & b->live; bit_take(&todo, &i);) {
		const struct softwire *softwire = x->softwire[i];
		const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];

		if (nh->kind == NEXTHOP_LOCAL) {
			answered |= (uint64_t)answer(w, b, i) << i;
			continue;
		}
		if (!is_alive(w, b, i, softwire) ||
			(!(redirected & bit(i)) && !sort(w, b, i, softwire)))
			continue;
		if (unlikely(nexthop_is_outside(nh))) {
			softwire_count(&softwire_stats_of(w, softwire)->hairpin_ipv4, b->length[i]);
			*(nh->kind == NEXTHOP_SERVICE ? &hairpin : &across) |= bit(i);
		} else if (fit_out(w, b, i, softwire)) {
			softwire_count(&softwire_stats_of(w, softwire)->sent_ipv4, b->length[i]);
			out |= bit(i);
		}
	}
	for (uint64_t todo = mask & ~(out | hairpin | across | answered); bit_take(&todo, &i);)
		softwire_count(&softwire_stats_of(w, x->softwire[i])->dropped_ipv6,
			softwire_length6(b, i));
	hdr_hop(b, out | across);
	// that of a fragment has come with it
	if (b->mapped & mask)
		identify(w, b, (out | hairpin | across) & b->loose & ~b->fragments);
	transmit(w, b, out & ~redirected, verdict);
	if (unlikely(redirected))
		transmit(w, b, out & redirected, V_REDIRECTED);
	if (unlikely(hairpin))
		softwire_in(w, b, hairpin, 0, V_SOFTWIRE_HAIRPIN);
	if (unlikely(across)) {
		b->big &= ~across;
		carry_across(w, b, across, V_NAT44_HAIRPIN, true);
	}
}

// Packets out of tunnels whose ports are known.
static void go_out(struct worker *w, struct burst *b, uint64_t mask)
{
	struct softwire_search x;
	uint64_t pass = validate(w, b, mask, &x);

	softwire_go_on(w, b, pass, &x, V_SOFTWIRE_OUT);
}

void softwire_out(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t pieces = mask & b->fragments, raw;
	struct opened opened;

	// RFC 2473 section 7.2: what was fragmented on the way is put together first
	if (unlikely(pieces))
		reassemble(w, b, steer_pieces(w, b, pieces));
	opened = open_tunnels(w, b, mask & ~pieces);
	raw = opened.tunnelled & b->raw;
	if (unlikely(opened.relayed))
		send_relayed(w, b, opened.relayed);
	if (unlikely(raw))
		defrag_tunnelled(w, b, steer_tunnelled(w, b, raw));
	if (opened.tunnelled & ~raw)
		go_out(w, b, opened.tunnelled & ~raw);
}

void softwire_resume(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	b->tunnelled |= mask;
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		b->route[i] = (uint32_t)(snapshot_route6(w->snapshot,
						 softwire_outer_of(b, i) + IPV6_DESTINATION) -
			w->snapshot->nexthop);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		// the border relay may have gone with a reload
		if (!softwire_is_hop(w, b->route[i]))
			burst_end(b, i, V_NO_SOFTWIRE);
	}
	go_out(w, b, mask & b->live);
}
