// SPDX-License-Identifier: BSD-3-Clause

// A ring of grants, each in the chain of its address's hash bucket. Chains run from new to old, so a link
// to a place that has been written over since is known by its age: it points to something newer.

#include "resolve/history.h"

#include <stdlib.h>

struct entry {
	struct grant grant;
	uint64_t number; // counts all grants ever added, from 1; 0: empty
	uint64_t next;   // number of the next older one in the chain; 0: none
};

struct history {
	uint32_t size;
	uint32_t buckets;
	int64_t retention_ms;
	uint64_t added;
	struct entry *entry;
	uint64_t *bucket; // number of the newest in each chain
};

struct history *history_new(uint32_t size, int64_t retention_ms)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->size = size;
	h->retention_ms = retention_ms;
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

void history_add(struct history *h, const struct grant *grant)
{
	uint64_t *bucket = bucket_of(h, grant->outside);
	uint64_t number = ++h->added;

	if (!h->size)
		return;
	h->entry[number % h->size] =
		(struct entry){.grant = *grant, .number = number, .next = *bucket};
	*bucket = number;
}

// The entry with a number, unless it has been written over.
static const struct entry *entry_of(const struct history *h, uint64_t number)
{
	const struct entry *e = number && h->size ? &h->entry[number % h->size] : NULL;

	return e && e->number == number ? e : NULL;
}

const struct grant *history_find(const struct history *h, uint64_t *cursor, rte_be32_t outside,
	uint16_t lower, uint16_t upper, int64_t from, int64_t until, int64_t now)
{
	const struct entry *e;

	for (e = entry_of(h, *cursor ? *cursor : *bucket_of(h, outside)); e;
		e = entry_of(h, e->next)) {
		const struct grant *g = &e->grant;

		if (g->until < now - h->retention_ms)
			return NULL; // and what follows is older still
		if (g->outside != outside || g->first_port > upper || g->last_port < lower ||
			g->from > until || g->until < from)
			continue;
		*cursor = e->next ? e->next : UINT64_MAX;
		return g;
	}
	return NULL;
}
