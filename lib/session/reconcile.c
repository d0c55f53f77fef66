// SPDX-License-Identifier: BSD-3-Clause

// What a worker does once when a new snapshot comes in force. Sessions of pools that stay are kept;
// what no longer fits ends here, so that nothing later asks for a policy that is gone.

#include "base/bits.h"
#include "session/host.h"
#include "session/track.h"

// Forgets all that belongs to the pool of a policy slot. No port of it rests and no return of a block
// is told: the pool is gone, and the control thread, which took it away, knows who had what.
static void drop_share(struct nat *nat, unsigned slot)
{
	struct portblk *share = nat->share[slot];

	for (uint32_t n = 1; n < nat->bib.fresh; n++) {
		const struct mapping *m = &nat->bib.mapping[n];

		if (mapping_in_use(m) && m->policy == slot)
			track_forget(nat, n);
	}
	for (uint32_t n = 1; n < nat->subscribers.fresh; n++) {
		const struct subscriber *s = &nat->subscribers.subscriber[n];

		if (s->key.family && s->policy == slot)
			subscriber_remove(&nat->subscribers, n);
	}
	for (uint32_t n = 1; n < share->fresh; n++)
		wheel_stop(&nat->wheel, block_handle(slot, n));
	nat->share[slot] = NULL;
}

// Blocks that rest since before the share was made.
static void adopt_share(struct nat *nat, unsigned slot)
{
	const struct portblk *share = nat->share[slot];

	for (uint32_t n = 1; n < share->fresh; n++) {
		if (share->block[n].state == BLOCK_RESTING)
			wheel_set(&nat->wheel, block_handle(slot, n), share->block[n].empty);
	}
}

// The inside addresses of static mappings, and some that look like them: to be asked first, since there may be
// millions of mappings.
struct sieve {
	uint64_t word[1024];
};

static unsigned sieve_place(rte_be32_t inside)
{
	return inside * UINT32_C(0x9e3779b1) >> 16;
}

static void sieve_make(struct sieve *sieve, const struct static_table *statics)
{
	memset(sieve, 0, sizeof(*sieve));
	for (unsigned i = 0; i < statics->count; i++) {
		unsigned place = sieve_place(statics->by_inside[i].inside);

		sieve->word[place / 64] |= bit(place % 64);
	}
}

static bool sieve_has(const struct sieve *sieve, rte_be32_t inside)
{
	unsigned place = sieve_place(inside);

	return sieve->word[place / 64] & bit(place % 64);
}

static bool may_have_statics(const struct nat *nat, const struct sieve *sieve, rte_be32_t inside)
{
	if (alias_is(inside))
		return alias_at(&nat->aliases, inside)->static_host;
	return sieve_has(sieve, inside);
}

// Ends mappings that a static mapping made which is no longer configured like that, and those that a packet made
// of what a static mapping is for now: an inside port has one port outside (RFC 4787 REQ-1).
static void end_contradictions(struct nat *nat, uint32_t now)
{
	struct sieve sieve;

	sieve_make(&sieve, &nat->snapshot->statics);
	for (uint32_t n = 1; n < nat->bib.fresh; n++) {
		const struct mapping *m = &nat->bib.mapping[n];
		uint16_t port = rte_be_to_cpu_16(m->inside_port);
		const struct static_mapping *from = NULL;
		bool is_static = m->flags & MAPPING_STATIC;

		if (!mapping_in_use(m))
			continue;
		if (may_have_statics(nat, &sieve, m->inside))
			from = nat_static_for(nat, m->inside, l4_protocol(mapping_l4(m)), port);
		if (is_static ? !from || from->outside != m->outside ||
					from->outside_lower + (port - from->inside_lower) !=
						rte_be_to_cpu_16(m->outside_port)
			      : from != NULL)
			mapping_end(nat, n, is_static, now);
	}
}

// Ends mappings of fixed ports that are a static mapping's now. There are no slots of theirs to reserve:
// those are asked about static mappings whenever one is given out.
static void take_fixed_ports(struct nat *nat, uint32_t now)
{
	for (uint32_t n = 1; n < nat->bib.fresh; n++) {
		const struct mapping *m = &nat->bib.mapping[n];
		uint16_t port = rte_be_to_cpu_16(m->outside_port);

		if (!mapping_in_use(m) || m->flags & MAPPING_STATIC ||
			port >= nat->share[m->policy]->pool->fixed_end)
			continue;
		if (static_by_outside(
			    &nat->snapshot->statics, m->outside, l4_protocol(mapping_l4(m)), port))
			mapping_end(nat, n, true, now);
	}
}

// Makes the reserved ports of a granted block those that static mappings have now.
static void reserve_again(struct nat *nat, struct portblk *share, uint32_t number, uint32_t now)
{
	const struct block *b = &share->block[number];
	rte_be32_t outside =
		rte_cpu_to_be_32(pool_address(share->pool, block_number_of_address(share, b)));

	for (uint32_t i = 0; i < pool_block_size(share->pool); i++) {
		uint16_t port = (uint16_t)(block_first_port(share, b) + i);

		for (enum l4 l4 = 0; l4 < L4_SLOTS; l4++) {
			uint32_t *slot = &share->slot[block_slot(share, number, l4, port)];
			bool wanted = port_set_has(&share->pool->reserved, port) ||
				static_by_outside(
					&nat->snapshot->statics, outside, l4_protocol(l4), port);

			if (wanted && slot_mapping(*slot))
				mapping_end(nat, *slot, true, now);
			if (wanted)
				*slot = PORT_RESERVED;
			else if (*slot == PORT_RESERVED)
				*slot = 0;
		}
	}
}

void nat_reconcile(struct nat *nat, unsigned worker, uint32_t now)
{
	bool has_statics = nat->snapshot->statics.count, reserves = false;

	nat->dependent = nat->udp_in = false;
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = nat->snapshot->policy[slot];
		struct portblk *share = policy ? policy->share[worker] : NULL;

		if (nat->share[slot] && nat->share[slot] != share)
			drop_share(nat, slot);
		if (nat->share[slot] != share) {
			nat->share[slot] = share;
			adopt_share(nat, slot);
		}
		if (!policy)
			continue;
		nat->behaviour[slot] = policy->behaviour;
		nat->dependent |= policy->behaviour.mapping != MAP_ENDPOINT_INDEPENDENT;
		nat->udp_in |= policy->inbound_refresh ||
			policy->behaviour.filtering[L4_UDP] != FILTER_NONE;
		reserves |= policy->static_blocks != NULL;
	}
	hosts_adopt(nat);
	// mappings of static ones first: what is reserved next is then nobody's
	if (has_statics || nat->had_statics)
		end_contradictions(nat, now);
	if (reserves || nat->reserves) {
		take_fixed_ports(nat, now);
		for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
			struct portblk *share = nat->share[slot];

			for (uint32_t n = 1; share && n < share->fresh; n++) {
				if (share->block[n].state == BLOCK_GRANTED)
					reserve_again(nat, share, n, now);
			}
		}
	}
	nat->had_statics = has_statics;
	nat->reserves = reserves;
}
