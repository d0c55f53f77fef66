// SPDX-License-Identifier: BSD-3-Clause

// Answers: who holds, or held, what was asked for.

#include "base/bits.h"
#include "resolve/answer.h"
#include "resolve/grants.h"
#include "resolve/native.h"

#include <errno.h>
#include <string.h>

#define BINDING_REST_MS 120000 // as the hold-down of RFC 6888 REQ-8

static enum resolve_service service_of(
	const struct resolve_table *t, const struct subkey *subscriber)
{
	if (subscriber->instance == SUBKEY_SOFTWIRE)
		return RESOLVE_LW4O6;
	if (subscriber->family == 4)
		return RESOLVE_NAT44;
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = t->snapshot->policy[slot];

		if (policy && policy->instance == subscriber->instance)
			return policy->behaviour.kind == NAT_DSLITE ? RESOLVE_DSLITE
								    : RESOLVE_NAT64;
	}
	return RESOLVE_NAT64;
}

static void add_grant(const struct resolve_table *t, const struct resolve_req *req,
	struct resolve_answer *answer, const struct block_grant *g, int64_t until)
{
	uint16_t lower = req->any_port || req->lower < g->first_port ? g->first_port : req->lower;
	uint16_t upper = req->any_port || req->upper > g->last_port ? g->last_port : req->upper;

	answer_add(answer,
		&(struct holder){
			.service = service_of(t, &g->subscriber),
			.subscriber = g->subscriber,
			.outside = ipaddr_v4(g->outside),
			.lower = lower,
			.upper = upper,
			.from = g->from,
			.until = until,
		});
}

// The number that an instance of the configuration has in subscriber keys now; one that is gone has none.
static uint16_t instance_number(const struct snapshot *s, uint32_t id)
{
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		if (s->policy[slot] && s->policy[slot]->instance_id == id)
			return s->policy[slot]->instance;
	}
	return id == SOFTWIRE_INSTANCE_ID ? SUBKEY_SOFTWIRE : UINT16_MAX;
}

// Holders of the past that the request may mean. If now is meant, one whose ports still rest counts: the
// report is then about packets already on their way.
static bool find_past(struct resolve_table *t, const struct resolve_req *req,
	struct resolve_answer *answer, rte_be32_t outside, uint16_t lower, uint16_t upper,
	const struct window *w, int64_t rest_ms)
{
	const struct grant_query query = {
		.outside = outside,
		.lower = lower,
		.upper = upper,
		.from = w->past ? w->from : w->now - rest_ms,
		.until = w->until,
	};
	struct block_grant g;
	uint64_t cursor = 0;
	bool found = false;

	while (!answer_is_full(answer) && history_find(t->history, &cursor, &query, w->now, &g)) {
		g.subscriber.instance = instance_number(t->snapshot, g.instance_id);
		add_grant(t, req, answer, &g, g.until);
		found = true;
		// of those that have just gone, only the last can be meant
		if (!w->past)
			break;
	}
	return found;
}

static void find_in_block(struct resolve_table *t, const struct resolve_req *req,
	struct resolve_answer *answer, unsigned slot, uint32_t number, uint32_t entry,
	const struct window *w)
{
	const struct pool *pool = t->pools[slot].pool;
	rte_be32_t outside = rte_cpu_to_be_32(pool_address(pool, number));
	uint32_t size = pool_block_size(pool);
	uint16_t first = (uint16_t)((entry & (pool_blocks_an_address(pool) - 1)) * size);
	uint16_t last = (uint16_t)(first + size - 1);
	uint32_t grant = t->pools[slot].grant[entry];
	int64_t rest_ms = grant_hold_down_ms(t->snapshot->policy[slot]);
	bool live = grant && t->grant[grant].from <= w->until;

	if (!req->any_port && req->lower > first)
		first = req->lower;
	if (!req->any_port && req->upper < last)
		last = req->upper;
	if (live)
		add_grant(t, req, answer, &t->grant[grant], 0);
	// nobody else can have had a fixed port just now
	if (w->past || (!live && first >= pool->fixed_end))
		find_past(t, req, answer, outside, first, last, w, rest_ms);
}

// Fixed ports are answered by arithmetic (RFC 7422), for as long as the pool has been there. Ports in a row
// of one host are one holding.
static void find_fixed(struct resolve_table *t, const struct resolve_req *req,
	struct resolve_answer *answer, unsigned slot, uint32_t number, const struct window *w)
{
	const struct pool_grants *p = &t->pools[slot];
	const struct detnat *fixed = p->pool->fixed;
	uint32_t first = req->any_port ? 0 : req->lower;
	uint32_t end = req->any_port ? UINT16_MAX + 1 : req->upper + 1u;
	uint32_t host = UINT32_MAX;

	if (end > p->pool->fixed_end)
		end = p->pool->fixed_end;
	if (p->since > w->until)
		return;
	for (uint32_t port = first; port <= end && !answer_is_full(answer); port++) {
		uint32_t next =
			port < end ? detnat_owner(fixed, number, (uint16_t)port) : UINT32_MAX;

		if (next == host)
			continue;
		if (host != UINT32_MAX)
			answer_add(answer,
				&(struct holder){
					.service = RESOLVE_NAT44,
					.subscriber = subkey_v4(detnat_host(fixed, host),
						t->snapshot->policy[slot]->instance),
					.outside = ipaddr_v4(
						rte_cpu_to_be_32(pool_address(p->pool, number))),
					.lower = (uint16_t)first,
					.upper = (uint16_t)(port - 1),
					.from = p->since,
				});
		host = next;
		first = port;
	}
}

static void find_in_pool(struct resolve_table *t, const struct resolve_req *req,
	struct resolve_answer *answer, unsigned slot, const struct window *w, bool *ours)
{
	const struct pool *pool = t->pools[slot].pool;
	uint32_t blocks = pool_blocks_an_address(pool);
	uint16_t lower = req->any_port ? 0 : req->lower;
	uint16_t upper = req->any_port ? UINT16_MAX : req->upper;

	for (uint32_t n = 0; n < pool->addresses && !answer_is_full(answer); n++) {
		struct ipaddr addr = ipaddr_v4(rte_cpu_to_be_32(pool_address(pool, n)));

		if (!ipprefix_has(&req->outside, &addr))
			continue;
		*ours = true;
		if (lower < pool->fixed_end)
			find_fixed(t, req, answer, slot, n, w);
		for (uint32_t b = lower >> pool->block_bits;
			b <= (uint32_t)upper >> pool->block_bits && !answer_is_full(answer); b++)
			find_in_block(t, req, answer, slot, n, n * blocks + b, w);
	}
}

static struct subkey static_subscriber(const struct snapshot *s, const struct static_mapping *m)
{
	const struct static_host *host = static_host_of(&s->statics, m);
	const struct nat_policy *policy = s->policy[m->policy];
	struct ipprefix prefix;
	struct ipaddr addr;

	if (!host)
		return subkey_v4(m->inside, policy->instance);
	addr = ipaddr_v6(host->address);
	prefix = ipprefix_make(&addr, policy->subscriber_len);
	return subkey_of(&prefix, policy->instance);
}

// Static mappings: they have no history but that of the configuration. Returns whether one covers the only
// port that was asked for, so that nobody else can have it.
static bool find_statics(struct resolve_table *t, const struct resolve_req *req,
	struct resolve_answer *answer, bool *ours)
{
	const struct static_table *statics = &t->snapshot->statics;
	bool whole = false;

	for (unsigned i = 0; i < statics->count && !answer_is_full(answer); i++) {
		const struct static_mapping *m = &statics->by_outside[i];
		struct ipaddr addr = ipaddr_v4(m->outside);
		struct subkey subscriber;
		uint16_t last = (uint16_t)(m->outside_lower + m->ports);
		uint16_t lower = req->any_port ? 0 : req->lower;
		uint16_t upper = req->any_port ? UINT16_MAX : req->upper;

		if (!ipprefix_has(&req->outside, &addr))
			continue;
		*ours = true;
		if ((m->protocol && req->protocol && m->protocol != req->protocol) ||
			m->outside_lower > upper || last < lower)
			continue;
		lower = lower > m->outside_lower ? lower : m->outside_lower;
		upper = upper < last ? upper : last;
		subscriber = static_subscriber(t->snapshot, m);
		answer_add(answer,
			&(struct holder){
				.service = service_of(t, &subscriber),
				.subscriber = subscriber,
				.outside = addr,
				.lower = lower,
				.upper = upper,
			});
		whole |= !req->any_port && req->lower == req->upper;
	}
	return whole;
}

// The inside tuple behind a single port, if a mapping lives there now.
static void find_mapping(struct resolve_table *t, const struct resolve_req *req, struct holder *h)
{
	struct mapping_row row;
	struct msg msg = {
		.type = MSG_FIND,
		.find =
			{
				.protocol = req->protocol,
				.port = h->lower,
				.outside = ipaddr_be32(&h->outside),
				.row = &row,
			},
	};

	for (unsigned w = 0; w < t->env.workers; w++) {
		struct msg m = msg;

		if (t->env.ask(t->env.ctx, w, &m) < 0 || !m.answer.count)
			continue;
		h->mapped = true;
		h->inside = row.inside;
		h->inside_port = row.inside_port;
		h->b4 = row.b4;
		return;
	}
}

#define ICMP_HOLDERS 64

// ICMP without an identifier: whoever has a live ICMP session from the address to the target.
static int find_by_target(
	struct resolve_table *t, const struct resolve_req *req, struct resolve_answer *answer)
{
	struct subkey found[ICMP_HOLDERS];
	uint32_t mask = req->target.len ? UINT32_MAX << (32 - req->target.len) : 0;
	struct msg msg = {
		.type = MSG_FIND_ICMP,
		.find_icmp =
			{
				.outside = ipaddr_be32(&req->outside.addr),
				.target = ipaddr_be32(&req->target.addr),
				.mask = rte_cpu_to_be_32(mask),
				.room = ICMP_HOLDERS,
				.subscribers = found,
			},
	};

	for (unsigned w = 0; w < t->env.workers; w++) {
		struct msg m = msg;

		if (t->env.ask(t->env.ctx, w, &m) < 0)
			return -ETIMEDOUT;
		for (uint32_t i = 0; i < m.answer.count; i++)
			answer_add(answer,
				&(struct holder){
					.service = service_of(t, &found[i]),
					.subscriber = found[i],
					.outside = req->outside.addr,
					.upper = UINT16_MAX,
				});
	}
	return 0;
}

static bool is_host(const struct ipprefix *p)
{
	return p->len == ipaddr_bits(&p->addr);
}

// Bindings that are no more. One that has just gone is still meant if nobody has it now: the report is about
// packets already on their way.
static void find_ended_bindings(struct resolve_table *t, const struct resolve_req *req,
	struct resolve_answer *answer, const struct window *w)
{
	if (is_host(&req->outside) && (w->past || !answer->count))
		find_past(t, req, answer, ipaddr_be32(&req->outside.addr),
			req->any_port ? 0 : req->lower, req->any_port ? UINT16_MAX : req->upper, w,
			BINDING_REST_MS);
}

static bool find_shared(struct resolver *self, const struct ipaddr *outside)
{
	const struct resolve_table *t = CONTAINER_OF(self, struct resolve_table, resolver);

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct pool *pool = t->pools[slot].pool;

		if (pool && outside->family == 4 &&
			pool_number(pool, rte_be_to_cpu_32(ipaddr_be32(outside))) != UINT32_MAX)
			return true;
	}
	return t->snapshot && outside->family == 4 &&
		softwire_shares(t->snapshot, ipaddr_be32(outside));
}

static int find_outside(
	struct resolver *self, const struct resolve_req *req, struct resolve_answer *answer)
{
	struct resolve_table *t = CONTAINER_OF(self, struct resolve_table, resolver);
	struct window w = answer_window(req);
	bool ours = false;

	answer->count = 0;
	answer->ambiguous = false;
	if (!t->snapshot)
		return -EADDRNOTAVAIL;
	if (req->outside.addr.family == 6)
		return native_find(t->snapshot, req, answer);
	t->env.catch_up(t->env.ctx);
	if (req->by_target) {
		if (!is_host(&req->outside) || req->target.addr.family != 4)
			return -EINVAL;
		if (!find_shared(self, &req->outside.addr))
			return -EADDRNOTAVAIL;
		return find_by_target(t, req, answer);
	}
	if (!find_statics(t, req, answer, &ours)) {
		for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
			if (t->pools[slot].pool)
				find_in_pool(t, req, answer, slot, &w, &ours);
		}
	}
	if (softwire_resolve(t->snapshot, req, answer, &w, &ours))
		find_ended_bindings(t, req, answer, &w);
	if (!ours)
		return -EADDRNOTAVAIL;
	if (req->with_mapping && req->protocol && !req->any_port && req->lower == req->upper &&
		!w.past && answer->count == 1 && !answer->holder[0].until)
		find_mapping(t, req, &answer->holder[0]);
	return 0;
}

static uint32_t instance_id(struct resolver *self, uint16_t number)
{
	const struct snapshot *s = CONTAINER_OF(self, struct resolve_table, resolver)->snapshot;

	if (number == SUBKEY_NATIVE)
		return RESOLVE_NATIVE_ID;
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		if (s->policy[slot] && s->policy[slot]->instance == number)
			return s->policy[slot]->instance_id;
	}
	return number == SUBKEY_SOFTWIRE ? SOFTWIRE_INSTANCE_ID : 0;
}

static int instance_of(struct resolver *self, uint32_t id)
{
	const struct resolve_table *t = CONTAINER_OF(self, struct resolve_table, resolver);
	uint16_t number = instance_number(t->snapshot, id);

	if (id == RESOLVE_NATIVE_ID)
		return SUBKEY_NATIVE;
	return number == UINT16_MAX ? -ENOENT : number;
}

// A host behind NAT64 knows IPv4 destinations by their RFC 6052 form (RFC 9066 section 5.3.2).
static bool inside_name(struct resolver *self, const struct subkey *subscriber,
	const struct ipprefix *outside, struct ipprefix *inside)
{
	const struct snapshot *s = CONTAINER_OF(self, struct resolve_table, resolver)->snapshot;
	rte_be32_t address = ipaddr_be32(&outside->addr);
	struct ipaddr addr = {.family = 6};
	const struct nat64_prefix *prefix;
	unsigned len;
	int slot;

	if (subscriber->family != 6 || outside->addr.family != 4)
		return false;
	slot = snapshot_policy_of6(s, subscriber->instance, subscriber->addr);
	if (slot < 0 || s->policy[slot]->behaviour.kind != NAT_64)
		return false;
	prefix = nat64_prefix_of(
		s->policy[slot]->nat64_prefix, s->policy[slot]->nat64_prefixes, address);
	if (!prefix)
		return false;
	len = nat64pfx_network(&prefix->prefix, address, outside->len, addr.bytes);
	*inside = ipprefix_make(&addr, len);
	return true;
}

const struct resolver resolve_finder = {
	.outside = find_outside,
	.is_shared = find_shared,
	.instance_id = instance_id,
	.instance = instance_of,
	.inside_name = inside_name,
};
