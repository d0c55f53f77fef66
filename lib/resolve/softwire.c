// SPDX-License-Identifier: BSD-3-Clause

#include "resolve/softwire.h"

#include "base/bits.h"

#include <string.h>

// What is asked of one address.
struct question {
	const struct resolve_req *req;
	const struct window *window;
	struct resolve_answer *answer;
	const struct softwire *softwire;
	uint32_t address; // host order
	struct psid_geometry geometry;
};

// Who has a port set of the address, since when.
static bool holder_of(
	const struct question *q, uint16_t psid, uint8_t subscriber[16], int64_t *since)
{
	const struct softwire *softwire = q->softwire;
	struct binding_entry key = {.ipv4 = rte_cpu_to_be_32(q->address),
				     .psid = psid,
				     .geometry = q->geometry},
			     e;

	*since = softwire->state->changed;
	if (softwire->kind == SOFTWIRE_BINDING) {
		if (!binding_get(softwire->state->bindings, &key, &e))
			return false;
		memcpy(subscriber, e.b4, sizeof(e.b4));
		*since = e.since;
		return true;
	}
	if (!map_has_psid(&softwire->rule) && psid != softwire->rule.psid)
		return false;
	map_address(&softwire->rule, q->address, psid, subscriber);
	return true;
}

// Adds who has the ports of a set from lower to upper.
static void add(const struct question *q, uint16_t psid, uint16_t lower, uint16_t upper)
{
	static const enum resolve_service services[] = {
		[SOFTWIRE_BINDING] = RESOLVE_LW4O6,
		[SOFTWIRE_MAP_E] = RESOLVE_MAP_E,
		[SOFTWIRE_MAP_T] = RESOLVE_MAP_T,
	};
	uint8_t subscriber[16];
	int64_t since;

	if (!holder_of(q, psid, subscriber, &since) || since * 1000 > q->window->until)
		return;
	answer_add(q->answer,
		&(struct holder){
			.service = services[q->softwire->kind],
			.softwire = q->softwire->state->name,
			.subscriber = softwire_subkey(q->softwire, subscriber),
			.outside = ipaddr_v4(rte_cpu_to_be_32(q->address)),
			.lower = lower,
			.upper = upper,
			.from = since * 1000,
		});
}

// Without ports all sets of the address are meant: more than one is nobody in particular.
static void find_all(const struct question *q)
{
	uint32_t sets = 1u << q->geometry.length;
	unsigned before = q->answer->count;

	for (uint32_t psid = 0; psid < sets && !answer_is_full(q->answer); psid++) {
		uint16_t first = psid_range_first(q->geometry, (uint16_t)psid, 0);

		add(q, (uint16_t)psid, first, (uint16_t)(first + psid_range_size(q->geometry) - 1));
	}
	q->answer->ambiguous |= q->answer->count > before + 1;
}

// Ports from one to another: set by set, in the order of the ports.
static void find_ports(const struct question *q)
{
	uint32_t size = psid_range_size(q->geometry), next;

	for (uint32_t port = q->req->lower; port <= q->req->upper && !answer_is_full(q->answer);
		port = next) {
		next = (port / size + 1) * size;
		if (!psid_is_reserved(q->geometry, (uint16_t)port))
			add(q, psid_of_port(q->geometry, (uint16_t)port), (uint16_t)port,
				(uint16_t)min_u32(next - 1, q->req->upper));
	}
}

static bool has_address(struct question *q)
{
	if (q->softwire->kind == SOFTWIRE_BINDING)
		return binding_geometry(
			q->softwire->state->bindings, rte_cpu_to_be_32(q->address), &q->geometry);
	q->geometry = q->softwire->rule.geometry;
	return true;
}

static void find(struct question *q, bool *ours)
{
	if (!has_address(q))
		return;
	*ours = true;
	// protocols without ports are for those who have an address to themselves
	if (q->req->any_port)
		find_all(q);
	else
		find_ports(q);
}

// The bindings of a table that is smaller than the prefix asked for.
static void find_in_table(struct question *q, uint32_t from, uint32_t to, bool *ours)
{
	const struct resolve_req *req = q->req;
	struct binding_entry e;
	uint32_t cursor = 0;

	while (!answer_is_full(q->answer) &&
		binding_walk(q->softwire->state->bindings, &cursor, &e)) {
		q->address = rte_be_to_cpu_32(e.ipv4);
		q->geometry = e.geometry;
		if (q->address < from || q->address > to)
			continue;
		*ours = true;
		for (uint32_t i = 0; i < psid_ranges(q->geometry); i++) {
			uint32_t first = psid_range_first(q->geometry, e.psid, i);
			uint32_t last = first + psid_range_size(q->geometry) - 1;

			if (req->any_port || (first <= req->upper && last >= req->lower))
				add(q, e.psid,
					(uint16_t)(req->any_port ? first
								 : max_u32(first, req->lower)),
					(uint16_t)(req->any_port ? last
								 : min_u32(last, req->upper)));
			if (req->any_port)
				break;
		}
	}
}

bool softwire_resolve(const struct snapshot *s, const struct resolve_req *req,
	struct resolve_answer *answer, const struct window *window, bool *ours)
{
	uint32_t first = rte_be_to_cpu_32(ipaddr_be32(&req->outside.addr));
	uint32_t last = first | (uint32_t)(UINT64_C(0xffffffff) >> req->outside.len);
	bool found = false;

	for (unsigned i = 0; i < s->softwires; i++) {
		const struct softwire *softwire = &s->softwire[i];
		struct question q = {
			.req = req, .window = window, .answer = answer, .softwire = softwire};
		uint32_t from = first, to = last;

		if (!softwire->state)
			continue;
		if (softwire->kind != SOFTWIRE_BINDING) {
			const struct map_rule *r = &softwire->rule;

			from = max_u32(from, r->prefix4);
			to = min_u32(to, r->prefix4 | (uint32_t)(UINT64_C(0xffffffff) >> r->len4));
		}
		if (softwire->kind == SOFTWIRE_BINDING &&
			to - from > binding_count(softwire->state->bindings)) {
			find_in_table(&q, from, to, &found);
			continue;
		}
		for (uint64_t a = from; a <= to && !answer_is_full(answer); a++) {
			q.address = (uint32_t)a;
			find(&q, &found);
		}
	}
	*ours |= found;
	return found;
}

bool softwire_shares(const struct snapshot *s, rte_be32_t outside)
{
	const struct nexthop *nh = snapshot_route(s, rte_be_to_cpu_32(outside));
	struct question q = {.address = rte_be_to_cpu_32(outside)};

	if (nh->kind != NEXTHOP_SERVICE || nh->service != SERVICE_SOFTWIRE)
		return false;
	q.softwire = &s->softwire[nh->number];
	return has_address(&q) && q.geometry.length;
}
