// SPDX-License-Identifier: BSD-3-Clause

#include "table/neighbour.h"

#include "base/rcu.h"

#include <stdlib.h>
#include <string.h>

enum state { ENTRY_FREE, ENTRY_USED, ENTRY_LEAVING };

struct neighbour {
	_Atomic uint32_t next;
	uint8_t iface;
	struct ipaddr addr;
	enum state state; // control thread only
};

static uint32_t hash(const struct neighbour_table *table, uint8_t iface, const uint8_t bytes[16])
{
	uint64_t half[2];
	uint64_t h = iface;

	memcpy(half, bytes, sizeof(half));
	for (unsigned i = 0; i < 2; i++) {
		h = (h ^ half[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return (uint32_t)h & table->mask;
}

struct neighbour_table *neighbour_table_new(uint32_t max, struct rcu *rcu)
{
	struct neighbour_table *table = calloc(1, sizeof(*table));
	uint32_t buckets = 64;

	if (!table)
		return NULL;
	while (buckets < max)
		buckets *= 2;
	table->size = max;
	table->mask = buckets - 1;
	table->rcu = rcu;
	table->bucket = malloc(buckets * sizeof(*table->bucket));
	table->entry = calloc(max, sizeof(*table->entry));
	table->mac = calloc(max, sizeof(*table->mac));
	if (!table->bucket || !table->entry || !table->mac) {
		neighbour_table_free(table);
		return NULL;
	}
	for (uint32_t i = 0; i < buckets; i++)
		atomic_init(&table->bucket[i], NEIGHBOUR_NONE);
	return table;
}

void neighbour_table_free(struct neighbour_table *table)
{
	if (!table)
		return;
	free(table->bucket);
	free(table->entry);
	free(table->mac);
	free(table);
}

uint32_t neighbour_find(
	const struct neighbour_table *table, uint8_t iface, const struct ipaddr *addr)
{
	uint32_t h = hash(table, iface, addr->bytes);
	uint32_t n = atomic_load_explicit(&table->bucket[h], memory_order_acquire);

	while (n != NEIGHBOUR_NONE) {
		const struct neighbour *e = &table->entry[n];

		if (e->iface == iface && !ipaddr_compare(&e->addr, addr))
			return n;
		n = atomic_load_explicit(&e->next, memory_order_acquire);
	}
	return NEIGHBOUR_NONE;
}

uint32_t neighbour_add(struct neighbour_table *table, uint8_t iface, const struct ipaddr *addr)
{
	uint32_t n = neighbour_find(table, iface, addr);
	_Atomic uint32_t *head = &table->bucket[hash(table, iface, addr->bytes)];
	struct neighbour *e;

	if (n != NEIGHBOUR_NONE)
		return n;
	n = table->first_free;
	for (uint32_t tried = 0;; tried++, n++) {
		if (tried == table->size)
			return NEIGHBOUR_NONE;
		if (n >= table->size)
			n = 0;
		if (table->entry[n].state == ENTRY_FREE)
			break;
	}
	table->first_free = n + 1;
	e = &table->entry[n];
	e->iface = iface;
	e->addr = *addr;
	e->state = ENTRY_USED;
	atomic_store_explicit(&table->mac[n], 0, memory_order_relaxed);
	atomic_store_explicit(
		&e->next, atomic_load_explicit(head, memory_order_relaxed), memory_order_relaxed);
	atomic_store_explicit(head, n, memory_order_release);
	return n;
}

static void entry_release(void *arg)
{
	struct neighbour *e = arg;

	e->state = ENTRY_FREE;
}

void neighbour_remove(struct neighbour_table *table, uint32_t entry)
{
	struct neighbour *e = &table->entry[entry];
	_Atomic uint32_t *link = &table->bucket[hash(table, e->iface, e->addr.bytes)];
	uint32_t n;

	while ((n = atomic_load_explicit(link, memory_order_relaxed)) != entry)
		link = &table->entry[n].next;
	atomic_store_explicit(
		link, atomic_load_explicit(&e->next, memory_order_relaxed), memory_order_release);
	e->state = ENTRY_LEAVING;
	rcu_defer(table->rcu, entry_release, e);
}

void neighbour_set(struct neighbour_table *table, uint32_t entry, const struct rte_ether_addr *mac)
{
	uint64_t word = 0;

	if (mac)
		memcpy(&word, mac, sizeof(*mac));
	atomic_store_explicit(&table->mac[entry], word, memory_order_relaxed);
}

bool neighbour_get(
	const struct neighbour_table *table, uint32_t entry, uint8_t *iface, struct ipaddr *addr)
{
	const struct neighbour *e = &table->entry[entry];

	if (e->state != ENTRY_USED)
		return false;
	*iface = e->iface;
	*addr = e->addr;
	return true;
}

uint32_t neighbour_size(const struct neighbour_table *table)
{
	return table->size;
}
