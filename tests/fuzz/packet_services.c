// SPDX-License-Identifier: BSD-3-Clause

#include "packet_box.h"
#include "support/services.h"

#include <rte_ip.h>

#include <string.h>

enum { SLOT_NAT64 = 1, SLOT_DSLITE };
enum { SOFTWIRE_LW4O6, SOFTWIRE_MAPE, SOFTWIRE_MAPT };

static struct nat_policy *policy(
	struct world *world, const struct world_setup *setup, unsigned slot, enum nat_kind kind)
{
	struct world_setup own = *setup;

	own.pool_first = setup->pool_first + 16 * slot;
	own.pool_last = own.pool_first + 1;
	own.behaviour.kind = (uint8_t)kind;
	return world_policy(world, &own, slot);
}

// The host, or B4, of a subscriber.
static void home(unsigned n, uint8_t address[16])
{
	const uint8_t b4[16] = {0x20, 0x01, 0x0d, 0xb8, 0x01, 0x00, (uint8_t)n, [15] = 1};

	memcpy(address, b4, sizeof(b4));
}

static void add_bindings(struct world *world)
{
	struct binding_table *table =
		services_add_bindings(world, SERVICES_BR, "203.0.114.0/32", RULES);
	struct binding_entry e = {
		.ipv4 = RTE_BE32(RTE_IPV4(203u, 0, 114, 0)), .geometry = {.length = 6}};

	for (unsigned n = 0; n < RULES; n++) {
		e.psid = (uint16_t)n;
		home(n, e.b4);
		FUZZ_CHECK(!binding_add(table, &e));
	}
}

void services_add(struct world *world, const struct world_setup *setup)
{
	const struct map_rule rule[] = {
		{
			.prefix6 = {0x20, 0x01, 0x0d, 0xb8, 0x02},
			.prefix4 = RTE_IPV4(203u, 0, 115, 0),
			.len6 = 40,
			.len4 = 24,
			.ea = 16,
			.geometry = {.offset = 6, .length = 8},
		},
		{
			.prefix6 = {0x20, 0x01, 0x0d, 0xb8, 0x03},
			.prefix4 = RTE_IPV4(203u, 0, 116, 0),
			.len6 = 40,
			.len4 = 24,
			.ea = 16,
			.geometry = {.offset = 6, .length = 8},
		},
	};

	services_add_nat64(world, policy(world, setup, SLOT_NAT64, NAT_64));
	services_add_aftr(world, policy(world, setup, SLOT_DSLITE, NAT_DSLITE));
	world->snapshot->policy[SLOT_DSLITE]->softwires =
		(struct softwire_rules){.each_subscriber = 2, .migrate = true};
	add_bindings(world);
	services_add_rules(world, SERVICES_MAP_BR, rule, RTE_DIM(rule), 1, "2001:db8:200::/39");
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
		return softwire_subkey(&s->softwire[SOFTWIRE_LW4O6], address);
	case RULE_MAPE:
	case RULE_MAPT:
		// of the address with that number, and the PSID that the corpus has
		address[4] = kind == RULE_MAPE ? 2 : 3;
		address[5] = (uint8_t)n;
		address[6] = 5;
		return softwire_subkey(
			&s->softwire[kind == RULE_MAPE ? SOFTWIRE_MAPE : SOFTWIRE_MAPT], address);
	default:
		prefix = ipprefix_make(&addr, s->policy[slot_of[kind]]->subscriber_len);
		return subkey_of(&prefix, s->policy[slot_of[kind]]->instance);
	}
}
