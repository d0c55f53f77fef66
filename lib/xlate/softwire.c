// SPDX-License-Identifier: BSD-3-Clause

// The search goes through the burst several times, as in nat44.c: each pass touches what the one before has
// prefetched.

#include "xlate/softwire.h"

#include "net/hdr.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include <string.h>

#define NOBODY    UINT64_C(0)
#define RULE_USED (UINT64_C(1) << 16) // in a rule's key, beside the PSID

// The end of packet i that is behind a border relay.
struct end {
	rte_be32_t ipv4;
	uint16_t port; // host order
	bool has_port;
	bool is_known;
};

// Of an ICMP error, what it quotes stands for it: a packet from the one whom it is for, or to the one whom it is
// from, and so has the address that the error has there itself.
static struct end end_of_error(const struct burst *b, unsigned i, bool outward)
{
	struct end end = {.ipv4 = outward ? b->src[i] : b->dst[i]};
	struct quoted q;

	if (hdr_quoted(b, i, &q))
		end.has_port = true;
	else if (!hdr_quoted_bare(b, i, &q))
		return end;
	end.is_known = (outward ? q.dst : q.src) == end.ipv4;
	end.port = rte_be_to_cpu_16(outward ? q.dst_port : q.src_port);
	return end;
}

static inline struct end end_of(const struct burst *b, unsigned i, bool outward)
{
	if (unlikely(b->icmp_error & bit(i)))
		return end_of_error(b, i, outward);
	return (struct end){
		.ipv4 = outward ? b->src[i] : b->dst[i],
		.port = rte_be_to_cpu_16(outward ? b->src_port[i] : b->dst_port[i]),
		.has_port = !(b->portless & bit(i)),
		.is_known = true,
	};
}

static uint64_t rule_key(const struct map_rule *r, const struct end *e)
{
	uint16_t psid = 0;

	// protocols without ports are for those who have the address to themselves
	if (r->geometry.length && !e->has_port)
		return NOBODY;
	return map_psid(r, e->port, &psid) ? RULE_USED | psid : NOBODY;
}

static uint64_t key_of(const struct softwire *softwire, const struct end *e)
{
	if (!e->is_known)
		return NOBODY;
	if (softwire->kind != SOFTWIRE_BINDING)
		return rule_key(&softwire->rule, e);
	return binding_key_of(
		binding_view(softwire->state->bindings), e->ipv4, e->port, e->has_port);
}

// Prefetches what binding_key_of() will read of a table whose addresses differ.
static void prefetch_division(
	const struct softwire *softwire, const struct burst *b, unsigned i, bool outward)
{
	const struct binding_view *v;

	if (softwire->kind != SOFTWIRE_BINDING)
		return;
	v = binding_view(softwire->state->bindings);
	if (v->mixed)
		rte_prefetch0(binding_address_home(v, outward ? b->src[i] : b->dst[i]));
}

static bool fill(struct softwire_search *x, unsigned i, rte_be32_t ipv4)
{
	const struct softwire *softwire = x->softwire[i];
	const struct softwire_state *state = softwire->state;
	const struct binding *binding;
	bool marked;

	if (x->key[i] == NOBODY)
		return false;
	if (softwire->kind == SOFTWIRE_MAP_T) {
		map_host_address(&softwire->rule, rte_be_to_cpu_32(ipv4), (uint16_t)x->key[i],
			x->subscriber[i]);
		x->br[i] = softwire->dmr.bytes;
		marked = atomic_load_explicit(&state->marked, memory_order_relaxed);
	} else if (softwire->kind == SOFTWIRE_MAP_E) {
		map_address(&softwire->rule, rte_be_to_cpu_32(ipv4), (uint16_t)x->key[i],
			x->subscriber[i]);
		x->br[i] = softwire->br;
		marked = atomic_load_explicit(&state->marked, memory_order_relaxed);
	} else {
		binding = binding_find(binding_view(state->bindings), x->key[i]);
		if (unlikely(!binding))
			return false;
		memcpy(x->subscriber[i], binding->b4, sizeof(x->subscriber[i]));
		x->br[i] = state->br[atomic_load_explicit(&binding->br, memory_order_relaxed)];
		marked = atomic_load_explicit(&binding->marked, memory_order_relaxed);
	}
	x->marked |= (uint64_t)marked << i;
	return true;
}

uint64_t softwire_find(const struct snapshot *s, const struct burst *b, uint64_t mask,
	const uint32_t route[], bool outward, struct softwire_search *x)
{
	uint64_t found = 0;
	unsigned i;

	x->marked = 0;
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		x->softwire[i] = &s->softwire[s->nexthop[route[i]].number];
		rte_prefetch0(x->softwire[i]);
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);)
		prefetch_division(x->softwire[i], b, i, outward);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct softwire *softwire = x->softwire[i];
		struct end end = end_of(b, i, outward);

		x->key[i] = key_of(softwire, &end);
		if (softwire->kind == SOFTWIRE_BINDING)
			rte_prefetch0(
				binding_home(binding_view(softwire->state->bindings), x->key[i]));
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (fill(x, i, outward ? b->src[i] : b->dst[i]))
			found |= bit(i);
	}
	return found;
}

uint64_t softwire_find_ruled(const rte_be32_t ipv4[], const rte_be16_t port[], uint64_t mask,
	unsigned worker, struct softwire_search *x)
{
	uint64_t found = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct softwire *softwire = x->softwire[i];
		uint16_t psid;

		if (unlikely(!map_psid(&softwire->rule, rte_be_to_cpu_16(port[i]), &psid)))
			continue;
		rte_prefetch0(&softwire->state->stats[worker]);
		if (softwire->kind == SOFTWIRE_MAP_T)
			map_host_address(
				&softwire->rule, rte_be_to_cpu_32(ipv4[i]), psid, x->subscriber[i]);
		else
			map_address(
				&softwire->rule, rte_be_to_cpu_32(ipv4[i]), psid, x->subscriber[i]);
		x->br[i] = softwire->br;
		x->marked |= (uint64_t)atomic_load_explicit(
				     &softwire->state->marked, memory_order_relaxed)
			<< i;
		found |= bit(i);
	}
	return found;
}

bool softwire_holder(const struct softwire *softwire, rte_be32_t ipv4, uint16_t port, bool has_port,
	struct softwire_holder *holder)
{
	struct end end = {.ipv4 = ipv4, .port = port, .has_port = has_port, .is_known = true};
	struct softwire_search x = {0};

	x.softwire[0] = softwire;
	x.key[0] = key_of(softwire, &end);
	if (!fill(&x, 0, ipv4))
		return false;
	*holder = (struct softwire_holder){
		.softwire = softwire, .br = x.br[0], .marked = x.marked != 0};
	memcpy(holder->subscriber, x.subscriber[0], sizeof(holder->subscriber));
	return true;
}
