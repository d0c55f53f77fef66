// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say about NAT64: which prefixes IPv4 addresses can be embedded in (RFC 6052 section 2.2), and
// that what is inside, what is outside and what stands for IPv4 are three things.

#include "conf/aftr.h"
#include "conf/check_nat.h"
#include "conf/nat64.h"

#include <string.h>

static bool is_well_known(const struct ipprefix *p)
{
	struct nat64pfx prefix = {.len = p->len};

	memcpy(prefix.bytes, p->addr.bytes, sizeof(prefix.bytes));
	return nat64pfx_is_well_known(&prefix);
}

// What is before 100::/8 is for special uses, of which NAT64 has one (RFC 6052, RFC 8215).
static bool is_unicast(const struct ipaddr *addr)
{
	if (!addr->bytes[0])
		return addr->bytes[1] == 0x64;
	return addr->bytes[0] < 0xfe;
}

void check_embedding_form(struct judge *j, const struct lyd_node *node, const char *leaf,
	const struct ipprefix *prefix)
{
	struct ipprefix well_known;
	char text[IPPREFIX_TEXT];

	ipprefix_format(prefix, text);
	ipprefix_parse("64:ff9b::/96", &well_known, NULL);
	if (!nat64pfx_is_length(prefix->len))
		judge_fault(j, node, leaf, "%s. Allowed: prefix lengths 32, 40, 48, 56, 64 and 96",
			text);
	else if (prefix->addr.bytes[NAT64PFX_U])
		judge_fault(j, node, leaf, "%s. Allowed: bits 64 to 71 are zero", text);
	else if (ipprefix_overlaps(prefix, &well_known) && !is_well_known(prefix))
		judge_fault(j, node, leaf,
			"%s overlaps the well-known prefix. Allowed: 64:ff9b::/96 itself, or a "
			"prefix of the operator's own",
			text);
	else if (!is_unicast(&prefix->addr))
		judge_fault(j, node, leaf, "%s. Allowed: unicast prefixes", text);
}

void check_embedding_place(struct judge *j, const struct config *config,
	const struct lyd_node *node, const char *leaf, const struct ipprefix *prefix)
{
	char text[IPPREFIX_TEXT];

	ipprefix_format(prefix, text);
	for (unsigned i = 0; i < config->ifaces; i++) {
		for (unsigned k = 0; k < config->iface[i].addrs; k++) {
			const struct config_addr *a = &config->iface[i].addr[k];
			struct ipprefix net = ipprefix_make(&a->addr, a->len);

			if (ipprefix_overlaps(prefix, &net))
				judge_fault(j, node, leaf,
					"%s overlaps the network of interface %s. Allowed: a "
					"prefix that is on no link",
					text, config->iface[i].name);
		}
	}
	for (unsigned i = 0; i < config->routes; i++) {
		const struct ipprefix *to = &config->route[i].destination;

		if (ipprefix_covers(to, prefix) && to->len == prefix->len)
			judge_fault(j, config->route[i].node, "destination-prefix",
				"%s is a %s. Allowed: other destinations", text, leaf);
	}
}

struct place {
	const struct config_instance *instance;
	const struct config_policy *policy;
	unsigned at;
};

// Whether two prefixes may both be there: the same one in two policies of an instance, which have each its own
// subscribers, or two that have nothing in common.
static bool may_stand_together(const struct place *a, const struct place *b)
{
	const struct ipprefix *p = &a->policy->nat64_prefix[a->at].prefix;
	const struct ipprefix *q = &b->policy->nat64_prefix[b->at].prefix;

	if (!ipprefix_overlaps(p, q))
		return true;
	return a->instance == b->instance && a->policy != b->policy && p->len == q->len;
}

// Compares a prefix with those before it.
static void check_others(struct judge *j, const struct config *config, const struct place *place)
{
	char text[IPPREFIX_TEXT];

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->policies; k++) {
			const struct config_policy *policy = &instance->policy[k];

			for (unsigned n = 0; n < policy->nat64_prefixes; n++) {
				struct place other = {instance, policy, n};

				if (policy == place->policy && n == place->at)
					return;
				if (may_stand_together(&other, place))
					continue;
				judge_fault(j, place->policy->nat64_prefix[place->at].node,
					"nat64-prefix",
					"%s overlaps another nat64-prefix. Allowed: the same "
					"prefix in other policies of the instance alone",
					ipprefix_format(
						&place->policy->nat64_prefix[place->at].prefix,
						text));
				return;
			}
		}
	}
}

// An IPv4 destination is seen behind one prefix.
static void check_destinations(struct judge *j, const struct config_policy *p, unsigned at)
{
	const struct config_nat64_prefix *mine = &p->nat64_prefix[at];
	char text[IPPREFIX_TEXT];
	unsigned general = 0;

	for (unsigned i = 0; i <= at; i++)
		general += !p->nat64_prefix[i].destinations;
	if (!mine->destinations && general > 1)
		judge_fault(j, mine->node, "destination-ipv4-prefix",
			"missing. Allowed: one prefix of a policy without destinations");
	for (unsigned k = 0; k < mine->destinations; k++) {
		for (unsigned i = 0; i < at; i++) {
			const struct config_nat64_prefix *other = &p->nat64_prefix[i];

			for (unsigned n = 0; n < other->destinations; n++) {
				const struct ipprefix *a = &mine->destination[k].prefix;
				const struct ipprefix *b = &other->destination[n].prefix;

				if (a->len == b->len && ipprefix_overlaps(a, b))
					judge_fault(j, mine->destination[k].node, "ipv4-prefix",
						"%s stands with two prefixes. Allowed: with one",
						ipprefix_format(a, text));
			}
		}
	}
}

static void refuse(struct judge *j, const struct config_policy *p, const char *leaf, bool there,
	const char *type)
{
	if (there)
		judge_fault(j, p->node, leaf, "set. Allowed: with type ietf-nat:%s alone", type);
}

static void check_policy(struct judge *j, const struct config *config,
	const struct config_instance *instance, const struct config_policy *p)
{
	char text[IPPREFIX_TEXT];

	refuse(j, p, "homeport:deterministic", p->deterministic, "napt44");
	refuse(j, p, "homeport:portless-protocols", p->portless, "napt44");
	if (p->reset_strays)
		judge_fault(j, p->node, "homeport:stray-segments",
			"reset. Allowed: drop, with type ietf-nat:nat64");
	if (p->has_subscriber_mask && !p->subscriber_mask)
		judge_fault(j, p->node, "subscriber-mask-v6", "0. Allowed: 1 to 128");
	for (unsigned i = 0; i < p->nat64_prefixes; i++) {
		const struct ipprefix *prefix = &p->nat64_prefix[i].prefix;

		check_embedding_form(j, p->nat64_prefix[i].node, "nat64-prefix", prefix);
		check_embedding_place(j, config, p->nat64_prefix[i].node, "nat64-prefix", prefix);
		check_others(j, config, &(struct place){instance, p, i});
		check_destinations(j, p, i);
		for (unsigned k = 0; k < p->matches; k++) {
			if (ipprefix_overlaps(prefix, &p->match[k].prefix))
				judge_fault(j, p->match[k].node, "subnet",
					"%s overlaps a nat64-prefix. Allowed: prefixes of hosts",
					ipprefix_format(&p->match[k].prefix, text));
		}
	}
}

void check_nat64(struct judge *j, const struct config *config)
{
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->policies; k++) {
			const struct config_policy *p = &instance->policy[k];

			if (nat64_is(instance)) {
				check_policy(j, config, instance, p);
				continue;
			}
			refuse(j, p, "nat64-prefixes", p->nat64_prefixes, "nat64");
			if (p->has_subscriber_mask && !instance_is_dslite(instance))
				judge_fault(j, p->node, "subscriber-mask-v6",
					"set. Allowed: where inside sources are IPv6");
			refuse(j, p, "homeport:lowest-ipv6-mtu", p->lowest_mtu6, "nat64");
		}
		if (instance->enabled && nat64_is(instance) && instance->pass_throughs)
			judge_fault(j, instance->node, "nat-pass-through",
				"set. Allowed: with type ietf-nat:napt44 alone");
	}
}
