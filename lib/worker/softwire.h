// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the two ways of A+P packets (softwire_in.c, softwire_out.c, mapt.c) share: the counters of RFC 8676, and
// answers to who sent what cannot go on.

#include "net/icmp.h"
#include "net/siit.h"
#include "net/tunnel.h"
#include "worker/stages.h"
#include "xlate/softwire.h"

extern const struct tunnel_rules softwire_rules;

static inline struct softwire_stats *softwire_stats_of(
	const struct worker *w, const struct softwire *softwire)
{
	return &softwire->state->stats[w->number];
}

static inline void softwire_count(struct softwire_count *c, uint32_t bytes)
{
	stat_add(&c->packets, 1);
	stat_add(&c->bytes, bytes);
}

// Counts `fragments` of a tunnel packet that have been put together.
void softwire_count_reassembled(
	const struct worker *w, const uint8_t br[16], uint32_t fragments, uint32_t bytes);

// The outer header of a tunnelled packet.
static inline const uint8_t *softwire_outer_of(const struct burst *b, unsigned i)
{
	return b->ip[i] - TUNNEL_HEADER;
}

// How long packet i, which is from a subscriber, was as an IPv6 packet.
static inline uint32_t softwire_length6(const struct burst *b, unsigned i)
{
	return b->length[i] + (b->mapped & bit(i) ? siit_growth(b, i) : TUNNEL_HEADER);
}

// Whether a route is that of a BR address, or of an IPv4 address behind one.
static inline bool softwire_is_hop(const struct worker *w, uint32_t route)
{
	const struct nexthop *nh = &w->snapshot->nexthop[route];

	return nh->kind == NEXTHOP_SERVICE && nh->service == SERVICE_SOFTWIRE;
}

// Those packets of the mask whose route is one.
uint64_t softwire_hops(const struct worker *w, const struct burst *b, uint64_t mask);

// Whether a route leads to subscribers' IPv6 addresses.
static inline bool softwire_is_inside_hop(const struct nexthop *nh)
{
	return (nh->kind == NEXTHOP_GATEWAY || nh->kind == NEXTHOP_CONNECTED) &&
		nh->realm & REALM_INTERNAL;
}

// Looks up the routes to the subscribers of the mask's packets, one after the other.
void softwire_routes(const struct worker *w, uint64_t mask, const struct softwire_search *search,
	uint64_t route[BURST_MAX]);

// Who sends ICMP errors into tunnels, whose own interface mostly has no IPv4 address: the box as the outside
// knows it. 0: nobody.
rte_be32_t softwire_error_source(const struct worker *w);

// Whether one more may pass, of so many a second.
bool softwire_may_pass(uint32_t rate, uint32_t *tokens, uint32_t *tick, uint32_t now);

// Ends packet i and tells its sender, wherever that is.
void softwire_refuse(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire,
	enum verdict verdict, struct icmp_error error);

// The other end of the tunnel that a packet came by.
struct softwire_back {
	const struct nexthop *nexthop;
	uint8_t subscriber[16];
	uint8_t br[16];
};

// Where tunnelled packet i came from. Returns false if no route leads there.
bool softwire_way_back(
	const struct worker *w, const struct burst *b, unsigned i, struct softwire_back *back);

// Sends the IPv4 packet at `ip`, which stands in the mbuf of packet i now, back by its tunnel, to count as
// `verdict`. Returns false if there is no room for the outer header.
bool softwire_send_back(struct worker *w, struct burst *b, unsigned i, uint8_t *ip,
	const struct softwire_back *back, enum verdict verdict);

// softwire_out.c: sends IPv4 packets of the mask, from the subscribers that the search has found, on by their
// destinations, as far as mitigations and routes allow; those that leave count as `verdict`.
void softwire_go_on(struct worker *w, struct burst *b, uint64_t mask,
	const struct softwire_search *search, enum verdict verdict);

// mapt.c: sends IPv4 packets of the mask, whose routes to their subscribers have been looked up, translated.
void mapt_in(struct worker *w, struct burst *b, uint64_t mask, const struct softwire_search *search,
	enum verdict verdict);

// The parts of softwire_refuse() and of answering echo requests that are for MAP-T subscribers.
void mapt_refuse(struct worker *w, struct burst *b, unsigned i, const struct softwire *softwire,
	enum verdict verdict, struct icmp_error error);
bool mapt_answer(struct worker *w, struct burst *b, unsigned i);
