// SPDX-License-Identifier: BSD-3-Clause

#include "session/grant.h"

#include "base/bits.h"
#include "base/clock.h"
#include "session/moves.h"

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
		for (enum l4 l4 = 0; l4 < L4_SLOTS; l4++) {
			uint16_t port = (uint16_t)(first + i);

			if (static_by_outside(&nat->snapshot->statics, rte_cpu_to_be_32(address),
				    l4_protocol(l4), port))
				share->slot[block_slot(share, number, l4, port)] = PORT_RESERVED;
		}
	}
}

// Whether a subscriber may have one more mapping now (RFC 6888 REQ-4c). Tokens are counted in parts of a
// mapping, so that a tick brings as many of them as a second brings mappings.
static bool may_open(const struct nat_policy *policy, struct subscriber *s, uint32_t now)
{
	uint64_t most = (uint64_t)policy->mapping_burst * TICKS_A_SECOND;
	uint64_t tokens = s->tokens;

	if (!policy->mapping_rate)
		return true;
	tokens += (uint64_t)(now - s->tokens_at) * policy->mapping_rate;
	s->tokens = (uint32_t)(tokens < most ? tokens : most);
	s->tokens_at = now;
	return s->tokens >= TICKS_A_SECOND;
}

// The address of a subscriber's next block, UINT32_MAX if there is none.
static uint32_t pick_address(
	struct nat *nat, const struct nat_policy *policy, const struct subscriber *s)
{
	struct portblk *share = nat->share[s->policy];
	uint32_t paired;

	switch ((enum pooling)policy->pooling) {
	case POOLING_PAIRED:
	case POOLING_SOFT_PAIRED:
		if (!s->outside)
			break;
		paired = pool_number(share->pool, rte_be_to_cpu_32(s->outside));
		if (policy->pooling == POOLING_PAIRED || share->free_of[paired])
			return paired;
		break;
	case POOLING_ROUND_ROBIN:
		break;
	case POOLING_ARBITRARY:
		return portblk_random_address(share, &nat->random);
	}
	return portblk_next_address(share);
}

// Gives a subscriber the block at a place of its pool.
static enum verdict grant_block(
	struct nat *nat, uint32_t subscriber, uint32_t entry, uint32_t now, uint32_t *number)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	const struct nat_policy *policy = policy_of(nat, s->policy);
	struct portblk *share = nat->share[s->policy];
	struct block *b;

	if (unlikely((int32_t)(share->closed_until - now) > 0))
		return V_HOLD_DOWN;
	*number = portblk_grant(share, entry, subscriber, now);
	if (!*number)
		return V_BLOCK_MEMORY;
	b = &share->block[*number];
	if (!tell_block(nat, share, b, s->policy, true, now)) {
		portblk_release(share, *number);
		return V_LOG_FULL;
	}
	if (policy->static_blocks && policy->static_blocks[entry / 64] & bit(entry % 64)) {
		reserve_ports(nat, share, *number);
		nat->reserves = true;
	}
	if (!s->outside)
		s->outside = rte_cpu_to_be_32(
			pool_address(share->pool, block_number_of_address(share, b)));
	b->next = s->first_block;
	s->first_block = *number;
	s->blocks++;
	if (portblk_free_blocks(share) < share->low)
		moves_want(nat, s->policy, UINT32_MAX, now);
	return V_NAT44_OUT;
}

// Gives a subscriber a random block more.
static enum verdict grant_any_block(
	struct nat *nat, uint32_t subscriber, uint32_t now, uint32_t *number)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	const struct nat_policy *policy = policy_of(nat, s->policy);
	struct portblk *share = nat->share[s->policy];
	uint32_t address, entry;

	if (s->blocks >= policy->max_blocks)
		return V_BLOCK_LIMIT;
	address = pick_address(nat, policy, s);
	entry = address == UINT32_MAX ? UINT32_MAX : portblk_pick(share, &nat->random, address);
	if (entry == UINT32_MAX) {
		moves_want(nat, s->policy, address, now);
		return V_POOL;
	}
	return grant_block(nat, subscriber, entry, now, number);
}

static void place_at(struct portblk *share, uint32_t number, uint32_t slot, struct place *place)
{
	const struct block *b = &share->block[number];
	uint32_t address = pool_address(share->pool, block_number_of_address(share, b));
	uint32_t offset = slot & (pool_block_size(share->pool) - 1);

	*place = (struct place){
		.outside = rte_cpu_to_be_32(address),
		.port = (uint16_t)(block_first_port(share, b) | offset),
		.block = number,
		.slot = &share->slot[slot],
	};
}

// What is looked for in a block.
struct wish {
	enum l4 l4;
	enum parity parity;
	uint32_t now;
};

// A random port of a block that no mapping of a protocol without slots has yet: into `place`.
static bool find_slotless(
	struct nat *nat, struct portblk *share, uint32_t number, enum l4 l4, struct place *place)
{
	uint32_t size = pool_block_size(share->pool);
	uint32_t start = rand_below(&nat->random, size);

	for (uint32_t i = 0; i < size; i++) {
		uint32_t slot = block_slot(share, number, 0, (uint16_t)(start + i));

		place_at(share, number, slot, place);
		place->slot = NULL;
		if (!port_set_has(&share->pool->reserved, place->port) &&
			!static_by_outside(&nat->snapshot->statics, place->outside, l4_protocol(l4),
				place->port) &&
			!bib_find_outside(
				&nat->bib, l4, place->outside, rte_cpu_to_be_16(place->port)))
			return true;
	}
	return false;
}

static bool find_in_block(struct nat *nat, struct portblk *share, uint32_t number,
	const struct wish *wish, struct place *place)
{
	uint32_t slot;

	if (share->block[number].used[wish->l4] >= share->block[number].ports)
		return false;
	if (wish->l4 >= L4_SLOTS)
		return find_slotless(nat, share, number, wish->l4, place);
	slot = portblk_pick_port(share, &nat->random, number, wish->l4, wish->parity, wish->now);
	if (slot == UINT32_MAX)
		return false;
	place_at(share, number, slot, place);
	return true;
}

// Looks through the blocks that still give new mappings, or through those that have done so for long
// enough.
static bool find_in_blocks(struct nat *nat, const struct subscriber *s, const struct wish *wish,
	bool retired, struct place *place)
{
	uint32_t active = policy_of(nat, s->policy)->timers.port_set_active;
	struct portblk *share = nat->share[s->policy];

	for (uint32_t n = s->first_block; n; n = share->block[n].next) {
		if ((wish->now - share->block[n].since >= active) == retired &&
			find_in_block(nat, share, n, wish, place))
			return true;
	}
	return false;
}

// The block of a subscriber with that port, on whichever address, or 0.
static uint32_t block_with(const struct portblk *share, const struct subscriber *s, uint16_t port)
{
	uint32_t place = port >> share->pool->block_bits;
	uint32_t n = s->first_block;

	while (n && (share->block[n].entry & (pool_blocks_an_address(share->pool) - 1)) != place)
		n = share->block[n].next;
	return n;
}

// The same port outside as inside, from a block that the subscriber has or can get. System ports are
// never given out, so the class of a port stays what it is (RFC 4787 REQ-3a).
static bool preserve_port(struct nat *nat, uint32_t subscriber, uint16_t port,
	const struct wish *wish, struct place *place)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	const struct nat_policy *policy = policy_of(nat, s->policy);
	struct portblk *share = nat->share[s->policy];
	uint32_t number = block_with(share, s, port);
	uint32_t slot;

	if (!number && s->blocks < policy->max_blocks &&
		!port_set_has(&share->pool->reserved, port)) {
		uint32_t address = pick_address(nat, policy, s);
		uint32_t entry =
			address == UINT32_MAX ? UINT32_MAX : pool_index(share->pool, address, port);

		if (entry == UINT32_MAX || !portblk_is_free(share, entry) ||
			grant_block(nat, subscriber, entry, wish->now, &number) != V_NAT44_OUT)
			return false;
	}
	if (!number)
		return false;
	slot = block_slot(share, number, wish->l4, port);
	if (!slot_is_free(share->slot[slot], wish->now))
		return false;
	place_at(share, number, slot, place);
	return true;
}

// Whether the ports of mappings that the subscriber has fill its fixed ones.
static bool is_fixed_full(
	const struct portblk *share, const struct subscriber *s, enum l4 l4, uint32_t size)
{
	uint32_t of_blocks = 0;

	for (uint32_t n = s->first_block; n; n = share->block[n].next)
		of_blocks += share->block[n].used[l4];
	return s->ports[l4] - of_blocks >= size;
}

static bool is_static(const struct nat *nat, const struct nat_policy *policy, uint32_t address,
	uint16_t port, enum l4 l4)
{
	uint32_t entry = pool_index(policy->pool, address, port);

	return policy->static_blocks && policy->static_blocks[entry / 64] & bit(entry % 64) &&
		static_by_outside(&nat->snapshot->statics,
			rte_cpu_to_be_32(pool_address(policy->pool, address)), l4_protocol(l4),
			port);
}

// A random one of the ports that are the subscriber's for good (RFC 7422 section 2). No record tells of it.
static bool find_fixed(
	struct nat *nat, const struct subscriber *s, const struct wish *wish, struct place *place)
{
	const struct nat_policy *policy = policy_of(nat, s->policy);
	const struct pool *pool = policy->pool;
	uint32_t host = subscriber_host(s, pool), start;

	if (host == UINT32_MAX ||
		is_fixed_full(nat->share[s->policy], s, wish->l4, pool->fixed->size))
		return false;
	start = rand_below(&nat->random, pool->fixed->size);
	for (uint32_t i = 0; i < PORT_TRIES + pool->fixed->size; i++) {
		uint32_t index = i < PORT_TRIES ? rand_below(&nat->random, pool->fixed->size)
						: (start + i) % pool->fixed->size;
		uint32_t address;

		detnat_port(pool->fixed, host, index, &address, &place->port);
		place->slot = pool_fixed_slot(pool, address, wish->l4, place->port);
		if (!slot_is_free(*place->slot, wish->now) ||
			is_static(nat, policy, address, place->port, wish->l4))
			continue;
		place->outside = rte_cpu_to_be_32(pool_address(pool, address));
		place->block = 0;
		return true;
	}
	return false;
}

static enum parity parity_of(const struct nat_policy *policy, enum l4 l4, uint16_t inside_port)
{
	if (policy->port_choice != PORT_PARITY_KEPT || l4 == L4_ICMP)
		return PARITY_ANY;
	return inside_port & 1 ? PARITY_ODD : PARITY_EVEN;
}

static uint32_t ports_of(const struct subscriber *s)
{
	uint32_t ports = 0;

	for (enum l4 l4 = 0; l4 < L4_COUNT; l4++)
		ports += s->ports[l4];
	return ports;
}

enum verdict grant_port(struct nat *nat, uint32_t subscriber, enum l4 l4, uint16_t inside_port,
	uint32_t now, struct place *place)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	const struct nat_policy *policy = policy_of(nat, s->policy);
	struct wish wish = {l4, parity_of(policy, l4, inside_port), now};
	enum verdict verdict;
	uint32_t number;

	if (!may_open(policy, s, now))
		return V_MAPPING_RATE;
	if (s->ports[l4] >= policy->port_limit[l4] || ports_of(s) >= policy->port_limit_all)
		return V_QUOTA;
	if (l4 >= L4_SLOTS && !bib_has_outside_room(&nat->bib))
		return V_MAPPING_MEMORY;
	if (policy->pool->fixed && l4 < L4_SLOTS && find_fixed(nat, s, &wish, place))
		return V_NAT44_OUT;
	if (policy->port_choice == PORT_PRESERVED && l4 < L4_SLOTS &&
		preserve_port(nat, subscriber, inside_port, &wish, place))
		return V_NAT44_OUT;
	if (find_in_blocks(nat, s, &wish, false, place))
		return V_NAT44_OUT;
	verdict = grant_any_block(nat, subscriber, now, &number);
	if (verdict == V_NAT44_OUT)
		// every port of it may be a static mapping's
		return find_in_block(nat, nat->share[s->policy], number, &wish, place)
			? V_NAT44_OUT
			: V_BLOCK_LIMIT;
	// an old block is better than none
	return find_in_blocks(nat, s, &wish, true, place) ? V_NAT44_OUT : verdict;
}

void grant_take(struct nat *nat, uint32_t subscriber, const struct place *place, uint32_t mapping)
{
	struct subscriber *s = &nat->subscribers.subscriber[subscriber];
	struct mapping *m = &nat->bib.mapping[mapping];
	enum l4 l4 = mapping_l4(m);

	m->outside = place->outside;
	m->outside_port = rte_cpu_to_be_16(place->port);
	if (place->slot)
		*place->slot = mapping;
	else
		bib_add_outside(&nat->bib, mapping);
	if (place->block)
		nat->share[s->policy]->block[place->block].used[l4]++;
	else if (!s->outside)
		s->outside = place->outside;
	s->ports[l4]++;
	if (policy_of(nat, s->policy)->mapping_rate)
		s->tokens -= TICKS_A_SECOND;
}

bool grant_may_rest(struct nat *nat, const struct mapping *m, uint32_t now)
{
	const struct nat_policy *policy = policy_of(nat, m->policy);

	return m->flags & MAPPING_STATIC || mapping_l4(m) >= L4_SLOTS ||
		rest_count(&nat->share[m->policy]->rest, policy->timers.hold_down, now) <
		policy->hold_down_max;
}

static bool is_empty(const struct block *b)
{
	return !b->used[L4_UDP] && !b->used[L4_TCP] && !b->used[L4_ICMP] && !b->used[L4_DCCP];
}

void grant_decline(struct nat *nat, uint8_t policy, const struct place *place, uint32_t now)
{
	if (place->block && is_empty(&nat->share[policy]->block[place->block]))
		wheel_set(&nat->wheel, block_handle(policy, place->block), now + 1);
}

// The slot of a port that is given back. What has no slot cannot rest; within its block only the same
// subscriber can have it next.
static void leave_slot(
	struct portblk *share, uint32_t *slot, uint32_t hold_down, bool reuse, uint32_t now)
{
	if (reuse || !hold_down) {
		*slot = 0;
	} else {
		*slot = PORT_HELD | (now + hold_down);
		rest_add(&share->rest, hold_down, now);
	}
}

// One port less of a block is in use.
static void leave_block(struct nat *nat, const struct mapping *m, uint32_t number, uint32_t now)
{
	struct block *b = &nat->share[m->policy]->block[number];

	b->used[mapping_l4(m)]--;
	if (!is_empty(b))
		return;
	b->empty = now;
	wheel_set(&nat->wheel, block_handle(m->policy, number),
		now + policy_of(nat, m->policy)->timers.port_set);
}

void grant_give_back(struct nat *nat, const struct mapping *m, bool reuse, uint32_t now)
{
	uint32_t hold_down = policy_of(nat, m->policy)->timers.hold_down;
	struct portblk *share = nat->share[m->policy];
	uint32_t address = pool_number(share->pool, rte_be_to_cpu_32(m->outside));
	uint16_t port = rte_be_to_cpu_16(m->outside_port);
	enum l4 l4 = mapping_l4(m);

	if (port < share->pool->fixed_end) {
		leave_slot(share, pool_fixed_slot(share->pool, address, l4, port), hold_down, reuse,
			now);
	} else {
		uint32_t number = pool_entry_block(
			pool_entry(share->pool, pool_index(share->pool, address, port)));

		if (l4 < L4_SLOTS)
			leave_slot(share, &share->slot[block_slot(share, number, l4, port)],
				hold_down, reuse, now);
		leave_block(nat, m, number, now);
	}
	nat->subscribers.subscriber[m->subscriber].ports[l4]--;
}

static void block_unlink(struct portblk *share, struct subscriber *s, uint32_t number)
{
	uint32_t *at = &s->first_block;

	while (*at != number)
		at = &share->block[*at].next;
	*at = share->block[number].next;
	// the next block may be of another address, but with fixed ports there is only one
	if (!--s->blocks && !share->pool->fixed)
		s->outside = 0;
}

void grant_expire(struct nat *nat, unsigned slot, uint32_t number, uint32_t now)
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
	if (!is_empty(b))
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
