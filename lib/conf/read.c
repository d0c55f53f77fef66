// SPDX-License-Identifier: BSD-3-Clause

// Data tree to structures, part one: interfaces, routes and the box. Nothing is judged here: what is
// missing or odd is left for check.c to name.

#include "conf/read.h"

#include "conf/aftr.h"
#include "conf/conf.h"
#include "conf/homes.h"
#include "conf/management.h"
#include "conf/native.h"
#include "conf/read_nat.h"
#include "conf/read_softwire.h"
#include "conf/tree.h"
#include "conf/upstreams.h"

#include <libyang/libyang.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *read_array(struct config *config, unsigned n, size_t size)
{
	void *array = n ? calloc(n, size) : NULL;

	if (n && !array)
		config->whole = false;
	return array;
}

void *read_list(struct config *config, const struct lyd_node *parent, const char *name, size_t size,
	unsigned *count)
{
	unsigned n = tree_count(parent, name);
	void *list = read_array(config, n, size);

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

static uint8_t read_validation(const char *text)
{
	if (!strcmp(text, "none"))
		return VALIDATE_NONE;
	return strcmp(text, "inside") ? VALIDATE_IFACE : VALIDATE_INSIDE;
}

static void read_iface(
	struct config *config, const struct lyd_node *node, struct config_iface *iface)
{
	const struct lyd_node *ipv4 = tree_child(node, "ipv4");
	const struct lyd_node *ipv6 = tree_child(node, "ipv6");

	// as good as not there
	if (ipv6 && !tree_flag(ipv6, "enabled", true))
		ipv6 = NULL;
	iface->node = node;
	iface->name = tree_text(node, "name");
	iface->type = tree_text(node, "type");
	iface->device = tree_text(node, "device");
	iface->host_device = tree_text(node, "host-device");
	iface->enabled = tree_flag(node, "enabled", true);
	iface->promiscuous = tree_flag(node, "promiscuous", false);
	iface->icmp_errors = tree_flag(node, "icmp-errors", true);
	iface->realm = read_realm(tree_text(node, "realm"));
	iface->validation = read_validation(tree_text(node, "source-validation"));
	iface->vlan = (uint16_t)tree_number(node, "vlan", 0);
	iface->mac_text = tree_text(node, "mac-address");
	iface->mac_valid = parse_mac(iface->mac_text, &iface->mac);
	iface->has_ipv4 = !ipv4 || tree_flag(ipv4, "enabled", true);
	iface->forwarding = !ipv4 || tree_flag(ipv4, "forwarding", true);
	iface->forwarding6 = ipv6 && tree_flag(ipv6, "forwarding", true);
	iface->mtu = (uint16_t)tree_number(ipv4, "mtu", 1500);
	iface->mtu6 = tree_number(ipv6, "mtu", 1500);
	iface->addr = read_array(config, tree_count(ipv4, "address") + tree_count(ipv6, "address"),
		sizeof(*iface->addr));
	iface->neighbour =
		read_array(config, tree_count(ipv4, "neighbor") + tree_count(ipv6, "neighbor"),
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

// The static routes of one protocol instance and IP version.
static void read_family(const struct lyd_node *protocol, const char *family, struct config *config)
{
	const struct lyd_node *routes = tree_child(tree_child(protocol, "static-routes"), family);

	for (const struct lyd_node *n = tree_child(routes, "route"); n && config->route;
		n = tree_next(n))
		read_route(n, &config->route[config->routes++]);
}

static void read_routes(const struct lyd_node *routing, struct config *config)
{
	const struct lyd_node *protocols = tree_child(routing, "control-plane-protocols");
	unsigned total = 0;

	for (const struct lyd_node *p = tree_child(protocols, "control-plane-protocol"); p;
		p = tree_next(p)) {
		const struct lyd_node *routes = tree_child(p, "static-routes");

		total += tree_count(tree_child(routes, "ipv4"), "route") +
			tree_count(tree_child(routes, "ipv6"), "route");
	}
	config->route = read_array(config, total, sizeof(*config->route));
	for (const struct lyd_node *p = tree_child(protocols, "control-plane-protocol"); p;
		p = tree_next(p)) {
		read_family(p, "ipv4", config);
		read_family(p, "ipv6", config);
	}
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

struct ipprefix *read_plain_prefixes(
	struct config *config, const struct lyd_node *node, const char *name, unsigned *count)
{
	struct ipprefix *prefix = read_list(config, node, name, sizeof(*prefix), count);
	unsigned i = 0;

	for (const struct lyd_node *n = tree_child(node, name); i < *count; n = tree_next(n))
		ipprefix_parse(tree_value(n), &prefix[i++], NULL);
	return prefix;
}

static struct config_reassembly read_reassembly(const struct lyd_node *node)
{
	return (struct config_reassembly){
		.max_datagrams = tree_number(node, "max-datagrams", 1024),
		.max_waiting = tree_number(node, "max-waiting", 512),
		.max_each = (uint8_t)tree_number(node, "max-each", 64),
		.max_datagrams_each_source =
			(uint16_t)tree_number(node, "max-datagrams-each-source", 16),
		.source_length = (uint8_t)tree_number(node, "source-length", 56),
		.timeout = (uint16_t)tree_number(node, "timeout", 60),
		.notify_usage = (uint8_t)tree_number(node, "notify-usage", 80),
	};
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
		read_list(config, node, "eal-option", sizeof(*p->eal_option), &p->eal_options);
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
	p->max_aliases = tree_number(node, "max-aliases", 65536);
	p->max_port_sets = tree_number(node, "max-port-sets", 65536);
	p->max_neighbours = tree_number(node, "max-neighbours", 4096);
	p->max_held_syns = tree_number(node, "max-held-syns", 1024);
	p->max_datagrams = tree_number(fragments, "max-datagrams", 4096);
	p->max_waiting_fragments = tree_number(fragments, "max-waiting", 1024);
	p->max_fragments_each = (uint16_t)tree_number(fragments, "max-each", 64);
	p->max_datagrams_each_source =
		(uint16_t)tree_number(fragments, "max-datagrams-each-source", 64);
	p->reassembly = read_reassembly(tree_child(node, "reassembly"));
}

static void read_homeport(const struct lyd_node *node, struct config *config)
{
	const struct lyd_node *dots = tree_child(node, "dots");
	const struct lyd_node *resolve = tree_child(node, "resolve");

	read_platform(config, tree_child(node, "platform"));
	read_management(config, tree_child(node, "management"));
	read_native(config, tree_child(node, "ipv6"));
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
	read_upstreams(config, tree_child(dots, "server"));
	read_homes(config, tree_child(dots, "client"));
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

	if (!config)
		return NULL;
	config->folder = folder ? strdup(folder) : NULL;
	config->whole = !folder || config->folder;
	config->iface = read_array(config, tree_count(ifaces, "interface"), sizeof(*config->iface));
	for (const struct lyd_node *n = tree_child(ifaces, "interface"); n && config->iface;
		n = tree_next(n)) {
		if (!aftr_is(n))
			read_iface(config, n, &config->iface[config->ifaces++]);
	}
	read_aftrs(config, ifaces);
	read_routes(top(tree, "routing"), config);
	read_nat(config, top(tree, "nat"));
	read_relays(config, top(tree, "br-instances"));
	read_homeport(top(tree, "homeport"), config);
	if (!config->whole) {
		conf_free(config);
		return NULL;
	}
	config->tree = tree;
	return config;
}

void conf_free(struct config *config)
{
	if (!config)
		return;
	for (unsigned i = 0; i < config->ifaces; i++) {
		free(config->iface[i].addr);
		free(config->iface[i].neighbour);
	}
	free_aftrs(config);
	free_nat(config);
	free_relays(config);
	free_upstreams(config);
	free_homes(config);
	free(config->platform.eal_option);
	free(config->route);
	free(config->network);
	free(config->iface);
	free(config->history_file);
	free(config->state_file);
	free(config->hook);
	free(config->folder);
	lyd_free_all(config->tree);
	free(config);
}
