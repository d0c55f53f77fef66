// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say about entries of the mapping table: static mappings, and destinations by another name.

#include "conf/check_nat.h"
#include "conf/claims.h"
#include "conf/nat64.h"
#include "conf/static_hosts.h"
#include "conf/statics.h"
#include "net/l4.h"
#include "table/endpoint.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_MAX 0x7fffffffu

unsigned static_protocols(const struct config_static *s, uint8_t protocol[STATIC_PROTOCOLS])
{
	protocol[0] = s->has_protocol ? s->protocol : s->has_inside_ports ? PROTOCOL_TCP : 0;
	protocol[1] = PROTOCOL_UDP;
	return !s->has_protocol && s->has_inside_ports ? 2 : 1;
}

enum leaf { INSIDE_ADDRESS, OUTSIDE_ADDRESS, INSIDE_PORT, OUTSIDE_PORT };

static const char *leaf_of(const struct config_static *s, enum leaf leaf)
{
	static const char *const name[2][4] = {
		{"internal-src-address", "external-src-address", "internal-src-port",
			"external-src-port"},
		{"internal-dst-address", "external-dst-address", "internal-dst-port",
			"external-dst-port"},
	};

	return name[s->of_destination][leaf];
}

static void check_address(struct judge *j, const struct config_static *s, const char *leaf,
	bool has, const struct ipprefix *prefix, unsigned family)
{
	unsigned len = family == 4 ? 32 : 128;
	char text[IPPREFIX_TEXT];

	if (!has || prefix->addr.family != family || prefix->len != len)
		judge_fault(j, s->node, leaf, "%s. Allowed: an IPv%u address with length %u",
			has ? ipprefix_format(prefix, text) : "missing", family, len);
}

static void check_range(struct judge *j, const struct config_static *s, const char *leaf,
	uint16_t lower, uint16_t upper)
{
	// 0 is an ICMP identifier like any other
	unsigned least = s->has_protocol && s->protocol == PROTOCOL_ICMP ? 0 : 1;

	if (lower > upper || lower < least)
		judge_fault(j, s->node, leaf, "%u to %u. Allowed: %u to 65535, rising", lower,
			upper, least);
}

static void check_port_ranges(struct judge *j, const struct config_static *s)
{
	if (s->has_inside_ports != s->has_outside_ports) {
		judge_fault(j, s->node,
			leaf_of(s, s->has_inside_ports ? OUTSIDE_PORT : INSIDE_PORT),
			"missing. Allowed: ports on both sides, or on none");
		return;
	}
	check_range(j, s, leaf_of(s, INSIDE_PORT), s->inside_lower, s->inside_upper);
	check_range(j, s, leaf_of(s, OUTSIDE_PORT), s->outside_lower, s->outside_upper);
	if (s->inside_upper - s->inside_lower != s->outside_upper - s->outside_lower)
		judge_fault(j, s->node, leaf_of(s, OUTSIDE_PORT),
			"%d ports for %d inside. Allowed: as many on both sides",
			s->outside_upper - s->outside_lower + 1,
			s->inside_upper - s->inside_lower + 1);
}

void static_check_shape(struct judge *j, const struct config_static *s, unsigned family)
{
	if (s->type && strcmp(s->type, "static"))
		judge_fault(j, s->node, "type", "%s. Allowed: static", s->type);
	if (s->index > INDEX_MAX)
		judge_fault(j, s->node, "index", "%u. Allowed: 0 to %u", s->index, INDEX_MAX);
	if (s->has_lifetime)
		judge_fault(j, s->node, "lifetime",
			"set. Allowed: none, a static mapping does not end");
	check_address(j, s, leaf_of(s, INSIDE_ADDRESS), s->has_inside, &s->inside, family);
	check_address(j, s, leaf_of(s, OUTSIDE_ADDRESS), s->has_outside, &s->outside, 4);
	if (s->has_protocol && l4_of(s->protocol) == L4_COUNT)
		judge_fault(j, s->node, "transport-protocol",
			"%u. Allowed: 1, 6, 17, 33, or none: TCP and UDP where there are ports, else all",
			s->protocol);
	if (s->has_inside_ports || s->has_outside_ports)
		check_port_ranges(j, s);
}

static void check_unicast(struct judge *j, const struct config_static *s, const char *leaf,
	const struct ipprefix *prefix)
{
	uint8_t first = prefix->addr.bytes[0];
	char text[IPPREFIX_TEXT];

	if (prefix->addr.family == 4 && (!first || first == 127 || first >= 224))
		judge_fault(j, s->node, leaf, "%s. Allowed: unicast addresses",
			ipprefix_format(prefix, text));
}

static void check_source(struct judge *j, const struct config *config,
	const struct config_instance *instance, const struct config_static *s)
{
	char text[IPPREFIX_TEXT];

	static_check_shape(j, s, nat64_is(instance) ? 6 : 4);
	static_check_host(j, config, instance, s);
	check_unicast(j, s, "internal-src-address", &s->inside);
	check_unicast(j, s, "external-src-address", &s->outside);
	if (check_is_in_pool(config, &s->outside) && !check_is_in_pool_of(instance, &s->outside))
		judge_fault(j, s->node, "external-src-address",
			"%s is in a pool of another instance. Allowed: addresses of pools of this "
			"one, or of none",
			ipprefix_format(&s->outside, text));
	else if (!s->has_inside_ports && !s->has_outside_ports &&
		check_is_in_pool(config, &s->outside))
		judge_fault(j, s->node, "external-src-address",
			"%s is in a pool. Allowed: without ports the address is the host's alone, "
			"so none of a pool",
			ipprefix_format(&s->outside, text));
	if (s->has_outside && check_is_own_address(config, &s->outside))
		judge_fault(j, s->node, "external-src-address",
			"%s is an interface's. Allowed: an address that no interface has",
			ipprefix_format(&s->outside, text));
}

struct claim static_claim(const struct config_static *s, rte_be32_t address, bool inside,
	uint8_t protocol, unsigned order)
{
	uint16_t lower = inside ? s->inside_lower : s->outside_lower;
	uint16_t upper = inside ? s->inside_upper : s->outside_upper;
	uint64_t start = endpoint_make(address, protocol, lower);

	return (struct claim){
		.start = start,
		// all protocols of an address are all that is there
		.end = protocol ? start - lower + upper : start + ENDPOINT_PROTOCOLS,
		.node = s->node,
		.leaf = leaf_of(s, inside ? INSIDE_ADDRESS : OUTSIDE_ADDRESS),
		.list = "mapping-entry",
		.key = s->index,
		.order = order,
	};
}

static unsigned make_claims(const struct static_hosts *hosts, bool inside, struct claim *claims)
{
	const struct config *config = hosts->config;
	unsigned count = 0, order = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->statics; k++) {
			const struct config_static *s = &instance->static_mapping[k];
			uint8_t protocol[STATIC_PROTOCOLS];
			unsigned protocols = static_protocols(s, protocol);
			rte_be32_t address = inside ? static_hosts_inside(hosts, instance, s)
						    : ipaddr_be32(&s->outside.addr);

			order++;
			if (!s->has_inside || !s->has_outside || !address)
				continue;
			for (unsigned p = 0; p < protocols; p++)
				claims[count++] =
					static_claim(s, address, inside, protocol[p], order);
		}
	}
	return count;
}

static void check_clashes(struct judge *j, const struct config *config, unsigned most, bool inside)
{
	struct claim *claims = calloc(most + 1, sizeof(*claims));
	struct static_hosts hosts = {.config = config};

	if (claims && !static_hosts_make(&hosts))
		claims_check(j, claims, make_claims(&hosts, inside, claims),
			inside ? "inside port" : "outside port", "port");
	else
		judge_text(j, "out of memory");
	free(hosts.table.host);
	free(claims);
}

void check_statics(struct judge *j, const struct config *config)
{
	unsigned total = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->statics; k++)
			check_source(j, config, instance, &instance->static_mapping[k]);
		total += STATIC_PROTOCOLS * instance->statics;
	}
	static_check_b4s(j, config);
	check_clashes(j, config, total, false);
	check_clashes(j, config, total, true);
}
