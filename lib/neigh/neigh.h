// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Who is at which address on the links: the box's side of ARP, on the control thread. Workers answer
// requests for the box's own addresses themselves and tell what they hear; this module asks for next
// hops that packets wait for, keeps the answers fresh, and lets them go.
//
// Of each unknown next hop up to a few packets wait here; when it answers they go back to the worker they
// came from, with what they will count as, and when it does not they are dropped and counted here.

#include "base/evloop.h"
#include "msg/msg.h"
#include "table/neighbour.h"
#include "table/snapshot.h"

#include <rte_mempool.h>

struct neigh;

struct neigh_env {
	struct evloop *loop;
	struct neighbour_table *table;
	struct rte_mempool *mbufs;
	// Hands a message to worker `worker`; returns -ENOBUFS when its ring is full
	int (*tell)(void *ctx, unsigned worker, const struct msg *msg);
	// The worker that sends what nobody else has asked for
	void *ctx;
	// MAC address of an interface of the snapshot in force
	const struct rte_ether_addr *(*mac_of)(void *ctx, unsigned iface);
};

// Returns NULL if memory runs out.
struct neigh *neigh_new(const struct neigh_env *env);

// Drops what waits. NULL is allowed.
void neigh_free(struct neigh *neigh);

// Takes a new configuration in use: its static neighbours and gateways are entered and kept, what was
// learned on interfaces that are gone is forgotten. Returns -ENOSPC if the table is too small.
int neigh_adopt(struct neigh *neigh, const struct snapshot *snapshot);

// A worker has a packet for a next hop that it does not know (MSG_NEIGHBOUR_WANTED), or has heard from a
// neighbour (MSG_NEIGHBOUR_SEEN).
void neigh_wanted(struct neigh *neigh, const struct msg *msg);
void neigh_seen(struct neigh *neigh, const struct msg *msg);

// Packets waiting now, and those dropped so far because their next hop did not answer.
unsigned neigh_waiting(const struct neigh *neigh);
uint64_t neigh_dropped(const struct neigh *neigh);

// How a neighbour is known, for lists.
enum neigh_state { NEIGH_INCOMPLETE, NEIGH_LEARNED, NEIGH_STATIC };

enum neigh_state neigh_state(const struct neigh *neigh, uint32_t entry);
