// SPDX-License-Identifier: BSD-3-Clause

// Data tree to structures. Nothing is judged here: what is missing or odd is left for check.c to name.

#include "conf/read.h"

#include "base/bits.h"
#include "conf/conf.h"
#include "conf/homes.h"
#include "conf/tree.h"

#include <libyang/libyang.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// An array of n elements; NULL and false in config->whole if memory runs out.
static void *array_new(struct config *config, unsigned n, size_t size)
{
	void *array = n ? calloc(n, size) : NULL;

	if (n && !array)
		config->whole = false;
	return array;
}

// An array of as many elements as the parent has children of that name, and how many.
static void *list_new(struct config *config, const struct lyd_node *parent, const char *name,
	size_t size, unsigned *count)
{
	unsigned n = tree_count(parent, name);
	void *list = array_new(config, n, size);

	*count = list ? n : 0;
	return list;
}

static bool parse_mac(const char *text, struct rte_ether_addr *mac)
{
	return text && !rte_ether_unformat_addr(text, mac);
}

static void read_addrs(const struct lyd_node *ip, struct config_iface *iface)
{
	for (const struct lyd_node *n = tree_child(ip, "address"); n && iface->addr;
		n = tree_next(n)) {
		struct config_addr *a = &iface->addr[iface->addrs++];

		a->node = n;
		ipaddr_parse(tree_text(n, "ip"), &a->addr);
		a->len = (uint8_t)tree_number(n, "prefix-length", 0);
	}
}

static void read_neighbours(const struct lyd_node *ip, struct config_iface *iface)
{
	for (const struct lyd_node *n = tree_child(ip, "neighbor"); n && iface->neighbour;
		n = tree_next(n)) {
		struct config_neighbour *x = &iface->neighbour[iface->neighbours++];

		x->node = n;
		ipaddr_parse(tree_text(n, "ip"), &x->addr);
		x->mac_text = tree_text(n, "link-layer-address");
		x->mac_valid = parse_mac(x->mac_text, &x->mac);
	}
}

static uint8_t read_realm(const char *text)
{
	if (!text)
		return 0;
	if (!strcmp(text, "internal"))
		return REALM_INTERNAL;
	return !strcmp(text, "external") ? REALM_EXTERNAL : REALM_BOTH;
}

static void read_iface(
	struct config *config, const struct lyd_node *node, struct config_iface *iface)
{
	const struct lyd_node *ipv4 = tree_child(node, "ipv4");
	const struct lyd_node *ipv6 = tree_child(node, "ipv6");

	iface->node = node;
	iface->name = tree_text(node, "name");
	iface->type = tree_text(node, "type");
	iface->device = tree_text(node, "device");
	iface->host_device = tree_text(node, "host-device");
	iface->enabled = tree_flag(node, "enabled", true);
	iface->promiscuous = tree_flag(node, "promiscuous", false);
	iface->icmp_errors = tree_flag(node, "icmp-errors", true);
	iface->realm = read_realm(tree_text(node, "realm"));
	iface->vlan = (uint16_t)tree_number(node, "vlan", 0);
	iface->mac_text = tree_text(node, "mac-address");
	iface->mac_valid = parse_mac(iface->mac_text, &iface->mac);
	iface->has_ipv4 = ipv4 && tree_flag(ipv4, "enabled", true);
	iface->forwarding = !ipv4 || tree_flag(ipv4, "forwarding", true);
	iface->mtu = (uint16_t)tree_number(ipv4, "mtu", 1500);
	iface->addr = array_new(config, tree_count(ipv4, "address") + tree_count(ipv6, "address"),
		sizeof(*iface->addr));
	iface->neighbour =
		array_new(config, tree_count(ipv4, "neighbor") + tree_count(ipv6, "neighbor"),
			sizeof(*iface->neighbour));
	read_addrs(ipv4, iface);
	read_addrs(ipv6, iface);
	read_neighbours(ipv4, iface);
	read_neighbours(ipv6, iface);
}

static void read_route(const struct lyd_node *node, struct config_route *route)
{
	const struct lyd_node *hop = tree_child(node, "next-hop");
	const char *address = tree_text(hop, "next-hop-address");

	route->node = node;
	ipprefix_parse(tree_text(node, "destination-prefix"), &route->destination, NULL);
	route->special = tree_text(hop, "special-next-hop");
	route->has_address = address && !ipaddr_parse(address, &route->address);
	route->iface = tree_text(hop, "outgoing-interface");
	if (!route->special)
		route->kind = ROUTE_NEXT_HOP;
	else if (!strcmp(route->special, "blackhole"))
		route->kind = ROUTE_BLACKHOLE;
	else
		route->kind = ROUTE_OTHER;
}

static void read_routes(const struct lyd_node *routing, struct config *config)
{
	const struct lyd_node *protocols = tree_child(routing, "control-plane-protocols");
	unsigned total = 0;

	for (const struct lyd_node *p = tree_child(protocols, "control-plane-protocol"); p;
		p = tree_next(p))
		total += tree_count(tree_child(tree_child(p, "static-routes"), "ipv4"), "route");
	config->route = array_new(config, total, sizeof(*config->route));
	for (const struct lyd_node *p = tree_child(protocols, "control-plane-protocol"); p;
		p = tree_next(p)) {
		const struct lyd_node *ipv4 = tree_child(tree_child(p, "static-routes"), "ipv4");

		for (const struct lyd_node *n = tree_child(ipv4, "route"); n && config->route;
			n = tree_next(n))
			read_route(n, &config->route[config->routes++]);
	}
}

// A list of prefixes, each in a leaf of its entry.
static struct config_match *read_prefixes(struct config *config, const struct lyd_node *parent,
	const char *list, const char *leaf, unsigned *count)
{
	struct config_match *match = list_new(config, parent, list, sizeof(*match), count);
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
	policy->port_timeout = list_new(config, timers, "per-port-timeout",
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

	policy->filtering = list_new(config, node, "protocol-filtering", sizeof(*policy->filtering),
		&policy->filterings);
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
	policy->reserved_ports = list_new(
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

static void read_policy(
	struct config *config, const struct lyd_node *node, struct config_policy *policy)
{
	unsigned i = 0;

	policy->node = node;
	policy->id = tree_number(node, "id", 0);
	policy->pool = read_prefixes(
		config, node, "external-ip-address-pool", "external-ip-pool", &policy->pools);
	policy->match = read_prefixes(config, node, "subscriber-match", "subnet", &policy->matches);
	policy->protocol = list_new(
		config, node, "transport-protocols", sizeof(*policy->protocol), &policy->protocols);
	for (const struct lyd_node *n = tree_child(node, "transport-protocols");
		i < policy->protocols; n = tree_next(n))
		policy->protocol[i++] = (uint8_t)tree_number(n, "protocol-id", 0);
	policy->portless_protocol = list_new(config, node, "portless-protocols",
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
	read_port_choice(config, node, policy);
	read_deterministic(tree_child(node, "deterministic"), policy);
	read_timers(config, node, policy);
	policy->quota =
		list_new(config, node, "port-quota", sizeof(*policy->quota), &policy->quotas);
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

// A pair of port numbers; without an end the range is one port, without both all of them. Returns whether
// there is any.
static bool read_ports(
	const struct lyd_node *entry, const char *name, uint16_t *lower, uint16_t *upper)
{
	const struct lyd_node *node = tree_child(entry, name);

	*upper = UINT16_MAX;
	if (!tree_child(node, "start-port-number") && !tree_child(node, "end-port-number"))
		return false;
	*lower = (uint16_t)tree_number(node, "start-port-number", 0);
	*upper = (uint16_t)tree_number(node, "end-port-number", *lower);
	return true;
}

static bool read_prefix(const struct lyd_node *entry, const char *name, struct ipprefix *prefix)
{
	const char *text = tree_text(entry, name);

	return text && !ipprefix_parse(text, prefix, NULL);
}

static void read_static(const struct lyd_node *node, struct config_static *s)
{
	s->node = node;
	s->index = tree_number(node, "index", 0);
	s->type = tree_text(node, "type");
	s->has_protocol = tree_child(node, "transport-protocol") != NULL;
	s->protocol = (uint8_t)tree_number(node, "transport-protocol", 0);
	s->has_inside = read_prefix(node, "internal-src-address", &s->inside);
	s->has_outside = read_prefix(node, "external-src-address", &s->outside);
	s->has_inside_ports =
		read_ports(node, "internal-src-port", &s->inside_lower, &s->inside_upper);
	s->has_outside_ports =
		read_ports(node, "external-src-port", &s->outside_lower, &s->outside_upper);
	s->has_lifetime = tree_child(node, "lifetime") != NULL;
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
	limits->protocol = list_new(
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
		list_new(config, node, "policy", sizeof(*instance->policy), &instance->policies);
	for (const struct lyd_node *n = tree_child(node, "policy"); i < instance->policies;
		n = tree_next(n))
		read_policy(config, n, &instance->policy[i++]);
	read_limits(config, tree_child(node, "mapping-limits"), &instance->limits);
	node = tree_child(node, "notification-limits");
	instance->notify = (struct config_notify){
		.interval = tree_number(node, "notify-interval", 10),
		.addresses = tree_number(node, "notify-addresses-usage", UINT32_MAX),
		.ports = tree_number(node, "notify-ports-usage", UINT32_MAX),
		.subscribers = tree_number(node, "notify-subscribers-limit", UINT32_MAX),
	};
	node = instance->node;
	instance->pass_through = list_new(config, node, "nat-pass-through",
		sizeof(*instance->pass_through), &instance->pass_throughs);
	i = 0;
	for (const struct lyd_node *n = tree_child(node, "nat-pass-through");
		i < instance->pass_throughs; n = tree_next(n))
		read_pass_through(n, &instance->pass_through[i++]);
	instance->static_mapping = list_new(config, table, "mapping-entry",
		sizeof(*instance->static_mapping), &instance->statics);
	i = 0;
	for (const struct lyd_node *n = tree_child(table, "mapping-entry"); i < instance->statics;
		n = tree_next(n))
		read_static(n, &instance->static_mapping[i++]);
}

char *read_path(struct config *config, const char *path)
{
	char *out;

	if (!path)
		return NULL;
	if (path[0] == '/' || !config->folder)
		out = strdup(path);
	else if (asprintf(&out, "%s/%s", config->folder, path) < 0)
		out = NULL;
	if (!out)
		config->whole = false;
	return out;
}

// The prefixes of a leaf-list, which belong to the config.
static struct ipprefix *read_plain_prefixes(
	struct config *config, const struct lyd_node *node, const char *name, unsigned *count)
{
	struct ipprefix *prefix = list_new(config, node, name, sizeof(*prefix), count);
	unsigned i = 0;

	for (const struct lyd_node *n = tree_child(node, name); i < *count; n = tree_next(n))
		ipprefix_parse(tree_value(n), &prefix[i++], NULL);
	return prefix;
}

static void read_upstream(
	struct config *config, const struct lyd_node *node, struct config_upstream *u)
{
	struct ipaddr ignored;

	u->node = node;
	u->name = tree_text(node, "name");
	u->address = tree_text(node, "address");
	u->port = (uint16_t)tree_number(node, "port", 4647);
	for (const struct lyd_node *n = tree_child(node, "transport"); n && u->transports < 2;
		n = tree_next(n))
		u->transport[u->transports++] = tree_value(n);
	u->certificate = read_path(config, tree_text(node, "certificate"));
	u->private_key = read_path(config, tree_text(node, "private-key"));
	u->ca = read_path(config, tree_text(node, "ca"));
	u->crl = read_path(config, tree_text(node, "crl"));
	u->psk_file = read_path(config, tree_text(node, "psk-file"));
	u->psk_identity = tree_text(node, "psk-identity");
	u->peer_name = tree_text(node, "peer-name");
	if (!u->peer_name && ipaddr_parse(u->address, &ignored) < 0)
		u->peer_name = u->address;
	u->prefix = read_plain_prefixes(config, node, "domain-prefix", &u->prefixes);
	u->max_subscribers = (uint16_t)tree_number(node, "max-subscribers", 16);
	u->max_mitigations = (uint16_t)tree_number(node, "max-mitigations", 1024);
	u->relay = tree_text(node, "relay");
	u->overlap_by_target = !strcmp(tree_text(node, "overlap-key"), "target");
	u->max_lifetime = tree_number(node, "max-lifetime", 0);
	u->heartbeat_interval = (uint16_t)tree_number(node, "heartbeat-interval", 30);
	u->retry_interval = tree_number(node, "retry-interval", 300);
	u->probe_interval = tree_number(node, "probe-interval", 86400);
	u->config_lifetime = tree_number(node, "config-lifetime", 0);
	u->action = tree_text(node, "action");
	u->rate = tree_number(node, "rate", 0);
	u->max_rules = tree_number(node, "max-rules", 0);
	u->consent_ask = !strcmp(tree_text(node, "consent"), "ask");
	u->consent_timeout = tree_number(node, "consent-timeout", 3600);
	u->consent_approve = !strcmp(tree_text(node, "consent-default"), "approve");
	u->terminating_time = (uint16_t)tree_number(node, "terminating-time", 0);
}

static void read_accept(struct config *config, const struct lyd_node *node, struct config_accept *a)
{
	a->node = node;
	a->name = tree_text(node, "name");
	a->target = read_plain_prefixes(config, node, "target-prefix", &a->targets);
	a->subscriber = read_plain_prefixes(config, node, "subscriber-prefix", &a->subscribers);
	a->any_protocol = !tree_child(node, "protocol");
	a->protocol = (uint8_t)tree_number(node, "protocol", 0);
	a->lower_port = (uint16_t)tree_number(node, "lower-port", 0);
	a->upper_port = (uint16_t)tree_number(
		node, "upper-port", tree_child(node, "lower-port") ? a->lower_port : UINT16_MAX);
}

static void read_platform(struct config *config, const struct lyd_node *node)
{
	struct config_platform *p = &config->platform;
	const struct lyd_node *fragments = tree_child(node, "fragments");
	unsigned i = 0;

	p->node = node;
	p->workers = (uint8_t)tree_number(node, "workers", 1);
	p->huge_pages = tree_flag(node, "huge-pages", true);
	p->memory = tree_number(node, "memory", 0);
	p->eal_option =
		list_new(config, node, "eal-option", sizeof(*p->eal_option), &p->eal_options);
	for (const struct lyd_node *n = tree_child(node, "eal-option"); i < p->eal_options;
		n = tree_next(n))
		p->eal_option[i++] = tree_value(n);
	p->idle_sleep = (uint16_t)tree_number(node, "idle-sleep", 0);
	p->icmp_error_rate = tree_number(node, "icmp-error-rate", 1000);
	p->host_packet_rate = tree_number(node, "host-packet-rate", 20000);
	p->packet_buffers = tree_number(node, "packet-buffers", 16383);
	p->max_mappings = tree_number(node, "max-mappings", 262144);
	p->max_sessions = tree_number(node, "max-sessions", 262144);
	p->max_subscribers = tree_number(node, "max-subscribers", 65536);
	p->max_port_sets = tree_number(node, "max-port-sets", 65536);
	p->max_neighbours = tree_number(node, "max-neighbours", 4096);
	p->max_held_syns = tree_number(node, "max-held-syns", 1024);
	p->max_datagrams = tree_number(fragments, "max-datagrams", 4096);
	p->max_waiting_fragments = tree_number(fragments, "max-waiting", 1024);
	p->max_fragments_each = (uint16_t)tree_number(fragments, "max-each", 64);
	p->max_datagrams_each_source =
		(uint16_t)tree_number(fragments, "max-datagrams-each-source", 64);
}

static void read_homeport(const struct lyd_node *node, struct config *config)
{
	const struct lyd_node *dots = tree_child(node, "dots");
	const struct lyd_node *server = tree_child(dots, "server");
	const struct lyd_node *resolve = tree_child(node, "resolve");
	const char *socket = tree_text(tree_child(node, "management"), "socket");
	unsigned i = 0;

	read_platform(config, tree_child(node, "platform"));
	config->socket = socket ? socket : "/run/homeport/homeport.sock";
	config->history_size = tree_number(resolve, "history-size", 65536);
	config->history_retention = tree_number(resolve, "retention", 604800);
	config->history_file = read_path(config, tree_text(resolve, "history-file"));
	config->history_file_size = tree_number(resolve, "history-file-size", 10000000);
	config->certificate_warning = (uint16_t)tree_number(dots, "certificate-warning", 30);
	config->max_rules = tree_number(dots, "max-rules", 4096);
	config->hook = read_path(config, tree_text(dots, "hook"));
	config->state_file = read_path(config, tree_text(dots, "state-file"));
	config->audit_retention = tree_number(dots, "audit-retention", 7776000);
	config->audit_size = tree_number(dots, "audit-size", 100000);
	config->upstream =
		list_new(config, server, "upstream", sizeof(*config->upstream), &config->upstreams);
	for (const struct lyd_node *n = tree_child(server, "upstream"); i < config->upstreams;
		n = tree_next(n))
		read_upstream(config, n, &config->upstream[i++]);
	read_homes(config, tree_child(dots, "client"));
	config->quarantine_allow =
		read_plain_prefixes(config, server, "quarantine-allow", &config->quarantine_allows);
	config->accept =
		list_new(config, server, "accept", sizeof(*config->accept), &config->accepts);
	i = 0;
	for (const struct lyd_node *n = tree_child(server, "accept"); i < config->accepts;
		n = tree_next(n))
		read_accept(config, n, &config->accept[i++]);
}

// The top-level node of a module, or NULL.
static const struct lyd_node *top(const struct lyd_node *tree, const char *name)
{
	while (tree && strcmp(tree->schema->name, name))
		tree = tree->next;
	return tree;
}

struct config *read_config(struct lyd_node *tree, const char *folder)
{
	struct config *config = calloc(1, sizeof(*config));
	const struct lyd_node *ifaces = top(tree, "interfaces");
	const struct lyd_node *instances = tree_child(top(tree, "nat"), "instances");
	unsigned i = 0;

	if (!config)
		return NULL;
	config->folder = folder ? strdup(folder) : NULL;
	config->whole = !folder || config->folder;
	config->iface =
		list_new(config, ifaces, "interface", sizeof(*config->iface), &config->ifaces);
	for (const struct lyd_node *n = tree_child(ifaces, "interface"); i < config->ifaces;
		n = tree_next(n))
		read_iface(config, n, &config->iface[i++]);
	read_routes(top(tree, "routing"), config);
	config->instance = list_new(
		config, instances, "instance", sizeof(*config->instance), &config->instances);
	i = 0;
	for (const struct lyd_node *n = tree_child(instances, "instance"); i < config->instances;
		n = tree_next(n))
		read_instance(config, n, &config->instance[i++]);
	read_homeport(top(tree, "homeport"), config);
	if (!config->whole) {
		conf_free(config);
		return NULL;
	}
	config->tree = tree;
	return config;
}

static void policy_free(struct config_policy *policy)
{
	free(policy->pool);
	free(policy->match);
	free(policy->protocol);
	free(policy->portless_protocol);
	free(policy->filtering);
	free(policy->port_timeout);
	free(policy->quota);
	free(policy->reserved_ports);
}

void conf_free(struct config *config)
{
	if (!config)
		return;
	for (unsigned i = 0; i < config->ifaces; i++) {
		free(config->iface[i].addr);
		free(config->iface[i].neighbour);
	}
	for (unsigned i = 0; i < config->instances; i++) {
		for (unsigned p = 0; p < config->instance[i].policies; p++)
			policy_free(&config->instance[i].policy[p]);
		free(config->instance[i].policy);
		free(config->instance[i].static_mapping);
		free(config->instance[i].pass_through);
		free(config->instance[i].limits.protocol);
	}
	for (unsigned i = 0; i < config->upstreams; i++) {
		struct config_upstream *u = &config->upstream[i];

		free(u->certificate);
		free(u->private_key);
		free(u->ca);
		free(u->crl);
		free(u->psk_file);
		free(u->prefix);
	}
	free(config->upstream);
	free_homes(config);
	for (unsigned i = 0; i < config->accepts; i++) {
		free(config->accept[i].target);
		free(config->accept[i].subscriber);
	}
	free(config->accept);
	free(config->quarantine_allow);
	free(config->platform.eal_option);
	free(config->instance);
	free(config->route);
	free(config->iface);
	free(config->history_file);
	free(config->state_file);
	free(config->hook);
	free(config->folder);
	lyd_free_all(config->tree);
	free(config);
}
