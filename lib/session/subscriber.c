// SPDX-License-Identifier: BSD-3-Clause

#include "session/subscriber.h"

#include "base/bits.h"

#include <rte_malloc.h>

#include <errno.h>

uint64_t subscriber_bytes(uint32_t size)
{
	return ((uint64_t)size + 1) * sizeof(struct subscriber) + index_bytes(size);
}

int subscriber_init(struct subscriber_table *table, uint32_t size)
{
	*table = (struct subscriber_table){.size = size, .fresh = 1};
	table->subscriber = rte_zmalloc(
		"subscribers", ((size_t)size + 1) * sizeof(struct subscriber), RTE_CACHE_LINE_SIZE);
	if (!table->subscriber || index_init(&table->by_key, "subscriber-key", size) < 0) {
		subscriber_fini(table);
		return -ENOMEM;
	}
	return 0;
}

void subscriber_fini(struct subscriber_table *table)
{
	index_free(&table->by_key);
	rte_free(table->subscriber);
	table->subscriber = NULL;
}

uint64_t subscriber_hash(const struct subscriber_table *table, const struct subkey *key)
{
	uint64_t low, high;
	uint32_t rest;

	memcpy(&low, key->addr, sizeof(low));
	memcpy(&high, key->addr + 8, sizeof(high));
	memcpy(&rest, &key->family, sizeof(rest));
	return index_hash2(&table->by_key, index_hash2(&table->by_key, low, high), rest);
}

uint32_t subscriber_find_hashed(
	const struct subscriber_table *table, const struct subkey *key, uint64_t hash)
{
	struct index_search search = index_begin(&table->by_key, hash);
	uint32_t number;

	while ((number = index_next(&search))) {
		if (subkey_equal(&table->subscriber[number].key, key))
			break;
	}
	return number;
}

uint32_t subscriber_find(const struct subscriber_table *table, const struct subkey *key)
{
	return subscriber_find_hashed(table, key, subscriber_hash(table, key));
}

uint32_t subscriber_add(struct subscriber_table *table, const struct subkey *key, uint8_t policy)
{
	uint32_t number = table->next_free;

	if (number)
		table->next_free = table->subscriber[number].next_free;
	else if (table->fresh <= table->size)
		number = table->fresh++;
	else
		return 0;
	table->subscriber[number] =
		(struct subscriber){.key = *key, .policy = policy, .tokens = UINT32_MAX};
	index_add(&table->by_key, subscriber_hash(table, key), number);
	count_add(&table->used, 1);
	count_add(&table->count[policy], 1);
	return number;
}

void subscriber_remove(struct subscriber_table *table, uint32_t number)
{
	struct subscriber *s = &table->subscriber[number];

	index_remove(&table->by_key, subscriber_hash(table, &s->key), number);
	count_add(&table->count[s->policy], -1);
	*s = (struct subscriber){.next_free = table->next_free};
	table->next_free = number;
	count_add(&table->used, -1);
}

uint32_t subscriber_host(const struct subscriber *s, const struct pool *pool)
{
	rte_be32_t inside;

	if (!pool->fixed || s->key.family != 4)
		return UINT32_MAX;
	memcpy(&inside, s->key.addr, sizeof(inside));
	return detnat_number(pool->fixed, inside);
}
