// SPDX-License-Identifier: BSD-3-Clause

#include "support/services.h"

#include "net/hdr6.h"

#include <rte_ip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *need(void *what)
{
	if (!what) {
		fprintf(stderr, "world: no memory for services\n");
		exit(1);
	}
	return what;
}

static void set_policy(struct nat_policy *policy)
{
	ipprefix_parse("2001:db8:100::/40", &policy->match[0], NULL);
	policy->subscriber_len = 56;
}

void services_add_nat64(struct world *world, struct nat_policy *policy)
{
	struct ipprefix prefix;

	set_policy(policy);
	ipprefix_parse(SERVICES_PREF64, &prefix, NULL);
	policy->lowest_mtu6 = 1280;
	policy->nat64_prefix = need(calloc(1, sizeof(*policy->nat64_prefix)));
	policy->nat64_prefix->prefix.len = prefix.len;
	memcpy(policy->nat64_prefix->prefix.bytes, prefix.addr.bytes, sizeof(prefix.addr.bytes));
	policy->nat64_prefixes = 1;
	world6_route(world, SERVICES_PREF64,
		world6_hop(world,
			(struct nexthop){.kind = NEXTHOP_SERVICE,
				.service = SERVICE_NAT64,
				.number = policy->instance,
				.first = policy->subscriber_len}));
}

void services_add_aftr(struct world *world, struct nat_policy *policy)
{
	struct snapshot *s = world->snapshot;
	struct ipaddr address;

	set_policy(policy);
	ipaddr_parse(SERVICES_AFTR, &address);
	s->aftr = need(calloc(1, sizeof(*s->aftr)));
	*s->aftr = (struct aftr){
		.icmp_source = s->iface[WORLD_OUTSIDE].addr4,
		.instance = policy->instance,
		.hop_limit = 64,
		.uniform = true,
		.inners = 1,
		.inner = {{.address = RTE_BE32(RTE_IPV4(192u, 168, 0, 0)),
			.mask = RTE_BE32(0xffff0000)}},
	};
	memcpy(s->aftr->address, address.bytes, sizeof(s->aftr->address));
	policy->softwires.each_subscriber = 1;
	s->aftrs = 1;
	world6_route(world, SERVICES_AFTR,
		world6_hop(world,
			(struct nexthop){.kind = NEXTHOP_SERVICE,
				.service = SERVICE_DSLITE,
				.first = policy->subscriber_len}));
}

static unsigned hop_to(struct world *world, enum service service, unsigned number)
{
	return world6_hop(world,
		(struct nexthop){.kind = NEXTHOP_SERVICE, .service = service, .number = number});
}

// Fills in what is alike for all kinds.
static void fill(struct world *world, struct softwire *softwire, enum softwire_kind kind)
{
	unsigned workers = world->dataplane.workers;
	struct softwire_state *state = need(calloc(1, sizeof(*state) + 1));

	state->stats = need(
		aligned_alloc(_Alignof(struct softwire_stats), workers * sizeof(*state->stats)));
	memset(state->stats, 0, workers * sizeof(*state->stats));
	state->workers = workers;
	*softwire = (struct softwire){
		.kind = (uint8_t)kind,
		.hairpinning = true,
		.incoming_icmp4 = true,
		.generate_icmp4 = true,
		.payload_mtu = 1500,
		.path_mru = 1500,
		.icmp4_rate = UINT32_MAX,
		.icmp6_rate = UINT32_MAX,
		.state = state,
	};
}

// Makes room for more entries. Returns the number of the first.
static unsigned append(struct snapshot *s, unsigned entries)
{
	unsigned first = s->softwires, all = first + entries;
	struct softwire *more = need(aligned_alloc(_Alignof(struct softwire), all * sizeof(*more)));

	for (unsigned i = 0; i < first; i++)
		more[i] = s->softwire[i];
	free(s->softwire);
	s->softwire = more;
	s->softwires = all;
	return first;
}

struct binding_table *services_add_bindings(
	struct world *world, const char *relay, const char *text, uint32_t bindings)
{
	struct snapshot *s = world->snapshot;
	unsigned number = append(s, 1), hop = hop_to(world, SERVICE_SOFTWIRE, number);
	struct softwire_state *state;
	struct ipprefix prefix;
	struct ipaddr br;

	ipprefix_parse(text, &prefix, NULL);
	ipaddr_parse(relay, &br);
	fill(world, &s->softwire[number], SOFTWIRE_BINDING);
	state = s->softwire[number].state;
	state->bindings = need(binding_table_new(bindings, world->rcu));
	state->br = need(calloc(1, sizeof(*state->br)));
	state->brs = 1;
	memcpy(state->br[0], br.bytes, sizeof(br.bytes));
	world6_route(world, relay, hop);
	snapshot_add_route(s, rte_be_to_cpu_32(ipaddr_be32(&prefix.addr)), prefix.len, hop);
	return state->bindings;
}

// What a rule of MAP-T has beside what all have.
static void set_dmr(struct softwire *softwire)
{
	struct ipprefix dmr;

	ipprefix_parse(SERVICES_DMR, &dmr, NULL);
	softwire->dmr.len = dmr.len;
	memcpy(softwire->dmr.bytes, dmr.addr.bytes, sizeof(dmr.addr.bytes));
	softwire->lowest_mtu6 = IPV6_MTU_MIN;
	softwire->generate_icmp6 = true;
}

void services_add_rules(struct world *world, const char *relay, const struct map_rule *rule,
	unsigned rules, unsigned translated, const char *inside)
{
	struct snapshot *s = world->snapshot;
	uint32_t *number = need(calloc(rules, sizeof(*number)));
	unsigned first = append(s, rules), tunnels = rules - translated;
	struct ipaddr br;

	ipaddr_parse(relay, &br);
	world6_route(world, inside, world6_find(world, "2001:db8:100::"));
	if (tunnels)
		world6_route(world, relay, hop_to(world, SERVICE_SOFTWIRE, first));
	if (translated)
		world6_route(world, SERVICES_DMR, hop_to(world, SERVICE_MAPT, first + tunnels));
	for (unsigned i = 0; i < rules; i++) {
		struct softwire *softwire = &s->softwire[first + i];

		fill(world, softwire, i < tunnels ? SOFTWIRE_MAP_E : SOFTWIRE_MAP_T);
		softwire->rule = rule[i];
		if (i < tunnels)
			memcpy(softwire->br, br.bytes, sizeof(br.bytes));
		else
			set_dmr(softwire);
		snapshot_add_route(s, rule[i].prefix4, rule[i].len4,
			hop_to(world, SERVICE_SOFTWIRE, first + i));
		number[i] = first + i;
	}
	s->mapdom = need(mapdom_new(rule, number, rules, s->softwires));
	for (unsigned i = 0; i < rules; i++)
		s->softwire[first + i].nested = mapdom_is_nested(s->mapdom, first + i);
	free(number);
}
