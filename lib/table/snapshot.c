// SPDX-License-Identifier: BSD-3-Clause

#include "table/snapshot.h"

#include "base/bits.h"

#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_rib6.h>

#include <stdlib.h>
#include <string.h>

static void policy_free(struct nat_policy *policy)
{
	if (!policy)
		return;
	free(policy->prefix);
	free(policy->match);
	for (unsigned i = 0; i < policy->nat64_prefixes; i++)
		free(policy->nat64_prefix[i].network);
	free(policy->nat64_prefix);
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
	rte_fib6_free(snapshot->fib6);
	free(snapshot->nexthop);
	free(snapshot->neighbour);
	free(snapshot->statics.by_inside);
	free(snapshot->statics.by_outside);
	free(snapshot->statics.host);
	free(snapshot->pass_through.entry);
	free(snapshot->dstnat.by_inside);
	free(snapshot->dstnat.by_outside);
	free(snapshot->network);
	free(snapshot->home);
	free(snapshot->aftr);
	free(snapshot->softwire);
	mapdom_free(snapshot->mapdom);
	free(snapshot);
}

const struct nexthop *snapshot_route(const struct snapshot *snapshot, uint32_t destination)
{
	uint64_t found;

	rte_fib_lookup_bulk(snapshot->fib, &destination, &found, 1);
	return &snapshot->nexthop[found];
}

bool nexthop_is_ours(const struct nexthop *nh)
{
	switch ((enum nexthop_kind)nh->kind) {
	case NEXTHOP_LOCAL:
	case NEXTHOP_BROADCAST:
	case NEXTHOP_POOL:
	case NEXTHOP_STATIC:
	case NEXTHOP_SERVICE:
		return true;
	case NEXTHOP_GATEWAY:
	case NEXTHOP_CONNECTED:
		return (nh->realm & REALM_BOTH) == REALM_INTERNAL;
	default:
		return false;
	}
}

const struct nexthop *snapshot_route6(const struct snapshot *snapshot, const uint8_t address[16])
{
	uint8_t list[1][16];
	uint64_t found;

	if (!snapshot->fib6)
		return &snapshot->nexthop[0];
	memcpy(list[0], address, sizeof(list[0]));
	rte_fib6_lookup_bulk(snapshot->fib6, list, &found, 1);
	return &snapshot->nexthop[found];
}

int snapshot_add_route6(
	struct snapshot *snapshot, const uint8_t address[16], unsigned len, unsigned nexthop)
{
	struct rte_rib6 *rib = rte_fib6_get_rib(snapshot->fib6);
	bool is_last = !rte_rib6_get_nxt(rib, address, (uint8_t)len, NULL, RTE_RIB6_GET_NXT_ALL);
	int rc = rte_fib6_add(snapshot->fib6, address, (uint8_t)len, nexthop);

	if (rc >= 0)
		shortcut6_note(&snapshot->shortcuts, address, len, nexthop,
			snapshot->nexthop[nexthop].kind == NEXTHOP_SERVICE, is_last);
	return rc;
}

int snapshot_add_route(struct snapshot *snapshot, uint32_t address, unsigned len, unsigned nexthop)
{
	unsigned first = address >> 24;
	unsigned last = len < 8 ? first + (256u >> len) - 1 : first;

	if (nexthop_is_ours(&snapshot->nexthop[nexthop])) {
		for (unsigned i = first; i <= last; i++)
			snapshot->ours[i / 64] |= bit(i % 64);
	}
	return rte_fib_add(snapshot->fib, address, (uint8_t)len, nexthop);
}

bool snapshot_is_ours(const struct snapshot *snapshot, rte_be32_t source)
{
	return snapshot_may_be_ours(snapshot, source) &&
		nexthop_is_ours(snapshot_route(snapshot, rte_be_to_cpu_32(source)));
}

void snapshot_add_policy(struct snapshot *snapshot, unsigned slot, struct nat_policy *policy)
{
	snapshot->policy[slot] = policy;
	snapshot->policies = max_u32(snapshot->policies, slot + 1);
}

// The longest prefix of a policy that an address is in, or -1.
static int longest_match(const struct nat_policy *policy, const struct ipaddr *addr)
{
	int longest = -1;

	for (unsigned i = 0; i < policy->matches; i++) {
		if (policy->match[i].len > longest && ipprefix_has(&policy->match[i], addr))
			longest = policy->match[i].len;
	}
	return longest;
}

bool snapshot_has_home(const struct snapshot *snapshot, const struct ipaddr *source)
{
	unsigned low = 0, high = snapshot->homes;

	// the last that does not begin behind it
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (ipaddr_compare(&snapshot->home[middle].addr, source) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low && ipprefix_has(&snapshot->home[low - 1], source);
}

int snapshot_policy_of(const struct snapshot *snapshot, rte_be32_t inside)
{
	struct ipaddr addr = ipaddr_v4(inside);
	int best = -1, best_len = -1;

	for (int slot = 0; slot < (int)snapshot->policies; slot++) {
		const struct nat_policy *policy = snapshot->policy[slot];
		int len = policy ? longest_match(policy, &addr) : -1;

		if (len > best_len) {
			best = slot;
			best_len = len;
		}
	}
	return best;
}

int snapshot_policy_of6(
	const struct snapshot *snapshot, uint16_t instance, const uint8_t inside[16])
{
	struct ipaddr addr = ipaddr_v6(inside);
	int best = -1, best_len = -1;

	for (int slot = 0; slot < (int)snapshot->policies; slot++) {
		const struct nat_policy *policy = snapshot->policy[slot];
		int len = -1;

		if (policy && policy->instance == instance)
			len = longest_match(policy, &addr);
		if (len > best_len) {
			best = slot;
			best_len = len;
		}
	}
	return best;
}

const struct subscriber_network *snapshot_network_of(
	const struct snapshot *snapshot, const uint8_t address[16])
{
	struct ipaddr addr = ipaddr_v6(address);

	for (unsigned i = 0; i < snapshot->networks; i++) {
		if (ipprefix_has(&snapshot->network[i].prefix, &addr))
			return &snapshot->network[i];
	}
	return NULL;
}

struct subkey subscriber_network_key(
	const struct subscriber_network *network, const uint8_t address[16])
{
	struct ipaddr addr = ipaddr_v6(address);
	struct ipprefix prefix = ipprefix_make(&addr, network->len);

	return subkey_of(&prefix, SUBKEY_NATIVE);
}
