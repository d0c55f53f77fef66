// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say about destinations by another name.

#include "conf/check_nat.h"
#include "conf/static_hosts.h"
#include "conf/statics.h"
#include "table/endpoint.h"

#include <stdlib.h>
#include <string.h>

#define POOL_LEN_MIN 16

static bool is_unicast(const struct ipprefix *prefix)
{
	uint8_t first = prefix->addr.bytes[0];

	return prefix->addr.family == 4 && first && first != 127 && first < 224;
}

// Neither side may be the box itself, and what subscribers write to must not be taken in another way.
static void check_names(struct judge *j, const struct config *config, const struct lyd_node *node,
	const char *inside_leaf, const struct ipprefix *inside, const char *outside_leaf,
	const struct ipprefix *outside)
{
	char text[IPPREFIX_TEXT];

	if (!is_unicast(inside) || check_is_own_address(config, inside) ||
		check_is_outside(config, inside))
		judge_fault(j, node, inside_leaf,
			"%s. Allowed: unicast addresses that no interface, pool or static mapping "
			"has",
			ipprefix_format(inside, text));
	if (!is_unicast(outside) || check_is_own_address(config, outside))
		judge_fault(j, node, outside_leaf,
			"%s. Allowed: unicast addresses that no interface has",
			ipprefix_format(outside, text));
}

static bool translates(const struct config_instance *instance)
{
	for (unsigned i = 0; i < instance->policies; i++) {
		if (instance->policy[i].dst_nat)
			return true;
	}
	return false;
}

static void check_entry(struct judge *j, const struct config *config,
	const struct config_instance *instance, const struct config_static *s)
{
	if (s->of_both)
		judge_fault(j, s->node, "internal-src-address",
			"given. Allowed: an entry has leaves of the source or of the destination, "
			"not of both");
	if (s->has_protocol && s->protocol == 1 && s->has_inside_ports)
		judge_fault(j, s->node, "internal-dst-port",
			"given. Allowed with protocol 1: none, a query's identifier is its "
			"sender's");
	if (!translates(instance))
		judge_fault(j, s->node, "internal-dst-address",
			"given. Allowed: in an instance that has a policy with dst-nat-enable");
	static_refuse_b4(j, s);
	static_check_shape(j, s, 4);
	if (s->has_inside && s->has_outside)
		check_names(j, config, s->node, "internal-dst-address", &s->inside,
			"external-dst-address", &s->outside);
}

static void check_pool(struct judge *j, const struct config *config,
	const struct config_policy *policy, const struct config_dst_pool *p)
{
	char text[IPPREFIX_TEXT];

	if (!policy->dst_nat)
		judge_fault(
			j, p->node, "pool-id", "given. Allowed: with dst-nat-enable in the policy");
	if (!p->has_inside) {
		judge_fault(
			j, p->node, "dst-in-ip-pool", "missing. Allowed: a prefix of destinations");
		return;
	}
	if (p->inside.len < POOL_LEN_MIN)
		judge_fault(j, p->node, "dst-in-ip-pool", "%s. Allowed: prefix lengths %d to 32",
			ipprefix_format(&p->inside, text), POOL_LEN_MIN);
	else if (p->inside.len != p->outside.len)
		judge_fault(j, p->node, "dst-out-ip-pool",
			"%s. Allowed: prefix length %u, that of dst-in-ip-pool",
			ipprefix_format(&p->outside, text), p->inside.len);
	else
		check_names(j, config, p->node, "dst-in-ip-pool", &p->inside, "dst-out-ip-pool",
			&p->outside);
}

// What an instance claims, on one side. An address is in one entry only, so that the way back is clear; and no
// destination outside is a name inside, so that none is changed twice.
struct claims {
	struct claim *claim;
	unsigned count;
	unsigned order;
};

static void claim_entry(struct claims *c, const struct config_static *s, bool inside)
{
	uint8_t protocol[STATIC_PROTOCOLS];
	unsigned protocols = static_protocols(s, protocol);

	c->order++;
	for (unsigned p = 0; p < protocols && s->has_inside && s->has_outside; p++)
		c->claim[c->count++] =
			static_claim(s, ipaddr_be32(inside ? &s->inside.addr : &s->outside.addr),
				inside, protocol[p], c->order);
}

static void claim_pool(struct claims *c, const struct config_dst_pool *p, bool inside)
{
	const struct ipprefix *prefix = inside ? &p->inside : &p->outside;
	uint64_t start = endpoint_make(ipaddr_be32(&prefix->addr), 0, 0);

	c->order++;
	if (!p->has_inside || prefix->len < POOL_LEN_MIN)
		return;
	c->claim[c->count++] = (struct claim){
		.start = start,
		.end = start + (UINT64_C(1) << (32 - prefix->len + ENDPOINT_ADDRESS)) - 1,
		.node = p->node,
		.leaf = inside ? "dst-in-ip-pool" : "dst-out-ip-pool",
		.list = "dst-ip-address-pool",
		.key = p->id,
		.order = c->order,
	};
}

static void claim_all(struct claims *c, const struct config_instance *instance, bool inside)
{
	for (unsigned i = 0; i < instance->dstnats; i++)
		claim_entry(c, &instance->dstnat[i], inside);
	for (unsigned i = 0; i < instance->policies; i++) {
		for (unsigned k = 0; k < instance->policy[i].dst_pools; k++)
			claim_pool(c, &instance->policy[i].dst_pool[k], inside);
	}
}

static unsigned pools_of(const struct config_instance *instance)
{
	unsigned count = 0;

	for (unsigned i = 0; i < instance->policies; i++)
		count += instance->policy[i].dst_pools;
	return count;
}

static void check_chains(struct judge *j, const struct claims *inside, const struct claims *outside)
{
	for (unsigned o = 0; o < outside->count; o++) {
		const struct claim *out = &outside->claim[o];

		for (unsigned i = 0; i < inside->count; i++) {
			const struct claim *in = &inside->claim[i];

			if (in->start > out->end || out->start > in->end)
				continue;
			judge_fault(j, out->node, out->leaf,
				"%s %u has the same destination inside. Allowed: a destination "
				"that is not translated itself",
				in->list, in->key);
			break;
		}
	}
}

static void check_clashes(struct judge *j, const struct config_instance *instance)
{
	unsigned most = STATIC_PROTOCOLS * instance->dstnats + pools_of(instance);
	struct claims inside = {.claim = calloc(most + 1, sizeof(struct claim))};
	struct claims outside = {.claim = calloc(most + 1, sizeof(struct claim))};

	if (inside.claim && outside.claim) {
		claim_all(&inside, instance, true);
		claim_all(&outside, instance, false);
		check_chains(j, &inside, &outside);
		claims_check(j, inside.claim, inside.count, "destination inside", "destination");
		claims_check(j, outside.claim, outside.count, "destination outside", "destination");
	} else {
		judge_text(j, "out of memory");
	}
	free(inside.claim);
	free(outside.claim);
}

void check_dstnats(struct judge *j, const struct config *config)
{
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		unsigned destinations = instance->dstnats + pools_of(instance);

		if (!instance->enabled)
			continue;
		if (destinations > CONFIG_DSTNATS_MAX)
			judge_fault(j, instance->node, "mapping-table",
				"%u destinations, and pools of them. Allowed: up to %d",
				destinations, CONFIG_DSTNATS_MAX);
		else
			check_clashes(j, instance);
		for (unsigned k = 0; k < instance->dstnats; k++)
			check_entry(j, config, instance, &instance->dstnat[k]);
		for (unsigned p = 0; p < instance->policies; p++) {
			const struct config_policy *policy = &instance->policy[p];

			if (policy->dst_nat && instance_has_hosts(instance))
				judge_fault(j, policy->node, "dst-nat-enable",
					"true. Allowed: where inside sources are IPv4");
			for (unsigned k = 0; k < policy->dst_pools; k++)
				check_pool(j, config, policy, &policy->dst_pool[k]);
		}
	}
}
