// SPDX-License-Identifier: BSD-3-Clause

#include "conf/native.h"

#include "conf/read.h"
#include "conf/tree.h"

#include <errno.h>
#include <stdlib.h>

#define NETWORKS_MAX 1024

void read_native(struct config *config, const struct lyd_node *node)
{
	unsigned i = 0;

	config->network = read_list(
		config, node, "subscriber-network", sizeof(*config->network), &config->networks);
	for (const struct lyd_node *n = tree_child(node, "subscriber-network");
		i < config->networks; n = tree_next(n), i++) {
		struct config_network *network = &config->network[i];

		network->node = n;
		ipprefix_parse(tree_text(n, "prefix"), &network->prefix, NULL);
		network->len = (uint8_t)tree_number(n, "subscriber-length", 0);
	}
}

static void check_network(struct judge *j, const struct config *config, unsigned at)
{
	const struct config_network *n = &config->network[at];
	char text[IPPREFIX_TEXT], other[IPPREFIX_TEXT];

	ipprefix_format(&n->prefix, text);
	if (n->len < n->prefix.len)
		judge_fault(j, n->node, "subscriber-length", "%u. Allowed: %u to 128", n->len,
			n->prefix.len);
	for (unsigned i = 0; i < at; i++) {
		if (ipprefix_overlaps(&config->network[i].prefix, &n->prefix))
			judge_fault(j, n->node, "prefix",
				"%s overlaps %s. Allowed: networks that have no address in common",
				text, ipprefix_format(&config->network[i].prefix, other));
	}
}

void check_native(struct judge *j, const struct config *config)
{
	if (config->networks > NETWORKS_MAX)
		judge_text(j,
			"/homeport:homeport/ipv6/subscriber-network: %u networks. Allowed: up to %d",
			config->networks, NETWORKS_MAX);
	for (unsigned i = 0; i < config->networks; i++)
		check_network(j, config, i);
}

const struct config_network *native_network_of(
	const struct config *config, const struct ipaddr *addr)
{
	for (unsigned i = 0; i < config->networks; i++) {
		if (ipprefix_has(&config->network[i].prefix, addr))
			return &config->network[i];
	}
	return NULL;
}

bool check_is_native(const struct config *config, const struct ipprefix *prefix)
{
	for (unsigned i = 0; i < config->networks; i++) {
		if (ipprefix_overlaps(&config->network[i].prefix, prefix))
			return true;
	}
	return false;
}

int build_native(struct snapshot *s, const struct config *config)
{
	s->network = calloc(config->networks + 1, sizeof(*s->network));
	if (!s->network)
		return -ENOMEM;
	for (unsigned i = 0; i < config->networks; i++)
		s->network[s->networks++] = (struct subscriber_network){
			config->network[i].prefix, config->network[i].len};
	return 0;
}
