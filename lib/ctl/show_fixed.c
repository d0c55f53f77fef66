// SPDX-License-Identifier: BSD-3-Clause

// show deterministic ADDRESS: which outside ports an inside host has for good (RFC 7422 section 2, f1).

#include "ctl/commands.h"

static void add_range(
	json_t *list, const struct pool *pool, uint32_t number, uint16_t lower, uint16_t upper)
{
	struct ipaddr outside = ipaddr_v4(rte_cpu_to_be_32(pool_address(pool, number)));

	json_array_append_new(list,
		json_pack("{s:o, s:i, s:i}", "external-address", json_address(&outside),
			"lower-port", (int)lower, "upper-port", (int)upper));
}

// The ports of a host on one outside address, those in a row as one range.
static void add_ranges(json_t *list, const struct pool *pool, uint32_t host, uint32_t number)
{
	uint32_t first = 0;
	bool inside = false;

	for (uint32_t port = 0; port <= pool->fixed_end; port++) {
		bool own = port < pool->fixed_end &&
			detnat_owner(pool->fixed, number, (uint16_t)port) == host;

		if (inside && !own)
			add_range(list, pool, number, (uint16_t)first, (uint16_t)(port - 1));
		if (own && !inside)
			first = port;
		inside = own;
	}
}

void show_deterministic(struct call *call)
{
	const struct snapshot *s = call->source->snapshot(call->source->ctx);
	const char *text = call->request.word[2];
	const struct nat_policy *policy = NULL;
	uint32_t host = UINT32_MAX;
	struct ipaddr inside;
	json_t *list;
	int slot;

	if (ipaddr_parse(text, &inside) < 0 || inside.family != 4) {
		call_fail(call, PROTO_USAGE, "address: %s. Allowed: an IPv4 address", text);
		return;
	}
	slot = snapshot_policy_of(s, ipaddr_be32(&inside));
	if (slot >= 0)
		policy = s->policy[slot];
	if (policy && policy->pool->fixed)
		host = detnat_number(policy->pool->fixed, ipaddr_be32(&inside));
	if (host == UINT32_MAX) {
		call_fail(call, PROTO_NONE, "%s has no ports for good", text);
		return;
	}
	list = json_array();
	for (uint32_t n = 0; n < policy->pool->addresses; n++) {
		// but for the algorithm round-robin a host is on one address only
		if (policy->pool->fixed->algorithm == DETNAT_ROUND_ROBIN ||
			n == host / policy->pool->fixed->ratio)
			add_ranges(list, policy->pool, host, n);
	}
	call_json(call,
		json_pack("{s:{s:{s:I, s:I, s:o, s:o}}}", "homeport:homeport", "deterministic",
			"nat-instance", (json_int_t)policy->instance_id, "policy",
			(json_int_t)policy->policy_id, "address", json_address(&inside),
			"port-range", list));
	call_end(call);
}
