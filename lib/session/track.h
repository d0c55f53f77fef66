// SPDX-License-Identifier: BSD-3-Clause

#pragma once

// The life of sessions and of what they keep alive: TCP states and timers. Part of nat.c's machinery,
// for lib/session alone; nat_track() is in nat.h.

#include "session/nat.h"

// Takes a session out; its mapping stays.
void track_end(struct nat *nat, uint32_t number);

// A session has come up in the wheel: it ends if it is due, and its mapping with its last.
void track_expire(struct nat *nat, uint32_t number, uint32_t now);
