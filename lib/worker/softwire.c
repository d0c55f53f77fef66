// SPDX-License-Identifier: BSD-3-Clause

// A+P packets (RFC 7596, RFC 7597): out of the tunnel and on by their inner addresses, or by these into the
// tunnel. An IPv4 packet that came by a tunnel keeps the outer header right before its own, so that whoever has
// to answer knows whom; it is `tunnelled`.

#include "xlate/softwire.h"

#include "base/clock.h"
#include "net/hdr6.h"
#include "net/icmp.h"
#include "net/icmp6.h"
#include "net/local.h"
#include "net/tunnel.h"
#include "worker/stages.h"

#include <rte_fib.h>
#include <rte_fib6.h>

#include <string.h>

#define DONT_FRAGMENT 0x40 // in the seventh byte of an IPv4 header
#define IPV4_TTL      8

static const struct tunnel_rules rules = {.hop_limit = 64, .uniform = true};

static struct softwire_stats *stats_of(const struct worker *w, const struct softwire *softwire)
{
	return &softwire->state->stats[w->number];
}

static void count(struct softwire_count *c, uint32_t bytes)
{
	stat_add(&c->packets, 1);
	stat_add(&c->bytes, bytes);
}

static const uint8_t *outer_of(const struct burst *b, unsigned i)
{
	return b->ip[i] - TUNNEL_HEADER;
}

static void look_up4(const struct worker *w, uint64_t mask, const rte_be32_t address[],
	uint32_t route[BURST_MAX])
{
	uint32_t addresses[BURST_MAX];
	uint64_t found[BURST_MAX];
	unsigned n = 0, i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		addresses[n++] = rte_be_to_cpu_32(address[i]);
	rte_fib_lookup_bulk(w->snapshot->fib, addresses, found, (int)n);
	n = 0;
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		route[i] = (uint32_t)found[n++];
}

static bool is_softwire(const struct worker *w, uint32_t route)
{
	const struct nexthop *nh = &w->snapshot->nexthop[route];

	return nh->kind == NEXTHOP_SERVICE && nh->service == SERVICE_SOFTWIRE;
}

static bool is_inside_hop(const struct nexthop *nh)
{
	return (nh->kind == NEXTHOP_GATEWAY || nh->kind == NEXTHOP_CONNECTED) &&
		nh->realm & REALM_INTERNAL;
}

// Who sends ICMP errors into tunnels, whose own interface mostly has no IPv4 address: the box as the outside
// knows it. 0: nobody.
static rte_be32_t error_source(const struct worker *w)
{
	for (unsigned i = 0; i < w->snapshot->ifaces; i++) {
		const struct iface *f = &w->snapshot->iface[i];

		if (f->addr4 && f->enabled && f->realm & REALM_EXTERNAL)
			return f->addr4;
	}
	return 0;
}

// Ends packet i, which came by a tunnel, and tells its sender, by the tunnel.
static void refuse_tunnelled(struct worker *w, struct burst *b, unsigned i,
	const struct softwire *softwire, enum verdict verdict, struct icmp_error error)
{
	uint32_t there = b->length[i] < b->room[i] ? b->length[i] : b->room[i];
	uint8_t *ip = b->ip[i] - ICMP_ERROR_ADDED, *outer;
	uint8_t subscriber[16], br[16];
	const struct nexthop *nh;

	burst_end(b, i, verdict);
	error.source = error_source(w);
	if ((b->icmp_error | b->tails) & bit(i) || !error.source ||
		!w->snapshot->iface[b->iface[i]].icmp_errors || classify_withholds_error(w))
		return;
	memcpy(subscriber, outer_of(b, i) + IPV6_SOURCE, sizeof(subscriber));
	memcpy(br, outer_of(b, i) + IPV6_DESTINATION, sizeof(br));
	nh = snapshot_route6(w->snapshot, subscriber);
	if (!is_inside_hop(nh))
		return;
	icmp_error_write(ip, &error, there);
	outer = tunnel_encapsulate(b->mbuf[i], ip, br, subscriber, &rules);
	if (!outer)
		return;
	classify_count_error(w, b->iface[i]);
	count(&stats_of(w, softwire)->out_icmpv4_error, rte_pktmbuf_pkt_len(b->mbuf[i]));
	b->ip[i] = outer;
	b->v6 |= bit(i);
	b->big &= ~bit(i);
	b->route[i] = (uint32_t)(nh - w->snapshot->nexthop);
	b->live |= bit(i);
	transmit(w, b, bit(i), verdict);
}

// Ends packet i and tells its sender, wherever that is.
static void refuse(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire,
	enum verdict verdict, struct icmp_error error)
{
	if (b->tunnelled & bit(i)) {
		refuse_tunnelled(w, b, i, softwire, verdict, error);
		return;
	}
	classify_refuse(w, b, i, verdict, error.type, error.code, error.mtu);
	if (!b->mbuf[i])
		count(&stats_of(w, softwire)->out_icmpv4_error, b->length[i]);
}

// ------------------------------------------------------------------ into the tunnel

static void count_dropped4(
	struct worker *w, const struct burst *b, unsigned i, const struct softwire *softwire)
{
	struct softwire_stats *stats = stats_of(w, softwire);

	count(&stats->dropped_ipv4, b->length[i]);
	if (b->fragments & bit(i))
		count(&stats->dropped_ipv4_fragment, b->length[i]);
}

// Whether one more may pass, of so many a second.
static bool may_pass(uint32_t rate, uint32_t *tokens, uint32_t *tick, uint32_t now)
{
	uint64_t more = (uint64_t)(now - *tick) * rate / TICKS_A_SECOND;

	if (rate == UINT32_MAX)
		return true;
	if (!*tick || more + *tokens >= rate) {
		*tokens = rate;
		*tick = now;
	} else if (more) {
		*tokens += (uint32_t)more;
		*tick = now;
	}
	if (!*tokens)
		return false;
	--*tokens;
	return true;
}

// What the ICMP policy of the border relays lets in of packets from outside.
static uint64_t admit_icmp(
	struct worker *w, struct burst *b, uint64_t mask, const struct softwire_search *x)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct softwire *softwire = x->softwire[i];
		struct softwire_stats *stats = stats_of(w, softwire);

		if (likely(b->l4[i] != L4_ICMP))
			continue;
		if (softwire->incoming_icmp4 &&
			(!(b->icmp_error & bit(i)) ||
				may_pass(softwire->icmp4_rate, &stats->icmp4_tokens,
					&stats->icmp4_tick, w->now)))
			continue;
		count(&stats->dropped_icmpv4, b->length[i]);
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
			refuse(w, b, i, softwire, V_NO_SOFTWIRE,
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

	if (unlikely(!is_inside_hop(nh))) {
		burst_end(b, i, V_NO_ROUTE);
		return false;
	}
	mtu = tunnel_mtu(softwire, nh);
	b->big &= ~bit(i);
	if (likely((uint32_t)b->length[i] + TUNNEL_HEADER <= mtu))
		return true;
	if (b->ip[i][6] & DONT_FRAGMENT) {
		refuse(w, b, i, softwire, V_TOO_BIG,
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
		count(&stats_of(w, x.softwire[i])->rcvd_ipv4, b->length[i]);
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
		uint8_t *outer =
			tunnel_encapsulate(b->mbuf[i], b->ip[i], x.br[i], x.subscriber[i], &rules);

		if (unlikely(!outer)) {
			burst_end(b, i, V_BUFFER);
			pass &= ~bit(i);
			continue;
		}
		b->ip[i] = outer;
		b->length[i] = (uint16_t)(b->length[i] + TUNNEL_HEADER);
		count(&stats_of(w, x.softwire[i])->sent_ipv6, b->length[i]);
	}
	b->v6 |= pass;
	transmit(w, b, pass & ~b->big, verdict);
	if (unlikely(pass & b->big))
		send_big(w, b, pass & b->big, &x, verdict);
}

// ------------------------------------------------------------------ out of the tunnel

// Packet i from a softwire, without its outer headers but for the first.
static void decapsulate(struct burst *b, unsigned i)
{
	uint8_t *outer = b->ip[i];
	unsigned header = b->ihl[i];
	uint32_t total, there;

	switch (tunnel_decapsulate(outer, header, b->length[i], b->room[i], rules.uniform)) {
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
	there = rte_pktmbuf_pkt_len(b->mbuf[i]) -
		(uint32_t)(outer + header - rte_pktmbuf_mtod(b->mbuf[i], uint8_t *));
	if (unlikely(there > total))
		rte_pktmbuf_trim(b->mbuf[i], (uint16_t)(there - total));
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
	rte_be32_t source = error_source(w);

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

	look_up4(w, mask, b->dst, b->route);
	b->big &= ~mask;
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];

		if (is_softwire(w, b->route[i]))
			hairpin |= bit(i);
		else if (nh->kind == NEXTHOP_GATEWAY || nh->kind == NEXTHOP_CONNECTED)
			out |= bit(i);
		else
			burst_end(b, i, V_NO_ROUTE);
	}
	transmit(w, b, out, V_SOFTWIRE_RELAYED);
	if (hairpin)
		softwire_in(w, b, hairpin, hairpin, V_SOFTWIRE_RELAYED);
}

// Ends packet i, whose tunnel does not come from who has its source.
static void refuse_source(
	struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire)
{
	struct softwire_stats *stats = stats_of(w, softwire);

	count(&stats->dropped_ipv6, b->length[i] + TUNNEL_HEADER);
	if (!softwire->generate_icmp6 || b->icmp_error & bit(i) ||
		!may_pass(softwire->icmp6_rate, &stats->icmp6_tokens, &stats->icmp6_tick, w->now)) {
		burst_end(b, i, V_SOFTWIRE_SOURCE);
		return;
	}
	b->ip[i] -= TUNNEL_HEADER;
	b->room[i] = (uint16_t)(b->room[i] + TUNNEL_HEADER);
	b->v6 |= bit(i);
	// of the outer packet
	b->tails &= ~bit(i);
	classify6_refuse(w, b, i, V_SOFTWIRE_SOURCE, ICMP6_UNREACHABLE, ICMP6_POLICY, 0);
	if (!b->mbuf[i])
		count(&stats->out_icmpv6_error, b->length[i] + TUNNEL_HEADER);
}

// Whether the tunnel that packet i came by is that of who has its source.
static bool is_true(
	const struct worker *w, const struct burst *b, unsigned i, const struct softwire_search *x)
{
	const uint8_t *outer = outer_of(b, i);
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

	look_up4(w, mask, b->src, source);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		ours |= (uint64_t)is_softwire(w, source[i]) << i;
		x->softwire[i] = &w->snapshot->softwire[w->snapshot->nexthop[b->route[i]].number];
	}
	found = softwire_find(w->snapshot, b, ours, source, true, x);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		struct softwire_stats *stats = stats_of(w, x->softwire[i]);

		count(&stats->rcvd_ipv6, b->length[i] + TUNNEL_HEADER);
		if (unlikely(!(found & bit(i)) || !is_true(w, b, i, x))) {
			refuse_source(w, b, i, x->softwire[i]);
		} else if (unlikely(b->length[i] > x->softwire[i]->path_mru)) {
			count(&stats->dropped_ipv6, b->length[i] + TUNNEL_HEADER);
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
	const struct nexthop *nh;
	uint8_t subscriber[16], br[16], *outer;

	memcpy(subscriber, outer_of(b, i) + IPV6_SOURCE, sizeof(subscriber));
	memcpy(br, outer_of(b, i) + IPV6_DESTINATION, sizeof(br));
	nh = snapshot_route6(w->snapshot, subscriber);
	if (b->l4[i] != L4_ICMP || b->flags[i] != ICMP_ECHO || b->icmp_error & bit(i) ||
		b->length[i] + TUNNEL_HEADER > nh->mtu || !is_inside_hop(nh)) {
		burst_end(b, i, V_LOCAL);
		return false;
	}
	echo_answer4(b->mbuf[i], b->ip[i], b->ip[i] + b->ihl[i], &w->iface_mac[b->iface[i]]);
	outer = tunnel_encapsulate(b->mbuf[i], b->ip[i], br, subscriber, &rules);
	if (!outer) {
		burst_end(b, i, V_BUFFER);
		return false;
	}
	b->ip[i] = outer;
	b->v6 |= bit(i);
	b->big &= ~bit(i);
	b->route[i] = (uint32_t)(nh - w->snapshot->nexthop);
	transmit(w, b, bit(i), V_ECHO);
	return true;
}

// Whether packet i may go where its destination is: outside, or, if is_softwire() says so, to another subscriber;
// else it is ended.
static bool sort(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
	bool hairpin = is_softwire(w, b->route[i]);

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
	case NEXTHOP_NONE:
		refuse(w, b, i, softwire, V_NO_ROUTE,
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
	if (!(b->ip[i][6] & DONT_FRAGMENT)) {
		b->big |= bit(i);
		return true;
	}
	refuse(w, b, i, softwire, V_TOO_BIG,
		(struct icmp_error){
			.type = ICMP_UNREACHABLE, .code = ICMP_FRAGMENTATION_NEEDED, .mtu = mtu});
	return false;
}

static bool is_alive(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire)
{
	if (likely(b->ip[i][IPV4_TTL] > 1))
		return true;
	refuse(w, b, i, softwire, V_TTL, (struct icmp_error){.type = ICMP_TIME_EXCEEDED});
	return false;
}

// Packets out of tunnels whose ports are known.
static void go_out(struct worker *w, struct burst *b, uint64_t mask)
{
	struct softwire_search x;
	uint64_t pass = validate(w, b, mask, &x), redirected = 0, hairpin = 0, out = 0,
		 answered = 0;
	unsigned i;

	look_up4(w, pass, b->dst, b->route);
	if (unlikely(pass & x.marked))
		redirected = check_marked(w, b, pass & x.marked, &x);
	for (uint64_t todo = pass & b->live; bit_take(&todo, &i);) {
		const struct softwire *softwire = x.softwire[i];

		if (w->snapshot->nexthop[b->route[i]].kind == NEXTHOP_LOCAL) {
			answered |= (uint64_t)answer_local(w, b, i) << i;
			continue;
		}
		if (!is_alive(w, b, i, softwire) ||
			(!(redirected & bit(i)) && !sort(w, b, i, softwire)))
			continue;
		if (unlikely(is_softwire(w, b->route[i]))) {
			count(&stats_of(w, softwire)->hairpin_ipv4, b->length[i]);
			hairpin |= bit(i);
		} else if (fit_out(w, b, i, softwire)) {
			count(&stats_of(w, softwire)->sent_ipv4, b->length[i]);
			out |= bit(i);
		}
	}
	for (uint64_t todo = pass & ~(out | hairpin | answered); bit_take(&todo, &i);)
		count(&stats_of(w, x.softwire[i])->dropped_ipv6, b->length[i] + TUNNEL_HEADER);
	hdr_hop(b, out);
	transmit(w, b, out & ~redirected, V_SOFTWIRE_OUT);
	if (unlikely(redirected))
		transmit(w, b, out & redirected, V_REDIRECTED);
	if (unlikely(hairpin))
		softwire_in(w, b, hairpin, 0, V_SOFTWIRE_HAIRPIN);
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
		b->route[i] =
			(uint32_t)(snapshot_route6(w->snapshot, outer_of(b, i) + IPV6_DESTINATION) -
				w->snapshot->nexthop);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		// the border relay may have gone with a reload
		if (!is_softwire(w, b->route[i]))
			burst_end(b, i, V_NO_SOFTWIRE);
	}
	go_out(w, b, mask & b->live);
}
