// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The Binding Information Base of one worker: endpoint-independent mappings (RFC 4787 REQ-1), one for
// each inside address, port and protocol, in an array; number 0 is nobody.
//
// From inside a mapping is found by an index over (inside address, port, protocol). From outside it
// is found by array, through the port block that its outside port lies in (portblk.h), or, if a
// static mapping made it, by an index over its outside address, port and protocol.
//
// A UDP mapping stands in the wheel itself. A TCP or ICMP mapping lives as long as it has sessions,
// which stand in the wheel instead (session.h).

#include "net/l4.h"
#include "session/index.h"
#include "session/wheel.h"

#include <rte_byteorder.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define MAPPING_L4     0x03 // enum l4
#define MAPPING_MARKED 0x04 // its subscriber has ACL rules
#define MAPPING_STATIC 0x08 // made from a static mapping; else by a packet from inside

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
			uint32_t next_free;
			uint32_t session; // that was used last: with sessions
		};
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
	struct index by_static;
};

// Makes room for `size` mappings. Returns 0 or -ENOMEM.
int bib_init(struct bib *bib, uint32_t size);
void bib_free(struct bib *bib);
uint64_t bib_bytes(uint32_t size);

// Takes a mapping from the free ones and enters it by its inside tuple. Returns its number, or 0
// when all are in use. The caller fills in the rest.
uint32_t bib_add(
	struct bib *bib, enum l4 l4, rte_be32_t inside, rte_be16_t inside_port, uint8_t policy);

// Enters a mapping made from a static one by its outside tuple as well, if bib_has_static_room().
void bib_add_static(struct bib *bib, uint32_t number);
bool bib_has_static_room(const struct bib *bib);

// Takes a mapping out of the indexes and back to the free ones.
void bib_remove(struct bib *bib, uint32_t number);

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

static inline bool mapping_is_inside(
	const struct mapping *m, enum l4 l4, rte_be32_t inside, rte_be16_t port)
{
	return m->inside == inside && m->inside_port == port && mapping_l4(m) == l4;
}

// The mapping of an inside tuple, or 0.
uint32_t bib_find_inside(const struct bib *bib, enum l4 l4, rte_be32_t inside, rte_be16_t port);

// The mapping that a static mapping made for an outside tuple, or 0.
uint32_t bib_find_static(const struct bib *bib, enum l4 l4, rte_be32_t outside, rte_be16_t port);
