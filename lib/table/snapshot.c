// SPDX-License-Identifier: BSD-3-Clause

#include "table/snapshot.h"

#include <rte_fib.h>

#include <stdlib.h>

static void policy_free(struct nat_policy *policy)
{
	if (!policy)
		return;
	free(policy->match);
	free(policy->port_timeout);
	free(policy->static_blocks);
	free(policy->share);
	free(policy);
}

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (unsigned i = 0; i < snapshot->ifaces; i++)
		free(snapshot->iface[i].addr);
	for (unsigned i = 0; i < SNAPSHOT_MAX_PORTS; i++)
		free(snapshot->iface_of[i]);
	for (unsigned i = 0; i < SNAPSHOT_MAX_POLICIES; i++)
		policy_free(snapshot->policy[i]);
	rte_fib_free(snapshot->fib);
	free(snapshot->nexthop);
	free(snapshot->neighbour);
	free(snapshot->statics.by_inside);
	free(snapshot->statics.by_outside);
	free(snapshot);
}

const struct nexthop *snapshot_route(const struct snapshot *snapshot, uint32_t destination)
{
	uint64_t found;

	rte_fib_lookup_bulk(snapshot->fib, &destination, &found, 1);
	return &snapshot->nexthop[found];
}

int snapshot_policy_of(const struct snapshot *snapshot, rte_be32_t inside)
{
	struct ipaddr addr = ipaddr_v4(inside);
	int best = -1, best_len = -1;

	for (int slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = snapshot->policy[slot];

		for (unsigned i = 0; policy && i < policy->matches; i++) {
			if (policy->match[i].len > best_len &&
				ipprefix_has(&policy->match[i], &addr)) {
				best = slot;
				best_len = policy->match[i].len;
			}
		}
	}
	return best;
}

static rte_be32_t address_of(const struct static_mapping *m, bool inside)
{
	return inside ? m->inside : m->outside;
}

// `sorted` ascends by the inside or the outside address, as `inside` says; an address may stand in it
// many times.
static const struct static_mapping *static_find(const struct static_mapping *sorted, unsigned count,
	bool inside, rte_be32_t address, uint8_t protocol, uint16_t port)
{
	unsigned low = 0, high = count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (rte_be_to_cpu_32(address_of(&sorted[middle], inside)) <
			rte_be_to_cpu_32(address))
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < count && address_of(&sorted[low], inside) == address; low++) {
		const struct static_mapping *m = &sorted[low];
		uint16_t lower = inside ? m->inside_lower : m->outside_lower;

		if ((!m->protocol || m->protocol == protocol) && port >= lower &&
			port - lower <= m->ports)
			return m;
	}
	return NULL;
}

const struct static_mapping *static_by_inside(
	const struct static_table *table, rte_be32_t inside, uint8_t protocol, uint16_t port)
{
	return static_find(table->by_inside, table->count, true, inside, protocol, port);
}

const struct static_mapping *static_by_outside(
	const struct static_table *table, rte_be32_t outside, uint8_t protocol, uint16_t port)
{
	return static_find(table->by_outside, table->count, false, outside, protocol, port);
}
