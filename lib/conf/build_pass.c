// SPDX-License-Identifier: BSD-3-Clause

// Configuration to snapshot, part four: destinations that are not translated. The routes to them are marked,
// so that no other packet has to be asked about.

#include "conf/build_nat.h"

#include <rte_fib.h>
#include <rte_rib.h>

#include <errno.h>
#include <stdlib.h>

// By number of a next hop, that of the same with the mark; 0: none yet.
struct marked {
	struct snapshot *snapshot;
	uint16_t *of;
};

static bool leads_outside(const struct nexthop *nh)
{
	return (nh->kind == NEXTHOP_GATEWAY || nh->kind == NEXTHOP_CONNECTED) &&
		nh->realm & REALM_EXTERNAL;
}

// Marks the route of a node, at another prefix if the node's is wider.
static int mark(
	struct marked *marked, const struct rte_rib_node *node, uint32_t address, uint8_t len)
{
	struct snapshot *s = marked->snapshot;
	uint64_t number;

	rte_rib_get_nh(node, &number);
	if (!leads_outside(&s->nexthop[number]) || s->nexthop[number].realm & REALM_ASK)
		return 0;
	if (!marked->of[number]) {
		struct nexthop nh = s->nexthop[number];

		nh.realm |= REALM_ASK;
		marked->of[number] = (uint16_t)build_nexthop(s, nh);
	}
	return snapshot_add_route(s, address, len, marked->of[number]);
}

// The route that covers a prefix, of the same length or shorter.
static struct rte_rib_node *cover(struct rte_rib *rib, uint32_t address, uint8_t len)
{
	for (unsigned l = len + 1u; l-- > 0;) {
		uint32_t mask = rte_rib_depth_to_mask((uint8_t)l);
		struct rte_rib_node *node = rte_rib_lookup_exact(rib, address & mask, (uint8_t)l);

		if (node)
			return node;
	}
	return NULL;
}

static int mark_routes(struct marked *marked, const struct ipprefix *prefix)
{
	struct rte_rib *rib = rte_fib_get_rib(marked->snapshot->fib);
	uint32_t address = rte_be_to_cpu_32(ipaddr_be32(&prefix->addr));
	struct rte_rib_node *node = NULL;
	int rc = 0;

	while (!rc &&
		(node = rte_rib_get_nxt(rib, address, prefix->len, node, RTE_RIB_GET_NXT_ALL))) {
		uint32_t narrow;
		uint8_t len;

		rte_rib_get_ip(node, &narrow);
		rte_rib_get_depth(node, &len);
		rc = mark(marked, node, narrow, len);
	}
	node = cover(rib, address, prefix->len);
	return !rc && node ? mark(marked, node, address, prefix->len) : rc;
}

static uint16_t instance_number(const struct snapshot *s, uint32_t id)
{
	unsigned slot = 0;

	while (!s->policy[slot] || s->policy[slot]->instance_id != id)
		slot++;
	return s->policy[slot]->instance;
}

static void add_entry(struct snapshot *s, const struct config_pass_through *from, uint16_t instance)
{
	s->pass_through.entry[s->pass_through.count++] = (struct pass_through){
		.instance = instance,
		.port = rte_cpu_to_be_16(from->port),
		.address = ipaddr_be32(&from->prefix.addr),
		.mask = rte_cpu_to_be_32(rte_rib_depth_to_mask(from->prefix.len)),
	};
}

unsigned build_pass_count(const struct config *config)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->instances; i++)
		count += config->instance[i].enabled ? config->instance[i].pass_throughs : 0;
	return count;
}

int build_pass(struct snapshot *s, const struct config *config)
{
	struct marked marked = {s, calloc(s->nexthops, sizeof(uint16_t))};
	int rc = 0;

	s->pass_through.entry =
		calloc(build_pass_count(config) + 1, sizeof(*s->pass_through.entry));
	if (!s->pass_through.entry || !marked.of)
		rc = -ENOMEM;
	for (unsigned i = 0; i < config->instances && !rc; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->pass_throughs && !rc; k++) {
			const struct config_pass_through *from = &instance->pass_through[k];

			add_entry(s, from, instance_number(s, instance->id));
			rc = mark_routes(&marked, &from->prefix);
		}
	}
	free(marked.of);
	return rc;
}
