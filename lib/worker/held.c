// SPDX-License-Identifier: BSD-3-Clause

#include "worker/held.h"

#include <rte_malloc.h>

#include <errno.h>

uint64_t held_bytes(uint32_t size)
{
	return ((uint64_t)size + 1) * sizeof(struct held) + index_bytes(size);
}

int held_init(struct held_table *table, uint32_t size)
{
	*table = (struct held_table){.size = size, .fresh = 1};
	table->held = rte_zmalloc("held", ((size_t)size + 1) * sizeof(struct held), 0);
	if (!table->held || index_init(&table->by_key, "held-key", size) < 0) {
		held_free(table);
		return -ENOMEM;
	}
	return 0;
}

void held_free(struct held_table *table)
{
	for (uint32_t n = 1; n < table->fresh; n++)
		rte_pktmbuf_free(table->held[n].mbuf);
	index_free(&table->by_key);
	rte_free(table->held);
	*table = (struct held_table){0};
}

static uint64_t hash(const struct held_table *table, const struct held_key *key)
{
	return index_hash2(&table->by_key,
		(uint64_t)key->outside << 16 | key->outside_port | (uint64_t)key->l4 << 48,
		(uint64_t)key->remote << 16 | key->remote_port);
}

static bool is_same(const struct held_key *a, const struct held_key *b)
{
	return a->outside == b->outside && a->remote == b->remote &&
		a->outside_port == b->outside_port && a->remote_port == b->remote_port &&
		a->l4 == b->l4;
}

uint32_t held_find(const struct held_table *table, const struct held_key *key)
{
	struct index_search search = index_begin(&table->by_key, hash(table, key));
	uint32_t number;

	while ((number = index_next(&search))) {
		if (is_same(&table->held[number].key, key))
			break;
	}
	return number;
}

bool held_add(struct held_table *table, const struct held *entry)
{
	uint32_t number = table->next_free;

	if (number)
		table->next_free = table->held[number].next_free;
	else if (table->fresh <= table->size)
		number = table->fresh++;
	else
		return false;
	table->held[number] = *entry;
	index_add(&table->by_key, hash(table, &entry->key), number);
	if (!table->used++ || (int32_t)(entry->due - table->earliest) < 0)
		table->earliest = entry->due;
	return true;
}

struct held held_remove(struct held_table *table, uint32_t number)
{
	struct held entry = table->held[number];

	index_remove(&table->by_key, hash(table, &entry.key), number);
	table->held[number] = (struct held){.next_free = table->next_free};
	table->next_free = number;
	table->used--;
	return entry;
}

unsigned held_take_due(struct held_table *table, uint32_t now, struct held *due, unsigned room)
{
	uint32_t earliest = now + INT32_MAX;
	unsigned count = 0;

	if (!table->used || (int32_t)(table->earliest - now) > 0)
		return 0;
	for (uint32_t n = 1; n < table->fresh; n++) {
		const struct held *h = &table->held[n];

		if (!h->mbuf)
			continue;
		if ((int32_t)(h->due - now) > 0) {
			if ((int32_t)(h->due - earliest) < 0)
				earliest = h->due;
			continue;
		}
		if (count == room)
			return count;
		due[count++] = held_remove(table, n);
	}
	table->earliest = earliest;
	return count;
}
