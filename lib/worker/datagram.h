// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The fragmented datagrams that one worker gathers. A datagram is made by whichever of its fragments comes
// first. It ends when all of it has been seen, when its time is up, or, if it is the oldest, to make room for
// a newer one: a flood of fragments that belong together with nothing wears itself out and takes nothing from
// packets that are whole.
//
// There are two of these tables. In that of fragments to be translated (defrag.c; RFC 4787 REQ-14, RFC 6146
// section 3.4) the others wait until the one with the transport header is there; from then on each goes on its
// way at once. In that of IPv6 fragments of tunnel packets (reassemble.c) all wait for the last one to come.
//
// Number 0 is nobody. What waits is a list through the private areas of the packets.

#include "net/frag.h"
#include "session/index.h"
#include "session/wheel.h"

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stdint.h>

#define DATAGRAM_SOURCES  4096u // counters of datagrams by a hash of their source
#define DATAGRAM_POLICIES 256u  // counters of waiting fragments by policy slot

// Addresses are as they stand in the packet; for IPv4 the second word is 0, but for that of the source of a
// fragment out of a softwire, which tells the softwires apart.
struct datagram_key {
	uint64_t src[2];
	uint64_t dst[2];
	uint32_t id;
	uint8_t protocol;
	bool outward; // from inside
};

enum datagram_state {
	DATAGRAM_WAITING, // for its first fragment
	DATAGRAM_KNOWN,   // its ports are
	DATAGRAM_BROKEN,  // no fragment of it goes on
};

struct fragment_list {
	struct rte_mbuf *first;
	struct rte_mbuf *last;
};

struct datagram {
	struct datagram_key key;
	uint8_t state;      // enum datagram_state
	uint8_t policy;     // slot
	uint8_t flags;      // of TCP; for ICMP its type
	uint16_t fragments; // seen so far
	rte_be16_t src_port;
	rte_be16_t dst_port;
	rte_be16_t id;    // that it is to have outside
	uint32_t waiting; // packet buffers
	struct fragment_list list;
	struct frag_seen seen;
	struct link link; // in the wheel
	uint32_t older;
	union {
		uint32_t newer;
		uint32_t next_free;
	};
};

// How large a worker's table is.
struct datagram_size {
	uint32_t datagrams;
	uint32_t waiting; // packet buffers, of all datagrams together
	uint16_t fragments_each;
	uint16_t each_source; // datagrams under way from one source
	uint8_t source_bits;  // of the first word of a source that say which one it is
};

struct datagram_table {
	struct datagram_size size;
	struct datagram *datagram;
	uint32_t used;
	uint32_t fresh;
	uint32_t next_free;
	uint32_t oldest;
	uint32_t newest;
	uint64_t waiting;                      // has one writer; the control thread reads it
	uint32_t of_policy[DATAGRAM_POLICIES]; // waiting
	uint16_t *of_source;                   // datagrams
	struct index by_key;
	struct wheel wheel;
};

// Makes an empty table at tick `now`. Returns 0 or -ENOMEM.
int datagram_init(struct datagram_table *table, const struct datagram_size *size, uint32_t now);

// Frees the table; nothing waits in it any more. A zeroed one is allowed.
void datagram_fini(struct datagram_table *table);

// Bytes that datagram_init would allocate.
uint64_t datagram_bytes(const struct datagram_size *size);

// The number of a datagram, or 0.
uint32_t datagram_find(const struct datagram_table *table, const struct datagram_key *key);

// Whether a source has as many datagrams under way as it may.
bool datagram_is_source_full(const struct datagram_table *table, const struct datagram_key *key);

// Makes a datagram that ends at tick `due`. There must be room: table->used below table->size.
uint32_t datagram_add(
	struct datagram_table *table, const struct datagram_key *key, uint8_t policy, uint32_t due);

// Lets a fragment wait.
void datagram_hold(struct datagram_table *table, uint32_t number, struct rte_mbuf *mbuf);

// Takes all that waits, in the order in which it came.
struct fragment_list datagram_take(struct datagram_table *table, uint32_t number);

// Takes out a datagram in which nothing waits.
void datagram_remove(struct datagram_table *table, uint32_t number);

// The next datagram whose time is up at `now`, or 0. The caller removes it.
uint32_t datagram_due(struct datagram_table *table, uint32_t now);

// Adds a packet to the end of a list, and takes the one at its head, or NULL.
void fragment_push(struct fragment_list *list, struct rte_mbuf *mbuf);
struct rte_mbuf *fragment_pop(struct fragment_list *list);
