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
	free(snapshot->pass_through.entry);
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
