// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The control socket: what the operator asks of a running box. Control thread only.
//
// The commands read what they show through `struct ctl_source`, which the daemon fills in: nothing here
// knows the packet tower.

#include "base/err.h"
#include "base/evloop.h"
#include "msg/msg.h"
#include "net/verdict.h"
#include "table/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

struct acl;
struct dots;
struct expiry;
struct homes;
struct neighbour_table;
struct notifier;
struct resolver;

// Packets to and from the kernel's stack behind the box's own addresses.
struct ctl_host {
	uint64_t delivered, refused;
	uint64_t sent, unroutable;
};

struct ctl_totals {
	uint64_t received;
	uint64_t verdict[V_COUNT];
	uint64_t icmp_errors_sent;
	uint64_t icmp_errors_withheld;
	uint64_t syns_held;
	uint64_t syns_not_held;
	uint64_t resets_sent;
	uint64_t steered;
	uint64_t copies;
	uint64_t copies_missed;
	struct ctl_host host;
};

struct ctl_worker {
	uint64_t received;
	uint64_t handed_over; // to other workers
	uint64_t taken_over;  // from them
	uint64_t busy_ms;     // in turns of its loop that found something to do, and in all
	uint64_t time_ms;
	uint64_t recent_packets; // received and taken over, of late
	uint32_t recent_busy;    // share of the time, in percent
	uint32_t mappings;
	uint32_t sessions;
	uint32_t subscribers;
	uint32_t port_sets;  // granted, or resting
	uint64_t sets_given; // free ones, to other workers
	uint64_t sets_taken; // from them
	uint32_t reassembly; // use of its room for fragments of tunnel packets, in percent
};

struct ctl_iface {
	bool up;
	struct rte_ether_addr mac;
	uint64_t speed_bps; // 0: not known
	uint64_t rx_packets, rx_bytes, rx_multicast, rx_drops;
	uint64_t tx_packets, tx_bytes, tx_drops;
};

// How far a part of a pool is used. Ports are used when a subscriber has their port set; system ports are
// not counted.
struct ctl_pool_use {
	uint32_t addresses;
	uint32_t addresses_used;
	uint64_t ports_used;
	uint64_t ports_free;
};

// What the policies of an instance have, all workers together.
struct ctl_load {
	uint64_t subscribers;
	uint64_t softwires; // to B4s
	uint64_t mappings;
	uint64_t by_protocol[POLICY_PROTOCOLS]; // mappings, by enum l4
	struct ctl_pool_use use;
};

enum ctl_neighbour { CTL_NEIGHBOUR_INCOMPLETE, CTL_NEIGHBOUR_LEARNED, CTL_NEIGHBOUR_STATIC };

struct ctl_source {
	void *ctx;
	unsigned workers;
	uint32_t reassembly_high; // use of that room which is told of
	int64_t started;          // Unix time in milliseconds
	uint32_t max_mappings;
	struct notifier *notifier;
	struct acl *acl;
	struct dots *dots;
	struct homes *homes;
	const struct expiry *expiry;
	struct resolver *resolver;
	const struct neighbour_table *neighbours;
	const struct snapshot *(*snapshot)(void *ctx);
	void (*totals)(void *ctx, struct ctl_totals *out);
	void (*worker)(void *ctx, unsigned number, struct ctl_worker *out);
	void (*iface)(void *ctx, unsigned number, struct ctl_iface *out);
	enum ctl_neighbour (*neighbour)(void *ctx, uint32_t entry);
	// How often the box has acted for a home
	uint64_t (*stepped_in)(void *ctx);
	// Adds what a policy has to all of *out but the use of its pool
	void (*load)(void *ctx, unsigned slot, struct ctl_load *out);
	// The use of so many addresses of a policy's pool, from one with a number on
	void (*pool_use)(void *ctx, unsigned slot, uint32_t number, uint32_t addresses,
		struct ctl_pool_use *out);
	// Rows of a worker's table from a cursor on. Returns 0 or -ETIMEDOUT; *count and *cursor as nat_walk
	int (*walk)(void *ctx, unsigned worker, enum walk_table table, uint32_t room, void *rows,
		uint32_t *cursor, uint32_t *count);
	// The configuration in force as JSON; the caller frees it
	char *(*config)(void *ctx);
	// Moves the held clock; -EPERM if it runs by itself
	int (*advance)(void *ctx, uint64_t seconds);
};

struct ctl;

// Opens the socket, for the owner and group only. The source must outlive it. Returns NULL with the reason
// in err.
struct ctl *ctl_open(
	struct evloop *loop, const char *path, const struct ctl_source *source, struct err *err);

// Closes all connections and removes the socket. NULL is allowed.
void ctl_close(struct ctl *ctl);
