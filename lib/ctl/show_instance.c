// SPDX-License-Identifier: BSD-3-Clause

// What an instance can do, and how it is doing: the capabilities and statistics of RFC 8512, and the
// notifications.

#include "ctl/commands.h"
#include "ctl/notify.h"
#include "net/l4.h"

void ctl_load_instance(const struct ctl_source *source, uint32_t instance, struct ctl_load *out)
{
	const struct snapshot *s = source->snapshot(source->ctx);

	*out = (struct ctl_load){0};
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = s->policy[slot];
		struct ctl_pool_use use;

		if (!policy || policy->instance_id != instance)
			continue;
		source->load(source->ctx, slot, out);
		source->pool_use(source->ctx, slot, 0, policy->pool->addresses, &use);
		out->use.addresses += use.addresses;
		out->use.addresses_used += use.addresses_used;
		out->use.ports_used += use.ports_used;
		out->use.ports_free += use.ports_free;
	}
}

static json_t *protocols(void)
{
	static const struct {
		uint8_t number;
		const char *name;
	} known[] = {{1, "ICMP"}, {6, "TCP"}, {17, "UDP"}, {33, "DCCP"}};
	json_t *list = json_array();

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (l4_of(known[i].number) != L4_COUNT)
			json_array_append_new(list,
				json_pack("{s:i, s:s}", "protocol-id", known[i].number,
					"protocol-name", known[i].name));
	}
	return list;
}

// Each is what --check accepts.
static json_t *capabilities(void)
{
	static const char *const able[] = {"static-mapping-support", "port-randomization-support",
		"port-range-allocation-support", "port-preservation-suport",
		"port-parity-preservation-support", "address-roundrobin-support",
		"paired-address-pooling-support", "endpoint-independent-mapping-support",
		"address-dependent-mapping-support", "address-and-port-dependent-mapping-support",
		"endpoint-independent-filtering-support", "address-dependent-filtering",
		"address-and-port-dependent-filtering"};
	json_t *c = json_pack("{s:[s, s, s], s:[s], s:o, s:b, s:s}", "nat-flavor",
		"ietf-nat:napt44", "ietf-nat:nat64", "ietf-nat:dst-nat", "per-interface-binding",
		"unsupported", "transport-protocols", protocols(), "restricted-port-support", false,
		"fragment-behavior", "out-of-order");

	for (unsigned i = 0; i < sizeof(able) / sizeof(able[0]); i++)
		json_object_set_new(c, able[i], json_true());
	return c;
}

static json_t *mappings_statistics(const struct ctl_load *load)
{
	json_t *list = json_array();

	for (enum l4 l4 = 0; l4 < L4_COUNT; l4++)
		json_array_append_new(list,
			json_pack("{s:i, s:I}", "protocol-id", l4_protocol(l4), "total",
				(json_int_t)load->by_protocol[l4]));
	return json_pack("{s:I, s:I, s:o}", "total-active-subscribers",
		(json_int_t)load->subscribers, "total-port-mappings", (json_int_t)load->mappings,
		"total-per-protocol", list);
}

static json_t *ports(const struct ctl_pool_use *use)
{
	return json_pack("{s:I, s:I}", "ports-allocated", (json_int_t)use->ports_used, "ports-free",
		(json_int_t)use->ports_free);
}

static void add_pools(const struct call *call, unsigned slot, json_t *list)
{
	const struct ctl_source *source = call->source;
	const struct nat_policy *policy = source->snapshot(source->ctx)->policy[slot];

	for (unsigned i = 0; i < policy->prefixes; i++) {
		const struct nat_prefix *p = &policy->prefix[i];
		struct ctl_pool_use use;

		source->pool_use(source->ctx, slot, p->number, p->addresses, &use);
		json_array_append_new(list,
			json_pack("{s:I, s:o, s:{s:I, s:I}, s:o}", "pool-id", (json_int_t)p->id,
				"discontinuity-time", json_time(source->started), "pool-stats",
				"addresses-allocated", (json_int_t)use.addresses_used,
				"addresses-free", (json_int_t)(use.addresses - use.addresses_used),
				"port-stats", ports(&use)));
	}
}

static json_t *statistics(const struct call *call, const struct nat_policy *policy)
{
	const struct snapshot *s = call->source->snapshot(call->source->ctx);
	json_t *pools = json_array(), *mappings;
	uint32_t instance = policy->instance_id;
	struct ctl_load load;

	ctl_load_instance(call->source, instance, &load);
	mappings = mappings_statistics(&load);
	if (policy->behaviour.kind == NAT_DSLITE)
		json_object_set_new(mappings, "ietf-dslite:active-softwires",
			json_integer((json_int_t)load.softwires));
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		if (s->policy[slot] && s->policy[slot]->instance_id == instance)
			add_pools(call, slot, pools);
	}
	return json_pack("{s:o, s:o, s:{s:I, s:I, s:o, s:o}}", "discontinuity-time",
		json_time(call->source->started), "mappings-statistics", mappings, "pools-stats",
		"addresses-allocated", (json_int_t)load.use.addresses_used, "addresses-free",
		(json_int_t)(load.use.addresses - load.use.addresses_used), "ports-stats",
		ports(&load.use), "per-pool-stats", pools);
}

static const char *type_of(const struct nat_policy *policy)
{
	return policy->behaviour.kind == NAT_64 ? "ietf-nat:nat64" : "ietf-nat:napt44";
}

void show_instances(struct call *call)
{
	const struct snapshot *s = call->source->snapshot(call->source->ctx);
	json_t *list = json_array();

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = s->policy[slot];

		if (!policy || !nat_policy_is_first(policy, slot))
			continue;
		json_array_append_new(list,
			json_pack("{s:I, s:b, s:s, s:o, s:o}", "id",
				(json_int_t)policy->instance_id, "enable", true, "type",
				type_of(policy), "capabilities", capabilities(), "statistics",
				statistics(call, policy)));
	}
	call_json(call, json_pack("{s:{s:{s:o}}}", "ietf-nat:nat", "instances", "instance", list));
	call_end(call);
}

void show_notifications(struct call *call)
{
	call_json(call,
		json_pack("{s:{s:o}}", "homeport:homeport", "notification",
			notifier_list(call->source->notifier)));
	call_end(call);
}
