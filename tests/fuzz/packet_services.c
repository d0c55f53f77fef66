// SPDX-License-Identifier: BSD-3-Clause

#include "net/hdr6.h"
#include "table/mapdom.h"

#include "packet_box.h"

#include <rte_ip.h>

#include <string.h>

enum { SLOT_NAT64 = 1, SLOT_DSLITE };

#define SUBSCRIBER_LEN 56
#define RELAYS         2 // entries: the table of lw4o6, and the rule of MAP-E

static const char *const subscribers = "2001:db8:100::/40";

static struct nat_policy *policy(
	struct world *world, const struct world_setup *setup, unsigned slot, enum nat_kind kind)
{
	struct world_setup own = *setup;
	struct nat_policy *p;

	own.pool_first = setup->pool_first + 16 * slot;
	own.pool_last = own.pool_first + 1;
	own.behaviour.kind = (uint8_t)kind;
	p = world_policy(world, &own, slot);
	FUZZ_CHECK(!ipprefix_parse(subscribers, p->match, NULL));
	p->subscriber_len = SUBSCRIBER_LEN;
	return p;
}

static unsigned service_hop(struct world *world, enum service service, unsigned number)
{
	return world6_hop(world,
		(struct nexthop){.kind = NEXTHOP_SERVICE,
			.service = (uint8_t)service,
			.number = number,
			.first = SUBSCRIBER_LEN});
}

static void add_nat64(struct world *world, const struct world_setup *setup)
{
	struct nat_policy *p = policy(world, setup, SLOT_NAT64, NAT_64);
	struct ipprefix prefix;

	FUZZ_CHECK(!ipprefix_parse("2001:db8:64::/96", &prefix, NULL));
	p->lowest_mtu6 = IPV6_MTU_MIN;
	p->nat64_prefix = calloc(1, sizeof(*p->nat64_prefix));
	FUZZ_CHECK(p->nat64_prefix);
	p->nat64_prefixes = 1;
	p->nat64_prefix->prefix.len = prefix.len;
	memcpy(p->nat64_prefix->prefix.bytes, prefix.addr.bytes, sizeof(prefix.addr.bytes));
	world6_route(world, "2001:db8:64::/96", service_hop(world, SERVICE_NAT64, p->instance));
}

static void add_aftr(struct world *world, const struct world_setup *setup)
{
	struct nat_policy *p = policy(world, setup, SLOT_DSLITE, NAT_DSLITE);
	struct snapshot *s = world->snapshot;
	struct ipaddr address;

	FUZZ_CHECK(!ipaddr_parse("2001:db8:fffe::1", &address));
	p->softwires = (struct softwire_rules){.each_subscriber = 2, .migrate = true};
	s->aftr = calloc(1, sizeof(*s->aftr));
	FUZZ_CHECK(s->aftr);
	s->aftrs = 1;
	*s->aftr = (struct aftr){
		.icmp_source = RTE_BE32(RTE_IPV4(192u, 0, 0, 1)),
		.instance = p->instance,
		.hop_limit = 64,
		.uniform = true,
		.despite_df = true,
		.inners = 1,
		.inner = {{.address = RTE_BE32(RTE_IPV4(192u, 168, 0, 0)),
			.mask = RTE_BE32(0xffff0000)}},
	};
	memcpy(s->aftr->address, address.bytes, sizeof(s->aftr->address));
	world6_route(world, "2001:db8:fffe::1", service_hop(world, SERVICE_DSLITE, 0));
}

static struct softwire_state *state(void)
{
	struct softwire_state *made = calloc(1, sizeof(*made) + 1);
	size_t size = WORKERS * sizeof(*made->stats);

	FUZZ_CHECK(made);
	made->workers = WORKERS;
	made->stats = aligned_alloc(_Alignof(struct softwire_stats), size);
	FUZZ_CHECK(made->stats);
	memset(made->stats, 0, size);
	return made;
}

static struct softwire relay(enum softwire_kind kind)
{
	return (struct softwire){
		.kind = (uint8_t)kind,
		.hairpinning = true,
		.incoming_icmp4 = true,
		.generate_icmp4 = true,
		.generate_icmp6 = true,
		.payload_mtu = 1460,
		.path_mru = 1500,
		.icmp4_rate = UINT32_MAX,
		.icmp6_rate = UINT32_MAX,
		.state = state(),
	};
}

static void home(unsigned n, uint8_t address[16])
{
	const uint8_t b4[16] = {0x20, 0x01, 0x0d, 0xb8, 0x01, 0x00, (uint8_t)n, [15] = 1};

	memcpy(address, b4, sizeof(b4));
}

static void add_bindings(struct world *world, struct softwire *softwire, unsigned number)
{
	struct softwire_state *own;
	struct binding_entry e = {
		.ipv4 = RTE_BE32(RTE_IPV4(203u, 0, 114, 0)), .geometry = {.length = 6}};
	struct ipaddr br;
	unsigned hop = service_hop(world, SERVICE_SOFTWIRE, number);

	*softwire = relay(SOFTWIRE_BINDING);
	own = softwire->state;
	own->bindings = binding_table_new(RULES, world->rcu);
	own->br = calloc(1, sizeof(*own->br));
	FUZZ_CHECK(own->bindings && own->br && !ipaddr_parse("2001:db8:ffff::1", &br));
	own->brs = 1;
	memcpy(own->br[0], br.bytes, sizeof(br.bytes));
	for (unsigned n = 0; n < RULES; n++) {
		e.psid = (uint16_t)n;
		home(n, e.b4);
		FUZZ_CHECK(!binding_add(own->bindings, &e));
	}
	world6_route(world, "2001:db8:ffff::1", hop);
	FUZZ_CHECK(!snapshot_add_route(world->snapshot, RTE_IPV4(203u, 0, 114, 0), 32, hop));
}

static void add_rule(struct world *world, struct softwire *softwire, uint32_t number)
{
	static const struct map_rule rule = {
		.prefix6 = {0x20, 0x01, 0x0d, 0xb8, 0x02},
		.prefix4 = RTE_IPV4(203u, 0, 115, 0),
		.len6 = 40,
		.len4 = 24,
		.ea = 16,
		.geometry = {.offset = 6, .length = 8},
	};
	unsigned hop = service_hop(world, SERVICE_SOFTWIRE, number);
	struct ipaddr br;

	FUZZ_CHECK(!ipaddr_parse("2001:db8:ffff::2", &br));
	*softwire = relay(SOFTWIRE_MAP_E);
	softwire->rule = rule;
	memcpy(softwire->br, br.bytes, sizeof(br.bytes));
	world->snapshot->mapdom = mapdom_new(&rule, &number, 1, RELAYS);
	FUZZ_CHECK(world->snapshot->mapdom);
	world6_route(world, "2001:db8:200::/40", world6_find(world, "2001:db8:100::"));
	world6_route(world, "2001:db8:ffff::2", hop);
	FUZZ_CHECK(!snapshot_add_route(world->snapshot, rule.prefix4, rule.len4, hop));
}

void services_add(struct world *world, const struct world_setup *setup)
{
	struct snapshot *s = world->snapshot;

	add_nat64(world, setup);
	add_aftr(world, setup);
	s->softwire = calloc(RELAYS, sizeof(*s->softwire));
	FUZZ_CHECK(s->softwire);
	s->softwires = RELAYS;
	add_bindings(world, &s->softwire[0], 0);
	add_rule(world, &s->softwire[1], 1);
}

struct subkey services_subscriber(const struct snapshot *s, enum rule_kind kind, unsigned n)
{
	static const uint8_t slot_of[] = {[RULE_NAT64] = SLOT_NAT64, [RULE_DSLITE] = SLOT_DSLITE};
	uint8_t address[16];
	struct ipprefix prefix;
	struct ipaddr addr;

	home(n, address);
	addr = ipaddr_v6(address);
	switch (kind) {
	case RULE_NAT44:
		return subkey_v4(
			rte_cpu_to_be_32(RTE_IPV4(100u, 64, 0, 2 + n)), s->policy[0]->instance);
	case RULE_NATIVE:
		return subscriber_network_key(s->network, address);
	case RULE_LW4O6:
		return softwire_subkey(&s->softwire[0], address);
	case RULE_MAPE:
		// of the address with that number, and the lowest PSID
		address[4] = 2;
		address[5] = (uint8_t)n;
		address[6] = 0;
		return softwire_subkey(&s->softwire[1], address);
	default:
		prefix = ipprefix_make(&addr, SUBSCRIBER_LEN);
		return subkey_of(&prefix, s->policy[slot_of[kind]]->instance);
	}
}
