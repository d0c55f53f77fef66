// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A hash index from keys to the numbers of entries that live elsewhere. It stores no keys: a bucket
// of one cache line holds twelve numbers and a byte of each one's hash, and the caller compares what
// the numbers name, which it must read anyway. One worker owns an index; nothing is atomic.
//
//	 0           12      14    16                                           64
//	+-----------+-------+-----+---------------------------------------------+
//	| 12 tags   | spill |     | 12 numbers                                  |
//	+-----------+-------+-----+---------------------------------------------+
//
// An entry that finds its home bucket full goes to the next that is not, and every bucket it passed
// counts it in `spill`: a search ends at the first bucket with spill 0, so removing leaves no trace.

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include <assert.h>
#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define INDEX_SLOTS 12

struct index_bucket {
	uint8_t tag[INDEX_SLOTS]; // 0: empty
	uint16_t spill;
	uint16_t unused;
	uint32_t id[INDEX_SLOTS];
};

static_assert(sizeof(struct index_bucket) == 64, "a bucket is one cache line");

struct index {
	struct index_bucket *bucket;
	uint32_t buckets;
	uint32_t entries;
	uint64_t secret[2]; // so that nobody outside can choose keys that collide
};

// Makes room for `entries` numbers at most five eighths full. Returns 0 or -ENOMEM.
int index_init(struct index *index, const char *name, uint32_t entries);
void index_free(struct index *index);

// Bytes that index_init would allocate.
uint64_t index_bytes(uint32_t entries);

// Adds a number; the caller has made sure that its key is not in yet.
void index_add(struct index *index, uint64_t hash, uint32_t id);

// Removes a number that index_add was given with the same hash.
void index_remove(struct index *index, uint64_t hash, uint32_t id);

// Multiplies to 128 bits and folds: each bit of the result depends on every bit of the key, in a way
// that changes with the secret.
static inline uint64_t index_hash(const struct index *index, uint64_t key)
{
	__uint128_t product = (__uint128_t)(key ^ index->secret[0]) * index->secret[1];

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// As index_hash for a key of two words.
static inline uint64_t index_hash2(const struct index *index, uint64_t a, uint64_t b)
{
	return index_hash(index, index_hash(index, a) ^ b);
}

static inline struct index_bucket *index_home(const struct index *index, uint64_t hash)
{
	return &index->bucket[((hash & UINT32_MAX) * index->buckets) >> 32];
}

static inline uint8_t index_tag(uint64_t hash)
{
	uint8_t tag = (uint8_t)(hash >> 56);

	return tag ? tag : 1;
}

// One bit for each slot of the bucket whose tag fits.
static inline unsigned index_fits(const struct index_bucket *bucket, uint8_t tag)
{
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)bucket);
	__m128i same = _mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag));

	return (unsigned)_mm_movemask_epi8(same) & ((1u << INDEX_SLOTS) - 1);
}

// The bucket after this one, the first after the last.
static inline const struct index_bucket *index_after(
	const struct index *index, const struct index_bucket *bucket)
{
	return ++bucket == index->bucket + index->buckets ? index->bucket : bucket;
}

// A search: index_begin(), then index_next() gives one candidate after the other, 0 at the end.
struct index_search {
	const struct index *index;
	const struct index_bucket *bucket;
	unsigned fits;
	uint8_t tag;
};

static inline struct index_search index_begin_at(
	const struct index *index, const struct index_bucket *home, uint64_t hash)
{
	struct index_search s = {.index = index, .bucket = home, .tag = index_tag(hash)};

	s.fits = index_fits(s.bucket, s.tag);
	return s;
}

static inline struct index_search index_begin(const struct index *index, uint64_t hash)
{
	return index_begin_at(index, index_home(index, hash), hash);
}

static inline uint32_t index_next(struct index_search *s)
{
	while (unlikely(!s->fits)) {
		if (likely(!s->bucket->spill))
			return 0;
		s->bucket = index_after(s->index, s->bucket);
		s->fits = index_fits(s->bucket, s->tag);
	}
	unsigned slot = (unsigned)__builtin_ctz(s->fits);

	s->fits &= s->fits - 1;
	return s->bucket->id[slot];
}

// The first candidate of a search, or 0; nearly always the one that is looked for. The home of a hash may be known.
static inline uint32_t index_first_at(
	const struct index *index, const struct index_bucket *home, uint64_t hash)
{
	struct index_search search = index_begin_at(index, home, hash);

	return index_next(&search);
}

static inline uint32_t index_first(const struct index *index, uint64_t hash)
{
	return index_first_at(index, index_home(index, hash), hash);
}
