// SPDX-License-Identifier: BSD-3-Clause

#include "session/nat.h"

#include "base/bits.h"
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

static const struct nat_policy *policy_of(const struct nat *nat, uint8_t slot)
{
	return nat->snapshot->policy[slot];
}

// A subscriber goes when nothing of it is left.
static void subscriber_settle(struct nat *nat, uint32_t number)
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

static bool tell_block(struct nat *nat, const struct portblk *share, const struct block *b,
	uint8_t policy, bool granted, uint32_t now)
{
	uint32_t address = pool_address(share->pool, block_number_of_address(share, b));
	struct msg msg = {
		.type = MSG_BLOCK,
		.worker = (uint16_t)share->worker,
		.block =
			{
				.subscriber = nat->subscribers.subscriber[b->subscriber].key,
				.outside = rte_cpu_to_be_32(address),
				.first_port = block_first_port(share, b),
				.ports = (uint16_t)pool_block_size(share->pool),
				.policy = policy,
				.granted = granted,
				.tick = now,
			},
	};

	return !nat->channel || channel_say(nat->channel, &msg);
}

// Ports of static mappings in a block just granted are never given out.
static void reserve_ports(struct nat *nat, struct portblk *share, uint32_t number)
{
	const struct block *b = &share->block[number];
	uint32_t address = pool_address(share->pool, block_number_of_address(share, b));
	uint16_t first = block_first_port(share, b);

	for (uint32_t i = 0; i < pool_block_size(share->pool); i++) {
		for (enum l4 l4 = 0; l4 < L4_COUNT; l4++) {
			uint16_t port = (uint16_t)(first + i);

			if (static_by_outside(&nat->snapshot->statics, rte_cpu_to_be_32(address),
				    l4_protocol(l4), port))
				share->slot[block_slot(share, number, l4, port)] = PORT_RESERVED;
		}
	}
}

// Gives a subscriber one more block, on its paired address if it has one (RFC 6888 REQ-2).
static enum verdict grant_block(struct nat *nat, uint32_t subscriber, uint32_t now)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	const struct nat_policy *policy = policy_of(nat, s->policy);
	struct portblk *share = nat->share[s->policy];
	uint32_t address, number;
	struct block *b;

	if (s->blocks >= policy->max_blocks)
		return V_BLOCK_LIMIT;
	if (s->blocks)
		address = pool_number(share->pool, rte_be_to_cpu_32(s->outside));
	else
		address = portblk_pick_address(share);
	if (address == UINT32_MAX)
		return V_POOL;
	switch (portblk_grant(share, &nat->random, address, subscriber, now, &number)) {
	case GRANT_NO_BLOCK:
		return V_POOL;
	case GRANT_NO_MEMORY:
		return V_BLOCK_MEMORY;
	case GRANT_OK:
		break;
	}
	b = &share->block[number];
	if (!tell_block(nat, share, b, s->policy, true, now)) {
		portblk_release(share, number);
		return V_LOG_FULL;
	}
	if (policy->static_blocks && policy->static_blocks[b->entry / 64] & bit(b->entry % 64)) {
		reserve_ports(nat, share, number);
		nat->had_statics = true;
	}
	b->next = s->first_block;
	s->first_block = number;
	s->blocks++;
	s->outside = rte_cpu_to_be_32(pool_address(share->pool, address));
	return V_NAT44_OUT;
}

// Finds a free port for a subscriber among its blocks, newest first, or in one more. Writes the block
// and the slot.
static enum verdict pick_port(struct nat *nat, uint32_t subscriber, enum l4 l4, uint32_t now,
	uint32_t *block, uint32_t *slot)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	const struct nat_policy *policy = policy_of(nat, s->policy);
	struct portblk *share = nat->share[s->policy];
	enum verdict verdict;

	if (s->ports[l4] >= policy->port_limit[l4] ||
		s->ports[L4_UDP] + s->ports[L4_TCP] + s->ports[L4_ICMP] >= policy->port_limit_all)
		return V_QUOTA;
	for (uint32_t n = s->first_block; n; n = share->block[n].next) {
		if (share->block[n].used[l4] == pool_block_size(share->pool))
			continue;
		*slot = portblk_pick_port(share, &nat->random, n, l4, now);
		if (*slot != UINT32_MAX) {
			*block = n;
			return V_NAT44_OUT;
		}
	}
	verdict = grant_block(nat, subscriber, now);
	if (verdict != V_NAT44_OUT)
		return verdict;
	*block = s->first_block;
	*slot = portblk_pick_port(share, &nat->random, *block, l4, now);
	// every port of it may be a static mapping's
	return *slot == UINT32_MAX ? V_BLOCK_LIMIT : V_NAT44_OUT;
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
	enum verdict verdict = pick_port(nat, subscriber, l4, now, &block, &slot);
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

// Takes a mapping out. Its port rests for the hold-down time, unless `reuse` (RFC 6888 REQ-8).
static void mapping_end(struct nat *nat, uint32_t number, bool reuse, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[number];
	struct subscriber *s = &nat->subscribers.subscriber[m->subscriber];
	const struct nat_policy *policy = policy_of(nat, m->policy);
	uint32_t subscriber = m->subscriber;
	enum l4 l4 = mapping_l4(m);

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

static void session_end(struct nat *nat, uint32_t number)
{
	struct session *s = &nat->sessions.session[number];
	struct mapping *m = &nat->bib.mapping[s->mapping];

	wheel_stop(&nat->wheel, handle_make(HANDLE_SESSION, number));
	if (m->session == number)
		m->session = 0;
	m->sessions--;
	session_remove(&nat->sessions, number);
}

void nat_close(struct nat *nat, uint32_t mapping, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[mapping];

	for (uint32_t n = 1; m->sessions && n < nat->sessions.fresh; n++) {
		if (nat->sessions.session[n].mapping == mapping)
			session_end(nat, n);
	}
	if (mapping_l4(m) == L4_UDP)
		wheel_stop(&nat->wheel, handle_make(HANDLE_MAPPING, mapping));
	mapping_end(nat, mapping, true, now);
}

// The shorter time that a policy may set for a destination port (RFC 4787 REQ-5a).
static uint32_t port_timeout(const struct nat_policy *policy, uint8_t protocol,
	rte_be16_t remote_port, uint32_t otherwise)
{
	uint16_t port = rte_be_to_cpu_16(remote_port);

	for (unsigned i = 0; i < policy->port_timeouts; i++) {
		const struct port_timeout *t = &policy->port_timeout[i];

		if (t->port == port && t->protocol == protocol)
			return t->ticks;
	}
	return otherwise;
}

uint32_t nat_mapping_due(const struct nat *nat, const struct mapping *m)
{
	return m->seen + policy_of(nat, m->policy)->timers.udp;
}

uint32_t nat_session_due(const struct nat *nat, const struct session *s)
{
	const struct mapping *m = &nat->bib.mapping[s->mapping];
	const struct nat_policy *policy = policy_of(nat, m->policy);

	if (mapping_l4(m) == L4_ICMP)
		return s->seen + policy->timers.icmp;
	switch (tcp_timer(s->state)) {
	case TCP_TIMER_OPEN:
		return s->seen + policy->timers.tcp_trans_open;
	case TCP_TIMER_CLOSE:
		return s->seen + policy->timers.tcp_trans_close;
	case TCP_TIMER_IDLE:
		break;
	}
	return s->seen +
		port_timeout(policy, PROTOCOL_TCP, s->remote_port, policy->timers.tcp_idle);
}

// A packet to a port with a shorter time counts as one seen that much earlier, so the mapping lives
// by the longest of what its destinations ask for.
static void refresh_udp(
	const struct nat *nat, struct mapping *m, rte_be16_t remote_port, uint32_t now)
{
	const struct nat_policy *policy = policy_of(nat, m->policy);
	uint32_t time = policy->timers.udp;
	uint32_t own = port_timeout(policy, PROTOCOL_UDP, remote_port, time);
	uint32_t seen = now - (time - own);

	if ((int32_t)(seen - m->seen) > 0)
		m->seen = seen;
}

static void session_arm(struct nat *nat, uint32_t number)
{
	wheel_set(&nat->wheel, handle_make(HANDLE_SESSION, number),
		nat_session_due(nat, &nat->sessions.session[number]));
}

// The session with a remote endpoint, made if need be. Returns 0 when the table is full.
static uint32_t session_get(
	struct nat *nat, uint32_t mapping, rte_be32_t remote, rte_be16_t remote_port)
{
	struct mapping *m = &nat->bib.mapping[mapping];
	uint32_t number = session_add(&nat->sessions, mapping, remote, remote_port);

	if (number) {
		m->session = number;
		m->sessions++;
	}
	return number;
}

static enum verdict track_tcp(struct nat *nat, uint32_t mapping, rte_be32_t remote,
	rte_be16_t remote_port, uint8_t flags, bool outward, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[mapping];
	uint32_t number = session_find(&nat->sessions, m->session, mapping, remote, remote_port);
	enum tcp_event event = tcp_event(flags);
	enum tcp_state from, to;
	struct session *s;

	if (!number) {
		// RFC 5382 section 5 leaves the rest to us: it opens nothing
		if (event != TCP_SYN)
			return V_NOT_SYN;
		if (m->sessions == UINT16_MAX)
			return V_SESSION_MEMORY;
		number = session_get(nat, mapping, remote, remote_port);
		if (!number)
			return V_SESSION_MEMORY;
	}
	s = &nat->sessions.session[number];
	m->session = number;
	from = s->state;
	to = tcp_next(from, outward, event);
	if (tcp_refreshes(from, to, event))
		s->seen = now;
	if (from != to) {
		s->state = (uint8_t)to;
		session_arm(nat, number);
	}
	return outward ? V_NAT44_OUT : V_NAT44_IN;
}

static enum verdict track_icmp(
	struct nat *nat, uint32_t mapping, rte_be32_t remote, bool outward, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[mapping];
	uint32_t number = session_find(&nat->sessions, m->session, mapping, remote, 0);

	if (!number) {
		if (m->sessions == UINT16_MAX)
			return V_SESSION_MEMORY;
		number = session_get(nat, mapping, remote, 0);
		if (!number)
			return V_SESSION_MEMORY;
		nat->sessions.session[number].seen = now;
		session_arm(nat, number);
	}
	m->session = number;
	if (outward)
		nat->sessions.session[number].seen = now;
	return outward ? V_NAT44_OUT : V_NAT44_IN;
}

enum verdict nat_track(struct nat *nat, uint32_t mapping, rte_be32_t remote, rte_be16_t remote_port,
	uint8_t tcp_flags, bool outward, uint32_t now)
{
	struct mapping *m = &nat->bib.mapping[mapping];

	switch (mapping_l4(m)) {
	case L4_TCP:
		return track_tcp(nat, mapping, remote, remote_port, tcp_flags, outward, now);
	case L4_ICMP:
		return track_icmp(nat, mapping, remote, outward, now);
	default:
		if (outward)
			refresh_udp(nat, m, remote_port, now);
		return outward ? V_NAT44_OUT : V_NAT44_IN;
	}
}

static void expire_mapping(struct nat *nat, uint32_t number, uint32_t now)
{
	uint32_t due = nat_mapping_due(nat, &nat->bib.mapping[number]);

	if ((int32_t)(due - now) > 0)
		wheel_set(&nat->wheel, handle_make(HANDLE_MAPPING, number), due);
	else
		mapping_end(nat, number, false, now);
}

static void expire_session(struct nat *nat, uint32_t number, uint32_t now)
{
	struct session *s = &nat->sessions.session[number];
	uint32_t mapping = s->mapping;
	uint32_t due = nat_session_due(nat, s);
	// a port whose last connection was closed by both ends needs no rest (RFC 6888 REQ-8a)
	bool closed = s->state == TCP_BOTH_FIN;

	if ((int32_t)(due - now) > 0) {
		session_arm(nat, number);
		return;
	}
	session_end(nat, number);
	if (!nat->bib.mapping[mapping].sessions)
		mapping_end(nat, mapping, closed, now);
}

static void block_unlink(struct portblk *share, struct subscriber *s, uint32_t number)
{
	uint32_t *at = &s->first_block;

	while (*at != number)
		at = &share->block[*at].next;
	*at = share->block[number].next;
	s->blocks--;
}

static void expire_block(struct nat *nat, unsigned slot, uint32_t number, uint32_t now)
{
	const struct timers *timers = &policy_of(nat, (uint8_t)slot)->timers;
	struct portblk *share = nat->share[slot];
	struct block *b = &share->block[number];
	uint32_t subscriber = b->subscriber;
	uint32_t handle = block_handle(slot, number);

	if (b->state == BLOCK_RESTING) {
		portblk_release(share, number);
		return;
	}
	if (b->used[L4_UDP] || b->used[L4_TCP] || b->used[L4_ICMP])
		return;
	if ((int32_t)(b->empty + timers->port_set - now) > 0) {
		wheel_set(&nat->wheel, handle, b->empty + timers->port_set);
		return;
	}
	// the record of the return must not be lost: try again a tick later
	if (!tell_block(nat, share, b, (uint8_t)slot, false, now)) {
		wheel_set(&nat->wheel, handle, now + 1);
		return;
	}
	block_unlink(share, &nat->subscribers.subscriber[subscriber], number);
	subscriber_settle(nat, subscriber);
	b->subscriber = 0;
	b->state = BLOCK_RESTING;
	wheel_set(&nat->wheel, handle, now + timers->hold_down);
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
			expire_session(nat, number, now);
			break;
		case HANDLE_BLOCK:
			expire_block(
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
