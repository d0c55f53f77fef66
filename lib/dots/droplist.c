// SPDX-License-Identifier: BSD-3-Clause

#include "dots/droplist.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/rand.h"

#include <stdlib.h>
#include <string.h>

#define WAYS    4
#define BUCKETS (DROPLIST_ENTRIES / WAYS)

struct entry {
	struct ipprefix source;
	unsigned failures; // 0: the place is free
	uint64_t first;    // reading of clock_now() of the first of them
	uint64_t until;    // on the list; 0: not
};

struct droplist {
	struct droplist_setup setup;
	uint64_t seed;
	struct entry *entry; // WAYS of each bucket side by side
};

struct droplist *droplist_new(const struct droplist_setup *setup)
{
	struct droplist *list = calloc(1, sizeof(*list));
	struct rand random;

	if (!list)
		return NULL;
	list->entry = calloc(DROPLIST_ENTRIES, sizeof(*list->entry));
	if (!list->entry || rand_seed(&random) < 0) {
		droplist_free(list);
		return NULL;
	}
	list->setup = *setup;
	list->seed = (uint64_t)rand_u32(&random) << 32 | rand_u32(&random);
	return list;
}

void droplist_free(struct droplist *list)
{
	if (!list)
		return;
	free(list->entry);
	free(list);
}

void droplist_configure(struct droplist *list, const struct droplist_setup *setup)
{
	list->setup = *setup;
}

static struct ipprefix source_of(const struct droplist *list, const struct ipaddr *addr)
{
	return ipprefix_make(addr, addr->family == 4 ? list->setup.len4 : list->setup.len6);
}

// Seeded, because the peers choose what is hashed.
static struct entry *bucket_of(const struct droplist *list, const struct ipprefix *source)
{
	uint64_t words[2], h = list->seed;

	memcpy(words, source->addr.bytes, sizeof(words));
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return &list->entry[h % BUCKETS * WAYS];
}

static struct entry *find(const struct droplist *list, const struct ipprefix *source)
{
	struct entry *bucket = bucket_of(list, source);

	for (unsigned i = 0; i < WAYS; i++) {
		if (bucket[i].failures && bucket[i].source.len == source->len &&
			!ipaddr_compare(&bucket[i].source.addr, &source->addr))
			return &bucket[i];
	}
	return NULL;
}

bool droplist_has(const struct droplist *list, const struct ipaddr *addr)
{
	struct ipprefix source = source_of(list, addr);
	const struct entry *e = find(list, &source);

	return e && e->until > clock_now();
}

// A place for one more source: free, or the oldest.
static struct entry *place_for(const struct droplist *list, const struct ipprefix *source)
{
	struct entry *bucket = bucket_of(list, source), *oldest = bucket;

	for (unsigned i = 0; i < WAYS; i++) {
		if (!bucket[i].failures)
			return &bucket[i];
		if (bucket[i].first < oldest->first)
			oldest = &bucket[i];
	}
	return oldest;
}

bool droplist_note(struct droplist *list, const struct ipaddr *addr)
{
	struct ipprefix source = source_of(list, addr);
	struct entry *e = find(list, &source);
	uint64_t now = clock_now();
	bool known = e != NULL;

	if (!known)
		e = place_for(list, &source);
	if (!known || (e->until ? e->until <= now : now - e->first > list->setup.window_ns))
		*e = (struct entry){.source = source, .first = now};
	e->failures++;
	if (e->until || e->failures < list->setup.failures)
		return false;
	e->until = now + list->setup.duration_ns;
	return true;
}

void droplist_walk(const struct droplist *list,
	void (*fn)(void *ctx, const struct ipprefix *source, uint64_t left_ns), void *ctx)
{
	uint64_t now = clock_now();

	for (unsigned i = 0; i < DROPLIST_ENTRIES; i++) {
		const struct entry *e = &list->entry[i];

		if (e->until > now)
			fn(ctx, &e->source, e->until - now);
	}
}
