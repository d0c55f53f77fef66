// SPDX-License-Identifier: BSD-3-Clause

// The hash index, full and with keys that collide: what was added is found, what was removed is not, and
// removing leaves no trace.

#include "base/rand.h"
#include "session/index.h"

#include "support/world.h"
#include "unit.h"

#define ENTRIES 2000

static uint64_t hash_of[ENTRIES + 1];

static bool finds(const struct index *index, uint64_t hash, uint32_t id)
{
	struct index_search search = index_begin(index, hash);
	uint32_t found;

	while ((found = index_next(&search))) {
		if (found == id)
			return true;
	}
	return false;
}

static void check_traceless(const struct index *index)
{
	assert_int_equal(index->entries, 0);
	for (uint32_t i = 0; i < index->buckets; i++) {
		assert_int_equal(index->bucket[i].spill, 0);
		assert_int_equal(index_fits(&index->bucket[i], 0), (1 << INDEX_SLOTS) - 1);
	}
}

// Adds and removes at random up to the promised size, hashes from `spread` different ones.
static void churn(uint64_t spread)
{
	bool in[ENTRIES + 1] = {0};
	struct index index;
	struct rand random;

	rand_seed_fixed(&random, spread);
	assert_int_equal(index_init(&index, "test", ENTRIES), 0);
	for (unsigned step = 0; step < 40000; step++) {
		uint32_t id = 1 + rand_below(&random, ENTRIES);

		if (in[id]) {
			assert_true(finds(&index, hash_of[id], id));
			index_remove(&index, hash_of[id], id);
		} else {
			assert_false(finds(&index, hash_of[id], id));
			hash_of[id] = index_hash(&index, rand_u32(&random) % spread);
			index_add(&index, hash_of[id], id);
		}
		in[id] = !in[id];
	}
	for (uint32_t id = 1; id <= ENTRIES; id++) {
		assert_int_equal(finds(&index, hash_of[id], id), in[id]);
		if (in[id])
			index_remove(&index, hash_of[id], id);
	}
	check_traceless(&index);
	index_free(&index);
}

static void different_keys(void **)
{
	churn(UINT32_MAX);
}

static void few_keys(void **)
{
	churn(20);
}

static void one_key(void **)
{
	churn(1);
}

// All there is room for, the search wrapping round the end.
static void full(void **)
{
	struct index index;

	assert_int_equal(index_init(&index, "test", ENTRIES), 0);
	for (uint32_t id = 1; id <= ENTRIES; id++) {
		hash_of[id] = UINT32_MAX; // the last bucket is everybody's home
		index_add(&index, hash_of[id], id);
	}
	for (uint32_t id = 1; id <= ENTRIES; id++)
		assert_true(finds(&index, hash_of[id], id));
	for (uint32_t id = 1; id <= ENTRIES; id++)
		index_remove(&index, hash_of[id], id);
	check_traceless(&index);
	index_free(&index);
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(different_keys),
		cmocka_unit_test(few_keys),
		cmocka_unit_test(one_key),
		cmocka_unit_test(full),
	};

	world_eal(argv[0], false, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
