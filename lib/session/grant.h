// SPDX-License-Identifier: BSD-3-Clause

#pragma once

// What a subscriber is given: port blocks, ports of them, and taking blocks back. Part of nat.c's
// machinery, for lib/session alone.

#include "session/nat.h"

// Where a port lies.
struct place {
	rte_be32_t outside;
	uint16_t port;  // host order
	uint32_t block; // 0: the port is a fixed one
	uint32_t *slot; // NULL: the protocol has none
};

// Finds a free port for a subscriber's mapping of an inside port (host order), by its policy: among its
// blocks, newest first, or in one more. Returns V_NAT44_OUT, or the verdict that says why there is none.
enum verdict grant_port(struct nat *nat, uint32_t subscriber, enum l4 l4, uint16_t inside_port,
	uint32_t now, struct place *place);

// The port at a place has got this mapping.
void grant_take(struct nat *nat, uint32_t subscriber, const struct place *place, uint32_t mapping);

// Nothing has come of a place: a block granted for it alone is given back.
void grant_decline(struct nat *nat, uint8_t policy, const struct place *place, uint32_t now);

// The port of a mapping that ends is given back. It rests for the hold-down time, unless `reuse` (RFC
// 6888 REQ-8).
void grant_give_back(struct nat *nat, const struct mapping *m, bool reuse, uint32_t now);

// Whether one more port may rest now. If not, a mapping whose port must rest does not end yet.
bool grant_may_rest(struct nat *nat, const struct mapping *m, uint32_t now);

// A block has come up in the wheel: an empty one is given back, one that has rested is free again.
void grant_expire(struct nat *nat, unsigned slot, uint32_t number, uint32_t now);
