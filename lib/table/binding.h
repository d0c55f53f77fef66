// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The binding table of a lightweight 4over6 instance (RFC 7596 section 6.1): who has which ports of
// which IPv4 address. The control thread writes, every worker reads without a lock, and the table
// changes binding by binding under load.
//
// One hash of 32-byte records by (IPv4 address, port set). Both directions ask it the same question: a
// packet from a B4 is right if the one who holds its inner source has its outer source. How an address
// is divided is one answer for the table, or, where addresses differ, a second, small hash:
//
//	0         4      6   7   8                24       28   30   31
//	+---------+------+---+---+----------------+--------+----+----+---+
//	| IPv4    | PSID | a | k | B4 address     | since  | br | mark   |
//	+---------+------+---+---+----------------+--------+----+----+---+
//	'------- key ------------'
//
// A record is complete before its key is stored with release. One that was taken out keeps its bytes until
// no worker can be reading them; then another may have its place. A binding that changes hands is added
// for its new holder before it is taken from the old one, so that at no time nobody has it. When the
// table grows, readers get a new one, and the old is freed an RCU grace period later.

#include "base/ipaddr.h"
#include "table/psid.h"

#include <rte_byteorder.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct rcu;

#define BINDING_EMPTY   UINT64_C(0)
#define BINDING_RESTING UINT64_C(1) // taken out, but may still be read
#define BINDING_FREE    UINT64_C(2) // was taken out, and may be used again

struct binding {
	_Atomic uint64_t key; // above BINDING_FREE, since no address is zero
	uint8_t b4[16];
	uint32_t since;         // Unix time that it is in force from
	_Atomic uint16_t br;    // number of the BR's address, in the instance's list
	_Atomic uint8_t marked; // the B4 has an ACL rule
	uint8_t unused;
};

static_assert(sizeof(struct binding) == 32, "two to a cache line");

// How one address is divided; as a word, so that it is read and written at once. Zero: no entry.
struct binding_address {
	rte_be32_t ipv4;
	uint8_t offset;
	uint8_t length;
	uint16_t unused;
};

// What readers see.
struct binding_view {
	struct binding *slot;
	unsigned shift; // of the hash, to the number of a slot
	uint32_t mask;
	bool mixed; // addresses differ; else all are divided by
	struct psid_geometry geometry;
	unsigned address_shift;
	uint32_t address_mask;
	_Atomic uint64_t *address;
};

struct binding_table {
	_Atomic(struct binding_view *) view;
	struct binding_writer *writer;
};

// A binding as a whole, for adding and telling.
struct binding_entry {
	rte_be32_t ipv4;
	uint16_t psid;
	struct psid_geometry geometry;
	uint8_t b4[16];
	uint16_t br;
	uint32_t since;
	bool marked; // told only
};

// Makes an empty table with room for so many bindings; it grows. Returns NULL if memory runs out.
struct binding_table *binding_table_new(uint32_t room, struct rcu *rcu);

// Frees the table, which nobody finds any more, when no worker can be reading it. NULL is allowed.
void binding_table_free(struct binding_table *table);

// Writer: makes room for so many bindings more, so that adding them does not fail. Returns 0 or -ENOMEM.
int binding_reserve(struct binding_table *table, uint32_t more);

// Writer: adds a binding, or gives its port set to another B4 or BR address. Returns 0 or -ENOMEM.
int binding_add(struct binding_table *table, const struct binding_entry *entry);

// Writer: takes out the binding with this address, port set and geometry. Returns 0 or -ENOENT.
int binding_remove(struct binding_table *table, const struct binding_entry *entry);

// Writer: the binding with the address, port set and geometry of `key`. Returns false if there is none.
bool binding_get(const struct binding_table *table, const struct binding_entry *key,
	struct binding_entry *entry);

// Writer: sets or clears the mark of all bindings of a B4. Returns how many it has.
unsigned binding_mark(struct binding_table *table, const uint8_t b4[16], bool marked);

// Writer: the bindings of the table, from *cursor (0 to begin) on. Returns false at the end.
bool binding_walk(const struct binding_table *table, uint32_t *cursor, struct binding_entry *entry);

// Writer: the bindings of one B4, likewise.
bool binding_walk_b4(const struct binding_table *table, const uint8_t b4[16], uint32_t *cursor,
	struct binding_entry *entry);

uint32_t binding_count(const struct binding_table *table);

// How an address is divided. Returns false if nobody has any of it.
bool binding_geometry(
	const struct binding_table *table, rte_be32_t ipv4, struct psid_geometry *geometry);

// Bytes of a table with so many bindings.
uint64_t binding_bytes(uint32_t bindings);

static inline const struct binding_view *binding_view(const struct binding_table *table)
{
	return atomic_load_explicit(&table->view, memory_order_acquire);
}

static inline uint64_t binding_key(rte_be32_t ipv4, uint16_t psid, struct psid_geometry g)
{
	return (uint64_t)ipv4 << 32 | (uint64_t)psid << 16 | (uint64_t)g.offset << 8 | g.length;
}

static inline uint64_t binding_hash(uint64_t key)
{
	key *= UINT64_C(0x9e3779b97f4a7c15);
	return (key ^ key >> 32) * UINT64_C(0xd6e8feb86659fd93);
}

// The places where a search for an address, and for a key, begins: to prefetch. That for a key begins with the first
// of the two slots of a cache line.
static inline _Atomic uint64_t *binding_address_home(const struct binding_view *v, rte_be32_t ipv4)
{
	return &v->address[binding_hash(ipv4) >> v->address_shift];
}

static inline uint32_t binding_place(const struct binding_view *v, uint64_t key)
{
	return (uint32_t)(binding_hash(key) >> v->shift) & ~1u;
}

static inline struct binding *binding_home(const struct binding_view *v, uint64_t key)
{
	return &v->slot[binding_place(v, key)];
}

// Reader: how an address of a table whose addresses differ is divided. Returns false if nobody has any of it.
static inline bool binding_divided(
	const struct binding_view *v, rte_be32_t ipv4, struct psid_geometry *geometry)
{
	uint32_t at = (uint32_t)(binding_hash(ipv4) >> v->address_shift);

	for (;; at = (at + 1) & v->address_mask) {
		uint64_t word = atomic_load_explicit(&v->address[at], memory_order_relaxed);
		struct binding_address a;

		memcpy(&a, &word, sizeof(a));
		if (a.ipv4 == ipv4) {
			*geometry = (struct psid_geometry){a.offset, a.length};
			return true;
		}
		if (!word)
			return false;
	}
}

// Reader: the key of the binding that a port (host order) of an address belongs to; BINDING_EMPTY if to
// none. A protocol without ports belongs to who has the address to himself.
static inline uint64_t binding_key_of(
	const struct binding_view *v, rte_be32_t ipv4, uint16_t port, bool has_port)
{
	struct psid_geometry g = v->geometry;

	if (v->mixed && !binding_divided(v, ipv4, &g))
		return BINDING_EMPTY;
	if (g.length && (!has_port || psid_is_reserved(g, port)))
		return BINDING_EMPTY;
	return binding_key(ipv4, psid_of_port(g, port), g);
}

// How all addresses of a table are divided, ready for the keys of many ports.
struct binding_division {
	uint32_t reserved; // ports below it are nobody's
	uint32_t shift;
	uint32_t mask;
	uint32_t low; // of every key
};

static inline struct binding_division binding_division(struct psid_geometry g)
{
	return (struct binding_division){
		.reserved = g.length && g.offset ? 1u << (PSID_BITS - g.offset) : 0,
		.shift = psid_low_bits(g),
		.mask = (1u << g.length) - 1,
		.low = (uint32_t)g.offset << 8 | g.length,
	};
}

// Reader: as binding_key_of() with a port.
static inline uint64_t binding_key_by(
	const struct binding_division *d, rte_be32_t ipv4, uint16_t port)
{
	uint32_t psid = port >> d->shift & d->mask;

	return port < d->reserved ? BINDING_EMPTY : (uint64_t)ipv4 << 32 | psid << 16 | d->low;
}

// Reader: the binding with this key, or NULL. It stays as it is until the next quiescent state. One that is given to
// another B4 is there a second time before it rests, but maybe in a slot that the search has passed already: where
// it has met slots that rest, it is made again until it meets no more of them.
static inline struct binding *binding_find(const struct binding_view *v, uint64_t key)
{
	uint32_t home = binding_place(v, key), at = home;
	unsigned resting = 0, before = 0;

	if (key <= BINDING_FREE)
		return NULL;
	for (;;) {
		struct binding *b = &v->slot[at];
		uint64_t found = atomic_load_explicit(&b->key, memory_order_acquire);

		if (found == key)
			return b;
		resting += found == BINDING_RESTING;
		at = (at + 1) & v->mask;
		if (found != BINDING_EMPTY)
			continue;
		if (resting <= before)
			return NULL;
		before = resting;
		resting = 0;
		at = home;
	}
}
