// SPDX-License-Identifier: BSD-3-Clause

// Subscribers: found by all of their key, as many as there is room for.

#include "session/subscriber.h"

#include "support/world.h"
#include "unit.h"

#define SIZE 8
#define HOST RTE_BE32(0x64400001)

static struct subscriber_table table;

static int begin(void **)
{
	return subscriber_init(&table, SIZE);
}

// All keys have one hash, so that only what is compared tells them apart.
static int begin_colliding(void **state)
{
	if (begin(state) < 0)
		return -1;
	memset(table.by_key.secret, 0, sizeof(table.by_key.secret));
	return 0;
}

static int end(void **)
{
	subscriber_fini(&table);
	return 0;
}

static struct subkey home(uint8_t byte, uint8_t len)
{
	return (struct subkey){.addr = {0x20, 1, 0xd, 0xb8, [15] = byte}, .family = 6, .len = len};
}

// Another family, length, instance, or bit anywhere in the address is somebody else.
static void keys(void **)
{
	struct subkey key[] = {subkey_v4(HOST, 0), subkey_v4(HOST, 1),
		subkey_v4(HOST, SUBKEY_NATIVE), subkey_v4(RTE_BE32(0x64400002), 0), home(0, 56),
		home(0, 64), home(1, 64)};
	uint32_t number[ARRAY_LEN(key)];

	for (unsigned i = 0; i < ARRAY_LEN(key); i++) {
		assert_int_equal(subscriber_find(&table, &key[i]), 0);
		number[i] = subscriber_add(&table, &key[i], (uint8_t)(i % 2));
		assert_true(number[i]);
		for (unsigned j = 0; j <= i; j++)
			assert_int_equal(subscriber_find(&table, &key[j]), number[j]);
	}
	assert_true(table.used == 7 && table.count[0] == 4 && table.count[1] == 3);
	for (unsigned i = 0; i < ARRAY_LEN(key); i++) {
		subscriber_remove(&table, number[i]);
		assert_int_equal(subscriber_find(&table, &key[i]), 0);
		for (unsigned j = i + 1; j < ARRAY_LEN(key); j++)
			assert_int_equal(subscriber_find(&table, &key[j]), number[j]);
	}
	assert_true(table.used == 0 && table.count[0] == 0 && table.count[1] == 0);
}

static uint32_t add(uint32_t n)
{
	struct subkey key = subkey_v4(rte_cpu_to_be_32(0x64400000 + n), 0);

	return subscriber_add(&table, &key, 0);
}

static void full(void **)
{
	struct subkey tenth = subkey_v4(RTE_BE32(0x6440000a), 0);
	bool taken[SIZE + 1] = {true};

	for (uint32_t n = 1; n <= SIZE; n++) {
		uint32_t number = add(n);

		assert_true(number <= SIZE && !taken[number]);
		taken[number] = true;
	}
	assert_int_equal(add(10), 0);
	assert_int_equal(subscriber_find(&table, &tenth), 0);
	assert_true(table.used == SIZE && table.count[0] == SIZE);
	subscriber_remove(&table, 5);
	subscriber_remove(&table, 2);
	assert_int_equal(add(10), 2);
	assert_int_equal(add(11), 5);
	assert_int_equal(add(12), 0);
	assert_int_equal(subscriber_find(&table, &tenth), 2);
}

// Who gets the number of another has nothing of him, and all of his mapping rate.
static void begins_anew(void **)
{
	struct subscriber *s = &table.subscriber[add(1)];

	s->marked = true;
	s->outside = HOST;
	s->refused = 7;
	s->tokens = 0;
	s->mappings = s->sessions = s->first_block = s->blocks = 1;
	subscriber_remove(&table, (uint32_t)(s - table.subscriber));
	assert_ptr_equal(&table.subscriber[add(2)], s);
	assert_false(s->marked || s->outside || s->refused || s->blocks || s->first_block ||
		s->mappings || s->sessions);
	assert_int_equal(s->tokens, UINT32_MAX);
}

#define CASE(name)      cmocka_unit_test_setup_teardown(name, begin, end)
#define COLLIDING(name) cmocka_unit_test_setup_teardown(name, begin_colliding, end)

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(keys),
		COLLIDING(keys),
		CASE(full),
		CASE(begins_anew),
	};

	world_eal(argv[0], false, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
