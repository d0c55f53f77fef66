// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The kernel's stack behind the box's own addresses. Workers answer ARP, neighbour solicitations and
// pings themselves; everything else for an address of an interface that names a host device comes here
// (MSG_PUNT) and goes into that device, and what the kernel sends from there goes out by the workers.
//
//   homes, routers <-> worker <-> control thread <-> TUN device <-> kernel <-> listeners, daemons
//
// The devices carry IP packets, not frames (TUN, not TAP): who is at which link-layer address is the
// workers' and lib/neigh's affair, and the kernel has nobody to ask. Each has its interface's addresses
// alone, and a table of routes of its own by which everything from them leaves, so that the management
// network's routes stay as they are. A device, its addresses and its table go with the process.
//
// Control thread only.

#include "base/err.h"
#include "base/evloop.h"
#include "msg/msg.h"
#include "table/snapshot.h"

#include <rte_mempool.h>

struct host;

struct host_env {
	struct evloop *loop;
	struct rte_mempool *mbufs;
	// Sends a packet by its next hop, which may have to be found first: a message of
	// MSG_NEIGHBOUR_WANTED, whose mbuf is taken over
	void (*send)(void *ctx, const struct msg *wanted);
	// The worker that sends by an interface of the snapshot in force
	unsigned (*worker_of)(void *ctx, unsigned iface);
	void *ctx;
};

// Returns NULL if memory runs out.
struct host *host_new(const struct host_env *env);

// Removes all devices. NULL is allowed.
void host_free(struct host *host);

// Makes the devices those of a snapshot, which must stay until the next; a device whose interface is
// as it was stays. Returns 0, or -EINVAL with the path and the reason in err for those that could not
// be made.
int host_adopt(struct host *host, const struct snapshot *snapshot, struct err *err);

// Takes over a packet that a worker punted.
void host_take(struct host *host, const struct msg *msg);

struct host_counters {
	uint64_t delivered;  // packets given to the kernel,
	uint64_t refused;    // and not taken
	uint64_t sent;       // packets of the kernel's sent on,
	uint64_t unroutable; // and discarded: no route, no buffer
};

const struct host_counters *host_counters(const struct host *host);
