// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A worker and what it shares with the others.
//
// Each worker polls its receive queues, carries every packet through the pipeline, and owns all state
// of its subscribers; only what `struct dataplane` holds is shared, and of that workers only read,
// except for the rings they hand packets over by. The control thread makes everything before the
// workers start and frees it after they have stopped.

#include "net/burst.h"
#include "net/ipid.h"
#include "session/nat.h"
#include "table/snapshot.h"
#include "worker/datagram.h"
#include "worker/handover.h"
#include "worker/held.h"
#include "worker/port.h"

#include <rte_cycles.h>
#include <rte_ring.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TRANSMIT_MAX 128

struct neighbour_table;
struct rcu;

// Counters have one writer; the control thread reads them as they grow.
struct iface_stats {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t rx_multicast; // broadcast included
	uint64_t rx_drops;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_drops;
};

struct worker_stats {
	uint64_t received;
	uint64_t verdict[V_COUNT];
	uint64_t icmp_errors_sent;
	uint64_t icmp_errors_withheld; // by the rate limit
	uint64_t steered;              // handed over to another worker
	uint64_t taken;                // over from other workers
	uint64_t blocks_given;         // free port blocks, to other workers
	uint64_t blocks_taken;         // from them
	uint64_t syns_held;            // from outside, kept for a later answer
	uint64_t syns_not_held;        // dropped at once, for want of room to keep them
	uint64_t resets_sent;
	uint64_t copies;        // of packets that mitigations inspect
	uint64_t copies_missed; // for want of time or room
	uint64_t busy_clocks;   // in turns that found something to do
	uint64_t idle_clocks;   // in the others, and resting after them
	struct iface_stats iface[SNAPSHOT_MAX_IFACES];
};

// Frames waiting to leave by one interface, each with the verdict it counts as once it is gone.
struct transmit {
	unsigned n;
	uint64_t bytes; // of what the last flush sent
	struct rte_mbuf *mbuf[TRANSMIT_MAX];
	uint8_t verdict[TRANSMIT_MAX];
};

struct dataplane {
	unsigned workers;
	_Atomic(const struct snapshot *) snapshot;
	const struct acl *acl;
	const struct neighbour_table *neighbours;
	struct rcu *rcu;
	struct rte_mempool *mbufs;
	struct rte_mempool *copies; // buffers for what mitigations inspect
	_Atomic bool stop;
	unsigned
		idle_sleep_us; // how long a worker sleeps when it finds nothing to do; 0: it polls on
	uint32_t icmp_rate;    // ICMP errors a second, all workers together
	uint32_t host_rate;    // packets for the kernel a second: worker, interface and punt_class
	uint32_t held_syns;    // that each worker keeps
	uint32_t reassembly_ticks; // that a fragmented tunnel packet has to arrive
	unsigned ports;
	struct port port[SNAPSHOT_MAX_PORTS];
	struct worker *worker[POOL_MAX_WORKERS];
	const struct nat *nat[POOL_MAX_WORKERS]; // of each
};

// Who sends to the box's own addresses: a home that is expected from there, or anybody.
enum punt_class { PUNT_STRANGER, PUNT_HOME, PUNT_CLASSES };

struct worker {
	struct dataplane *dataplane;
	unsigned number;
	uint32_t now;                                         // tick of this turn
	const struct snapshot *snapshot;                      // of this turn
	struct rte_ether_addr iface_mac[SNAPSHOT_MAX_IFACES]; // configured, or the device's
	uint32_t icmp_tokens;
	uint32_t copy_tokens;
	uint32_t punt_tokens[PUNT_CLASSES][SNAPSHOT_MAX_IFACES];
	struct nat nat;
	struct held_table held;
	struct datagram_table datagrams; // IPv4, to be translated
	struct datagram_table tunnelled; // IPv6, that carry tunnel packets
	struct fragment_list again;      // packets to begin their way again
	struct ipid ids;
	uint32_t tunnel_id;                      // of the next tunnel packet that is fragmented
	struct channel channel;                  // to and from the control thread
	struct rte_ring *from[POOL_MAX_WORKERS]; // packets other workers hand over; NULL for itself
	struct transmit *transmit;               // by interface
	uint64_t transmit_waiting;               // one bit for each interface with frames to send
	struct burst burst;
	struct burst pieces; // of one packet that is fragmented on its way out
	struct worker_stats stats;
	unsigned quiet_turns;        // in a row with nothing to do
	uint64_t next_clock_tsc;     // when to read the clock again
	_Atomic uint32_t settled;    // the last tick at which all that was due has been done
	_Atomic uint32_t generation; // of the snapshot whose predecessors are not used any more
	_Atomic bool idle;           // nothing came and nothing waits since a good while
};

// Adds to a counter that the control thread reads.
static inline void stat_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline uint64_t stat_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

// How large a worker's tables are; equal shares of what the configuration gives the box.
struct worker_size {
	struct nat_size nat;
	struct datagram_size datagrams;
	struct datagram_size tunnelled;
};

// Makes worker `number` with empty tables at tick `now`. Returns NULL if memory runs out.
struct worker *worker_new(
	struct dataplane *dataplane, unsigned number, const struct worker_size *size, uint32_t now);

// Bytes that worker_new would allocate.
uint64_t worker_bytes(const struct worker_size *size);

// Frees a worker that has stopped, and the packets it still holds. NULL is allowed.
void worker_free(struct worker *worker);

// The thread of a worker: polls until dataplane->stop. For rte_eal_remote_launch().
int worker_main(void *worker);

// One turn of the loop. Returns how much there was to do, 0 for nothing.
unsigned worker_turn(struct worker *worker, uint32_t now);
