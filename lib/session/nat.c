// SPDX-License-Identifier: BSD-3-Clause

#include "session/grant.h"
#include "session/track.h"
#include "table/acl.h"

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
		subscriber_bytes(size->subscribers) + WHEEL_TICKS * sizeof(uint32_t);
}

int nat_init(struct nat *nat, const struct nat_size *size, uint32_t now)
{
	*nat = (struct nat){0};
	if (rand_seed(&nat->random) < 0)
		return -EIO;
	if (bib_init(&nat->bib, size->mappings) < 0 ||
		session_init(&nat->sessions, size->sessions) < 0 ||
		subscriber_init(&nat->subscribers, size->subscribers) < 0 ||
		wheel_init(&nat->wheel, now, link_of, nat) < 0) {
		nat_fini(nat);
		return -ENOMEM;
	}
	return 0;
}

void nat_fini(struct nat *nat)
{
	wheel_free(&nat->wheel);
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

static uint32_t subscriber_get(struct nat *nat, rte_be32_t inside, uint8_t policy)
{
	struct subkey key = subkey_v4(inside, policy_of(nat, policy)->instance);
	uint32_t number = subscriber_find(&nat->subscribers, &key);

	if (number)
		return number;
	number = subscriber_add(&nat->subscribers, &key, policy);
	if (number && nat->acl)
		nat->subscribers.subscriber[number].marked = acl_marked(nat->acl, &key);
	return number;
}

// Makes the mapping of an inside tuple for a subscriber, with everything but its outside tuple.
static uint32_t mapping_new(struct nat *nat, uint32_t subscriber, enum l4 l4, rte_be32_t inside,
	rte_be16_t inside_port, uint32_t now)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	uint32_t number = bib_add(&nat->bib, l4, inside, inside_port, s->policy);
	struct mapping *m = &nat->bib.mapping[number];

	if (!number)
		return 0;
	m->subscriber = subscriber;
	m->seen = now;
	if (s->marked)
		m->flags |= MAPPING_MARKED;
	s->mappings++;
	if (l4 == L4_UDP)
		wheel_set(
			&nat->wheel, handle_make(HANDLE_MAPPING, number), nat_mapping_due(nat, m));
	return number;
}

static enum verdict open_dynamic(struct nat *nat, uint32_t subscriber, enum l4 l4,
	rte_be32_t inside, rte_be16_t inside_port, uint32_t now, uint32_t *mapping)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	struct portblk *share = nat->share[s->policy];
	uint32_t block, slot, number;
	enum verdict verdict = grant_port(nat, subscriber, l4, now, &block, &slot);
	struct mapping *m;
	struct block *b;

	if (verdict != V_NAT44_OUT) {
		s->refused++;
		return verdict;
	}
	b = &share->block[block];
	number = mapping_new(nat, subscriber, l4, inside, inside_port, now);
	if (!number) {
		s->refused++;
		// a block granted for this mapping alone would wait for nothing
		if (!b->used[L4_UDP] && !b->used[L4_TCP] && !b->used[L4_ICMP])
			wheel_set(&nat->wheel, block_handle(s->policy, block), now + 1);
		return V_MAPPING_MEMORY;
	}
	m = &nat->bib.mapping[number];
	m->outside = s->outside;
	m->outside_port = rte_cpu_to_be_16((uint16_t)(block_first_port(share, b) |
		(slot & (pool_block_size(share->pool) - 1))));
	share->slot[slot] = number;
	b->used[l4]++;
	s->ports[l4]++;
	*mapping = number;
	return V_NAT44_OUT;
}

static enum verdict open_static(struct nat *nat, uint32_t subscriber,
	const struct static_mapping *from, enum l4 l4, uint16_t inside_port, uint32_t now,
	uint32_t *mapping)
{
	uint32_t number;
	struct mapping *m;

	if (!bib_has_static_room(&nat->bib))
		return V_MAPPING_MEMORY;
	number = mapping_new(nat, subscriber, l4, from->inside, rte_cpu_to_be_16(inside_port), now);
	if (!number)
		return V_MAPPING_MEMORY;
	m = &nat->bib.mapping[number];
	m->outside = from->outside;
	m->outside_port = rte_cpu_to_be_16(
		(uint16_t)(from->outside_lower + (inside_port - from->inside_lower)));
	bib_add_static(&nat->bib, number);
	*mapping = number;
	return V_NAT44_OUT;
}

enum verdict nat_open(struct nat *nat, enum l4 l4, rte_be32_t inside, rte_be16_t inside_port,
	uint32_t now, uint32_t *mapping)
{
	uint16_t port = rte_be_to_cpu_16(inside_port);
	const struct static_mapping *from =
		static_by_inside(&nat->snapshot->statics, inside, l4_protocol(l4), port);
	int slot = from ? from->policy : snapshot_policy_of(nat->snapshot, inside);
	uint32_t subscriber;
	enum verdict verdict;

	if (slot < 0)
		return V_POLICY;
	if (!policy_of(nat, (uint8_t)slot)->protocol[l4])
		return V_PROTOCOL;
	subscriber = subscriber_get(nat, inside, (uint8_t)slot);
	if (!subscriber)
		return V_SUBSCRIBER_MEMORY;
	if (from)
		verdict = open_static(nat, subscriber, from, l4, port, now, mapping);
	else
		verdict = open_dynamic(nat, subscriber, l4, inside, inside_port, now, mapping);
	if (verdict != V_NAT44_OUT)
		subscriber_settle(nat, subscriber);
	return verdict;
}

enum verdict nat_open_static(struct nat *nat, const struct static_mapping *from, enum l4 l4,
	rte_be16_t outside_port, uint32_t now, uint32_t *mapping)
{
	uint16_t offset = (uint16_t)(rte_be_to_cpu_16(outside_port) - from->outside_lower);
	uint16_t port = (uint16_t)(from->inside_lower + offset);
	enum verdict verdict;

	// it may be there already, from an outside tuple that this one replaced at a reload
	*mapping = bib_find_inside(&nat->bib, l4, from->inside, rte_cpu_to_be_16(port));
	if (*mapping)
		return V_NO_MAPPING;
	verdict = nat_open(nat, l4, from->inside, rte_cpu_to_be_16(port), now, mapping);
	return verdict == V_NAT44_OUT ? V_NAT44_IN : verdict;
}

uint32_t nat_find_outside(const struct nat *nat, const struct nexthop *nexthop, enum l4 l4,
	rte_be32_t outside, rte_be16_t outside_port)
{
	uint32_t address = rte_be_to_cpu_32(outside);
	uint16_t port = rte_be_to_cpu_16(outside_port);
	const uint32_t *slot;

	if (nat_has_statics(nat, nexthop, address, port)) {
		uint32_t found = bib_find_static(&nat->bib, l4, outside, outside_port);

		if (found || nexthop->kind != NEXTHOP_POOL)
			return found;
	}
	slot = nat_slot(nat, nexthop, l4, address, port);
	return slot ? slot_mapping(*slot) : 0;
}

// Where a mapping's port lies, for one that no static mapping made.
static uint32_t *slot_of(
	const struct nat *nat, const struct mapping *m, struct portblk **share, uint32_t *block)
{
	uint16_t port = rte_be_to_cpu_16(m->outside_port);
	struct pool *pool;
	uint32_t place;

	*share = nat->share[m->policy];
	pool = (*share)->pool;
	place = pool_index(pool, pool_number(pool, rte_be_to_cpu_32(m->outside)), port);
	*block = pool_entry_block(pool_entry(pool, place));
	return &(*share)->slot[block_slot(*share, *block, mapping_l4(m), port)];
}

void mapping_end(struct nat *nat, uint32_t number, bool reuse, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[number];
	struct subscriber *s = &nat->subscribers.subscriber[m->subscriber];
	const struct nat_policy *policy = policy_of(nat, m->policy);
	uint32_t subscriber = m->subscriber;
	enum l4 l4 = mapping_l4(m);

	if (l4 == L4_UDP)
		wheel_stop(&nat->wheel, handle_make(HANDLE_MAPPING, number));
	while (m->sessions)
		track_end(nat, m->session);
	if (!(m->flags & MAPPING_STATIC)) {
		struct portblk *share;
		uint32_t block;
		uint32_t *slot = slot_of(nat, m, &share, &block);
		struct block *b = &share->block[block];

		*slot = reuse ? 0 : PORT_HELD | (now + policy->timers.hold_down);
		b->used[l4]--;
		s->ports[l4]--;
		if (!b->used[L4_UDP] && !b->used[L4_TCP] && !b->used[L4_ICMP]) {
			b->empty = now;
			wheel_set(&nat->wheel, block_handle(m->policy, block),
				now + policy->timers.port_set);
		}
	}
	bib_remove(&nat->bib, number);
	s->mappings--;
	subscriber_settle(nat, subscriber);
}

static void expire_mapping(struct nat *nat, uint32_t number, uint32_t now)
{
	uint32_t due = nat_mapping_due(nat, &nat->bib.mapping[number]);

	if ((int32_t)(due - now) > 0)
		wheel_set(&nat->wheel, handle_make(HANDLE_MAPPING, number), due);
	else
		mapping_end(nat, number, false, now);
}

unsigned nat_expire(struct nat *nat, uint32_t now, unsigned budget)
{
	unsigned n;

	for (n = 0; n < budget; n++) {
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
	slots = L4_COUNT << share->pool->block_bits;
	for (uint32_t n = s->first_block; n; n = share->block[n].next) {
		for (uint32_t i = 0; i < slots; i++) {
			uint32_t mapping =
				slot_mapping(share->slot[block_slot(share, n, 0, 0) + i]);
			struct mapping *m = &nat->bib.mapping[mapping];

			if (mapping)
				m->flags = (uint8_t)(marked ? m->flags | MAPPING_MARKED
							    : m->flags & ~MAPPING_MARKED);
		}
	}
}
