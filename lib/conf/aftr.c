// SPDX-License-Identifier: BSD-3-Clause

#include "conf/aftr.h"

#include "base/bits.h"
#include "conf/nat64.h"
#include "conf/read.h"
#include "conf/tree.h"

#include <stdlib.h>
#include <string.h>

#define SUBSCRIBER_LEN 56 // of whom nothing else is said

bool aftr_is(const struct lyd_node *iface)
{
	const char *type = tree_text(iface, "type");

	return type && !strcmp(type, "homeport:dslite-aftr");
}

// RFC 6333 section 11, RFC 1918
static void set_usual_inners(struct config *config, struct config_aftr *aftr)
{
	static const char *const usual[] = {
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "192.0.0.0/29"};

	free(aftr->inner);
	aftr->inner = read_array(config, ARRAY_LEN(usual), sizeof(*aftr->inner));
	for (unsigned i = 0; aftr->inner && i < ARRAY_LEN(usual); i++)
		ipprefix_parse(usual[i], &aftr->inner[aftr->inners++], NULL);
}

static void read_aftr(struct config *config, const struct lyd_node *node, struct config_aftr *aftr)
{
	const char *addr6 = tree_text(node, "ipv6-address"),
		   *addr4 = tree_text(node, "ipv4-address");

	aftr->node = node;
	aftr->enabled = tree_flag(node, "enabled", true);
	aftr->has_addr6 = addr6 && !ipaddr_parse(addr6, &aftr->addr6);
	// RFC 6333 section 5.7
	ipaddr_parse(addr4 ? addr4 : "192.0.0.1", &aftr->addr4);
	aftr->mtu = tree_number(node, "tunnel-mtu", 0);
	aftr->has_mtu = tree_child(node, "tunnel-mtu") != NULL;
	// RFC 6908 section 2.10
	aftr->uniform = tree_flag(node, "v6-v4-dscp-preservation", true);
	aftr->instance = tree_number(node, "nat-instance", 0);
	aftr->hop_limit = (uint8_t)tree_number(node, "tunnel-hop-limit", 64);
	aftr->despite_df = tree_flag(node, "fragment-despite-df", false);
	aftr->inner = read_plain_prefixes(config, node, "inner-source", &aftr->inners);
	if (!aftr->inners)
		set_usual_inners(config, aftr);
}

void read_aftrs(struct config *config, const struct lyd_node *ifaces)
{
	unsigned n = 0;

	for (const struct lyd_node *node = tree_child(ifaces, "interface"); node;
		node = tree_next(node))
		n += aftr_is(node);
	config->aftr = read_array(config, n, sizeof(*config->aftr));
	for (const struct lyd_node *node = tree_child(ifaces, "interface"); node && config->aftr;
		node = tree_next(node)) {
		if (aftr_is(node))
			read_aftr(config, node, &config->aftr[config->aftrs++]);
	}
}

void free_aftrs(struct config *config)
{
	for (unsigned i = 0; i < config->aftrs; i++)
		free(config->aftr[i].inner);
	free(config->aftr);
}

void read_softwires(const struct lyd_node *node, struct config_softwires *softwires)
{
	const struct lyd_node *clamping = tree_child(node, "mss-clamping");

	*softwires = (struct config_softwires){
		.each_subscriber = (uint8_t)tree_number(node, "max-softwires-per-subscriber", 1),
		.migrate = tree_flag(node, "state-migrate", true),
		.change_limit = tree_number(node, "b4-address-change-limit", 1800),
		.has_mss = tree_child(clamping, "mss-value") != NULL,
		.mss = (uint16_t)tree_number(clamping, "mss-value", 0),
		.clamps = tree_flag(clamping, "enable", false),
		.has_clamps = tree_child(clamping, "enable") != NULL,
	};
}

bool instance_is_dslite(const struct config_instance *instance)
{
	return instance->enabled && instance->binding && !strcmp(instance->binding, "dslite") &&
		!nat64_is(instance);
}

uint8_t subscriber_len(const struct config_policy *policy)
{
	return policy->has_subscriber_mask ? policy->subscriber_mask : SUBSCRIBER_LEN;
}

unsigned aftr_instances(const struct config *config)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->instances; i++)
		count += instance_is_dslite(&config->instance[i]);
	return count;
}

const struct config_instance *aftr_instance(
	const struct config *config, const struct config_aftr *aftr)
{
	const struct config_instance *found = NULL;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		if (instance_is_dslite(instance) &&
			(!aftr->instance || instance->id == aftr->instance))
			found = instance;
	}
	return aftr->instance || aftr_instances(config) == 1 ? found : NULL;
}
