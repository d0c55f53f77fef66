// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The border relays of the configuration (RFC 8676) as plain structures: see config.h.

#include "base/ipaddr.h"
#include "table/binding.h"
#include "table/mapdom.h"

#include <stdbool.h>
#include <stdint.h>

struct lyd_node;

#define CONFIG_BR_MAX       64 // BR addresses of an instance
#define CONFIG_BR_MISSING   UINT16_MAX
#define CONFIG_TABLE_FAULTS 20 // of a table file that are told

// A binding, from wherever. What is missing or malformed is zero.
struct config_binding {
	struct binding_entry entry; // its br: place in the list of the instance
	uint32_t line;              // of the table file; 0: there is a node
	const struct lyd_node *node;
};

// A bind-instance: lightweight 4over6.
struct config_softwire {
	const struct lyd_node *node;
	const char *name;
	uint64_t version; // of the table; 0: not said
	int64_t date;     // Unix time in seconds; 0: not said
	uint32_t softwires_max;
	uint16_t payload_mtu;
	uint16_t path_mru;
	bool hairpinning;
	bool incoming_icmp4;
	bool generate_icmp4;
	bool generate_icmp6;
	uint32_t icmp4_rate; // UINT32_MAX: not said
	uint32_t icmp6_rate;
	unsigned brs;
	struct ipaddr br[CONFIG_BR_MAX];
	bool too_many_brs;
	uint32_t bindings; // sorted by IPv4 address and PSID
	struct config_binding *binding;
	uint32_t prefixes; // of the IPv4 addresses, sorted; each address is in one of them
	struct ipprefix *prefix;
	char *table_file; // a path, made absolute; NULL: none
	unsigned faults;  // of that file
	char *fault[CONFIG_TABLE_FAULTS];
};

// An algo-instance: one mapping rule, of MAP-E with a BR address or of MAP-T with a DMR.
struct config_map {
	const struct lyd_node *node;
	const char *name;
	uint64_t version;
	int64_t date;
	bool used; // enabled, and for forwarding
	bool has_br;
	struct ipaddr br;
	bool has_dmr;
	struct ipprefix dmr;
	uint16_t lowest_mtu6; // 0: not said
	uint8_t ea;
	bool has_offset;
	uint16_t psid; // as configured, whether it counts or not
	struct ipprefix prefix6;
	struct ipprefix prefix4;
	struct map_rule rule;
};
