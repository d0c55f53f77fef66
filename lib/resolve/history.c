// SPDX-License-Identifier: BSD-3-Clause

// A ring of grants, each in the chain of its address's hash bucket. Chains run from new to old, so a link
// to a place that has been written over since is known by its age: it points to something newer.
//
// Grants are counted through memory and store alike: those after the last `size` are in the ring, all
// before them in the store alone.

#include "resolve/history.h"

#include "resolve/store.h"

#include <stdlib.h>

// A cursor that has come to the store is the number of the grant given last, with this bit.
#define CURSOR_STORE (UINT64_C(1) << 63)

struct entry {
	struct block_grant grant;
	uint64_t number; // counts all grants ever added, from 1; 0: empty
	uint64_t next;   // number of the next older one in the chain; 0: none
};

struct history {
	uint32_t size;
	uint32_t buckets;
	int64_t retention_ms;
	uint64_t added;
	int64_t left_memory; // when the newest of those that are in the store alone ended
	struct store *store;
	struct entry *entry;
	uint64_t *bucket; // number of the newest in each chain
};

struct history *history_new(uint32_t size, int64_t retention_ms, struct store *store)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->size = size;
	h->retention_ms = retention_ms;
	h->store = store;
	h->left_memory = store ? store_newest(store) : 0;
	h->added = store ? store_begin(store) - 1 : 0;
	h->buckets = 64;
	while (h->buckets < size)
		h->buckets *= 2;
	h->entry = calloc(size + 1u, sizeof(*h->entry));
	h->bucket = calloc(h->buckets, sizeof(*h->bucket));
	if (!h->entry || !h->bucket) {
		history_free(h);
		return NULL;
	}
	return h;
}

void history_free(struct history *h)
{
	if (!h)
		return;
	free(h->bucket);
	free(h->entry);
	free(h);
}

static uint64_t *bucket_of(const struct history *h, rte_be32_t outside)
{
	return &h->bucket[(outside * 0x9e3779b1u >> 7) & (h->buckets - 1)];
}

void history_add(struct history *h, const struct block_grant *grant)
{
	uint64_t *bucket = bucket_of(h, grant->outside);
	uint64_t number = ++h->added;
	struct entry *e = h->size ? &h->entry[number % h->size] : NULL;

	if (h->store)
		store_end(h->store, number, grant);
	if (!e)
		h->left_memory = grant->until;
	else if (e->number)
		h->left_memory = e->grant.until;
	if (!e)
		return;
	*e = (struct entry){.grant = *grant, .number = number, .next = *bucket};
	*bucket = number;
}

// The entry with a number, unless it has been written over.
static const struct entry *entry_of(const struct history *h, uint64_t number)
{
	const struct entry *e = number && h->size ? &h->entry[number % h->size] : NULL;

	return e && e->number == number ? e : NULL;
}

static bool fits(const struct block_grant *g, const struct grant_query *q)
{
	return g->outside == q->outside && g->first_port <= q->upper && g->last_port >= q->lower &&
		g->from <= q->until && g->until >= q->from;
}

// The number of the oldest grant in memory.
static uint64_t oldest(const struct history *h)
{
	uint64_t first = h->store ? store_begin(h->store) : 1;
	uint64_t kept = h->added >= h->size ? h->added - h->size + 1 : 1;

	return kept > first ? kept : first;
}

static bool find_in_store(
	struct history *h, uint64_t *cursor, const struct grant_query *q, struct block_grant *out)
{
	uint64_t before = *cursor & CURSOR_STORE ? *cursor & ~CURSOR_STORE : oldest(h);
	uint64_t number;

	if (!h->store || q->from > h->left_memory)
		return false;
	number = store_find(h->store, before, q, out);
	*cursor = CURSOR_STORE | number;
	return number != 0;
}

bool history_find(struct history *h, uint64_t *cursor, const struct grant_query *q, int64_t now,
	struct block_grant *out)
{
	const struct entry *e = NULL;

	if (!(*cursor & CURSOR_STORE))
		e = entry_of(h, *cursor ? *cursor : *bucket_of(h, q->outside));
	for (; e; e = entry_of(h, e->next)) {
		if (e->grant.until < now - h->retention_ms)
			return false; // and what follows is older still
		if (!fits(&e->grant, q))
			continue;
		*cursor = e->next ? e->next : CURSOR_STORE | oldest(h);
		*out = e->grant;
		return true;
	}
	return find_in_store(h, cursor, q, out) && out->until >= now - h->retention_ms;
}

void history_recent(const struct history *h, int64_t since,
	void (*fn)(void *ctx, const struct block_grant *grant), void *ctx)
{
	for (uint64_t n = h->added; n >= oldest(h); n--) {
		const struct entry *e = entry_of(h, n);

		if (!e || e->grant.until < since)
			break;
		fn(ctx, &e->grant);
	}
	if (h->store && h->left_memory >= since)
		store_recent(h->store, oldest(h), since, fn, ctx);
}
