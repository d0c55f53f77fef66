// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Static mappings of the configuration (RFC 8512 mapping-entry), and destinations by another name
// (mapping-entry, dst-ip-address-pool).

#include "conf/build_nat.h"
#include "conf/claims.h"
#include "conf/judge.h"

#define STATIC_PROTOCOLS 2

// The protocols whose ports an entry maps: the one it names; TCP and UDP if it names ports alone; or 0, for
// the whole address. Returns how many.
unsigned static_protocols(const struct config_static *s, uint8_t protocol[STATIC_PROTOCOLS]);

// Checks an entry by itself, whose inside address is of this family.
void static_check_shape(struct judge *j, const struct config_static *s, unsigned family);

// What an entry lays claim to, on one side, where it has this address, of one of its protocols.
struct claim static_claim(const struct config_static *s, rte_be32_t address, bool inside,
	uint8_t protocol, unsigned order);

// Checks the entries of all enabled instances.
void check_dstnats(struct judge *j, const struct config *config);
void check_statics(struct judge *j, const struct config *config);

// Add them to a snapshot that has its policies; destinations when all routes are there.
int build_statics(struct snapshot *s, const struct config *config);
int build_dstnats(struct snapshot *s, const struct config *config);
