// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say about DS-Lite: the ends of softwires, and what a NAT instance behind them has that others have
// not. RFC 8513 allows the leaves of one in all instances as soon as there is one.

#include "conf/aftr.h"
#include "conf/tree.h"

#include <string.h>

#define IPV6_MTU_MIN 1280 // RFC 8200 section 5
#define TUNNEL_MAX   9600 // what fits a buffer with the largest headers we add
#define MSS_MIN      88
#define MSS_MAX      65495

// What interfaces with a device have, and would have no effect here.
static void check_nothing_else(struct judge *j, const struct config_aftr *aftr)
{
	static const char *const others[] = {
		"device", "realm", "vlan", "mac-address", "host-device", "ipv4", "ipv6"};

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (tree_child(aftr->node, others[i]))
			judge_fault(j, aftr->node, others[i],
				"set. Allowed: on interfaces with a device, which an AFTR has not");
	}
}

static void check_addresses(
	struct judge *j, const struct config *config, const struct config_aftr *aftr)
{
	const uint8_t *bytes = aftr->addr6.bytes;
	uint8_t first = aftr->addr4.bytes[0];
	char text[IPADDR_TEXT];

	if (!aftr->has_addr6)
		judge_fault(j, aftr->node, "ietf-dslite:ipv6-address",
			"missing. Allowed: the address that B4s send to");
	else if (bytes[0] < 0x20 || bytes[0] >= 0xfe)
		judge_fault(j, aftr->node, "ietf-dslite:ipv6-address",
			"%s. Allowed: a unicast address that is not link-local",
			ipaddr_format(&aftr->addr6, text));
	for (unsigned i = 0; aftr->has_addr6 && i < config->ifaces; i++) {
		const struct config_iface *f = &config->iface[i];

		for (unsigned k = 0; k < f->addrs; k++) {
			if (!ipaddr_compare(&f->addr[k].addr, &aftr->addr6))
				judge_fault(j, aftr->node, "ietf-dslite:ipv6-address",
					"%s is that of interface %s. Allowed: an address that no "
					"interface has",
					ipaddr_format(&aftr->addr6, text), f->name);
		}
	}
	for (const struct config_aftr *other = config->aftr; other < aftr; other++) {
		if (aftr->has_addr6 && other->has_addr6 &&
			!ipaddr_compare(&other->addr6, &aftr->addr6))
			judge_fault(j, aftr->node, "ietf-dslite:ipv6-address",
				"%s stands twice. Allowed: an address of its own for each AFTR",
				ipaddr_format(&aftr->addr6, text));
	}
	if (!first || first == 127 || first >= 224)
		judge_fault(j, aftr->node, "ietf-dslite:ipv4-address",
			"%s. Allowed: a unicast address, such as 192.0.0.1",
			ipaddr_format(&aftr->addr4, text));
}

static void check_inner(struct judge *j, const struct config_aftr *aftr)
{
	char text[IPPREFIX_TEXT];

	for (unsigned i = 0; i < aftr->inners; i++) {
		uint8_t first = aftr->inner[i].addr.bytes[0];

		if (!first || first == 127 || first >= 224)
			judge_fault(j, aftr->node, "homeport:inner-source",
				"%s. Allowed: unicast addresses",
				ipprefix_format(&aftr->inner[i], text));
	}
}

static void check_instance(
	struct judge *j, const struct config *config, const struct config_aftr *aftr)
{
	if (aftr_instance(config, aftr))
		return;
	if (aftr->instance)
		judge_fault(j, aftr->node, "homeport:nat-instance",
			"%u. Allowed: the id of an enabled NAT instance with per-interface-binding "
			"dslite",
			aftr->instance);
	else
		judge_fault(j, aftr->node, "homeport:nat-instance",
			"missing, and %u NAT instances have per-interface-binding dslite. Allowed: "
			"the id of one",
			aftr_instances(config));
}

// What goes by an inside address that is one host's alone, or leaves it as it is.
static void check_nothing_whole(
	struct judge *j, const struct config_instance *instance, const struct config_policy *p)
{
	if (p->portless)
		judge_fault(j, p->node, "homeport:portless-protocols",
			"set. Allowed: where per-interface-binding is disabled");
	if (instance->pass_throughs)
		judge_fault(j, instance->node, "nat-pass-through",
			"set. Allowed: where per-interface-binding is disabled");
}

static void check_subscribers(struct judge *j, const struct config_policy *p)
{
	uint8_t len = subscriber_len(p);
	char text[IPPREFIX_TEXT];

	if (len < 16 || len > 128)
		judge_fault(j, p->node, "subscriber-mask-v6",
			"%u. Allowed: 16 to 128, how long the prefix of one subscriber is", len);
	for (unsigned i = 0; i < p->matches; i++) {
		if (p->match[i].prefix.len > len)
			judge_fault(j, p->match[i].node, "subnet",
				"%s. Allowed: prefixes no longer than subscriber-mask-v6, %u",
				ipprefix_format(&p->match[i].prefix, text), len);
	}
	if (p->deterministic)
		judge_fault(j, p->node, "homeport:deterministic",
			"set. Allowed: where inside sources are IPv4");
}

static void check_policy(
	struct judge *j, const struct config_instance *instance, const struct config_policy *p)
{
	static const char *const leaves[] = {"max-softwires-per-subscriber", "state-migrate",
		"b4-address-change-limit", "mss-clamping"};
	const struct config_softwires *s = &p->softwires;

	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		const struct lyd_node *leaf = tree_child(p->node, leaves[i]);

		if (leaf && !tree_is_default(leaf) && !instance_is_dslite(instance))
			judge_fault(j, p->node, leaves[i],
				"set. Allowed: where per-interface-binding is dslite");
	}
	if (!instance_is_dslite(instance))
		return;
	check_nothing_whole(j, instance, p);
	check_subscribers(j, p);
	if (!s->each_subscriber)
		judge_fault(j, p->node, "ietf-dslite:max-softwires-per-subscriber",
			"0. Allowed: 1 to 255");
	if (s->change_limit > INT32_MAX / 100)
		judge_fault(j, p->node, "ietf-dslite:b4-address-change-limit",
			"%u. Allowed: 0 to %d seconds", s->change_limit, INT32_MAX / 100);
	if (s->clamps && (s->mss < MSS_MIN || s->mss > MSS_MAX))
		judge_fault(j, p->node, "ietf-dslite:mss-clamping/mss-value",
			"%u. Allowed with enable: %d to %d", s->mss, MSS_MIN, MSS_MAX);
	if (s->has_mss && !s->has_clamps)
		judge_fault(j, p->node, "ietf-dslite:mss-clamping/enable",
			"missing. Allowed beside mss-value: true or false");
	if (s->clamps && p->mss)
		judge_fault(j, p->node, "homeport:mss-limit",
			"set, as is ietf-dslite:mss-clamping. Allowed: one of them");
}

void check_aftrs(struct judge *j, const struct config *config)
{
	for (unsigned i = 0; i < config->aftrs; i++) {
		const struct config_aftr *aftr = &config->aftr[i];

		check_nothing_else(j, aftr);
		check_addresses(j, config, aftr);
		check_inner(j, aftr);
		check_instance(j, config, aftr);
		if (aftr->has_mtu && (aftr->mtu < IPV6_MTU_MIN || aftr->mtu > TUNNEL_MAX))
			judge_fault(j, aftr->node, "ietf-dslite:tunnel-mtu",
				"%u. Allowed: %d to %d", aftr->mtu, IPV6_MTU_MIN, TUNNEL_MAX);
	}
	if (config->aftrs > AFTR_MAX)
		judge_text(j, "/ietf-interfaces:interfaces: %u AFTRs. Allowed: up to %d",
			config->aftrs, AFTR_MAX);
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->policies; k++)
			check_policy(j, instance, &instance->policy[k]);
	}
}
