// SPDX-License-Identifier: BSD-3-Clause

// Configuration to snapshot, part two: policies with their pools. A policy whose pool
// is the same as before keeps its slot, its pool and all state in it.

#include "conf/build_nat.h"

#include "base/bits.h"
#include "base/clock.h"
#include "conf/aftr.h"
#include "conf/nat64.h"
#include "conf/statics.h"
#include "net/l4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

unsigned build_nat_hops(const struct config *config)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		// one for each pool, and one for the static mappings of each policy
		for (unsigned k = 0; k < instance->policies; k++)
			count += instance->policy[k].pools + 1;
	}
	return count + build_nat64_prefixes(config, NULL, NULL);
}

unsigned build_nat_routes(const struct config *config)
{
	unsigned count = build_nat_hops(config);

	for (unsigned i = 0; i < config->instances; i++)
		count += config->instance[i].statics;
	return count;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct pool_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static struct pool_range *make_ranges(const struct config_policy *from)
{
	struct pool_range *range = calloc(from->pools, sizeof(*range));

	for (unsigned i = 0; range && i < from->pools; i++) {
		const struct ipprefix *p = &from->pool[i].prefix;

		range[i].first = rte_be_to_cpu_32(ipaddr_be32(&p->addr));
		range[i].last = range[i].first | (p->len < 32 ? UINT32_MAX >> p->len : 0);
	}
	if (range)
		qsort(range, from->pools, sizeof(*range), compare_ranges);
	return range;
}

static bool is_same_policy(const struct nat_policy *policy, uint32_t instance, uint32_t id)
{
	return policy && policy->instance_id == instance && policy->policy_id == id;
}

static enum filtering filtering_of(const char *type)
{
	if (!type || !strcmp(type, "eif"))
		return FILTER_NONE;
	return strcmp(type, "adf") ? FILTER_BY_ENDPOINT : FILTER_BY_ADDRESS;
}

static struct behaviour make_behaviour(
	const struct config_instance *instance, const struct config_policy *from)
{
	struct behaviour behaviour = {
		.kind = nat64_is(instance)             ? NAT_64
			: instance_is_dslite(instance) ? NAT_DSLITE
						       : NAT_44,
		.mapping = MAP_ENDPOINT_INDEPENDENT,
	};

	if (from->mapping_type && strcmp(from->mapping_type, "eim"))
		behaviour.mapping =
			strcmp(from->mapping_type, "adm") ? MAP_BY_ENDPOINT : MAP_BY_ADDRESS;
	for (enum l4 l4 = 0; l4 < L4_COUNT; l4++)
		behaviour.filtering[l4] = (uint8_t)filtering_of(from->filtering_type);
	for (unsigned i = 0; i < from->filterings; i++) {
		enum l4 l4 = l4_of(from->filtering[i].protocol);

		if (l4 < L4_COUNT)
			behaviour.filtering[l4] = (uint8_t)filtering_of(from->filtering[i].type);
	}
	return behaviour;
}

static struct pool_ports *make_reserved(const struct config_policy *from)
{
	struct pool_ports *range = calloc(from->reserved + 1, sizeof(*range));

	for (unsigned i = 0; range && i < from->reserved; i++) {
		range[i].lower = from->reserved_ports[i].lower;
		range[i].upper = from->reserved_ports[i].upper;
	}
	return range;
}

// The slot and pool of a policy: those it had, or new ones. Returns the slot, or -ENOMEM.
static int take_pool(struct snapshot *s, uint32_t instance, uint32_t id,
	const struct pool_setup *setup, const struct build *build, struct nat_policy *policy)
{
	int slot;

	for (slot = 0; build->old && slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *was = build->old->policy[slot];

		if (!is_same_policy(was, instance, id) || !pool_same(was->pool, setup) ||
			memcmp(&was->behaviour, &policy->behaviour, sizeof(was->behaviour)))
			continue;
		policy->pool = was->pool;
		memcpy(policy->share, was->share, build->workers * sizeof(*policy->share));
		return slot;
	}
	policy->pool = pool_new(setup);
	for (slot = 0; s->policy[slot] || (build->old && build->old->policy[slot]);)
		slot++;
	for (unsigned i = 0; policy->pool && i < build->workers; i++) {
		policy->share[i] = build->share_new(policy->pool, i, build->max_port_sets);
		if (!policy->share[i])
			return -ENOMEM;
	}
	return policy->pool ? slot : -ENOMEM;
}

static int compare_prefixes(const void *a, const void *b)
{
	const struct ipprefix *x = a, *y = b;

	return ipaddr_compare(&x->addr, &y->addr);
}

static uint8_t digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

// What deterministic NAT is made of; `inside` has room for the prefixes.
static void set_fixed(
	struct detnat_setup *setup, struct ipprefix *inside, const struct config_policy *from)
{
	*setup = (struct detnat_setup){
		.algorithm = from->algorithm,
		.inside = inside,
		.prefixes = from->matches,
		.dynamic_factor = from->dynamic_factor,
		.max_ports = from->max_ports,
	};
	for (unsigned i = 0; i < from->matches; i++)
		inside[i] = from->match[i].prefix;
	qsort(inside, from->matches, sizeof(*inside), compare_prefixes);
	for (unsigned i = 0; from->key && i < DETNAT_KEY; i++)
		setup->key[i] =
			(uint8_t)(digit(from->key[2 * i]) << 4 | digit(from->key[2 * i + 1]));
}

static int make_pool(struct snapshot *s, const struct config_instance *instance,
	const struct config_policy *from, const struct build *build, struct nat_policy *policy)
{
	struct pool_range *range = make_ranges(from);
	struct pool_ports *reserved = make_reserved(from);
	struct ipprefix *inside = calloc(from->matches, sizeof(*inside));
	struct detnat_setup fixed;
	struct pool_setup setup = {
		.range = range,
		.ranges = from->pools,
		.reserved = reserved,
		.n_reserved = from->reserved,
		.block_bits = bit_lowest(from->port_set_size),
		.workers = build->workers,
	};
	int slot = -ENOMEM;

	if (range && reserved && inside) {
		if (from->deterministic) {
			set_fixed(&fixed, inside, from);
			setup.fixed = &fixed;
		}
		slot = take_pool(s, instance->id, from->id, &setup, build, policy);
	}
	free(inside);
	free(reserved);
	free(range);
	return slot;
}

static struct timers make_timers(const struct config_policy *from)
{
	return (struct timers){
		.udp = from->udp_timeout * TICKS_A_SECOND,
		.tcp_idle = from->tcp_idle_timeout * TICKS_A_SECOND,
		.tcp_trans_open = from->tcp_trans_open_timeout * TICKS_A_SECOND,
		.tcp_trans_close = from->tcp_trans_close_timeout * TICKS_A_SECOND,
		.dccp_idle = from->dccp_idle_timeout * TICKS_A_SECOND,
		.dccp_trans = from->dccp_trans_timeout * TICKS_A_SECOND,
		.tcp_in_syn = from->tcp_in_syn_timeout * TICKS_A_SECOND,
		.icmp = from->icmp_timeout * TICKS_A_SECOND,
		.hold_down = from->hold_down_timeout * TICKS_A_SECOND,
		.port_set = from->port_set_timeout * TICKS_A_SECOND,
		.port_set_active = from->has_port_set_active
			? from->port_set_active_timeout * TICKS_A_SECOND
			: UINT32_MAX,
	};
}

static struct fragment_rules make_fragment_rules(const struct config_policy *from, unsigned workers)
{
	struct fragment_rules rules = {
		.behavior = FRAGMENTS_OUT_OF_ORDER,
		.limit = UINT32_MAX,
		.ticks = from->fragment_timeout * TICKS_A_SECOND,
	};

	if (!strcmp(from->fragment_behavior, "drop-all"))
		rules.behavior = FRAGMENTS_DROP;
	else if (!strcmp(from->fragment_behavior, "in-order"))
		rules.behavior = FRAGMENTS_IN_ORDER;
	if (from->has_fragments_limit)
		rules.limit = (uint32_t)div_round_up(from->fragments_limit, workers);
	return rules;
}

static int copy_lists(struct nat_policy *policy, const struct config_policy *from)
{
	policy->match = calloc(from->matches, sizeof(*policy->match));
	// an entry without protocol is one for TCP and one for UDP
	policy->port_timeout = calloc(2 * from->port_timeouts + 1, sizeof(*policy->port_timeout));
	if (!policy->match || !policy->port_timeout)
		return -ENOMEM;
	for (unsigned i = 0; i < from->matches; i++)
		policy->match[policy->matches++] = from->match[i].prefix;
	for (unsigned i = 0; i < from->port_timeouts; i++) {
		const struct config_port_timeout *t = &from->port_timeout[i];
		struct port_timeout made = {.protocol = t->protocol,
			.port = t->port,
			.ticks = t->seconds * TICKS_A_SECOND};

		if (!t->has_protocol) {
			made.protocol = PROTOCOL_TCP;
			policy->port_timeout[policy->port_timeouts++] = made;
			made.protocol = PROTOCOL_UDP;
		}
		policy->port_timeout[policy->port_timeouts++] = made;
	}
	return 0;
}

static bool is(const char *value, const char *name)
{
	return value && !strcmp(value, name);
}

static enum pooling pooling_of(const struct config_policy *from)
{
	if (is(from->address_allocation, "arbitrary"))
		return POOLING_ARBITRARY;
	if (is(from->address_allocation, "roundrobin"))
		return POOLING_ROUND_ROBIN;
	return from->soft_pairing ? POOLING_SOFT_PAIRED : POOLING_PAIRED;
}

static enum port_choice port_choice_of(const char *allocation)
{
	if (is(allocation, "port-preservation"))
		return PORT_PRESERVED;
	return is(allocation, "port-parity-preservation") ? PORT_PARITY_KEPT : PORT_RANDOM;
}

static void set_limits(
	struct nat_policy *policy, const struct config_policy *from, unsigned workers)
{
	policy->answer_syns = from->answer_syns;
	policy->reset_strays = from->reset_strays;
	policy->inbound_refresh = from->inbound_refresh;
	policy->mapping_sessions = from->max_mapping_sessions;
	policy->subscriber_sessions = from->max_subscriber_sessions;
	policy->mapping_rate = from->mapping_rate;
	policy->mapping_burst = from->mapping_burst;
	policy->hold_down_max =
		from->has_hold_down_max ? from->hold_down_max / workers : UINT32_MAX;
	policy->port_limit_all = UINT32_MAX;
	for (enum l4 l4 = 0; l4 < L4_COUNT; l4++) {
		policy->port_limit[l4] = UINT32_MAX;
		// DCCP is translated where it is asked for
		policy->protocol[l4] = !from->protocols && l4 != L4_DCCP;
	}
	for (unsigned i = 0; i < from->protocols; i++)
		policy->protocol[l4_of(from->protocol[i])] = true;
	for (unsigned i = 0; i < from->portless; i++) {
		uint8_t protocol = from->portless_protocol[i];

		policy->portless[protocol / 64] |= bit(protocol % 64);
	}
	for (unsigned i = 0; i < from->quotas; i++) {
		const struct config_quota *q = &from->quota[i];

		if (q->protocol)
			policy->port_limit[l4_of(q->protocol)] = q->limit;
		else
			policy->port_limit_all = q->limit;
	}
}

static bool number_of(const struct snapshot *s, uint32_t instance, uint16_t *number)
{
	for (unsigned slot = 0; s && slot < SNAPSHOT_MAX_POLICIES; slot++) {
		if (s->policy[slot] && s->policy[slot]->instance_id == instance) {
			*number = s->policy[slot]->instance;
			return true;
		}
	}
	return false;
}

static bool has_number(const struct snapshot *s, uint16_t number)
{
	for (unsigned slot = 0; s && slot < SNAPSHOT_MAX_POLICIES; slot++) {
		if (s->policy[slot] && s->policy[slot]->instance == number)
			return true;
	}
	return false;
}

// The number of an instance in the keys of its subscribers: the one it had, or one that neither snapshot
// uses.
static uint16_t instance_number(
	const struct snapshot *s, uint32_t instance, const struct snapshot *old)
{
	uint16_t number = 0;

	if (number_of(s, instance, &number) || number_of(old, instance, &number))
		return number;
	while (has_number(s, number) || has_number(old, number))
		number++;
	return number;
}

// With deterministic NAT the limit may be one of ports, the fixed ones included.
static uint8_t max_blocks(const struct pool *pool, const struct config_policy *from)
{
	if (!pool->fixed || !from->max_ports)
		return from->max_port_sets;
	return (uint8_t)((from->max_ports - pool->fixed->size) >> pool->block_bits);
}

// A high threshold that is the low one is none (RFC 8512).
static struct nat_pool_notify make_pool_notify(const struct config_pool_notify *from)
{
	bool high = from->has_high && from->high != from->low;

	return (struct nat_pool_notify){
		.any = high || from->low,
		.has_pool = from->has_pool,
		.pool = from->pool,
		.low = from->low,
		.high = high ? from->high : UINT32_MAX,
		.interval_s = from->interval,
	};
}

static int add_policy(struct snapshot *s, const struct config_instance *instance,
	const struct config_policy *from, const struct build *build)
{
	struct nat_policy *policy = calloc(1, sizeof(*policy));
	int slot;

	if (!policy)
		return -ENOMEM;
	policy->behaviour = make_behaviour(instance, from);
	policy->share = calloc(build->workers, sizeof(struct portblk *));
	slot = policy->share ? make_pool(s, instance, from, build, policy) : -ENOMEM;
	if (slot < 0) {
		for (unsigned i = 0; policy->share && i < build->workers; i++)
			build->share_free(policy->share[i]);
		pool_free(policy->pool);
		free(policy->share);
		free(policy);
		return slot;
	}
	policy->instance = instance_number(s, instance->id, build->old);
	snapshot_add_policy(s, (unsigned)slot, policy);
	policy->instance_id = instance->id;
	policy->policy_id = from->id;
	policy->hairpinning = from->hairpinning;
	policy->dst_nat = from->dst_nat;
	policy->pool_notify = make_pool_notify(&from->pool_notify);
	policy->hold_down_at_start = from->hold_down_at_start;
	policy->mss = from->softwires.clamps ? from->softwires.mss : from->mss;
	policy->subscriber_len = subscriber_len(from);
	policy->softwires = (struct softwire_rules){
		.each_subscriber = from->softwires.each_subscriber,
		.migrate = from->softwires.migrate,
		.change_ticks = from->softwires.change_limit * TICKS_A_SECOND,
	};
	policy->fragments = make_fragment_rules(from, build->workers);
	policy->max_blocks = max_blocks(policy->pool, from);
	policy->timers = make_timers(from);
	set_limits(policy, from, build->workers);
	policy->pooling = pooling_of(from);
	policy->port_choice = port_choice_of(from->port_allocation);
	if (copy_lists(policy, from) < 0 ||
		(nat64_is(instance) && build_nat64_policy(policy, from) < 0))
		return -ENOMEM;
	policy->prefix = calloc(from->pools, sizeof(*policy->prefix));
	if (!policy->prefix)
		return -ENOMEM;
	for (unsigned i = 0; i < from->pools; i++) {
		const struct ipprefix *p = &from->pool[i].prefix;
		uint32_t first = rte_be_to_cpu_32(ipaddr_be32(&p->addr));

		policy->prefix[policy->prefixes++] = (struct nat_prefix){
			.id = from->pool[i].id,
			.number = pool_number(policy->pool, first),
			.addresses = 1u << (32 - p->len),
		};
	}
	for (unsigned i = 0; i < from->pools; i++) {
		const struct ipprefix *p = &from->pool[i].prefix;
		uint32_t first = rte_be_to_cpu_32(ipaddr_be32(&p->addr));
		unsigned hop = build_nexthop(s,
			(struct nexthop){.kind = NEXTHOP_POOL,
				.policy = (uint8_t)slot,
				.first = first,
				.number = pool_number(policy->pool, first)});
		int rc = snapshot_add_route(s, first, p->len, hop);

		if (rc < 0)
			return rc;
	}
	return 0;
}

// What the policies of an instance have in common.
static void join_policies(struct snapshot *s, const struct config_instance *instance)
{
	struct nat_limits limits = {
		.subscribers = instance->limits.subscribers,
		.mappings = instance->limits.mappings,
	};
	struct nat_instance_notify notify = {
		.interval_s = instance->notify.interval,
		.addresses = instance->notify.addresses,
		.ports = instance->notify.ports,
		.subscribers = instance->notify.subscribers,
	};
	uint64_t slots[ARRAY_LEN(((struct nat_policy *)NULL)->siblings)] = {0};

	for (enum l4 l4 = 0; l4 < L4_COUNT; l4++)
		limits.protocol[l4] = UINT32_MAX;
	for (unsigned i = 0; i < instance->limits.protocols; i++) {
		const struct config_limit *l = &instance->limits.protocol[i];

		limits.protocol[l4_of(l->protocol)] = l->limit;
	}
	notify.any = notify.addresses != UINT32_MAX || notify.ports != UINT32_MAX ||
		notify.subscribers != UINT32_MAX;
	limits.any = limits.subscribers != UINT32_MAX || limits.mappings != UINT32_MAX ||
		instance->limits.protocols;
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		if (s->policy[slot] && s->policy[slot]->instance_id == instance->id)
			slots[slot / 64] |= bit(slot % 64);
	}
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		struct nat_policy *policy = s->policy[slot];

		if (!policy || policy->instance_id != instance->id)
			continue;
		policy->limits = limits;
		policy->instance_notify = notify;
		memcpy(policy->siblings, slots, sizeof(slots));
	}
}

int build_nat(
	struct snapshot *s, const struct config *config, const struct build *build, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->policies && rc >= 0; k++)
			rc = add_policy(s, instance, &instance->policy[k], build);
		if (rc >= 0 && instance->enabled)
			join_policies(s, instance);
		if (rc >= 0 && instance->enabled && nat64_is(instance))
			rc = build_nat64_routes(s, instance);
	}
	if (rc >= 0)
		rc = build_statics(s, config);
	if (rc >= 0)
		rc = build_pass(s, config);
	if (rc >= 0)
		rc = build_dstnats(s, config);
	if (rc < 0)
		err_set(err, "/homeport:homeport/platform/memory: no room for pools and mappings");
	return rc;
}
