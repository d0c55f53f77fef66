// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A worker's part in moving free port blocks (table/moves.h).

#include "session/nat.h"

// Asks for free blocks of a policy's pool, of the address with a number or, if that is UINT32_MAX, of any. In a tick it
// does so again only if some have come or fewer are left.
void moves_want(struct nat *nat, unsigned policy, uint32_t address, uint32_t now);

// Gives another worker what the control thread has asked for, if there is as much and room to tell. Returns how many.
unsigned moves_give(struct nat *nat, const struct msg_blocks *wanted, uint32_t now);

// Takes what another worker has given. Returns how many, 0 if their pool is gone.
unsigned moves_take(struct nat *nat, const struct msg_blocks *given);
