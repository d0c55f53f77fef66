// SPDX-License-Identifier: BSD-3-Clause

#include "session/alias.h"

#include <rte_malloc.h>

#include <errno.h>

// What keeps the pins of one greedy subscriber from filling the table.
static uint32_t pins_max(const struct alias_table *table)
{
	return table->size / 4 + 1;
}

uint64_t alias_bytes(uint32_t size)
{
	return ((uint64_t)size + 1) * sizeof(struct alias) + index_bytes(size) + b4_bytes(size);
}

int alias_init(struct alias_table *table, uint32_t size)
{
	*table = (struct alias_table){.size = size, .fresh = 1};
	table->alias = rte_zmalloc(
		"aliases", ((size_t)size + 1) * sizeof(struct alias), RTE_CACHE_LINE_SIZE);
	if (!table->alias || index_init(&table->by_key, "alias-key", size) < 0 ||
		b4_init(&table->b4s, size) < 0) {
		alias_fini(table);
		return -ENOMEM;
	}
	return 0;
}

void alias_fini(struct alias_table *table)
{
	b4_fini(&table->b4s);
	index_free(&table->by_key);
	rte_free(table->alias);
	table->alias = NULL;
}

uint32_t alias_find_halves(
	const struct alias_table *table, const uint8_t address[16], uint64_t tail)
{
	struct index_search search =
		index_begin(&table->by_key, alias_hash_halves(table, address, tail));
	uint32_t number;

	while ((number = index_next(&search))) {
		if (alias_has_halves(&table->alias[number], address, tail))
			break;
	}
	return number;
}

uint32_t alias_find(const struct alias_table *table, const struct alias_key *key)
{
	return alias_find_halves(table, key->address, alias_tail_of(key));
}

uint32_t alias_add(struct alias_table *table, const struct alias_key *key, uint8_t policy)
{
	uint32_t number = table->next_free;

	if (number)
		table->next_free = table->alias[number].next;
	else if (table->fresh <= table->size)
		number = table->fresh++;
	else
		return 0;
	table->alias[number] = (struct alias){.key = *key, .policy = policy, .in_use = true};
	index_add(&table->by_key, alias_hash(table, key), number);
	table->used++;
	return number;
}

void alias_put_behind(struct alias_table *table, uint32_t number, uint32_t b4)
{
	struct alias *a = &table->alias[number];
	struct b4 *owner = &table->b4s.b4[b4];

	a->b4 = b4;
	a->b4_next = owner->first_alias;
	if (a->b4_next)
		table->alias[a->b4_next].b4_prev = number;
	owner->first_alias = number;
	owner->aliases++;
}

static void leave_b4(struct alias_table *table, const struct alias *a)
{
	struct b4 *owner = &table->b4s.b4[a->b4];

	if (a->b4_next)
		table->alias[a->b4_next].b4_prev = a->b4_prev;
	if (a->b4_prev)
		table->alias[a->b4_prev].b4_next = a->b4_next;
	else
		owner->first_alias = a->b4_next;
	if (!--owner->aliases)
		b4_remove(&table->b4s, a->b4);
}

void alias_move_b4(struct alias_table *table, uint32_t b4, const uint8_t address[16], uint32_t now)
{
	struct b4 *owner = &table->b4s.b4[b4];

	memcpy(owner->address, address, sizeof(owner->address));
	owner->changed = now;
	owner->moved = true;
	for (uint32_t n = owner->first_alias; n; n = table->alias[n].b4_next) {
		struct alias_key *key = &table->alias[n].key;

		index_remove(&table->by_key, alias_hash(table, key), n);
		memcpy(key->address, address, sizeof(key->address));
		index_add(&table->by_key, alias_hash(table, key), n);
	}
}

void alias_settle(struct alias_table *table, uint32_t number)
{
	struct alias *a = &table->alias[number];

	if (!a->in_use || a->mappings || a->pinned)
		return;
	index_remove(&table->by_key, alias_hash(table, &a->key), number);
	if (a->b4)
		leave_b4(table, a);
	*a = (struct alias){.next = table->next_free};
	table->next_free = number;
	table->used--;
}

void alias_hold(struct alias_table *table, uint32_t number)
{
	table->alias[number].mappings++;
}

void alias_let_go(struct alias_table *table, uint32_t number)
{
	table->alias[number].mappings--;
	alias_settle(table, number);
}

static void unpin(struct alias_table *table, uint32_t number)
{
	struct alias *a = &table->alias[number];

	table->alias[a->prev].next = a->next;
	table->alias[a->next].prev = a->prev;
	a->pinned = false;
	table->pinned--;
}

bool alias_pin(struct alias_table *table, uint32_t number, uint32_t until)
{
	struct alias *a = &table->alias[number];

	if (a->pinned)
		unpin(table, number);
	else if (table->pinned >= pins_max(table))
		return false;
	a->pinned = true;
	a->pinned_until = until;
	a->next = 0;
	a->prev = table->alias[0].prev;
	table->alias[a->prev].next = number;
	table->alias[0].prev = number;
	table->pinned++;
	return true;
}

unsigned alias_expire(struct alias_table *table, uint32_t now, unsigned budget)
{
	unsigned n;

	for (n = 0; n < budget; n++) {
		uint32_t number = table->alias[0].next;

		if (!number || (int32_t)(table->alias[number].pinned_until - now) > 0)
			break;
		unpin(table, number);
		alias_settle(table, number);
	}
	return n;
}
