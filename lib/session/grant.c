// SPDX-License-Identifier: BSD-3-Clause

#include "session/grant.h"

#include "base/bits.h"

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
	if (unlikely((int32_t)(share->closed_until - now) > 0))
		return V_HOLD_DOWN;
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

enum verdict grant_port(struct nat *nat, uint32_t subscriber, enum l4 l4, uint32_t now,
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

static void block_unlink(struct portblk *share, struct subscriber *s, uint32_t number)
{
	uint32_t *at = &s->first_block;

	while (*at != number)
		at = &share->block[*at].next;
	*at = share->block[number].next;
	s->blocks--;
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
