// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the control thread and a worker tell each other: messages of 64 bytes over two single-producer
// single-consumer rings a worker, one each way. The workers never wait for room; what a full ring
// means is said at each type.

#include "base/ipaddr.h"
#include "base/subkey.h"

#include <rte_byteorder.h>
#include <rte_ether.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_ring;

enum msg_type {
	// control to worker
	MSG_MARK,      // a subscriber gained its first ACL rule or lost its last
	MSG_WALK,      // write rows of a table from a cursor on; answered
	MSG_FIND,      // the mapping behind an outside port; answered
	MSG_FIND_ICMP, // inside hosts with ICMP sessions from an outside address to a target; answered
	MSG_TRANSMIT,    // a packet to send by an interface as it is, from its network header on
	MSG_BLOCKS_GIVE, // free port blocks that another worker wants; MSG_BLOCKS_GIVEN tells which
	MSG_BLOCKS_TAKE, // free port blocks that are this worker's now
	// worker to control
	MSG_ANSWER,        // to a request, with its sequence number
	MSG_BLOCK,         // a port block was granted or given back: a full ring refuses the block
	MSG_BLOCKS_WANTED, // a worker runs out of free port blocks; a full ring forgets it
	MSG_BLOCKS_GIVEN,  // for another worker; a full ring gives none
	MSG_NEIGHBOUR_WANTED, // a packet waits for its next hop; a full ring drops it
	MSG_NEIGHBOUR_SEEN,   // somebody told its link-layer address; a full ring forgets it
	MSG_COPY,             // the copy of a packet that a mitigation inspects
	MSG_B4_CHANGE,        // a B4 has changed its address too soon; a full ring forgets it
	MSG_PUNT, // an IP packet for an address of the box, for the kernel; a full ring drops it
};

enum walk_table { WALK_MAPPINGS, WALK_SUBSCRIBERS };

// One mapping of the BIB, for `show mappings` and `lookup`.
struct mapping_row {
	struct ipaddr inside;
	struct ipaddr b4; // that the inside host is behind; family 0: it is behind none
	bool b4_moved;    // it has had another address before,
	uint32_t b4_s;    // and has this one since so many seconds
	rte_be32_t outside;
	uint16_t inside_port; // host order; ICMP: identifier
	uint16_t outside_port;
	uint8_t protocol; // IANA number
	uint8_t policy;   // slot
	bool is_static;
	uint32_t sessions;
	uint32_t idle_s; // since the last packet that counted
	uint32_t left_s; // until it would end
	uint32_t id;     // stable while the mapping lives, unique on its worker
};

struct subscriber_row {
	struct subkey key;
	rte_be32_t outside;
	uint8_t policy;
	bool marked;
	uint16_t blocks;
	uint32_t udp_ports; // in use, of its blocks
	uint32_t tcp_ports;
	uint32_t icmp_ids;
	uint64_t refused; // packets that found no port
};

struct msg_block {
	struct subkey subscriber;
	rte_be32_t outside;
	uint16_t first_port; // host order
	uint16_t ports;
	uint8_t policy; // slot
	bool granted;
	uint32_t tick;
};

// Free port blocks on their way to another worker (table/moves.h).
struct msg_blocks {
	uint32_t pool;    // id
	uint32_t address; // number of the only one wanted, or UINT32_MAX
	uint32_t count;   // at most
	uint32_t word;
	uint64_t
		entries; // those given: a bit for each of 64 entries of the pool, from 64 * word on
	uint8_t policy;  // slot
	uint16_t to;     // worker
};

struct msg {
	uint16_t type;
	uint16_t worker;
	uint32_t sequence;
	union {
		struct {
			struct subkey subscriber;
			bool marked;
		} mark;
		struct {
			enum walk_table table;
			uint32_t cursor; // 0 to begin; the answer's cursor to go on
			uint32_t room;
			void *rows;
		} walk;
		struct {
			uint16_t policy;
			uint8_t protocol;
			uint16_t port; // host order
			rte_be32_t outside;
			struct mapping_row *row;
		} find;
		struct {
			rte_be32_t outside;
			rte_be32_t target; // network
			rte_be32_t mask;
			uint32_t room;
			struct subkey *subscribers;
		} find_icmp;
		struct {
			struct rte_mbuf *mbuf;
			uint64_t mac; // of the next hop, as neighbour_mac() gives it
			uint16_t ethertype;
			uint8_t iface;
			uint8_t verdict; // counted when it has been sent; V_COUNT: not a received packet
		} transmit;
		struct {
			uint32_t count;  // of rows written
			uint32_t cursor; // 0: the table has ended
		} answer;
		struct msg_block block;
		struct msg_blocks blocks;
		struct {
			struct rte_mbuf *mbuf;
			uint32_t neighbour; // entry, or NEIGHBOUR_NONE if the address has none yet
			uint8_t iface;
			uint8_t verdict; // what it will count as if it can be sent
			struct ipaddr addr;
		} wanted;
		struct {
			struct rte_ether_addr mac;
			uint8_t iface;
			bool solicited; // may make a new entry; else it only refreshes one
			struct ipaddr addr;
		} seen;
		struct {
			uint32_t instance; // ids
			uint32_t policy;
			uint8_t address[16]; // that it may not have yet
		} b4_change;
		struct {
			struct rte_mbuf *mbuf;
			uint8_t iface; // that it came by, and whose address it is for
		} punt;
		struct {
			// from the IP header on, cut to what fits one buffer; NULL: not copied, only counted
			struct rte_mbuf *mbuf;
			uint32_t slot;   // of the rule
			uint32_t flow;   // the same for packets of one flow
			uint16_t length; // of the datagram
		} copy;
		uint8_t bytes[56];
	};
};

static_assert(sizeof(struct msg) == 64, "one cache line a message");

// The two rings of one worker.
struct channel {
	struct rte_ring *to_worker;
	struct rte_ring *to_control;
	uint32_t sequence; // of the last request; control thread only
};

// How many messages each ring holds: a power of two.
#define CHANNEL_MESSAGES 4096

// Makes the rings. Returns 0 or -errno.
int channel_open(struct channel *channel, unsigned worker);

// Frees the rings; messages inside are lost. A zeroed channel is allowed.
void channel_close(struct channel *channel);

// Control: sends, or returns -ENOBUFS.
int channel_tell(struct channel *channel, const struct msg *msg);

// Control: takes up to `room` messages that the worker has sent. Returns how many.
unsigned channel_hear(struct channel *channel, struct msg *msgs, unsigned room);

// Worker: sends, or returns false when the ring is full.
bool channel_say(struct channel *channel, const struct msg *msg);

// Worker: how many messages could be sent now.
unsigned channel_room(const struct channel *channel);

// Worker: takes up to `room` messages of the control thread. Returns how many.
unsigned channel_take(struct channel *channel, struct msg *msgs, unsigned room);
