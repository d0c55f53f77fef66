// SPDX-License-Identifier: BSD-3-Clause

// Data tree to structures, part two: the NAT instances.

#include "conf/read_nat.h"

#include "base/bits.h"
#include "conf/aftr.h"
#include "conf/nat64.h"
#include "conf/read.h"
#include "conf/tree.h"

#include <stdlib.h>
#include <string.h>

// A list of prefixes, each in a leaf of its entry.
static struct config_match *read_prefixes(struct config *config, const struct lyd_node *parent,
	const char *list, const char *leaf, unsigned *count)
{
	struct config_match *match = read_list(config, parent, list, sizeof(*match), count);
	unsigned i = 0;

	for (const struct lyd_node *n = tree_child(parent, list); i < *count;
		n = tree_next(n), i++) {
		match[i].node = n;
		match[i].id = tree_number(n, "pool-id", 0);
		ipprefix_parse(tree_text(n, leaf), &match[i].prefix, NULL);
	}
	return match;
}

static void read_timers(
	struct config *config, const struct lyd_node *node, struct config_policy *policy)
{
	const struct lyd_node *timers = tree_child(node, "timers");
	unsigned i = 0;

	policy->udp_timeout = tree_number(timers, "udp-timeout", 300);
	policy->tcp_idle_timeout = tree_number(timers, "tcp-idle-timeout", 7440);
	policy->tcp_trans_open_timeout = tree_number(timers, "tcp-trans-open-timeout", 240);
	policy->tcp_trans_close_timeout = tree_number(timers, "tcp-trans-close-timeout", 240);
	policy->tcp_in_syn_timeout = tree_number(timers, "tcp-in-syn-timeout", 6);
	policy->dccp_idle_timeout = tree_number(node, "dccp-idle-timeout", 7440);
	policy->dccp_trans_timeout = tree_number(node, "dccp-trans-timeout", 240);
	policy->icmp_timeout = tree_number(timers, "icmp-timeout", 60);
	policy->hold_down_timeout = tree_number(timers, "hold-down-timeout", 120);
	policy->has_hold_down_max = tree_child(timers, "hold-down-max") != NULL;
	policy->hold_down_max = tree_number(timers, "hold-down-max", 0);
	policy->fragment_timeout = tree_number(timers, "fragment-min-timeout", 2);
	policy->port_timeout = read_list(config, timers, "per-port-timeout",
		sizeof(*policy->port_timeout), &policy->port_timeouts);
	for (const struct lyd_node *n = tree_child(timers, "per-port-timeout");
		i < policy->port_timeouts; n = tree_next(n), i++) {
		struct config_port_timeout *t = &policy->port_timeout[i];

		t->node = n;
		t->port = (uint16_t)tree_number(n, "port-number", 0);
		t->has_protocol = tree_child(n, "protocol") != NULL;
		t->protocol = (uint8_t)tree_number(n, "protocol", 0);
		t->seconds = tree_number(n, "timeout", 0);
	}
}

static void read_filtering(
	struct config *config, const struct lyd_node *node, struct config_policy *policy)
{
	unsigned i = 0;

	policy->filtering = read_list(config, node, "protocol-filtering",
		sizeof(*policy->filtering), &policy->filterings);
	for (const struct lyd_node *n = tree_child(node, "protocol-filtering");
		i < policy->filterings; n = tree_next(n), i++) {
		struct config_filtering *f = &policy->filtering[i];

		f->node = n;
		f->protocol = (uint8_t)tree_number(n, "protocol-id", 0);
		f->type = tree_text(n, "filtering-type");
	}
	policy->answer_syns = strcmp(tree_text(node, "unsolicited-syns"), "drop");
	policy->reset_strays = !strcmp(tree_text(node, "stray-segments"), "reset");
	policy->inbound_refresh = tree_flag(node, "inbound-refresh", false);
	policy->max_mapping_sessions = (uint16_t)tree_number(node, "max-mapping-sessions", 4096);
	policy->max_subscriber_sessions = tree_number(node, "max-subscriber-sessions", 16384);
}

static void read_deterministic(const struct lyd_node *node, struct config_policy *policy)
{
	static const struct {
		const char *name;
		enum detnat_algorithm number;
	} algorithms[] = {
		{"sequential", DETNAT_SEQUENTIAL},
		{"staggered", DETNAT_STAGGERED},
		{"round-robin", DETNAT_ROUND_ROBIN},
		{"cryptographic", DETNAT_CRYPTOGRAPHIC},
	};

	policy->deterministic = node;
	for (unsigned i = 0; node && i < ARRAY_LEN(algorithms); i++) {
		if (!strcmp(tree_text(node, "algorithm"), algorithms[i].name))
			policy->algorithm = (uint8_t)algorithms[i].number;
	}
	policy->dynamic_factor = tree_number(node, "dynamic-factor", 0);
	policy->max_ports = tree_number(node, "max-ports", 0);
	policy->key = tree_text(node, "key");
}

// Which ports a subscriber gets. Only the allocation by ranges has a container for them in RFC 8512.
static void read_port_choice(
	struct config *config, const struct lyd_node *node, struct config_policy *policy)
{
	const struct lyd_node *port_set = tree_child(node, "port-set");
	unsigned i = 0;

	policy->has_own_port_set_size = tree_child(node, "port-set-size") != NULL;
	policy->port_set_size =
		tree_number(port_set, "port-set-size", tree_number(node, "port-set-size", 512));
	policy->port_set_timeout = tree_number(port_set, "port-set-timeout", 120);
	policy->max_port_sets = (uint8_t)tree_number(node, "max-port-sets", 4);
	policy->soft_pairing = tree_flag(node, "soft-pairing", false);
	policy->has_port_set_active = tree_child(node, "port-set-active-timeout") != NULL;
	policy->port_set_active_timeout = tree_number(node, "port-set-active-timeout", 0);
	policy->mapping_rate = tree_number(node, "mapping-rate", 0);
	policy->has_mapping_burst = tree_child(node, "mapping-burst") != NULL;
	policy->mapping_burst = tree_number(node, "mapping-burst", policy->mapping_rate);
	policy->reserved_ports = read_list(
		config, node, "reserved-ports", sizeof(*policy->reserved_ports), &policy->reserved);
	for (const struct lyd_node *n = tree_child(node, "reserved-ports"); i < policy->reserved;
		n = tree_next(n), i++) {
		struct config_port_range *range = &policy->reserved_ports[i];

		range->node = n;
		range->lower = (uint16_t)tree_number(n, "lower", 0);
		range->upper = (uint16_t)tree_number(n, "upper", range->lower);
	}
}

static void read_pool_notify(const struct lyd_node *node, struct config_pool_notify *notify)
{
	notify->node = node;
	notify->has_pool = tree_child(node, "pool-id") != NULL;
	notify->pool = tree_number(node, "pool-id", 0);
	notify->low = tree_number(node, "low-threshold", 0);
	notify->has_high = tree_child(node, "high-threshold") != NULL;
	notify->high = tree_number(node, "high-threshold", 0);
	notify->interval = tree_number(node, "notify-interval", 20);
}

// A NAT64 policy without a prefix has the well-known one (RFC 6052 section 3.1).
static void read_nat64(struct config *config, const struct lyd_node *node, bool is_nat64,
	struct config_policy *policy)
{
	unsigned i = 0, n = tree_count(node, "nat64-prefixes");
	bool by_default = is_nat64 && !n;

	policy->has_subscriber_mask = tree_child(node, "subscriber-mask-v6") != NULL;
	policy->subscriber_mask = (uint8_t)tree_number(node, "subscriber-mask-v6", 0);
	policy->lowest_mtu6 = (uint16_t)tree_number(node, "lowest-ipv6-mtu", 0);
	policy->nat64_prefix = read_array(config, n + by_default, sizeof(*policy->nat64_prefix));
	if (!policy->nat64_prefix)
		return;
	policy->nat64_prefixes = n + by_default;
	for (const struct lyd_node *p = tree_child(node, "nat64-prefixes"); p; p = tree_next(p)) {
		struct config_nat64_prefix *to = &policy->nat64_prefix[i++];

		to->node = p;
		ipprefix_parse(tree_text(p, "nat64-prefix"), &to->prefix, NULL);
		to->destination = read_prefixes(
			config, p, "destination-ipv4-prefix", "ipv4-prefix", &to->destinations);
	}
	if (by_default) {
		policy->nat64_prefix->node = node;
		ipprefix_parse("64:ff9b::/96", &policy->nat64_prefix->prefix, NULL);
	}
}

static bool read_prefix(const struct lyd_node *entry, const char *name, struct ipprefix *prefix)
{
	const char *text = tree_text(entry, name);

	return text && !ipprefix_parse(text, prefix, NULL);
}

static void read_dst_pools(
	struct config *config, const struct lyd_node *node, struct config_policy *policy)
{
	unsigned i = 0;

	policy->dst_nat = tree_flag(node, "dst-nat-enable", false);
	policy->dst_pool = read_list(
		config, node, "dst-ip-address-pool", sizeof(*policy->dst_pool), &policy->dst_pools);
	for (const struct lyd_node *n = tree_child(node, "dst-ip-address-pool");
		i < policy->dst_pools; n = tree_next(n)) {
		struct config_dst_pool *p = &policy->dst_pool[i++];

		p->node = n;
		p->id = tree_number(n, "pool-id", 0);
		p->has_inside = read_prefix(n, "dst-in-ip-pool", &p->inside);
		read_prefix(n, "dst-out-ip-pool", &p->outside);
	}
}

static void read_policy(struct config *config, const struct lyd_node *node, bool is_nat64,
	struct config_policy *policy)
{
	unsigned i = 0;

	policy->node = node;
	policy->id = tree_number(node, "id", 0);
	policy->pool = read_prefixes(
		config, node, "external-ip-address-pool", "external-ip-pool", &policy->pools);
	policy->match = read_prefixes(config, node, "subscriber-match", "subnet", &policy->matches);
	read_softwires(node, &policy->softwires);
	policy->protocol = read_list(
		config, node, "transport-protocols", sizeof(*policy->protocol), &policy->protocols);
	for (const struct lyd_node *n = tree_child(node, "transport-protocols");
		i < policy->protocols; n = tree_next(n))
		policy->protocol[i++] = (uint8_t)tree_number(n, "protocol-id", 0);
	policy->portless_protocol = read_list(config, node, "portless-protocols",
		sizeof(*policy->portless_protocol), &policy->portless);
	i = 0;
	for (const struct lyd_node *n = tree_child(node, "portless-protocols");
		i < policy->portless; n = tree_next(n))
		policy->portless_protocol[i++] = (uint8_t)strtoul(tree_value(n), NULL, 10);
	policy->address_allocation = tree_text(node, "address-allocation-type");
	policy->port_allocation = tree_text(node, "port-allocation-type");
	policy->mapping_type = tree_text(node, "mapping-type");
	policy->filtering_type = tree_text(node, "filtering-type");
	read_filtering(config, node, policy);
	policy->fragment_behavior = tree_text(node, "fragment-behavior");
	policy->external_iface =
		tree_text(tree_child(node, "external-realm"), "external-interface");
	policy->has_fragments_limit = tree_child(node, "fragments-limit") != NULL;
	policy->fragments_limit = tree_number(node, "fragments-limit", 0);
	policy->mss = (uint16_t)tree_number(node, "mss-limit", 0);
	read_pool_notify(tree_child(node, "notify-pool-usage"), &policy->pool_notify);
	policy->hairpinning = tree_flag(node, "hairpinning", true);
	policy->hold_down_at_start = tree_flag(node, "hold-down-at-start", false);
	read_dst_pools(config, node, policy);
	read_port_choice(config, node, policy);
	read_deterministic(tree_child(node, "deterministic"), policy);
	read_nat64(config, node, is_nat64, policy);
	read_timers(config, node, policy);
	policy->quota =
		read_list(config, node, "port-quota", sizeof(*policy->quota), &policy->quotas);
	i = 0;
	for (const struct lyd_node *n = tree_child(node, "port-quota"); i < policy->quotas;
		n = tree_next(n), i++) {
		struct config_quota *q = &policy->quota[i];

		q->node = n;
		q->protocol = (uint8_t)tree_number(n, "quota-type", 0);
		q->has_limit = tree_child(n, "port-limit") != NULL;
		q->limit = (uint16_t)tree_number(n, "port-limit", 0);
	}
}

static bool has_ports(const struct lyd_node *entry, const char *name)
{
	const struct lyd_node *node = tree_child(entry, name);

	return tree_child(node, "start-port-number") || tree_child(node, "end-port-number");
}

// A pair of port numbers; without an end the range is one port, without both all of them. Returns whether
// there is any.
static bool read_ports(
	const struct lyd_node *entry, const char *name, uint16_t *lower, uint16_t *upper)
{
	const struct lyd_node *node = tree_child(entry, name);

	*upper = UINT16_MAX;
	if (!has_ports(entry, name))
		return false;
	*lower = (uint16_t)tree_number(node, "start-port-number", 0);
	*upper = (uint16_t)tree_number(node, "end-port-number", *lower);
	return true;
}

static const char *const source_leaf[] = {
	"internal-src-address", "external-src-address", "internal-src-port", "external-src-port"};
static const char *const destination_leaf[] = {
	"internal-dst-address", "external-dst-address", "internal-dst-port", "external-dst-port"};

static bool has_any(const struct lyd_node *entry, const char *const leaf[4])
{
	return tree_child(entry, leaf[0]) || tree_child(entry, leaf[1]) ||
		has_ports(entry, leaf[2]) || has_ports(entry, leaf[3]);
}

static void read_static(const struct lyd_node *node, struct config_static *s)
{
	const char *const *leaf = source_leaf;

	s->node = node;
	s->of_destination = has_any(node, destination_leaf);
	s->of_both = s->of_destination && has_any(node, source_leaf);
	if (s->of_destination)
		leaf = destination_leaf;
	s->index = tree_number(node, "index", 0);
	s->type = tree_text(node, "type");
	s->has_protocol = tree_child(node, "transport-protocol") != NULL;
	s->protocol = (uint8_t)tree_number(node, "transport-protocol", 0);
	s->has_inside = read_prefix(node, leaf[0], &s->inside);
	s->has_outside = read_prefix(node, leaf[1], &s->outside);
	s->b4_text = tree_text(tree_child(node, "b4-ipv6-address"), "address");
	s->has_b4 = s->b4_text && !ipaddr_parse(s->b4_text, &s->b4);
	s->has_inside_ports = read_ports(node, leaf[2], &s->inside_lower, &s->inside_upper);
	s->has_outside_ports = read_ports(node, leaf[3], &s->outside_lower, &s->outside_upper);
	s->has_lifetime = tree_child(node, "lifetime") != NULL;
}

// Entries of sources and of destinations become a list each.
static void read_entries(
	struct config *config, const struct lyd_node *table, struct config_instance *instance)
{
	unsigned count = tree_count(table, "mapping-entry");

	instance->static_mapping = read_array(config, count, sizeof(*instance->static_mapping));
	instance->dstnat = read_array(config, count, sizeof(*instance->dstnat));
	if (!config->whole)
		return;
	for (const struct lyd_node *n = tree_child(table, "mapping-entry"); n; n = tree_next(n)) {
		struct config_static s = {0};

		read_static(n, &s);
		if (s.of_destination)
			instance->dstnat[instance->dstnats++] = s;
		else
			instance->static_mapping[instance->statics++] = s;
	}
}

static void read_pass_through(const struct lyd_node *node, struct config_pass_through *p)
{
	p->node = node;
	read_prefix(node, "prefix", &p->prefix);
	p->has_port = tree_child(node, "port") != NULL;
	p->port = (uint16_t)tree_number(node, "port", 0);
}

static void read_limits(
	struct config *config, const struct lyd_node *node, struct config_limits *limits)
{
	unsigned i = 0;

	limits->subscribers = tree_number(node, "limit-subscribers", UINT32_MAX);
	limits->mappings = tree_number(node, "limit-port-mappings", UINT32_MAX);
	limits->protocol = read_list(
		config, node, "limit-per-protocol", sizeof(*limits->protocol), &limits->protocols);
	for (const struct lyd_node *n = tree_child(node, "limit-per-protocol");
		i < limits->protocols; n = tree_next(n)) {
		struct config_limit *limit = &limits->protocol[i++];

		limit->node = n;
		limit->protocol = (uint8_t)tree_number(n, "protocol-id", 0);
		limit->has_limit = tree_child(n, "limit") != NULL;
		limit->limit = tree_number(n, "limit", UINT32_MAX);
	}
}

static void read_instance(
	struct config *config, const struct lyd_node *node, struct config_instance *instance)
{
	const struct lyd_node *table = tree_child(node, "mapping-table");
	unsigned i = 0;

	instance->node = node;
	instance->id = tree_number(node, "id", 0);
	instance->name = tree_text(node, "name");
	instance->type = tree_text(node, "type");
	instance->binding = tree_text(node, "per-interface-binding");
	instance->enabled = tree_flag(node, "enable", true);
	instance->policy =
		read_list(config, node, "policy", sizeof(*instance->policy), &instance->policies);
	for (const struct lyd_node *n = tree_child(node, "policy"); i < instance->policies;
		n = tree_next(n))
		read_policy(config, n, nat64_is(instance), &instance->policy[i++]);
	read_limits(config, tree_child(node, "mapping-limits"), &instance->limits);
	node = tree_child(node, "notification-limits");
	instance->notify = (struct config_notify){
		.interval = tree_number(node, "notify-interval", 10),
		.addresses = tree_number(node, "notify-addresses-usage", UINT32_MAX),
		.ports = tree_number(node, "notify-ports-usage", UINT32_MAX),
		.subscribers = tree_number(node, "notify-subscribers-limit", UINT32_MAX),
	};
	node = instance->node;
	instance->pass_through = read_list(config, node, "nat-pass-through",
		sizeof(*instance->pass_through), &instance->pass_throughs);
	i = 0;
	for (const struct lyd_node *n = tree_child(node, "nat-pass-through");
		i < instance->pass_throughs; n = tree_next(n))
		read_pass_through(n, &instance->pass_through[i++]);
	read_entries(config, table, instance);
}

void read_nat(struct config *config, const struct lyd_node *nat)
{
	const struct lyd_node *instances = tree_child(nat, "instances");
	unsigned i = 0;

	config->instance = read_list(
		config, instances, "instance", sizeof(*config->instance), &config->instances);
	for (const struct lyd_node *n = tree_child(instances, "instance"); i < config->instances;
		n = tree_next(n))
		read_instance(config, n, &config->instance[i++]);
}

static void policy_free(struct config_policy *policy)
{
	for (unsigned i = 0; i < policy->nat64_prefixes; i++)
		free(policy->nat64_prefix[i].destination);
	free(policy->nat64_prefix);
	free(policy->pool);
	free(policy->match);
	free(policy->protocol);
	free(policy->portless_protocol);
	free(policy->filtering);
	free(policy->port_timeout);
	free(policy->quota);
	free(policy->reserved_ports);
	free(policy->dst_pool);
}

void free_nat(struct config *config)
{
	for (unsigned i = 0; i < config->instances; i++) {
		for (unsigned p = 0; p < config->instance[i].policies; p++)
			policy_free(&config->instance[i].policy[p]);
		free(config->instance[i].policy);
		free(config->instance[i].static_mapping);
		free(config->instance[i].dstnat);
		free(config->instance[i].pass_through);
		free(config->instance[i].limits.protocol);
	}
	free(config->instance);
}
