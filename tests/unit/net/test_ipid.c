// SPDX-License-Identifier: BSD-3-Clause

// Identifications: no two workers, and no two counters, give the same one for the same tuple
// (RFC 6864 section 4.3).

#include "base/rand.h"
#include "net/ipid.h"

#include "support/world.h"
#include "unit.h"

#define SRC RTE_BE32(0xcb007101)
#define DST RTE_BE32(0xc6336401)

static rte_be16_t whole(struct ipid *ids, rte_be32_t src, rte_be32_t dst, uint8_t protocol)
{
	return ipid_whole(ids, ipid_counter_whole(ids, src, dst, protocol));
}

// All identifications of one tuple that `workers` workers give, until a number would come again.
static void exhaust(unsigned workers, unsigned shift)
{
	unsigned each = 65536u >> shift;
	uint8_t seen[65536] = {0};
	struct rand random;
	struct ipid ids;

	for (unsigned w = 0; w < workers; w++) {
		rand_seed_fixed(&random, w);
		assert_int_equal(ipid_init(&ids, w, workers, &random), 0);
		for (unsigned i = 0; i < each; i++)
			assert_int_equal(seen[whole(&ids, SRC, DST, 17)]++, 0);
		for (unsigned i = 0; i < each; i++)
			assert_int_equal(seen[ipid_fragmented(&ids, DST, 17)]++, 0);
		ipid_free(&ids);
	}
}

static void unique(void **state)
{
	(void)state;
	exhaust(1, 1);
	exhaust(2, 2);
	exhaust(3, 3);
	exhaust(64, 7);
}

// Tuples count on their own, nearly all of them: what one uses up another still has.
static void apart(void **state)
{
	struct rand random;
	struct ipid ids;
	unsigned moved = 0;

	(void)state;
	rand_seed_fixed(&random, 1);
	assert_int_equal(ipid_init(&ids, 0, 1, &random), 0);
	for (unsigned i = 0; i < 1000; i++) {
		rte_be16_t before = whole(&ids, SRC, DST, 17), after;

		whole(&ids, SRC + i + 1, DST, 17);
		whole(&ids, SRC, DST + i + 1, 17);
		whole(&ids, SRC, DST, 6);
		after = whole(&ids, SRC, DST, 17);
		moved += (uint16_t)(rte_be_to_cpu_16(after) - rte_be_to_cpu_16(before)) != 2;
	}
	assert_true(moved < 5);
	ipid_free(&ids);
}

static int start(void **state)
{
	(void)state;
	world_eal("test", false, 64);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unique),
		cmocka_unit_test(apart),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
