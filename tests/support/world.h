// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A dataplane without devices, for unit tests, fuzzers and benchmarks: two interfaces, one NAT policy,
// workers whose pipeline is run by the caller, and frames taken from the transmit queues.
//
//	inside, interface 0, 100.64.0.0/10 behind 100.64.0.2      outside, interface 1, 192.0.2.1/24,
//	(address 100.64.0.1)                                      default route by 192.0.2.254

#include "worker/stages.h"

#define WORLD_INSIDE  0
#define WORLD_OUTSIDE 1

struct world_setup {
	unsigned workers;
	bool threads; // each worker runs on a thread that tells when it is quiescent (base/rcu.h)
	struct nat_size size;
	struct datagram_size datagrams;
	struct datagram_size tunnelled;
	unsigned block_bits;
	unsigned max_blocks;
	uint32_t pool_first; // host order
	uint32_t pool_last;
	const struct pool_ports *reserved;
	unsigned n_reserved;
	const struct detnat_setup *fixed; // deterministic NAT; NULL: none
	uint32_t mbufs;
	uint32_t rules;       // of mitigations that there may be
	struct timers timers; // all zero: the defaults of the RFCs
	struct behaviour behaviour;
	bool hairpinning;
	uint16_t mss;                    // as in a policy
	struct fragment_rules fragments; // likewise
	uint16_t mtu;
	unsigned hops; // that there is room for: next hops, and IPv4 routes
	const struct static_mapping *statics;
	unsigned n_statics;
	bool huge_pages; // where there are any; else ordinary memory
	unsigned memory_mb;
};

struct world {
	struct dataplane dataplane;
	struct snapshot *snapshot;
	struct acl *acl;
	struct neighbour_table *neighbours;
	struct rcu *rcu;
	struct rte_mempool *mbufs;
	struct pool *pool;
	unsigned hops;
};

// Starts EAL once for the process. Exits if it cannot.
void world_eal(const char *program, bool huge_pages, unsigned memory_mb);

// Makes the world at tick `now`; exits if memory runs out.
struct world *world_new(const struct world_setup *setup, uint32_t now);
void world_free(struct world *world);

// Adds a policy in a slot of its own, which is its instance's number too, with a pool made as that of the world.
struct nat_policy *world_policy(
	struct world *world, const struct world_setup *setup, unsigned slot);

// The default of everything: one worker, small tables, 203.0.113.0/28 in blocks of 64 ports.
struct world_setup world_setup(void);

// A frame with an IP packet of `length` bytes at `ip`, addressed to the box, in a fresh mbuf.
struct rte_mbuf *world_frame(struct world *world, unsigned iface, const void *ip, uint16_t length);

// Runs one packet through worker 0 as received on an interface.
void world_receive(struct world *world, unsigned iface, struct rte_mbuf *mbuf);

// Runs one packet through any worker, and what other workers are handed then, until nothing is on its way.
void world_carry(struct world *world, unsigned worker, unsigned iface, struct rte_mbuf *mbuf);

// Moves the clock: every worker ends what has run out by then.
void world_pass(struct world *world, uint32_t now);

// Does the control thread's part for a while: free port blocks move to workers that want some, and other messages are
// heard and forgotten.
void world_hear(struct world *world);

// Tells a worker something, which it does at once.
void world_tell(struct world *world, unsigned worker, const struct msg *msg);

// How many packets had this verdict, or were received, at all workers together.
uint64_t world_verdicts(const struct world *world, enum verdict verdict);
uint64_t world_received(const struct world *world);

// Takes the oldest frame that worker `worker` would send by an interface, or NULL.
struct rte_mbuf *world_sent(struct world *world, unsigned worker, unsigned iface);
