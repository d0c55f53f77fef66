// SPDX-License-Identifier: BSD-3-Clause

#include "worker/datagram.h"

#include "base/bits.h"
#include "worker/handover.h"

#include <rte_malloc.h>

#include <errno.h>
#include <string.h>

static struct link *link_of(void *owner, uint32_t handle)
{
	struct datagram_table *table = owner;

	return &table->datagram[handle_number(handle)].link;
}

// The wheel of this table has one kind of entry; which one it is called does not matter.
static uint32_t handle_of(uint32_t number)
{
	return handle_make(HANDLE_MAPPING, number);
}

uint64_t datagram_bytes(const struct datagram_size *size)
{
	return (uint64_t)(size->datagrams + 1) * sizeof(struct datagram) +
		index_bytes(size->datagrams) + WHEEL_TICKS * sizeof(uint32_t) +
		DATAGRAM_SOURCES * sizeof(uint16_t);
}

int datagram_init(struct datagram_table *table, const struct datagram_size *size, uint32_t now)
{
	*table = (struct datagram_table){.size = *size, .fresh = 1};
	table->datagram = rte_zmalloc(
		"datagrams", (size->datagrams + 1) * sizeof(*table->datagram), RTE_CACHE_LINE_SIZE);
	table->of_source =
		rte_zmalloc("datagram sources", DATAGRAM_SOURCES * sizeof(*table->of_source), 0);
	if (table->datagram && table->of_source &&
		!index_init(&table->by_key, "datagram index", size->datagrams) &&
		!wheel_init(&table->wheel, now, link_of, table))
		return 0;
	datagram_fini(table);
	return -ENOMEM;
}

void datagram_fini(struct datagram_table *table)
{
	wheel_free(&table->wheel);
	index_free(&table->by_key);
	rte_free(table->of_source);
	rte_free(table->datagram);
	*table = (struct datagram_table){0};
}

static uint64_t hash_of(const struct datagram_table *table, const struct datagram_key *key)
{
	uint64_t hash = index_hash2(&table->by_key, key->src[0], key->src[1]);

	hash = index_hash2(&table->by_key, hash ^ key->dst[0], key->dst[1]);
	return index_hash2(&table->by_key, hash,
		(uint64_t)key->id | (uint64_t)key->protocol << 32 | (uint64_t)key->outward << 40);
}

static bool is_key(const struct datagram_key *a, const struct datagram_key *b)
{
	return a->src[0] == b->src[0] && a->src[1] == b->src[1] && a->dst[0] == b->dst[0] &&
		a->dst[1] == b->dst[1] && a->id == b->id && a->protocol == b->protocol &&
		a->outward == b->outward;
}

uint32_t datagram_find(const struct datagram_table *table, const struct datagram_key *key)
{
	struct index_search search = index_begin(&table->by_key, hash_of(table, key));
	uint32_t number;

	while ((number = index_next(&search)) && !is_key(&table->datagram[number].key, key))
		;
	return number;
}

// Sources with the same hash share what each of them may have.
static uint16_t *source_of(const struct datagram_table *table, const struct datagram_key *key)
{
	uint64_t source = rte_be_to_cpu_64(key->src[0]) >> (64 - table->size.source_bits);

	return &table->of_source[index_hash(&table->by_key, source) % DATAGRAM_SOURCES];
}

bool datagram_is_source_full(const struct datagram_table *table, const struct datagram_key *key)
{
	return *source_of(table, key) >= table->size.each_source;
}

static uint32_t take_number(struct datagram_table *table)
{
	uint32_t number = table->next_free;

	if (!number)
		return table->fresh++;
	table->next_free = table->datagram[number].next_free;
	return number;
}

uint32_t datagram_add(
	struct datagram_table *table, const struct datagram_key *key, uint8_t policy, uint32_t due)
{
	uint32_t number = take_number(table);
	struct datagram *d = &table->datagram[number];

	*d = (struct datagram){.key = *key, .policy = policy, .older = table->newest};
	if (table->newest)
		table->datagram[table->newest].newer = number;
	else
		table->oldest = number;
	table->newest = number;
	count_add(&table->used, 1);
	++*source_of(table, key);
	index_add(&table->by_key, hash_of(table, key), number);
	wheel_set(&table->wheel, handle_of(number), due);
	return number;
}

void datagram_hold(struct datagram_table *table, uint32_t number, struct rte_mbuf *mbuf)
{
	struct datagram *d = &table->datagram[number];

	fragment_push(&d->list, mbuf);
	d->waiting += mbuf->nb_segs;
	table->of_policy[d->policy] += mbuf->nb_segs;
	__atomic_store_n(&table->waiting, table->waiting + mbuf->nb_segs, __ATOMIC_RELAXED);
}

struct fragment_list datagram_take(struct datagram_table *table, uint32_t number)
{
	struct datagram *d = &table->datagram[number];
	struct fragment_list list = d->list;

	__atomic_store_n(&table->waiting, table->waiting - d->waiting, __ATOMIC_RELAXED);
	table->of_policy[d->policy] -= d->waiting;
	d->waiting = 0;
	d->list = (struct fragment_list){0};
	return list;
}

void datagram_remove(struct datagram_table *table, uint32_t number)
{
	struct datagram *d = &table->datagram[number];

	wheel_stop(&table->wheel, handle_of(number));
	index_remove(&table->by_key, hash_of(table, &d->key), number);
	--*source_of(table, &d->key);
	if (d->older)
		table->datagram[d->older].newer = d->newer;
	else
		table->oldest = d->newer;
	if (d->newer)
		table->datagram[d->newer].older = d->older;
	else
		table->newest = d->older;
	count_add(&table->used, -1);
	d->next_free = table->next_free;
	table->next_free = number;
}

uint32_t datagram_due(struct datagram_table *table, uint32_t now)
{
	return handle_number(wheel_next(&table->wheel, now));
}

void fragment_push(struct fragment_list *list, struct rte_mbuf *mbuf)
{
	handover_of(mbuf)->next = NULL;
	if (list->last)
		handover_of(list->last)->next = mbuf;
	else
		list->first = mbuf;
	list->last = mbuf;
}

struct rte_mbuf *fragment_pop(struct fragment_list *list)
{
	struct rte_mbuf *mbuf = list->first;

	if (!mbuf)
		return NULL;
	list->first = handover_of(mbuf)->next;
	if (!list->first)
		list->last = NULL;
	return mbuf;
}
