// SPDX-License-Identifier: BSD-3-Clause

#include "session/b4.h"

#include "base/bits.h"

#include <rte_malloc.h>

#include <errno.h>

uint64_t b4_bytes(uint32_t size)
{
	return ((uint64_t)size + 1) * sizeof(struct b4) + index_bytes(size);
}

int b4_init(struct b4_table *table, uint32_t size)
{
	*table = (struct b4_table){.size = size, .fresh = 1};
	table->b4 = rte_zmalloc("b4s", ((size_t)size + 1) * sizeof(struct b4), RTE_CACHE_LINE_SIZE);
	if (!table->b4 || index_init(&table->by_subscriber, "b4-subscriber", size) < 0) {
		b4_fini(table);
		return -ENOMEM;
	}
	return 0;
}

void b4_fini(struct b4_table *table)
{
	index_free(&table->by_subscriber);
	rte_free(table->b4);
	table->b4 = NULL;
}

static uint64_t hash_of(const struct b4_table *table, const struct subkey *subscriber)
{
	uint64_t word[3] = {0};

	memcpy(word, subscriber, sizeof(*subscriber));
	return index_hash2(&table->by_subscriber,
		index_hash2(&table->by_subscriber, word[0], word[1]), word[2]);
}

struct b4_found b4_find(
	const struct b4_table *table, const struct subkey *subscriber, const uint8_t address[16])
{
	struct index_search search = index_begin(&table->by_subscriber, hash_of(table, subscriber));
	struct b4_found found = {0};
	uint32_t number;

	while ((number = index_next(&search))) {
		const struct b4 *b4 = &table->b4[number];

		if (!subkey_equal(&b4->subscriber, subscriber))
			continue;
		found.count++;
		found.any = number;
		if (!memcmp(b4->address, address, sizeof(b4->address)))
			found.same = number;
	}
	return found;
}

uint32_t b4_add(struct b4_table *table, const struct subkey *subscriber, const uint8_t address[16],
	uint32_t now)
{
	uint32_t number = table->next_free;

	if (number)
		table->next_free = table->b4[number].next_free;
	else if (table->fresh <= table->size)
		number = table->fresh++;
	else
		return 0;
	table->b4[number] = (struct b4){.subscriber = *subscriber, .changed = now};
	memcpy(table->b4[number].address, address, sizeof(table->b4[number].address));
	index_add(&table->by_subscriber, hash_of(table, subscriber), number);
	count_add(&table->used, 1);
	count_add(&table->count[subscriber->instance], 1);
	return number;
}

void b4_remove(struct b4_table *table, uint32_t number)
{
	struct b4 *b4 = &table->b4[number];

	index_remove(&table->by_subscriber, hash_of(table, &b4->subscriber), number);
	count_add(&table->count[b4->subscriber.instance], -1);
	*b4 = (struct b4){.next_free = table->next_free};
	table->next_free = number;
	count_add(&table->used, -1);
}
