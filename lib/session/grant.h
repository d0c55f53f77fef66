// SPDX-License-Identifier: BSD-3-Clause

#pragma once

// What a subscriber is given: port blocks, ports of them, and taking blocks back. Part of nat.c's
// machinery, for lib/session alone.

#include "session/nat.h"

// Finds a free port for a subscriber among its blocks, newest first, or in one more. Writes the block
// and the slot. Returns V_NAT44_OUT, or the verdict that says why there is none.
enum verdict grant_port(struct nat *nat, uint32_t subscriber, enum l4 l4, uint32_t now,
	uint32_t *block, uint32_t *slot);

// A block has come up in the wheel: an empty one is given back, one that has rested is free again.
void grant_expire(struct nat *nat, unsigned slot, uint32_t number, uint32_t now);
