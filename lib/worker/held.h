// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// TCP SYNs, and their like of DCCP, from outside that no mapping lets in. Nobody may answer one before some time
// has passed (RFC 5382 REQ-4, RFC 5597 REQ-4): if the inside host opens the same connection meanwhile, the SYN was
// one half of a simultaneous open, and an answer would break it. So the packet waits here; afterwards it is
// forgotten silently, or its sender is told by ICMP that the port is unreachable. It has been counted as dropped
// when it came. One worker owns a table, that of the outside port.

#include "session/index.h"

#include <rte_byteorder.h>
#include <rte_mbuf.h>

// A connection by its outside and remote ends.
struct held_key {
	rte_be32_t outside;
	rte_be32_t remote;
	rte_be16_t outside_port;
	rte_be16_t remote_port;
	uint8_t l4; // enum l4
};

struct held {
	struct held_key key;
	uint8_t iface; // that it came in by
	uint16_t ip_offset;
	uint32_t due; // tick
	uint32_t next_free;
	struct rte_mbuf *mbuf; // NULL: the entry is free
};

struct held_table {
	struct held *held; // numbers from 1
	uint32_t size;
	uint32_t used;
	uint32_t fresh;
	uint32_t next_free;
	uint32_t earliest; // no entry is due before; if any is used
	struct index by_key;
};

// Makes room for `size` packets. Returns 0 or -ENOMEM.
int held_init(struct held_table *table, uint32_t size);

// Bytes that held_init() would allocate.
uint64_t held_bytes(uint32_t size);

// Frees the table and the packets in it.
void held_free(struct held_table *table);

// The entry of a connection, or 0.
uint32_t held_find(const struct held_table *table, const struct held_key *key);

// Enters a packet that held_find() does not know yet; it is the table's then. Returns false if that is full.
bool held_add(struct held_table *table, const struct held *entry);

// Takes out an entry. Its packet is the caller's then.
struct held held_remove(struct held_table *table, uint32_t number);

// Takes out up to `room` entries whose time has come. Returns how many.
unsigned held_take_due(struct held_table *table, uint32_t now, struct held *due, unsigned room);
