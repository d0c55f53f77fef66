// SPDX-License-Identifier: BSD-3-Clause

#include "session/index.h"

#include "base/bits.h"
#include "base/rand.h"

#include <rte_malloc.h>

#include <errno.h>

static uint32_t buckets_for(uint32_t entries)
{
	// So many that one of 100 entries is not in its home bucket, and costs one more line from memory. No
	// bucket may spill into itself, so there are always a few.
	return max_u32((uint32_t)div_round_up((uint64_t)entries * 8, 5 * INDEX_SLOTS), 4);
}

uint64_t index_bytes(uint32_t entries)
{
	return (uint64_t)buckets_for(entries) * sizeof(struct index_bucket);
}

int index_init(struct index *index, const char *name, uint32_t entries)
{
	struct rand random;

	*index = (struct index){.buckets = buckets_for(entries)};
	if (rand_seed(&random) < 0)
		return -EIO;
	for (unsigned i = 0; i < 2; i++)
		index->secret[i] = (uint64_t)rand_u32(&random) << 32 | rand_u32(&random);
	// an even factor would lose the key's top bits
	index->secret[1] |= 1;
	index->bucket = rte_zmalloc(name, index_bytes(entries), sizeof(struct index_bucket));
	return index->bucket ? 0 : -ENOMEM;
}

void index_free(struct index *index)
{
	rte_free(index->bucket);
	*index = (struct index){0};
}

void index_add(struct index *index, uint64_t hash, uint32_t id)
{
	struct index_bucket *b = index_home(index, hash);
	unsigned empty;

	while (!(empty = index_fits(b, 0))) {
		b->spill++;
		if (++b == index->bucket + index->buckets)
			b = index->bucket;
	}
	unsigned slot = (unsigned)__builtin_ctz(empty);

	b->tag[slot] = index_tag(hash);
	b->id[slot] = id;
	index->entries++;
}

void index_remove(struct index *index, uint64_t hash, uint32_t id)
{
	struct index_bucket *b = index_home(index, hash);
	uint8_t tag = index_tag(hash);

	for (;;) {
		for (unsigned fits = index_fits(b, tag); fits; fits &= fits - 1) {
			unsigned slot = (unsigned)__builtin_ctz(fits);

			if (b->id[slot] == id) {
				b->tag[slot] = 0;
				index->entries--;
				return;
			}
		}
		b->spill--;
		if (++b == index->bucket + index->buckets)
			b = index->bucket;
	}
}
