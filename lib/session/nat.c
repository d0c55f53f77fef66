// SPDX-License-Identifier: BSD-3-Clause

#include "base/clock.h"
#include "session/grant.h"
#include "session/host.h"
#include "session/limit.h"
#include "session/track.h"
#include "table/acl.h"

#include <rte_prefetch.h>

#include <errno.h>

static struct link *link_of(void *owner, uint32_t handle)
{
	struct nat *nat = owner;
	uint32_t number = handle_number(handle);

	switch (handle_kind(handle)) {
	case HANDLE_MAPPING:
		return &nat->bib.mapping[number].link;
	case HANDLE_SESSION:
		return &nat->sessions.session[number].link;
	default:
		return &nat->share[number >> BLOCK_NUMBER_BITS]
				->block[number & BLOCK_NUMBER_MAX]
				.link;
	}
}

uint64_t nat_bytes(const struct nat_size *size)
{
	return bib_bytes(size->mappings) + session_bytes(size->sessions) +
		subscriber_bytes(size->subscribers) + alias_bytes(size->aliases) +
		WHEEL_TICKS * sizeof(uint32_t);
}

int nat_init(struct nat *nat, const struct nat_size *size, uint32_t now)
{
	*nat = (struct nat){0};
	if (rand_seed(&nat->random) < 0)
		return -EIO;
	if (bib_init(&nat->bib, size->mappings) < 0 ||
		session_init(&nat->sessions, size->sessions) < 0 ||
		subscriber_init(&nat->subscribers, size->subscribers) < 0 ||
		alias_init(&nat->aliases, size->aliases) < 0 ||
		wheel_init(&nat->wheel, now, link_of, nat) < 0) {
		nat_fini(nat);
		return -ENOMEM;
	}
	return 0;
}

void nat_fini(struct nat *nat)
{
	wheel_free(&nat->wheel);
	alias_fini(&nat->aliases);
	subscriber_fini(&nat->subscribers);
	session_fini(&nat->sessions);
	bib_free(&nat->bib);
}

void subscriber_settle(struct nat *nat, uint32_t number)
{
	const struct subscriber *s = &nat->subscribers.subscriber[number];

	if (!s->mappings && !s->blocks)
		subscriber_remove(&nat->subscribers, number);
}

int nat_policy_for(const struct nat *nat, rte_be32_t inside)
{
	uint8_t slot;

	if (!alias_is(inside))
		return snapshot_policy_of(nat->snapshot, inside);
	slot = alias_at(&nat->aliases, inside)->policy;
	return slot == ALIAS_NO_POLICY ? -1 : slot;
}

struct subkey nat_subkey(const struct nat *nat, rte_be32_t inside, const struct nat_policy *policy)
{
	struct ipaddr addr;
	struct ipprefix prefix;

	if (!alias_is(inside))
		return subkey_v4(inside, policy->instance);
	addr = ipaddr_v6(alias_at(&nat->aliases, inside)->key.address);
	prefix = ipprefix_make(&addr, policy->subscriber_len);
	return subkey_of(&prefix, policy->instance);
}

const struct static_mapping *nat_static_for(
	const struct nat *nat, rte_be32_t inside, uint8_t protocol, uint16_t port)
{
	if (unlikely(alias_is(inside))) {
		uint32_t host = alias_at(&nat->aliases, inside)->static_host;

		if (!host)
			return NULL;
		inside = static_place(host);
	}
	return static_by_inside(&nat->snapshot->statics, inside, protocol, port);
}

static uint32_t subscriber_get(struct nat *nat, const struct opening *opening)
{
	const struct subkey *key = &opening->subscriber;
	uint32_t number = subscriber_find_hashed(&nat->subscribers, key, opening->hash);

	if (number)
		return number;
	number = subscriber_add(&nat->subscribers, key, (uint8_t)opening->slot);
	if (number && nat->acl)
		nat->subscribers.subscriber[number].marked = acl_marked(nat->acl, key);
	return number;
}

static uint32_t find_dependent(
	const struct nat *nat, const struct flow *flow, rte_be16_t remote_port)
{
	const struct bib *bib = &nat->bib;
	struct index_search search = index_begin(&bib->by_inside,
		bib_hash_dependent(
			bib, flow->l4, flow->inside, flow->inside_port, flow->remote, remote_port));
	uint32_t number;

	while ((number = index_next(&search))) {
		const struct mapping *m = &bib->mapping[number];
		const struct session *s;

		if ((m->flags & (MAPPING_L4 | MAPPING_DEPENDENT)) !=
				(flow->l4 | MAPPING_DEPENDENT) ||
			m->inside != flow->inside || m->inside_port != flow->inside_port)
			continue;
		s = &nat->sessions.session[m->session];
		if (s->remote == flow->remote && (!remote_port || s->remote_port == remote_port))
			break;
	}
	return number;
}

uint32_t nat_find_dependent(const struct nat *nat, const struct flow *flow)
{
	uint32_t number = flow->l4 == L4_ICMP ? 0 : find_dependent(nat, flow, flow->remote_port);

	return number ? number : find_dependent(nat, flow, 0);
}

uint32_t nat_find_inside(const struct nat *nat, const struct flow *flow)
{
	uint32_t number = bib_find_inside(&nat->bib, flow->l4, flow->inside, flow->inside_port);

	return number || !nat->dependent ? number : nat_find_dependent(nat, flow);
}

static uint64_t hash_flow(const struct nat *nat, const struct flow *flow, enum mapping_type type)
{
	bool by_port = type == MAP_BY_ENDPOINT && flow->l4 != L4_ICMP;

	if (type == MAP_ENDPOINT_INDEPENDENT)
		return bib_hash(&nat->bib, flow->l4, flow->inside, flow->inside_port);
	return bib_hash_dependent(&nat->bib, flow->l4, flow->inside, flow->inside_port,
		flow->remote, by_port ? flow->remote_port : 0);
}

// Makes the mapping of a flow for a subscriber, with everything but its outside tuple. `is_static` is one
// that a static mapping makes: for everybody, and from everybody.
static enum verdict mapping_new(struct nat *nat, uint32_t subscriber, const struct flow *flow,
	bool is_static, uint32_t now, uint32_t *mapping)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	const struct behaviour *behaviour = &nat->behaviour[s->policy];
	enum mapping_type type = is_static ? MAP_ENDPOINT_INDEPENDENT : behaviour->mapping;
	uint32_t number = bib_add(&nat->bib, hash_flow(nat, flow, type), flow->l4, flow->inside,
		flow->inside_port, s->policy);
	struct mapping *m = &nat->bib.mapping[number];
	uint32_t session;

	if (!number)
		return V_MAPPING_MEMORY;
	m->subscriber = subscriber;
	m->seen = track_seen_udp(policy_of(nat, s->policy), flow->remote_port, now);
	// what has no slot is not reached through its subscriber's blocks, so its mark stays
	if (s->marked || flow->l4 >= L4_SLOTS)
		m->flags |= MAPPING_MARKED;
	if (flow->l4 != L4_UDP || (!is_static && behaviour->filtering[flow->l4] != FILTER_NONE))
		m->flags |= MAPPING_SESSIONS;
	else
		wheel_set(
			&nat->wheel, handle_make(HANDLE_MAPPING, number), nat_mapping_due(nat, m));
	if (type != MAP_ENDPOINT_INDEPENDENT) {
		enum verdict verdict =
			track_open(nat, number, flow->remote, flow->remote_port, now, &session);

		if (verdict != V_NAT44_OUT) {
			bib_remove(&nat->bib, number, hash_flow(nat, flow, type));
			return verdict;
		}
		m->flags |= MAPPING_DEPENDENT;
	}
	s->mappings++;
	if (unlikely(alias_is(flow->inside)))
		alias_hold(&nat->aliases, alias_number(flow->inside));
	*mapping = number;
	return V_NAT44_OUT;
}

static enum verdict open_dynamic(struct nat *nat, uint32_t subscriber, const struct flow *flow,
	uint32_t now, uint32_t *mapping)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	struct place place;
	enum verdict verdict = grant_port(
		nat, subscriber, flow->l4, rte_be_to_cpu_16(flow->inside_port), now, &place);

	if (verdict != V_NAT44_OUT) {
		s->refused++;
		return verdict;
	}
	verdict = mapping_new(nat, subscriber, flow, false, now, mapping);
	if (verdict != V_NAT44_OUT) {
		s->refused++;
		grant_decline(nat, s->policy, &place, now);
		return verdict;
	}
	grant_take(nat, subscriber, &place, *mapping);
	return V_NAT44_OUT;
}

static enum verdict open_static(struct nat *nat, uint32_t subscriber,
	const struct static_mapping *from, const struct flow *flow, uint32_t now, uint32_t *mapping)
{
	uint16_t offset = (uint16_t)(rte_be_to_cpu_16(flow->inside_port) - from->inside_lower);
	enum verdict verdict;
	struct mapping *m;

	if (!bib_has_outside_room(&nat->bib))
		return V_MAPPING_MEMORY;
	verdict = mapping_new(nat, subscriber, flow, true, now, mapping);
	if (verdict != V_NAT44_OUT)
		return verdict;
	m = &nat->bib.mapping[*mapping];
	m->outside = from->outside;
	m->outside_port = rte_cpu_to_be_16((uint16_t)(from->outside_lower + offset));
	m->flags |= MAPPING_STATIC;
	bib_add_outside(&nat->bib, *mapping);
	return V_NAT44_OUT;
}

struct opening nat_prepare(const struct nat *nat, const struct flow *flow)
{
	struct opening opening = {
		.from = nat_static_for(nat, flow->inside, l4_protocol(flow->l4),
			rte_be_to_cpu_16(flow->inside_port)),
	};

	opening.slot = opening.from ? opening.from->policy : nat_policy_for(nat, flow->inside);
	if (opening.slot < 0)
		return opening;
	opening.subscriber = nat_subkey(nat, flow->inside, policy_of(nat, (uint8_t)opening.slot));
	opening.hash = subscriber_hash(&nat->subscribers, &opening.subscriber);
	rte_prefetch0(index_home(&nat->subscribers.by_key, opening.hash));
	return opening;
}

static const struct subscriber *first_candidate(
	const struct nat *nat, const struct opening *opening)
{
	return &nat->subscribers.subscriber[index_first(&nat->subscribers.by_key, opening->hash)];
}

void nat_prepare_subscriber(const struct nat *nat, const struct opening *opening)
{
	if (opening->slot >= 0)
		rte_prefetch0(first_candidate(nat, opening));
}

void nat_prepare_block(const struct nat *nat, const struct opening *opening, enum l4 l4)
{
	const struct portblk *share;
	uint32_t number;

	if (opening->slot < 0)
		return;
	share = nat->share[opening->slot];
	number = first_candidate(nat, opening)->first_block;
	if (!number)
		return;
	rte_prefetch0(&share->block[number]);
	// a random one of its ports will be asked for: with small blocks it is one of few lines
	if (l4 < L4_SLOTS && pool_block_size(share->pool) <= 64) {
		for (unsigned port = 0; port < pool_block_size(share->pool); port += 16)
			rte_prefetch0(&share->slot[block_slot(share, number, l4, (uint16_t)port)]);
	}
}

enum verdict nat_open_prepared(struct nat *nat, const struct flow *flow,
	const struct opening *opening, uint32_t now, uint32_t *mapping)
{
	const struct nat_policy *policy;
	uint32_t subscriber;
	enum verdict verdict;

	if (opening->slot < 0)
		return snapshot_is_ours(nat->snapshot, flow->inside) ? V_SPOOFED : V_POLICY;
	policy = policy_of(nat, (uint8_t)opening->slot);
	if (!policy->protocol[flow->l4])
		return V_PROTOCOL;
	if (unlikely(policy->limits.any)) {
		verdict = limit_check(nat, flow, policy);
		if (verdict != V_NAT44_OUT)
			return verdict;
	}
	subscriber = subscriber_get(nat, opening);
	if (!subscriber)
		return V_SUBSCRIBER_MEMORY;
	if (opening->from)
		verdict = open_static(nat, subscriber, opening->from, flow, now, mapping);
	else
		verdict = open_dynamic(nat, subscriber, flow, now, mapping);
	if (verdict != V_NAT44_OUT)
		subscriber_settle(nat, subscriber);
	return verdict;
}

enum verdict nat_open(struct nat *nat, const struct flow *flow, uint32_t now, uint32_t *mapping)
{
	struct opening opening = nat_prepare(nat, flow);

	return nat_open_prepared(nat, flow, &opening, now, mapping);
}

enum verdict nat_open_static(struct nat *nat, const struct static_mapping *from, enum l4 l4,
	rte_be16_t outside_port, uint32_t now, uint32_t *mapping)
{
	const struct static_host *host = static_host_of(&nat->snapshot->statics, from);
	uint16_t offset = (uint16_t)(rte_be_to_cpu_16(outside_port) - from->outside_lower);
	struct flow flow = {
		.inside = from->inside,
		.inside_port = rte_cpu_to_be_16((uint16_t)(from->inside_lower + offset)),
		.l4 = (uint8_t)l4,
	};
	uint32_t alias = 0;
	enum verdict verdict;

	if (host) {
		alias = host_alias(nat, host, now, &verdict);
		if (!alias)
			return verdict;
		flow.inside = alias_address(alias);
	}
	// it may be there already, from an outside tuple that this one replaced at a reload
	*mapping = bib_find_inside(&nat->bib, l4, flow.inside, flow.inside_port);
	if (*mapping)
		return V_NO_MAPPING;
	verdict = nat_open(nat, &flow, now, mapping);
	if (alias)
		alias_settle(&nat->aliases, alias);
	return verdict == V_NAT44_OUT ? V_NAT44_IN : verdict;
}

uint32_t nat_find_outside(const struct nat *nat, const struct nexthop *nexthop, enum l4 l4,
	rte_be32_t outside, rte_be16_t outside_port)
{
	uint32_t address = rte_be_to_cpu_32(outside);
	uint16_t port = rte_be_to_cpu_16(outside_port);
	const struct portblk *share;
	const uint32_t *slot;

	if (l4 >= L4_SLOTS || nat_has_statics(nat, nexthop, address, port)) {
		uint32_t found = bib_find_outside(&nat->bib, l4, outside, outside_port);

		if (found || nexthop->kind != NEXTHOP_POOL || l4 >= L4_SLOTS)
			return found;
	}
	// a slot means something to its owner alone, and an owner of static mappings may be asked for any port
	share = nat->share[nexthop->policy];
	if (pool_owner(share->pool, nexthop->number + (address - nexthop->first), port) !=
		share->worker)
		return 0;
	slot = nat_slot(nat, nexthop, l4, address, port);
	return slot ? slot_mapping(*slot) : 0;
}

void mapping_end(struct nat *nat, uint32_t number, bool reuse, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[number];
	uint32_t subscriber = m->subscriber;

	if (!(m->flags & MAPPING_STATIC))
		grant_give_back(nat, m, reuse, now);
	track_forget(nat, number);
	nat->subscribers.subscriber[subscriber].mappings--;
	subscriber_settle(nat, subscriber);
}

static void expire_mapping(struct nat *nat, uint32_t number, uint32_t now)
{
	const struct mapping *m = &nat->bib.mapping[number];
	uint32_t due = nat_mapping_due(nat, m);

	if ((int32_t)(due - now) <= 0 && !grant_may_rest(nat, m, now))
		due = now + TICKS_A_SECOND;
	if ((int32_t)(due - now) > 0)
		wheel_set(&nat->wheel, handle_make(HANDLE_MAPPING, number), due);
	else
		mapping_end(nat, number, false, now);
}

unsigned nat_expire(struct nat *nat, uint32_t now, unsigned budget)
{
	unsigned n = alias_expire(&nat->aliases, now, budget);

	for (; n < budget; n++) {
		uint32_t handle = wheel_next(&nat->wheel, now);
		uint32_t number = handle_number(handle);

		switch (handle_kind(handle)) {
		case HANDLE_NONE:
			return n;
		case HANDLE_MAPPING:
			expire_mapping(nat, number, now);
			break;
		case HANDLE_SESSION:
			track_expire(nat, number, now);
			break;
		case HANDLE_BLOCK:
			grant_expire(
				nat, number >> BLOCK_NUMBER_BITS, number & BLOCK_NUMBER_MAX, now);
			break;
		}
	}
	return n;
}

static void mark(struct nat *nat, uint32_t slot, bool marked)
{
	struct mapping *m = &nat->bib.mapping[slot_mapping(slot)];

	if (slot_mapping(slot))
		m->flags =
			(uint8_t)(marked ? m->flags | MAPPING_MARKED : m->flags & ~MAPPING_MARKED);
}

static void mark_fixed(struct nat *nat, const struct subscriber *s)
{
	const struct pool *pool = nat->share[s->policy]->pool;
	uint32_t host = subscriber_host(s, pool);

	for (uint32_t i = 0; host != UINT32_MAX && i < pool->fixed->size; i++) {
		uint32_t address;
		uint16_t port;

		detnat_port(pool->fixed, host, i, &address, &port);
		for (enum l4 l4 = 0; l4 < L4_SLOTS; l4++)
			mark(nat, *pool_fixed_slot(pool, address, l4, port), s->marked);
	}
}

void nat_mark(struct nat *nat, const struct subkey *subscriber, bool marked)
{
	uint32_t number = subscriber_find(&nat->subscribers, subscriber);
	struct subscriber *s = &nat->subscribers.subscriber[number];
	const struct portblk *share;
	uint32_t slots;

	if (!number)
		return;
	s->marked = marked;
	share = nat->share[s->policy];
	slots = L4_SLOTS << share->pool->block_bits;
	for (uint32_t n = s->first_block; n; n = share->block[n].next) {
		for (uint32_t i = 0; i < slots; i++)
			mark(nat, share->slot[block_slot(share, n, 0, 0) + i], marked);
	}
	mark_fixed(nat, s);
}
