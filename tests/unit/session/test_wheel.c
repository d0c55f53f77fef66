// SPDX-License-Identifier: BSD-3-Clause

// The timing wheel against an array: random settings, stops and steps of the clock.

#include "base/bits.h"
#include "base/rand.h"
#include "session/wheel.h"

#include "support/world.h"
#include "unit.h"

#define ENTRIES 300
#define START   1000u

static struct link link_of_entry[ENTRIES];
static uint32_t due[ENTRIES]; // 0: not set
static struct wheel wheel;

static struct link *find(void *owner, uint32_t handle)
{
	assert_null(owner);
	assert_int_equal(handle_kind(handle), HANDLE_SESSION);
	return &link_of_entry[handle_number(handle)];
}

static void begin(void)
{
	memset(link_of_entry, 0, sizeof(link_of_entry));
	memset(due, 0, sizeof(due));
	assert_int_equal(wheel_init(&wheel, START, find, NULL), 0);
}

static void set(unsigned entry, uint32_t tick)
{
	wheel_set(&wheel, handle_make(HANDLE_SESSION, entry), tick);
	due[entry] = tick;
}

static void stop(unsigned entry)
{
	wheel_stop(&wheel, handle_make(HANDLE_SESSION, entry));
	due[entry] = 0;
}

// Takes all that comes up by a tick; it must be what the array says.
static void run(uint32_t now)
{
	uint32_t handle;

	while ((handle = wheel_next(&wheel, now))) {
		unsigned entry = handle_number(handle);

		assert_true(due[entry] && due[entry] <= now);
		assert_false(link_is_set(&link_of_entry[entry]));
		due[entry] = 0;
	}
	for (unsigned i = 0; i < ENTRIES; i++) {
		assert_true(!due[i] || due[i] > now);
		assert_int_equal(link_is_set(&link_of_entry[i]), due[i] != 0);
	}
}

static void random_schedule(void **)
{
	uint32_t now = START;
	struct rand random;

	rand_seed_fixed(&random, 7);
	begin();
	for (unsigned step = 0; step < 20000; step++) {
		unsigned what = rand_below(&random, 10);
		unsigned entry = rand_below(&random, ENTRIES);

		if (what < 6) {
			set(entry, now + 1 + rand_below(&random, what ? 500 : WHEEL_TICKS - 2));
		} else if (what < 8) {
			stop(entry);
		} else {
			now += rand_below(&random, what == 8 ? 3 : 200);
			run(now);
		}
	}
	wheel_free(&wheel);
}

// Every tick of two turns of the wheel, one entry after the other.
static void every_tick(void **)
{
	begin();
	for (uint32_t now = START; now < START + 2 * WHEEL_TICKS; now += 511) {
		set(0, now + 511);
		run(now + 510);
		assert_true(due[0]);
		run(now + 511);
		assert_false(due[0]);
	}
	wheel_free(&wheel);
}

// A tick in the past means the next; one further than the wheel turns comes up early, for its owner to
// set it again.
static void beyond_the_ends(void **)
{
	begin();
	wheel_set(&wheel, handle_make(HANDLE_SESSION, 1), START - 5);
	assert_int_equal(wheel_next(&wheel, START), 0);
	assert_int_equal(wheel_next(&wheel, START + 1), handle_make(HANDLE_SESSION, 1));
	wheel_set(&wheel, handle_make(HANDLE_SESSION, 2), START + 10 * WHEEL_TICKS);
	assert_int_equal(wheel_next(&wheel, START + WHEEL_TICKS - 2), 0);
	assert_int_equal(
		wheel_next(&wheel, START + WHEEL_TICKS + 1), handle_make(HANDLE_SESSION, 2));
	assert_int_equal(wheel_next(&wheel, START + 3 * WHEEL_TICKS), 0);
	wheel_free(&wheel);
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_schedule),
		cmocka_unit_test(every_tick),
		cmocka_unit_test(beyond_the_ends),
	};

	world_eal(argv[0], false, 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
