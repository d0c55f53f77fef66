// SPDX-License-Identifier: BSD-3-Clause

#pragma once

// The life of sessions and of what they keep alive: TCP states and timers. Part of nat.c's machinery,
// for lib/session alone; nat_track() is in nat.h.

#include "session/nat.h"

// Makes a session with a remote endpoint, as far as memory and limits allow. Writes its number and returns
// V_NAT44_OUT, or the verdict that says why not.
enum verdict track_open(struct nat *nat, uint32_t mapping, rte_be32_t remote,
	rte_be16_t remote_port, uint32_t now, uint32_t *number);

// When a UDP packet to a port counts as seen: one to a port with a shorter time that much earlier, so that
// what it refreshes lives by the longest of what its destinations ask for.
uint32_t track_seen_udp(const struct nat_policy *policy, rte_be16_t remote_port, uint32_t now);

// Takes a session out; its mapping stays.
void track_end(struct nat *nat, uint32_t number);

// Takes a mapping with its sessions out of wheel, indexes and memory. Its port and subscriber are the
// caller's affair.
void track_forget(struct nat *nat, uint32_t mapping);

// A session has come up in the wheel: it ends if it is due, and its mapping with its last.
void track_expire(struct nat *nat, uint32_t number, uint32_t now);
