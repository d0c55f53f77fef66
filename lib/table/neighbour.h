// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The link-layer addresses of neighbours: written by the control thread, read by every worker
// without a lock. Entries stand in a fixed array and in hash chains; an entry's link-layer address
// is one atomic word, so a reader sees the old or the new one, never a mixture. An entry is taken
// out of its chain before an RCU grace period and used again only after it.

#include "base/ipaddr.h"

#include <rte_ether.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NEIGHBOUR_NONE UINT32_MAX

struct neighbour;
struct rcu;

struct neighbour_table {
	_Atomic uint64_t
		*mac; // by entry, in the order of the wire from the lowest byte; 0: not known
	uint32_t size;
	uint32_t mask;
	uint32_t first_free;
	struct rcu *rcu;
	_Atomic uint32_t *bucket; // heads of chains
	struct neighbour *entry;
};

// Returns NULL if memory runs out.
struct neighbour_table *neighbour_table_new(uint32_t max, struct rcu *rcu);
void neighbour_table_free(struct neighbour_table *table);

// Reader: the entry of an address on an interface, or NEIGHBOUR_NONE.
uint32_t neighbour_find(
	const struct neighbour_table *table, uint8_t iface, const struct ipaddr *addr);

// Reader: the link-layer address in the low six bytes, in the order of the wire; 0: not known.
static inline uint64_t neighbour_mac(const struct neighbour_table *table, uint32_t entry)
{
	return atomic_load_explicit(&table->mac[entry], memory_order_relaxed);
}

// Writer: the entry of an address, made without a link-layer address if there is none. Returns
// NEIGHBOUR_NONE when the table is full.
uint32_t neighbour_add(struct neighbour_table *table, uint8_t iface, const struct ipaddr *addr);

// Writer: takes an entry out. Readers may see it until the next grace period.
void neighbour_remove(struct neighbour_table *table, uint32_t entry);

// Writer: sets the link-layer address, or takes it away (NULL).
void neighbour_set(struct neighbour_table *table, uint32_t entry, const struct rte_ether_addr *mac);

// Writer: what an entry stands for; entries run from 0 to neighbour_size() - 1. Returns false if it
// is free.
bool neighbour_get(
	const struct neighbour_table *table, uint32_t entry, uint8_t *iface, struct ipaddr *addr);
uint32_t neighbour_size(const struct neighbour_table *table);
