// SPDX-License-Identifier: BSD-3-Clause

#include "conf/upstreams.h"

#include "conf/check_nat.h"
#include "conf/judge.h"
#include "conf/native.h"
#include "conf/read.h"
#include "conf/tree.h"

#include <libyang/libyang.h>
#include <rte_ether.h>

#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------ reading

static struct config_measure read_measure(const struct lyd_node *node)
{
	return (struct config_measure){
		.action = tree_text(node, "action"),
		.rate = tree_number(node, "rate", 0),
	};
}

// The ports of the target; without any, all.
static void read_ports(const struct lyd_node *node, uint16_t *lower, uint16_t *upper)
{
	*lower = (uint16_t)tree_number(node, "lower-port", 0);
	*upper = (uint16_t)tree_number(
		node, "upper-port", tree_child(node, "lower-port") ? *lower : UINT16_MAX);
}

static void read_class(struct config *config, const struct lyd_node *node, struct config_class *c)
{
	unsigned i = 0;

	c->node = node;
	c->target = read_plain_prefixes(config, node, "target-prefix", &c->targets);
	c->protocol = read_list(config, node, "protocol", sizeof(*c->protocol), &c->protocols);
	for (const struct lyd_node *n = tree_child(node, "protocol"); i < c->protocols;
		n = tree_next(n))
		c->protocol[i++] = (uint8_t)atoi(tree_value(n));
	read_ports(node, &c->lower_port, &c->upper_port);
	c->measure = read_measure(node);
}

static void read_upstream(
	struct config *config, const struct lyd_node *node, struct config_upstream *u)
{
	struct ipaddr ignored;
	unsigned i = 0;

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
	u->measure = read_measure(node);
	u->class = read_list(config, node, "class", sizeof(*u->class), &u->classes);
	for (const struct lyd_node *n = tree_child(node, "class"); i < u->classes; n = tree_next(n))
		read_class(config, n, &u->class[i++]);
	u->max_rules = tree_number(node, "max-rules", 0);
	u->max_affected = tree_number(node, "max-affected-subscribers", 1024);
	u->max_packets = tree_number(node, "max-packet-rate", 0);
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
	read_ports(node, &a->lower_port, &a->upper_port);
}

static void read_inspect(struct config *config, const struct lyd_node *node)
{
	struct config_inspect *in = &config->inspect;
	const struct lyd_node *port = tree_child(node, "capture-port");

	in->node = node;
	in->packets = tree_number(node, "packets-per-second", 1000);
	in->octets = tree_number(node, "octets-per-second", 0);
	in->flows = tree_number(node, "flows", 0);
	in->window = (uint16_t)tree_number(node, "window", 10);
	in->time = tree_number(node, "time", 60);
	in->measure = read_measure(node);
	in->act = node && !strcmp(tree_text(node, "when-confirmed"), "act");
	in->reject = node && !strcmp(tree_text(node, "when-cleared"), "reject");
	in->copy_rate = tree_number(node, "max-copy-rate", 1000);
	in->capture_file = read_path(config, tree_text(node, "capture-file"));
	in->capture_size = tree_number(node, "capture-size", 64);
	in->capture_iface = tree_text(port, "interface");
	if (port)
		rte_ether_unformat_addr(tree_text(port, "link-layer-address"), &in->capture_mac);
}

static void read_address(const struct lyd_node *node, const char *leaf, struct ipaddr *addr)
{
	const char *text = tree_text(node, leaf);

	if (text)
		ipaddr_parse(text, addr);
}

void read_upstreams(struct config *config, const struct lyd_node *server)
{
	unsigned i = 0;

	config->upstream = read_list(
		config, server, "upstream", sizeof(*config->upstream), &config->upstreams);
	for (const struct lyd_node *n = tree_child(server, "upstream"); i < config->upstreams;
		n = tree_next(n))
		read_upstream(config, n, &config->upstream[i++]);
	read_inspect(config, tree_child(server, "inspect"));
	config->scrubber_node = tree_child(server, "scrubber");
	read_address(config->scrubber_node, "next-hop-address", &config->scrubber);
	read_address(config->scrubber_node, "ipv6-next-hop-address", &config->scrubber6);
	config->quarantine_allow =
		read_plain_prefixes(config, server, "quarantine-allow", &config->quarantine_allows);
	config->accept =
		read_list(config, server, "accept", sizeof(*config->accept), &config->accepts);
	i = 0;
	for (const struct lyd_node *n = tree_child(server, "accept"); i < config->accepts;
		n = tree_next(n))
		read_accept(config, n, &config->accept[i++]);
}

static void free_upstream(struct config_upstream *u)
{
	for (unsigned i = 0; i < u->classes; i++) {
		free(u->class[i].target);
		free(u->class[i].protocol);
	}
	free(u->class);
	free(u->certificate);
	free(u->private_key);
	free(u->ca);
	free(u->crl);
	free(u->psk_file);
	free(u->prefix);
}

void free_upstreams(struct config *config)
{
	for (unsigned i = 0; i < config->upstreams; i++)
		free_upstream(&config->upstream[i]);
	free(config->upstream);
	for (unsigned i = 0; i < config->accepts; i++) {
		free(config->accept[i].target);
		free(config->accept[i].subscriber);
	}
	free(config->accept);
	free(config->inspect.capture_file);
	free(config->quarantine_allow);
}

// ------------------------------------------------------------------ checking

static void check_measure(struct judge *j, const struct config *config, const struct lyd_node *node,
	const struct config_measure *m)
{
	if (!strcmp(m->action, "redirect") && !config->scrubber_node)
		judge_fault(j, node, "action",
			"redirect, but there is no scrubber. Allowed: with dots/server/scrubber");
	if (!strcmp(m->action, "rate-limit") != (m->rate != 0))
		judge_fault(j, node, "rate",
			"%u, with action %s. Allowed: 64 or more kbit/s with rate-limit, none with "
			"any other",
			m->rate, m->action);
}

static bool has_ports(uint8_t protocol)
{
	return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132;
}

static void check_class(struct judge *j, const struct config *config, const struct config_class *c)
{
	check_measure(j, config, c->node, &c->measure);
	for (unsigned i = 0; i < c->protocols && tree_child(c->node, "lower-port"); i++) {
		if (!has_ports(c->protocol[i]))
			judge_fault(j, c->node, "lower-port",
				"%u, but protocol %u has no ports. Allowed: with protocols 6, 17, "
				"33 and 132",
				c->lower_port, c->protocol[i]);
	}
}

static void check_upstream(
	struct judge *j, const struct config *config, const struct config_upstream *u)
{
	char text[IPPREFIX_TEXT];

	if (!strcmp(u->name, "operator"))
		judge_fault(j, u->node, "name",
			"operator is the name of the operator's own mitigations. Allowed: any "
			"other");
	check_measure(j, config, u->node, &u->measure);
	for (unsigned i = 0; i < u->classes; i++)
		check_class(j, config, &u->class[i]);
	if (!u->peer_name && !u->psk_file)
		judge_fault(j, u->node, "peer-name",
			"missing, and %s is no name. Allowed: the DNS name that its "
			"certificate must have",
			u->address);
	for (unsigned k = 0; k < u->prefixes; k++) {
		if (!check_is_outside(config, &u->prefix[k]) &&
			!check_is_native(config, &u->prefix[k]))
			judge_fault(j, u->node, "domain-prefix",
				"%s has no address of a pool, static mapping or softwire. "
				"Allowed: prefixes that have",
				ipprefix_format(&u->prefix[k], text));
	}
}

static void check_inspect(struct judge *j, const struct config *config)
{
	const struct config_inspect *in = &config->inspect;
	bool found = false;

	check_measure(j, config, in->node, &in->measure);
	if (!strcmp(in->measure.action, "inspect"))
		judge_fault(j, in->node, "action",
			"inspect, of what has been inspected. Allowed: any other; to go on "
			"inspecting set when-confirmed to keep");
	if (!in->capture_iface)
		return;
	for (unsigned i = 0; i < config->ifaces; i++)
		found |= config->iface[i].enabled &&
			!strcmp(config->iface[i].name, in->capture_iface);
	if (!found)
		judge_fault(j, in->node, "capture-port/interface",
			"%s is no interface that is enabled. Allowed: the name of one",
			in->capture_iface);
	if (!rte_is_valid_assigned_ether_addr(&in->capture_mac))
		judge_fault(j, in->node, "capture-port/link-layer-address",
			"%s. Allowed: a unicast address of six bytes",
			tree_text(tree_child(in->node, "capture-port"), "link-layer-address"));
}

static void check_accept(struct judge *j, const struct config_accept *a)
{
	if (!a->targets && !a->subscribers)
		judge_fault(j, a->node, "target-prefix",
			"missing, as is subscriber-prefix: everything would be legitimate. "
			"Allowed: one of them, or both");
	if (tree_child(a->node, "lower-port") && !has_ports(a->protocol))
		judge_fault(j, a->node, "lower-port",
			"%u, but the protocol has no ports. Allowed: with protocol 6, 17, 33 "
			"or 132",
			a->lower_port);
}

void check_upstreams(struct judge *j, const struct config *config)
{
	for (unsigned i = 0; i < config->upstreams; i++)
		check_upstream(j, config, &config->upstream[i]);
	if (config->inspect.node)
		check_inspect(j, config);
	for (unsigned i = 0; i < config->accepts; i++)
		check_accept(j, &config->accept[i]);
}
