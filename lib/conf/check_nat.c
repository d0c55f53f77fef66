// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say, part two: NAT instances, pools, policies, static mappings. Timer floors are those
// of the RFCs (RFC 4787 REQ-5, RFC 5382 REQ-5, RFC 5508 REQ-2).

#include "conf/check_nat.h"

#include "conf/aftr.h"
#include "conf/check_ports.h"
#include "conf/check_softwire.h"
#include "conf/nat64.h"
#include "conf/statics.h"
#include "net/l4.h"

#include <string.h>

#define POOL_LEN_MIN 16 // a pool prefix has at most 65536 addresses
#define PORT_SYSTEM  1023

static void check_timers(struct judge *j, const struct config_policy *p)
{
	check_seconds(j, p, "timers/udp-timeout", p->udp_timeout, 120);
	check_seconds(j, p, "timers/tcp-idle-timeout", p->tcp_idle_timeout, 7440);
	check_seconds(j, p, "timers/tcp-trans-open-timeout", p->tcp_trans_open_timeout, 4);
	check_seconds(j, p, "timers/tcp-trans-close-timeout", p->tcp_trans_close_timeout, 4);
	check_seconds(j, p, "timers/tcp-in-syn-timeout", p->tcp_in_syn_timeout, 6);
	// RFC 5597 REQ-5
	check_seconds(j, p, "homeport:dccp-idle-timeout", p->dccp_idle_timeout, 7440);
	check_seconds(j, p, "homeport:dccp-trans-timeout", p->dccp_trans_timeout, 240);
	check_seconds(j, p, "timers/icmp-timeout", p->icmp_timeout, 60);
	check_seconds(j, p, "timers/hold-down-timeout", p->hold_down_timeout, 0);
	// RFC 6146 section 4; and no datagram lives longer than its time to live can say (RFC 791)
	if (p->fragment_timeout < 2 || p->fragment_timeout > 255)
		judge_fault(j, p->node, "timers/fragment-min-timeout",
			"%u. Allowed: 2 to 255 seconds", p->fragment_timeout);
	for (unsigned i = 0; i < p->port_timeouts; i++) {
		const struct config_port_timeout *t = &p->port_timeout[i];
		bool udp = t->protocol == PROTOCOL_UDP;
		uint32_t whole = udp ? p->udp_timeout : p->tcp_idle_timeout;

		if (t->has_protocol && !udp && t->protocol != PROTOCOL_TCP)
			judge_fault(j, t->node, "protocol", "%u. Allowed: 6, 17, or none for both",
				t->protocol);
		// RFC 4787 REQ-5a: shorter only for the ports of well-known services
		if (t->port > PORT_SYSTEM)
			judge_fault(j, t->node, "port-number", "%u. Allowed: 0 to %d", t->port,
				PORT_SYSTEM);
		if (t->seconds < 1 || t->seconds > whole)
			judge_fault(j, t->node, "timeout", "%u. Allowed: 1 to %u seconds",
				t->seconds, whole);
	}
}

// eim and eif, adm and adf, edm and edf: what of the remote a mapping or a filter goes by.
static unsigned dependence(const char *type)
{
	if (!type || !strncmp(type, "ei", 2))
		return 0;
	return strncmp(type, "ad", 2) ? 2 : 1;
}

// An outside port that stands for one remote has nothing to offer to others.
static void check_filtering(struct judge *j, const struct config_policy *p)
{
	static const char *const allowed[] = {"eif, adf, edf", "adf, edf", "edf"};
	const char *mapping = p->mapping_type ? p->mapping_type : "eim";
	unsigned least = dependence(mapping);

	if (dependence(p->filtering_type) < least)
		judge_fault(j, p->node, "filtering-type", "%s. Allowed with mapping-type %s: %s",
			p->filtering_type ? p->filtering_type : "missing", mapping, allowed[least]);
	for (unsigned i = 0; i < p->filterings; i++) {
		const struct config_filtering *f = &p->filtering[i];

		if (l4_of(f->protocol) == L4_COUNT)
			judge_fault(j, f->node, "protocol-id", "%u. Allowed: 1, 6, 17, 33",
				f->protocol);
		if (dependence(f->type) < least)
			judge_fault(j, f->node, "filtering-type",
				"%s. Allowed with mapping-type %s: %s", f->type, mapping,
				allowed[least]);
	}
}

static void check_external(
	struct judge *j, const struct config *config, const struct config_policy *p)
{
	for (unsigned i = 0; p->external_iface && i < config->ifaces; i++) {
		const struct config_iface *f = &config->iface[i];

		if (!strcmp(f->name, p->external_iface) && !(f->realm & REALM_EXTERNAL))
			judge_fault(j, p->node, "external-realm/external-interface",
				"%s has homeport:realm internal. Allowed: an interface that is "
				"external or both",
				f->name);
	}
}

// Calls fn with every policy of an enabled instance that comes before `end` (NULL: all).
static bool any_policy(const struct config *config, const struct config_policy *end,
	bool (*fn)(const struct config_policy *policy, const void *arg), const void *arg)
{
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->policies; k++) {
			if (&instance->policy[k] == end)
				return false;
			if (fn(&instance->policy[k], arg))
				return true;
		}
	}
	return false;
}

static bool pool_overlaps(const struct config_policy *policy, const void *prefix)
{
	for (unsigned i = 0; i < policy->pools; i++) {
		if (ipprefix_overlaps(&policy->pool[i].prefix, prefix))
			return true;
	}
	return false;
}

static bool match_is(const struct config_policy *policy, const void *prefix)
{
	const struct ipprefix *p = prefix;

	for (unsigned i = 0; i < policy->matches; i++) {
		if (policy->match[i].prefix.len == p->len &&
			ipprefix_overlaps(&policy->match[i].prefix, p))
			return true;
	}
	return false;
}

bool check_is_own_address(const struct config *config, const struct ipprefix *prefix)
{
	for (unsigned i = 0; i < config->ifaces; i++) {
		for (unsigned k = 0; k < config->iface[i].addrs; k++) {
			if (ipprefix_has(prefix, &config->iface[i].addr[k].addr))
				return true;
		}
	}
	return false;
}

static void check_pool(
	struct judge *j, const struct config *config, const struct config_policy *p, unsigned at)
{
	const struct config_match *pool = &p->pool[at];
	uint8_t first = pool->prefix.addr.bytes[0];
	char text[IPPREFIX_TEXT];
	bool twice = any_policy(config, p, pool_overlaps, &pool->prefix);

	ipprefix_format(&pool->prefix, text);
	for (unsigned i = 0; i < at; i++)
		twice |= ipprefix_overlaps(&p->pool[i].prefix, &pool->prefix);
	if (pool->prefix.len < POOL_LEN_MIN)
		judge_fault(j, pool->node, "external-ip-pool",
			"%s. Allowed: prefix lengths %d to 32", text, POOL_LEN_MIN);
	else if (!first || first == 127 || first >= 224)
		judge_fault(
			j, pool->node, "external-ip-pool", "%s. Allowed: unicast addresses", text);
	if (twice)
		judge_fault(j, pool->node, "external-ip-pool",
			"%s overlaps another pool. Allowed: an address in one pool only", text);
	if (check_is_own_address(config, &pool->prefix))
		judge_fault(j, pool->node, "external-ip-pool",
			"%s has an address of an interface in it. Allowed: addresses that no "
			"interface has",
			text);
}

static void check_match(struct judge *j, const struct config *config, bool inside6,
	const struct config_policy *p, unsigned at)
{
	const struct config_match *match = &p->match[at];
	char text[IPPREFIX_TEXT];
	bool twice = any_policy(config, p, match_is, &match->prefix);

	ipprefix_format(&match->prefix, text);
	for (unsigned i = 0; i < at; i++)
		twice |= p->match[i].prefix.len == match->prefix.len &&
			ipprefix_overlaps(&p->match[i].prefix, &match->prefix);
	if (match->prefix.addr.family != (inside6 ? 6 : 4))
		judge_fault(j, match->node, "subnet", "%s. Allowed: IPv%d prefixes", text,
			inside6 ? 6 : 4);
	if (twice)
		judge_fault(j, match->node, "subnet",
			"%s stands twice. Allowed: a prefix in one policy only", text);
	if (any_policy(config, NULL, pool_overlaps, &match->prefix))
		judge_fault(j, match->node, "subnet",
			"%s overlaps an external pool. Allowed: inside addresses", text);
}

static void check_pool_notify(struct judge *j, const struct config_policy *p)
{
	const struct config_pool_notify *n = &p->pool_notify;
	bool found = !n->has_pool;

	for (unsigned i = 0; i < p->pools; i++)
		found |= p->pool[i].id == n->pool;
	if (!found)
		judge_fault(j, n->node, "pool-id",
			"%u. Allowed: the pool-id of an external-ip-address-pool of the policy",
			n->pool);
}

static void check_policy(
	struct judge *j, const struct config *config, bool inside6, const struct config_policy *p)
{
	if (!p->pools)
		judge_fault(j, p->node, "external-ip-address-pool",
			"missing. Allowed: at least one pool");
	if (!p->matches)
		judge_fault(j, p->node, "subscriber-match",
			"missing. Allowed: at least one prefix of inside addresses");
	for (unsigned i = 0; i < p->pools; i++)
		check_pool(j, config, p, i);
	for (unsigned i = 0; i < p->matches; i++)
		check_match(j, config, inside6, p, i);
	for (unsigned i = 0; i < p->protocols; i++) {
		if (l4_of(p->protocol[i]) == L4_COUNT)
			judge_fault(j, p->node, "transport-protocols", "%u. Allowed: 1, 6, 17, 33",
				p->protocol[i]);
	}
	check_filtering(j, p);
	check_ports(j, config, p);
	check_timers(j, p);
	check_external(j, config, p);
	check_pool_notify(j, p);
}

#define PASS_THROUGH_MAX 64

static void check_pass_through(
	struct judge *j, const struct config *config, const struct config_pass_through *p)
{
	char text[IPPREFIX_TEXT];

	ipprefix_format(&p->prefix, text);
	if (p->prefix.addr.family != 4 || p->prefix.addr.bytes[0] == 127 ||
		p->prefix.addr.bytes[0] >= 224)
		judge_fault(j, p->node, "prefix", "%s. Allowed: IPv4 prefixes of unicast addresses",
			text);
	else if (check_is_outside(config, &p->prefix))
		judge_fault(j, p->node, "prefix",
			"%s has an outside address in it. Allowed: destinations that are no "
			"pool's and no static mapping's",
			text);
	if (p->has_port && !p->port)
		judge_fault(j, p->node, "port", "0. Allowed: 1 to 65535, or none for all traffic");
}

static void check_pass_throughs(
	struct judge *j, const struct config *config, const struct config_instance *instance)
{
	if (instance->pass_throughs > PASS_THROUGH_MAX)
		judge_fault(j, instance->node, "nat-pass-through", "%u entries. Allowed: up to %d",
			instance->pass_throughs, PASS_THROUGH_MAX);
	for (unsigned i = 0; i < instance->pass_throughs; i++)
		check_pass_through(j, config, &instance->pass_through[i]);
}

static void check_limits(struct judge *j, const struct config_limits *limits)
{
	for (unsigned i = 0; i < limits->protocols; i++) {
		const struct config_limit *l = &limits->protocol[i];

		if (l4_of(l->protocol) == L4_COUNT)
			judge_fault(
				j, l->node, "protocol-id", "%u. Allowed: 1, 6, 17", l->protocol);
		if (!l->has_limit)
			judge_fault(j, l->node, "limit", "missing. Allowed: 0 to 4294967295");
	}
}

void check_nat(struct judge *j, const struct config *config)
{
	unsigned policies = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		if (!instance->enabled)
			continue;
		policies += instance->policies;
		if (!nat64_is(instance) && (!instance->type || !strstr(instance->type, "napt44")))
			judge_fault(j, instance->node, "type",
				"%s. Allowed: ietf-nat:napt44, ietf-nat:nat64",
				instance->type ? instance->type : "missing");
		if (instance->binding && strcmp(instance->binding, "disabled") &&
			!instance_is_dslite(instance))
			judge_fault(j, instance->node, "per-interface-binding",
				"%s. Allowed: disabled, dslite", instance->binding);
		if (!instance->policies)
			judge_fault(j, instance->node, "policy",
				"missing. Allowed: at least one policy");
		check_pass_throughs(j, config, instance);
		check_limits(j, &instance->limits);
		for (unsigned k = 0; k < instance->policies; k++)
			check_policy(j, config, nat64_is(instance) || instance_is_dslite(instance),
				&instance->policy[k]);
	}
	// half of the slots stay free for policies that change at a reload
	if (policies > SNAPSHOT_MAX_POLICIES / 2)
		judge_text(j, "/ietf-nat:nat/instances: %u policies. Allowed: up to %d", policies,
			SNAPSHOT_MAX_POLICIES / 2);
	check_nat64(j, config);
	check_statics(j, config);
	check_dstnats(j, config);
}

bool check_is_in_pool_of(const struct config_instance *instance, const struct ipprefix *prefix)
{
	for (unsigned i = 0; i < instance->policies; i++) {
		if (pool_overlaps(&instance->policy[i], prefix))
			return true;
	}
	return false;
}

bool check_is_in_pool(const struct config *config, const struct ipprefix *prefix)
{
	return any_policy(config, NULL, pool_overlaps, prefix);
}

bool check_is_translated(const struct config *config, const struct ipprefix *prefix)
{
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->statics; k++) {
			if (ipprefix_overlaps(&instance->static_mapping[k].outside, prefix))
				return true;
		}
	}
	return check_is_in_pool(config, prefix);
}

bool check_is_outside(const struct config *config, const struct ipprefix *prefix)
{
	return check_is_translated(config, prefix) || check_is_shared(config, prefix);
}
