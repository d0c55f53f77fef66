// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Services for a world with IPv6 (world6.h), that nothing has passed yet. A policy becomes that of a NAT64 or of
// an AFTR, or border relays join it.

#include "support/world6.h"

#define SERVICES_PREF64 "2001:db8:64::/96"
#define SERVICES_AFTR   "2001:db8:fffe::1"
#define SERVICES_BR     "2001:db8:ffff::1"
#define SERVICES_MAP_BR "2001:db8:ffff::2" // where there are both kinds
#define SERVICES_DMR    "2001:db8:fffd::/96"

// A policy whose behaviour is of kind NAT_64 translates hosts of 2001:db8:100::/40.
void services_add_nat64(struct world *world, struct nat_policy *policy);

// A policy whose behaviour is of kind NAT_DSLITE translates hosts in 192.168.0.0/16 behind B4s of 2001:db8:100::/40.
void services_add_aftr(struct world *world, struct nat_policy *policy);

// A border relay with an empty table, with room for so many bindings of addresses in a prefix. B4s are in
// 2001:db8:100::/40.
struct binding_table *services_add_bindings(
	struct world *world, const char *relay, const char *prefix, uint32_t bindings);

// A border relay for each of these rules, whose IPv6 prefixes are in `inside`; added once. The last `translated` are
// of MAP-T, by SERVICES_DMR, the others of MAP-E, by `relay`.
void services_add_rules(struct world *world, const char *relay, const struct map_rule *rule,
	unsigned rules, unsigned translated, const char *inside);
