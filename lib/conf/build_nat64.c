// SPDX-License-Identifier: BSD-3-Clause

// Configuration to snapshot, part six: the prefixes of NAT64 policies and the routes to them.

#include "conf/build_nat.h"
#include "conf/nat64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUBSCRIBER_LEN 64   // of an IPv6 subscriber's prefix
#define MTU_LOWEST     1280 // RFC 7915 section 4

bool nat64_is(const struct config_instance *instance)
{
	return instance->type && strstr(instance->type, "nat64");
}

static struct nat64pfx embedding(const struct ipprefix *from)
{
	struct nat64pfx out = {.len = from->len};

	memcpy(out.bytes, from->addr.bytes, sizeof(out.bytes));
	return out;
}

static int copy_networks(struct nat64_prefix *to, const struct config_nat64_prefix *from)
{
	to->network = calloc(from->destinations + 1, sizeof(*to->network));
	if (!to->network)
		return -ENOMEM;
	for (unsigned i = 0; i < from->destinations; i++) {
		const struct ipprefix *p = &from->destination[i].prefix;

		to->network[to->networks++] = (struct nat64_network){
			.address = ipaddr_be32(&p->addr),
			.mask = rte_cpu_to_be_32(p->len ? UINT32_MAX << (32 - p->len) : 0),
		};
	}
	return 0;
}

uint8_t nat64_subscriber_len(const struct config_policy *policy)
{
	return policy->has_subscriber_mask ? policy->subscriber_mask : SUBSCRIBER_LEN;
}

int build_nat64_policy(struct nat_policy *policy, const struct config_policy *from)
{
	policy->subscriber_len = nat64_subscriber_len(from);
	policy->lowest_mtu6 = from->lowest_mtu6 ? from->lowest_mtu6 : MTU_LOWEST;
	policy->nat64_prefix = calloc(from->nat64_prefixes + 1, sizeof(*policy->nat64_prefix));
	if (!policy->nat64_prefix)
		return -ENOMEM;
	for (unsigned i = 0; i < from->nat64_prefixes; i++) {
		struct nat64_prefix *to = &policy->nat64_prefix[policy->nat64_prefixes++];

		to->prefix = embedding(&from->nat64_prefix[i].prefix);
		to->well_known = nat64pfx_is_well_known(&to->prefix);
		if (copy_networks(to, &from->nat64_prefix[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

unsigned build_nat64_prefixes(
	const struct config *config, void (*fn)(void *ctx, unsigned len), void *ctx)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		if (!instance->enabled || !nat64_is(instance))
			continue;
		for (unsigned k = 0; k < instance->policies; k++) {
			const struct config_policy *policy = &instance->policy[k];

			for (unsigned p = 0; p < policy->nat64_prefixes; p++, count++) {
				if (fn)
					fn(ctx, policy->nat64_prefix[p].prefix.len);
			}
		}
	}
	return count;
}

uint8_t build_steering_bits(const struct snapshot *s, uint32_t id)
{
	uint8_t bits = 128;

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = s->policy[slot];

		if (policy && policy->instance_id == id && policy->subscriber_len < bits)
			bits = policy->subscriber_len;
	}
	return bits;
}

int build_nat64_routes(struct snapshot *s, const struct config_instance *instance)
{
	unsigned hop = 0;
	int rc = 0;

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = s->policy[slot];

		if (!policy || policy->instance_id != instance->id)
			continue;
		if (!hop)
			hop = build_nexthop(s,
				(struct nexthop){.kind = NEXTHOP_SERVICE,
					.service = SERVICE_NAT64,
					.number = policy->instance,
					.first = build_steering_bits(s, instance->id)});
		for (unsigned i = 0; i < policy->nat64_prefixes && rc >= 0; i++) {
			const struct nat64pfx *prefix = &policy->nat64_prefix[i].prefix;

			rc = snapshot_add_route6(s, prefix->bytes, prefix->len, hop);
		}
	}
	return rc;
}
