// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The Binding Information Base of one worker: mappings in an array; number 0 is nobody. A mapping is
// endpoint-independent (RFC 4787 REQ-1), one for each inside address, port and protocol; or, if its
// policy says so, dependent: one for each remote address, or address and port, as well.
//
// From inside a mapping is found by an index over (inside address, port, protocol). A dependent one stands
// in the same index by a hash that has the remote in it; the remote itself stands in its sessions, so it
// always has one. From outside a mapping is found by array, through the port block that its outside port
// lies in (portblk.h); or, if a static mapping made it or its protocol has no slots there, by an index over
// its outside address, port and protocol.
//
// A UDP mapping that anybody may write to stands in the wheel itself. Any other lives as long as its inside
// host takes part in one of its sessions, which stand in the wheel instead (session.h).

#include "net/l4.h"
#include "session/index.h"
#include "session/wheel.h"
#include "table/snapshot.h"

#include <rte_byteorder.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define MAPPING_L4        0x07 // enum l4
#define MAPPING_MARKED    0x08 // its subscriber has ACL rules
#define MAPPING_STATIC    0x10 // made from a static mapping; else by a packet from inside
#define MAPPING_SESSIONS  0x20 // has sessions; else it stands in the wheel itself
#define MAPPING_DEPENDENT 0x40 // is for the remote of its sessions alone
#define MAPPING_REST      0x80 // a session of it was not closed in good order, so its port must rest

// Half a cache line, so that two lie in one.
struct mapping {
	rte_be32_t inside;
	rte_be32_t outside;
	rte_be16_t inside_port; // ICMP: query identifier
	rte_be16_t outside_port;
	uint32_t subscriber; // number in the subscriber table
	uint32_t seen;       // tick of the last packet that refreshes
	union {
		struct link link; // in the wheel: without sessions
		struct {
			uint32_t session;    // that was used last: with sessions
			uint32_t unanswered; // sessions that the inside host takes no part in yet
		};
		uint32_t next_free;
	};
	uint16_t sessions;
	uint8_t flags;
	uint8_t policy; // slot
};

static_assert(sizeof(struct mapping) == 32, "two mappings a cache line");

struct bib {
	struct mapping *mapping;
	uint32_t size;
	uint32_t used;
	uint32_t fresh;     // numbers from here on were never used
	uint32_t next_free; // list of numbers used before
	struct index by_inside;
	struct index by_outside;
	uint32_t count[SNAPSHOT_MAX_POLICIES][POLICY_PROTOCOLS]; // by policy slot and enum l4
};

// Makes room for `size` mappings. Returns 0 or -ENOMEM.
int bib_init(struct bib *bib, uint32_t size);
void bib_free(struct bib *bib);
uint64_t bib_bytes(uint32_t size);

// Takes a mapping from the free ones and enters it by the hash of its inside tuple. Returns its number, or
// 0 when all are in use. The caller fills in the rest.
uint32_t bib_add(struct bib *bib, uint64_t hash, enum l4 l4, rte_be32_t inside,
	rte_be16_t inside_port, uint8_t policy);

// Enters a mapping by its outside tuple as well, if bib_has_outside_room().
void bib_add_outside(struct bib *bib, uint32_t number);
bool bib_has_outside_room(const struct bib *bib);

// Takes a mapping that was added with that hash out of the indexes and back to the free ones.
void bib_remove(struct bib *bib, uint32_t number, uint64_t hash);

static inline enum l4 mapping_l4(const struct mapping *m)
{
	return m->flags & MAPPING_L4;
}

static inline bool mapping_in_use(const struct mapping *m)
{
	return m->inside != 0;
}

static inline uint64_t bib_key(enum l4 l4, rte_be32_t address, rte_be16_t port)
{
	return (uint64_t)address | (uint64_t)port << 32 | (uint64_t)l4 << 48;
}

static inline uint64_t bib_hash(const struct bib *bib, enum l4 l4, rte_be32_t a, rte_be16_t port)
{
	return index_hash(&bib->by_inside, bib_key(l4, a, port));
}

// The hash of a dependent mapping; `remote_port` is 0 if it is for all ports of the remote.
static inline uint64_t bib_hash_dependent(const struct bib *bib, enum l4 l4, rte_be32_t a,
	rte_be16_t port, rte_be32_t remote, rte_be16_t remote_port)
{
	return index_hash2(
		&bib->by_inside, bib_key(l4, a, port), (uint64_t)remote << 16 | remote_port);
}

// Whether an endpoint-independent mapping is that of an inside tuple.
static inline bool mapping_is_inside(
	const struct mapping *m, enum l4 l4, rte_be32_t inside, rte_be16_t port)
{
	return m->inside == inside && m->inside_port == port &&
		(m->flags & (MAPPING_L4 | MAPPING_DEPENDENT)) == l4;
}

// The endpoint-independent mapping of an inside tuple, or 0.
uint32_t bib_find_inside(const struct bib *bib, enum l4 l4, rte_be32_t inside, rte_be16_t port);

// The mapping that was entered by an outside tuple, or 0.
uint32_t bib_find_outside(const struct bib *bib, enum l4 l4, rte_be32_t outside, rte_be16_t port);
