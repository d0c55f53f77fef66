// SPDX-License-Identifier: BSD-3-Clause

#include "session/bib.h"

#include "base/bits.h"

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include <errno.h>

// Mappings that are found so are few; there is room for one in eight.
static uint32_t outside_room(uint32_t size)
{
	return size / 8 + 64;
}

uint64_t bib_bytes(uint32_t size)
{
	return ((uint64_t)size + 1) * sizeof(struct mapping) + index_bytes(size) +
		index_bytes(outside_room(size));
}

bool bib_has_outside_room(const struct bib *bib)
{
	return bib->by_outside.entries < outside_room(bib->size);
}

int bib_init(struct bib *bib, uint32_t size)
{
	*bib = (struct bib){.size = size, .fresh = 1};
	bib->mapping = rte_zmalloc(
		"mappings", ((size_t)size + 1) * sizeof(struct mapping), RTE_CACHE_LINE_SIZE);
	if (!bib->mapping || index_init(&bib->by_inside, "bib-inside", size) < 0 ||
		index_init(&bib->by_outside, "bib-outside", outside_room(size)) < 0) {
		bib_free(bib);
		return -ENOMEM;
	}
	return 0;
}

void bib_free(struct bib *bib)
{
	index_free(&bib->by_outside);
	index_free(&bib->by_inside);
	rte_free(bib->mapping);
	bib->mapping = NULL;
}

uint32_t bib_add(struct bib *bib, uint64_t hash, enum l4 l4, rte_be32_t inside,
	rte_be16_t inside_port, uint8_t policy)
{
	uint32_t number = bib->next_free;
	struct mapping *m;

	if (number) {
		bib->next_free = bib->mapping[number].next_free;
		rte_prefetch0(&bib->mapping[bib->next_free]);
	} else if (bib->fresh <= bib->size) {
		number = bib->fresh++;
	} else {
		return 0;
	}
	m = &bib->mapping[number];
	*m = (struct mapping){
		.inside = inside,
		.inside_port = inside_port,
		.flags = (uint8_t)l4,
		.policy = policy,
	};
	index_add(&bib->by_inside, hash, number);
	count_add(&bib->used, 1);
	count_add(&bib->count[policy][l4], 1);
	return number;
}

static uint64_t outside_hash(const struct bib *bib, enum l4 l4, rte_be32_t outside, rte_be16_t port)
{
	return index_hash(&bib->by_outside, bib_key(l4, outside, port));
}

void bib_add_outside(struct bib *bib, uint32_t number)
{
	struct mapping *m = &bib->mapping[number];

	index_add(&bib->by_outside, outside_hash(bib, mapping_l4(m), m->outside, m->outside_port),
		number);
}

void bib_remove(struct bib *bib, uint32_t number, uint64_t hash)
{
	struct mapping *m = &bib->mapping[number];

	index_remove(&bib->by_inside, hash, number);
	if (m->outside && (m->flags & MAPPING_STATIC || mapping_l4(m) >= L4_SLOTS))
		index_remove(&bib->by_outside,
			outside_hash(bib, mapping_l4(m), m->outside, m->outside_port), number);
	count_add(&bib->count[m->policy][mapping_l4(m)], -1);
	*m = (struct mapping){.next_free = bib->next_free};
	bib->next_free = number;
	count_add(&bib->used, -1);
}

uint32_t bib_find_inside(const struct bib *bib, enum l4 l4, rte_be32_t inside, rte_be16_t port)
{
	struct index_search search = index_begin(&bib->by_inside, bib_hash(bib, l4, inside, port));
	uint32_t number;

	while ((number = index_next(&search))) {
		if (mapping_is_inside(&bib->mapping[number], l4, inside, port))
			break;
	}
	return number;
}

uint32_t bib_find_outside(const struct bib *bib, enum l4 l4, rte_be32_t outside, rte_be16_t port)
{
	struct index_search search =
		index_begin(&bib->by_outside, outside_hash(bib, l4, outside, port));
	uint32_t number;

	while ((number = index_next(&search))) {
		const struct mapping *m = &bib->mapping[number];

		if (m->outside == outside && m->outside_port == port && mapping_l4(m) == l4)
			break;
	}
	return number;
}
