// SPDX-License-Identifier: BSD-3-Clause

// Configuration to snapshot, part three: static mappings.

#include "base/bits.h"
#include "conf/static_hosts.h"
#include "conf/statics.h"

#include <errno.h>
#include <stdlib.h>

// The policy whose pool has an outside address. Returns its slot, or -1.
static int slot_of_outside(const struct snapshot *s, rte_be32_t outside, uint32_t instance)
{
	for (int slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = s->policy[slot];

		if (policy && policy->instance_id == instance &&
			pool_number(policy->pool, rte_be_to_cpu_32(outside)) != UINT32_MAX)
			return slot;
	}
	return -1;
}

static int first_slot(const struct snapshot *s, uint32_t instance)
{
	int slot = 0;

	while (!s->policy[slot] || s->policy[slot]->instance_id != instance)
		slot++;
	return slot;
}

// Marks the blocks of a pool in which a static mapping has ports.
static int mark_blocks(struct nat_policy *policy, const struct static_mapping *m)
{
	const struct pool *pool = policy->pool;
	uint32_t number = pool_number(pool, rte_be_to_cpu_32(m->outside));
	uint64_t entries = (uint64_t)pool->addresses * pool_blocks_an_address(pool);
	uint32_t last = pool_index(pool, number, (uint16_t)(m->outside_lower + m->ports));

	if (!policy->static_blocks)
		policy->static_blocks = calloc(div_round_up(entries, 64), sizeof(uint64_t));
	if (!policy->static_blocks)
		return -ENOMEM;
	for (uint32_t entry = pool_index(pool, number, m->outside_lower); entry <= last; entry++)
		policy->static_blocks[entry / 64] |= bit(entry % 64);
	return 0;
}

// The next hop of outside addresses that only static mappings of a policy use.
static unsigned static_hop(struct snapshot *s, int slot)
{
	unsigned hop = s->nexthops;

	while (hop &&
		(s->nexthop[hop - 1].kind != NEXTHOP_STATIC || s->nexthop[hop - 1].policy != slot))
		hop--;
	if (hop)
		return hop - 1;
	return build_nexthop(s, (struct nexthop){.kind = NEXTHOP_STATIC, .policy = (uint8_t)slot});
}

// The policy of an inside host's mappings.
static int slot_of_inside(
	const struct snapshot *s, const struct static_mapping *m, uint32_t instance)
{
	const struct static_host *host = static_host_of(&s->statics, m);
	int slot = host ? host->policy : snapshot_policy_of(s, m->inside);

	return slot >= 0 && s->policy[slot]->instance_id == instance ? slot : -1;
}

static int add_static(struct snapshot *s, const struct config_instance *instance,
	const struct config_static *from, rte_be32_t inside)
{
	struct static_mapping m = {
		.index = from->index,
		.inside = inside,
		.outside = ipaddr_be32(&from->outside.addr),
		.inside_lower = from->inside_lower,
		.outside_lower = from->outside_lower,
		.ports = (uint16_t)(from->inside_upper - from->inside_lower),
	};
	int pool_slot = slot_of_outside(s, m.outside, instance->id);
	int slot = slot_of_inside(s, &m, instance->id);
	uint8_t protocol[STATIC_PROTOCOLS];
	unsigned protocols = static_protocols(from, protocol);

	// a subscriber's static mappings are of the same policy as its others
	if (slot < 0)
		slot = pool_slot >= 0 ? pool_slot : first_slot(s, instance->id);
	m.policy = (uint8_t)slot;
	for (unsigned i = 0; i < protocols; i++) {
		m.protocol = protocol[i];
		m.both = protocols > 1;
		s->statics.by_inside[s->statics.count] = m;
		s->statics.by_outside[s->statics.count++] = m;
	}
	if (pool_slot >= 0)
		return mark_blocks(s->policy[pool_slot], &m);
	return snapshot_add_route(s, rte_be_to_cpu_32(m.outside), 32, static_hop(s, slot));
}

int build_statics(struct snapshot *s, const struct config *config)
{
	struct static_hosts hosts = {.config = config, .snapshot = s};
	unsigned most = 0;
	int rc = static_hosts_make(&hosts);

	for (unsigned i = 0; i < config->instances; i++)
		most += STATIC_PROTOCOLS * config->instance[i].statics;
	s->statics.host = hosts.table.host;
	s->statics.hosts = hosts.table.hosts;
	s->statics.by_inside = calloc(most + 1, sizeof(struct static_mapping));
	s->statics.by_outside = calloc(most + 1, sizeof(struct static_mapping));
	if (!s->statics.by_inside || !s->statics.by_outside)
		return -ENOMEM;
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->statics && rc >= 0; k++) {
			const struct config_static *from = &instance->static_mapping[k];

			rc = add_static(
				s, instance, from, static_hosts_inside(&hosts, instance, from));
		}
	}
	static_table_sort(&s->statics);
	return rc;
}
