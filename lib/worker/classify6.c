// SPDX-License-Identifier: BSD-3-Clause

// IPv6 routes. The route of the destination says what a packet is for: an address of the box, a service, a next
// hop or nothing; that of the source, together with the realm that the packet came from, whether it can be true.

#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/icmp.h"
#include "net/icmp6.h"
#include "net/local.h"
#include "net/siit.h"
#include "net/tunnel.h"
#include "worker/stages.h"
#include "xlate/nat64.h"

#include <rte_fib6.h>

#include <string.h>

void classify6_routes(const struct worker *w, uint8_t address[BURST_MAX][16], unsigned n,
	uint64_t found[BURST_MAX])
{
	if (w->snapshot->fib6)
		rte_fib6_lookup_bulk(w->snapshot->fib6, address, found, (int)n);
	else
		memset(found, 0, n * sizeof(*found));
}

// Looks up the routes of the addresses at `offset` in the headers of the mask's packets.
static void look_up(const struct worker *w, const struct burst *b, uint64_t mask, unsigned offset,
	uint32_t route[BURST_MAX])
{
	uint8_t address[BURST_MAX][16];
	uint64_t found[BURST_MAX];
	unsigned n = 0, i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		memcpy(address[n++], b->ip[i] + offset, sizeof(address[0]));
	classify6_routes(w, address, n, found);
	n = 0;
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		route[i] = (uint32_t)found[n++];
}

// Whether an ICMPv6 error may be sent about packet i (RFC 4443 section 2.4e): not about an error or redirect, nor
// to what is no single node. Groups have been ended before.
static bool may_report(const struct worker *w, const struct burst *b, unsigned i)
{
	const struct iface *iface = &w->snapshot->iface[b->iface[i]];
	bool known = !(b->tails & bit(i)) && b->l4[i] == L4_ICMP;

	if (!iface->has_addr6 || !iface->icmp_errors)
		return false;
	if (b->icmp_error & bit(i) || (known && b->flags[i] == ICMP6_REDIRECT))
		return false;
	return snapshot_route6(w->snapshot, b->ip[i] + IPV6_SOURCE)->kind != NEXTHOP_LOCAL;
}

static uint16_t refuse(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	const struct icmp6_error *error)
{
	unsigned iface = b->iface[i];
	uint16_t length;

	burst_end(b, i, verdict);
	if (!may_report(w, b, i) || classify_withholds_error(w))
		return 0;
	length = icmp6_error_make(b->mbuf[i], b->ip[i], error);
	if (!length)
		return 0;
	classify_count_error(w, iface);
	transmit_frame(w, iface, b->mbuf[i], verdict);
	b->mbuf[i] = NULL;
	return length;
}

uint16_t classify6_refuse(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	uint8_t type, uint8_t code, uint32_t word)
{
	const struct icmp6_error error = {
		.type = type,
		.code = code,
		.word = word,
		.source = w->snapshot->iface[b->iface[i]].addr6,
	};

	return refuse(w, b, i, verdict, &error);
}

// A packet to an address of the box on `iface`.
static void answer_local(struct worker *w, struct burst *b, unsigned i, unsigned iface)
{
	if (echo_answer6(b->mbuf[i], b->ip[i], b->room[i], &w->iface_mac[b->iface[i]])) {
		transmit_frame(w, b->iface[i], b->mbuf[i], V_ECHO);
		b->mbuf[i] = NULL;
		burst_end(b, i, V_ECHO);
	} else if (iface == b->iface[i]) {
		punt(w, b, i);
	} else {
		// an interface's address is reached by that interface alone
		burst_end(b, i, V_LOCAL);
	}
}

// A packet that does not leave its link (RFC 4291 section 2.5.6): it is for the box, or for nobody.
static void end_on_link(struct worker *w, struct burst *b, unsigned i)
{
	const struct iface *iface = &w->snapshot->iface[b->iface[i]];
	const uint8_t *to = b->ip[i] + IPV6_DESTINATION;

	for (unsigned k = 0; k < iface->addrs; k++) {
		if (iface->addr[k].addr.family == 6 && !memcmp(iface->addr[k].addr.bytes, to, 16)) {
			answer_local(w, b, i, b->iface[i]);
			return;
		}
	}
	if (hdr6_is_link_local(to))
		burst_end(b, i, V_SCOPE);
	else
		classify6_refuse(w, b, i, V_SCOPE, ICMP6_UNREACHABLE, ICMP6_BEYOND_SCOPE, 0);
}

// Whether a route leads inside. With one arm it does to the hosts of subscriber networks.
static bool leads_inside(
	const struct worker *w, const struct nexthop *nh, const uint8_t address[16])
{
	if (nh->realm & REALM_INTERNAL && nh->realm & REALM_EXTERNAL)
		return snapshot_network_of(w->snapshot, address) != NULL;
	return nh->realm & REALM_INTERNAL;
}

static bool is_from_inside(const struct worker *w, const struct burst *b, unsigned i)
{
	switch ((enum realm)w->snapshot->iface[b->iface[i]].realm) {
	case REALM_INTERNAL:
		return true;
	case REALM_EXTERNAL:
		return false;
	default:
		return snapshot_network_of(w->snapshot, b->ip[i] + IPV6_SOURCE) != NULL;
	}
}

// A host that asks for a route of its own does not get it (RFC 5095).
static void refuse_route(struct worker *w, struct burst *b, unsigned i)
{
	struct hdr6_chain chain;

	hdr6_follow(b->ip[i], b->room[i], &chain);
	classify6_refuse(w, b, i, V_SOURCE_ROUTE, ICMP6_PARAMETER_PROBLEM, ICMP6_BAD_FIELD,
		chain.routing + 2u);
}

// Whether a source that is routed like that can truly send by the interface that packet i came in by.
static bool is_valid(
	const struct worker *w, const struct burst *b, unsigned i, const struct nexthop *source)
{
	switch ((enum source_validation)w->snapshot->iface[b->iface[i]].validation) {
	case VALIDATE_NONE:
		return !nexthop_is_ours(source) || source->realm;
	case VALIDATE_IFACE:
		if (source->iface != b->iface[i])
			return false;
		break;
	case VALIDATE_INSIDE:
		break;
	}
	return leads_inside(w, source, b->ip[i] + IPV6_SOURCE);
}

// Whether packet i may go on to a next hop; else it is ended.
static bool may_go_on(struct worker *w, struct burst *b, unsigned i, bool from_inside,
	const struct nexthop *source)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
	const uint8_t *ip = b->ip[i];

	if (from_inside && !is_valid(w, b, i, source))
		burst_end(b, i, V_SPOOFED);
	else if (!from_inside && !leads_inside(w, nh, ip + IPV6_DESTINATION))
		burst_end(b, i, V_REALM);
	else if (ip[IPV6_HOP_LIMIT] <= 1)
		classify6_refuse(w, b, i, V_TTL, ICMP6_TIME_EXCEEDED, ICMP6_HOP_LIMIT, 0);
	else
		return true;
	return false;
}

// Where a packet goes that is not for the box itself.
static void sort_far(struct worker *w, struct burst *b, unsigned i, bool from_inside,
	const struct nexthop *source, struct ways6 *ways)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];

	switch ((enum nexthop_kind)nh->kind) {
	case NEXTHOP_GATEWAY:
	case NEXTHOP_CONNECTED:
		if (!may_go_on(w, b, i, from_inside, source))
			return;
		*(from_inside ? &ways->out : &ways->in) |= bit(i);
		return;
	case NEXTHOP_SERVICE:
		// services are for hosts inside, which need not be subscribers of native IPv6
		if (!(w->snapshot->iface[b->iface[i]].realm & REALM_INTERNAL))
			burst_end(b, i, V_REALM);
		else if (!(source->realm & REALM_INTERNAL))
			burst_end(b, i, V_SPOOFED);
		else
			ways->service[nh->service] |= bit(i);
		return;
	case NEXTHOP_BLACKHOLE:
		burst_end(b, i, V_BLACKHOLE);
		return;
	default:
		classify6_refuse(w, b, i, V_NO_ROUTE, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, 0);
		return;
	}
}

static void sort_slowly(struct worker *w, struct burst *b, unsigned i, const struct nexthop *source,
	struct ways6 *ways)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
	const uint8_t *from = b->ip[i] + IPV6_SOURCE, *to = b->ip[i] + IPV6_DESTINATION;
	bool from_inside = is_from_inside(w, b, i);

	if (!memcmp(from, to, 16))
		burst_end(b, i, V_LAND);
	else if (b->options & bit(i))
		refuse_route(w, b, i);
	else if (hdr6_is_link_local(from) || hdr6_is_link_local(to))
		end_on_link(w, b, i);
	else if (!from_inside && nexthop_is_ours(source))
		burst_end(b, i, V_SPOOFED);
	else if (nh->kind == NEXTHOP_LOCAL)
		answer_local(w, b, i, nh->iface);
	else if (!w->snapshot->iface[b->iface[i]].forwards6)
		burst_end(b, i, V_IPV6);
	else
		sort_far(w, b, i, from_inside, source, ways);
}

// Looks up the routes of destinations: those of services beside the FIB.
static void look_up_destinations(const struct worker *w, struct burst *b, uint64_t mask)
{
	const struct shortcut6_list *shortcuts = &w->snapshot->shortcuts;
	uint64_t rest = mask;
	unsigned i;

	for (uint64_t todo = shortcuts->count ? mask : 0; bit_take(&todo, &i);) {
		uint32_t route = shortcut6_find(shortcuts, b->ip[i] + IPV6_DESTINATION);

		if (likely(route != SHORTCUT6_NONE)) {
			b->route[i] = route;
			rest &= ~bit(i);
		}
	}
	if (rest)
		look_up(w, b, rest, IPV6_DESTINATION, b->route);
}

struct ways6 classify6(struct worker *w, struct burst *b, uint64_t mask)
{
	const struct snapshot *s = w->snapshot;
	uint32_t source[BURST_MAX];
	struct ways6 ways = {0};
	unsigned i;

	look_up_destinations(w, b, mask);
	look_up(w, b, mask, IPV6_SOURCE, source);
	b->big &= ~mask;
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = &s->nexthop[b->route[i]];
		const struct nexthop *from = &s->nexthop[source[i]];
		const struct iface *iface = &s->iface[b->iface[i]];
		bool plain = !(b->options & bit(i)) && iface->forwards6 &&
			iface->validation == VALIDATE_INSIDE;

		// nearly all packets: from inside to outside or to a service, or back
		if (plain && nh->kind == NEXTHOP_SERVICE && iface->realm == REALM_INTERNAL &&
			from->realm == REALM_INTERNAL)
			ways.service[nh->service] |= bit(i);
		else if (!plain || b->ip[i][IPV6_HOP_LIMIT] <= 1 || from->realm != iface->realm)
			sort_slowly(w, b, i, from, &ways);
		else if (iface->realm == REALM_INTERNAL && nh->realm == REALM_EXTERNAL)
			ways.out |= bit(i);
		else if (iface->realm == REALM_EXTERNAL && nh->realm == REALM_INTERNAL)
			ways.in |= bit(i);
		else
			sort_slowly(w, b, i, from, &ways);
		b->big |= (uint64_t)(nh->kind != NEXTHOP_SERVICE && b->length[i] > nh->mtu) << i;
	}
	return ways;
}

uint64_t classify6_size(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask & b->big; bit_take(&todo, &i);)
		classify6_refuse(w, b, i, V_TOO_BIG, ICMP6_TOO_BIG, 0,
			w->snapshot->nexthop[b->route[i]].mtu);
	return mask & b->live;
}

// How large packet i, which has DF or not, may be once it has become what its host can take.
static uint16_t most_of(const struct worker *w, const struct burst *b, unsigned i, bool softwired)
{
	const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];
	uint16_t mtu = w->snapshot->nexthop[b->route[i]].mtu;
	uint16_t lowest = policy_of(&w->nat, m->policy)->lowest_mtu6;

	if (softwired)
		return dslite_mtu(w, b, i);
	return hdr_has_df(b->ip[i]) || mtu < lowest ? mtu : lowest;
}

uint64_t classify6_aliased(struct worker *w, struct burst *b, uint64_t mask)
{
	uint8_t address[BURST_MAX][16];
	uint64_t route[BURST_MAX];
	uint64_t inside = mask;
	unsigned n = 0, i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		memcpy(address[n++], nat_alias_of(&w->nat, b->mapping[i])->key.address,
			sizeof(address[0]));
	classify6_routes(w, address, n, route);
	n = 0;
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct alias *alias = nat_alias_of(&w->nat, b->mapping[i]);
		uint32_t length = b->length[i];

		b->route[i] = (uint32_t)route[n++];
		if (!(w->snapshot->nexthop[b->route[i]].realm & REALM_INTERNAL) ||
			(alias->b4 && alias->aftr == AFTR_NONE)) {
			burst_end(b, i, V_NO_ROUTE);
			inside &= ~bit(i);
			continue;
		}
		length += alias->b4 ? TUNNEL_HEADER : siit_growth(b, i);
		// an error never is: it is cut short instead
		if (b->icmp_error & bit(i))
			length = 0;
		if (!(b->fragments & bit(i)))
			memcpy(&b->id[i], b->ip[i] + 4, sizeof(b->id[i]));
		b->big = (b->big & ~bit(i)) |
			(uint64_t)(length > most_of(w, b, i, alias->b4 != 0)) << i;
	}
	return inside;
}

uint16_t classify6_inner_mtu(const struct worker *w, const struct burst *b, unsigned i)
{
	const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];

	if (!alias_at(&w->nat.aliases, m->inside)->b4)
		return (uint16_t)(w->snapshot->nexthop[b->route[i]].mtu - siit_growth(b, i));
	return dslite_fragments(w, b, i) ? 0 : (uint16_t)(dslite_mtu(w, b, i) - TUNNEL_HEADER);
}

// Brings the header of the frame that packet i came in to where the packet is now.
static void follow_with_frame(struct burst *b, unsigned i)
{
	struct rte_mbuf *m = b->mbuf[i];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t type, l2 = RTE_ETHER_HDR_LEN;

	memcpy(&type, frame + 12, sizeof(type));
	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN))
		l2 += 4;
	memmove(b->ip[i] - l2, frame, l2);
	rte_pktmbuf_adj(m, (uint16_t)(b->ip[i] - l2 - frame));
}

bool classify6_asks_for_route(struct worker *w, struct burst *b, unsigned i)
{
	struct hdr6_chain chain;

	if (b->ihl[i] == IPV6_MIN || !hdr6_follow(b->ip[i], b->room[i], &chain) || !chain.routing)
		return false;
	classify6_refuse(w, b, i, V_SOURCE_ROUTE, ICMP6_PARAMETER_PROBLEM, ICMP6_BAD_FIELD,
		chain.routing + 3u);
	return true;
}

uint16_t classify6_refuse_restored(struct worker *w, struct burst *b, unsigned i,
	enum verdict verdict, const struct icmp6_error *error)
{
	follow_with_frame(b, i);
	return refuse(w, b, i, verdict, error);
}

void classify6_refuse_aliased(struct worker *w, struct burst *b, unsigned i, enum verdict verdict,
	uint8_t type, uint8_t code, uint16_t mtu)
{
	const struct alias *alias = alias_at(&w->nat.aliases, b->src[i]);
	uint8_t type6 = ICMP6_UNREACHABLE, code6 = ICMP6_NO_ROUTE;
	uint32_t word = 0;

	if (alias->b4 && alias->aftr == AFTR_NONE) {
		burst_end(b, i, verdict);
		return;
	}
	if (alias->b4) {
		dslite_refuse(w, b, i, verdict,
			(struct icmp_error){.type = type, .code = code, .mtu = mtu});
		return;
	}
	// no error is sent about an error
	if (b->icmp_error & bit(i)) {
		burst_end(b, i, verdict);
		return;
	}
	if (type == ICMP_TIME_EXCEEDED) {
		type6 = ICMP6_TIME_EXCEEDED;
		code6 = ICMP6_HOP_LIMIT;
	} else if (code == ICMP_FRAGMENTATION_NEEDED) {
		type6 = ICMP6_TOO_BIG;
		word = max_u32(mtu + 20u, IPV6_MTU_MIN);
	} else if (code == ICMP_HOST_UNREACHABLE) {
		// no room for one more mapping (RFC 6146 section 3.5.1.1)
		code6 = ICMP6_ADDRESS_UNREACHABLE;
	}
	if (!nat64_restore(&w->nat, b, i))
		return;
	follow_with_frame(b, i);
	classify6_refuse(w, b, i, verdict, type6, code6, word);
}
