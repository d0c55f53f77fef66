// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The sessions of one worker: one for each remote endpoint of a mapping (RFC 6146 section 3.1 calls it a
// session table entry), number 0 is nobody. TCP needs it for its state, ICMP so that a report of ICMP
// types can be resolved by target, UDP only where not everybody may write to a mapping. Sessions stand in
// the wheel; the last one to go takes its mapping along. Those of one mapping form a ring, which the mapping
// enters at the one that was used last.
//
// Where TCP is filtered by address, one more entry for each remote address of a mapping, with port 0 and in
// no ring or wheel, counts the sessions that there are with it: while there is one, others may come.

#include "session/bib.h"
#include "session/tcp.h"

struct session {
	rte_be32_t remote;
	rte_be16_t remote_port; // 0: all (ICMP; UDP filtered by address)
	uint8_t state;          // enum tcp_state, of DCCP too; of other protocols 0
	uint8_t alg;            // application gateway that watches it; 0: none
	uint32_t mapping;
	union {
		uint32_t seen;  // tick of the last packet that refreshes
		uint32_t holds; // of the entry of an address: sessions with it
	};
	union {
		struct link link;
		uint32_t next_free;
	};
	uint32_t next; // of the mapping's sessions: a ring
	uint32_t prev;
};

static_assert(sizeof(struct session) == 32, "two sessions a cache line");

struct session_table {
	struct session *session;
	uint32_t size;
	uint32_t used;
	uint32_t fresh;
	uint32_t next_free;
	struct index by_remote;
};

// Makes room for `size` sessions. Returns 0 or -ENOMEM.
int session_init(struct session_table *table, uint32_t size);
void session_fini(struct session_table *table);
uint64_t session_bytes(uint32_t size);

// Takes a session from the free ones and puts it into its mapping's ring, of which `ring` is one; 0: it
// is the first. Returns its number, or 0 when all are in use.
uint32_t session_add(struct session_table *table, uint32_t ring, uint32_t mapping,
	rte_be32_t remote, rte_be16_t remote_port);

// Takes a session out of the index, its ring and back to the free ones; it is not in the wheel any more.
// Returns another one of the ring, 0 if it was the last.
uint32_t session_remove(struct session_table *table, uint32_t number);

// The session of a mapping with a remote endpoint, or 0. `likely_number` is tried first.
uint32_t session_find(const struct session_table *table, uint32_t likely_number, uint32_t mapping,
	rte_be32_t remote, rte_be16_t remote_port);
