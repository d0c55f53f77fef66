// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say about static mappings. There may be a hundred thousand of them, so those that lay
// claim to the same port are found by sorting.

#include "conf/check_nat.h"
#include "conf/nat64.h"
#include "conf/statics.h"
#include "net/l4.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_MAX 0x7fffffffu

unsigned static_protocols(const struct config_static *s, uint8_t protocol[STATIC_PROTOCOLS])
{
	protocol[0] = s->has_protocol ? s->protocol : s->has_inside_ports ? PROTOCOL_TCP : 0;
	protocol[1] = PROTOCOL_UDP;
	return !s->has_protocol && s->has_inside_ports ? 2 : 1;
}

static void check_address(struct judge *j, const struct config_static *s, const char *leaf,
	bool has, const struct ipprefix *prefix)
{
	char text[IPPREFIX_TEXT];

	if (!has)
		judge_fault(j, s->node, leaf, "missing. Allowed: an IPv4 address with length 32");
	else if (prefix->addr.family != 4 || prefix->len != 32)
		judge_fault(j, s->node, leaf, "%s. Allowed: an IPv4 address with length 32",
			ipprefix_format(prefix, text));
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

static void check_ports(struct judge *j, const struct config *config, const struct config_static *s)
{
	char text[IPPREFIX_TEXT];

	if (s->has_protocol && l4_of(s->protocol) == L4_COUNT)
		judge_fault(j, s->node, "transport-protocol",
			"%u. Allowed: 1, 6, 17, 33, or none: TCP and UDP where there are ports, else all",
			s->protocol);
	if (!s->has_inside_ports && !s->has_outside_ports) {
		if (check_is_in_pool(config, &s->outside))
			judge_fault(j, s->node, "external-src-address",
				"%s is in a pool. Allowed: without ports the address is the "
				"host's alone, so none of a pool",
				ipprefix_format(&s->outside, text));
		return;
	}
	if (s->has_inside_ports != s->has_outside_ports) {
		judge_fault(j, s->node,
			s->has_inside_ports ? "external-src-port" : "internal-src-port",
			"missing. Allowed: ports on both sides, or on none");
		return;
	}
	check_range(j, s, "internal-src-port", s->inside_lower, s->inside_upper);
	check_range(j, s, "external-src-port", s->outside_lower, s->outside_upper);
	if (s->inside_upper - s->inside_lower != s->outside_upper - s->outside_lower)
		judge_fault(j, s->node, "external-src-port",
			"%d ports for %d inside. Allowed: as many on both sides",
			s->outside_upper - s->outside_lower + 1,
			s->inside_upper - s->inside_lower + 1);
}

static void check_entry(struct judge *j, const struct config *config,
	const struct config_instance *instance, const struct config_static *s)
{
	char text[IPPREFIX_TEXT];

	if (s->type && strcmp(s->type, "static"))
		judge_fault(j, s->node, "type", "%s. Allowed: static", s->type);
	if (s->index > INDEX_MAX)
		judge_fault(j, s->node, "index", "%u. Allowed: 0 to %u", s->index, INDEX_MAX);
	if (s->has_lifetime)
		judge_fault(j, s->node, "lifetime",
			"set. Allowed: none, a static mapping does not end");
	if (nat64_is(instance))
		judge_fault(j, s->node, "internal-src-address",
			"of a NAT64 instance. Allowed: static mappings of ietf-nat:napt44");
	else
		check_address(j, s, "internal-src-address", s->has_inside, &s->inside);
	check_address(j, s, "external-src-address", s->has_outside, &s->outside);
	check_ports(j, config, s);
	if (s->has_outside && check_is_own_address(config, &s->outside))
		judge_fault(j, s->node, "external-src-address",
			"%s is an interface's. Allowed: an address that no interface has",
			ipprefix_format(&s->outside, text));
}

// A range of ports of an address that an entry lays claim to, on one side.
struct claim {
	uint64_t start; // address, protocol and first port
	uint64_t end;
	const struct config_static *by;
	unsigned order; // in the configuration
};

static int compare_claims(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static struct claim claim_make(
	const struct config_static *s, bool inside, uint8_t protocol, unsigned order)
{
	uint64_t address =
		rte_be_to_cpu_32(ipaddr_be32(inside ? &s->inside.addr : &s->outside.addr));
	uint64_t place = address << 24 | (uint64_t)protocol << 16;
	uint16_t lower = inside ? s->inside_lower : s->outside_lower;
	uint16_t upper = inside ? s->inside_upper : s->outside_upper;

	// all protocols of an address are all that is there
	if (!protocol)
		return (struct claim){place, place | 0xffffff, s, order};
	return (struct claim){place | lower, place | upper, s, order};
}

static void report_clash(struct judge *j, const struct claim *a, const struct claim *b, bool inside)
{
	const struct claim *first = a->order < b->order ? a : b;
	const struct claim *second = first == a ? b : a;

	judge_fault(j, second->by->node, inside ? "internal-src-address" : "external-src-address",
		"mapping-entry %u has the same %s port. Allowed: a port in one entry only",
		first->by->index, inside ? "inside" : "outside");
}

static unsigned make_claims(const struct config *config, bool inside, struct claim *claims)
{
	unsigned count = 0, order = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->statics; k++) {
			const struct config_static *s = &instance->static_mapping[k];
			uint8_t protocol[STATIC_PROTOCOLS];
			unsigned protocols = static_protocols(s, protocol);

			order++;
			if (!s->has_inside || !s->has_outside)
				continue;
			for (unsigned p = 0; p < protocols; p++)
				claims[count++] = claim_make(s, inside, protocol[p], order);
		}
	}
	return count;
}

static void check_clashes(struct judge *j, const struct config *config, unsigned most, bool inside)
{
	struct claim *claims = calloc(most + 1, sizeof(*claims));
	const struct claim *far = claims; // of those so far, the one that reaches furthest
	unsigned count;

	if (!claims) {
		judge_text(j, "out of memory");
		return;
	}
	count = make_claims(config, inside, claims);
	qsort(claims, count, sizeof(*claims), compare_claims);
	for (unsigned i = 1; i < count; i++) {
		if (claims[i].start <= far->end && claims[i].by != far->by)
			report_clash(j, far, &claims[i], inside);
		if (claims[i].end > far->end)
			far = &claims[i];
	}
	free(claims);
}

void check_statics(struct judge *j, const struct config *config)
{
	unsigned total = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->statics; k++)
			check_entry(j, config, instance, &instance->static_mapping[k]);
		total += STATIC_PROTOCOLS * instance->statics;
	}
	check_clashes(j, config, total, false);
	check_clashes(j, config, total, true);
}
