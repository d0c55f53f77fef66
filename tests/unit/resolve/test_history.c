// SPDX-License-Identifier: BSD-3-Clause

// Ended grants in memory and on disk: what is found, in which order, and what is forgotten.

#include "resolve/history.h"
#include "resolve/store.h"

#include "unit.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OUTSIDE   RTE_BE32(0xcb007101)
#define RETENTION 1000000
#define START     INT64_C(1700000000000)

static char folder[] = "/tmp/homeport-history-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/history.db", folder);
	return 0;
}

static void remove_file(void)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char name[80];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

static int remove_folder(void **state)
{
	(void)state;
	remove_file();
	return rmdir(folder);
}

static struct store *open_store(uint32_t most, int64_t now)
{
	struct err err;
	struct store *store = store_open(path, most, RETENTION, now, &err);

	if (!store)
		fail_msg("%s", err.text);
	return store;
}

// Grant n of the schedule: block n % 4 of the address, for one second from second n on.
static struct block_grant grant_number(unsigned n)
{
	uint16_t first = (uint16_t)(1024 + 64 * (n % 4));

	return (struct block_grant){
		.subscriber = subkey_v4(rte_cpu_to_be_32(0x64400000 + n), 0),
		.instance_id = 7,
		.outside = OUTSIDE,
		.first_port = first,
		.last_port = (uint16_t)(first + 63),
		.from = START + 1000 * n,
		.until = START + 1000 * n + 1000,
	};
}

static void add(struct history *h, struct store *store, unsigned n)
{
	struct block_grant g = grant_number(n);

	if (store)
		store_grant(store, &g);
	history_add(h, &g);
}

// How many grants a question about ports and times finds; they come newest first, and are right.
static unsigned count(struct history *h, uint16_t port, int64_t from, int64_t until, int64_t now)
{
	struct grant_query query = {OUTSIDE, port, port, from, until};
	int64_t before = INT64_MAX;
	struct block_grant g;
	uint64_t cursor = 0;
	unsigned found = 0;

	while (history_find(h, &cursor, &query, now, &g)) {
		unsigned n = (unsigned)((g.from - START) / 1000);
		struct block_grant right = grant_number(n);

		assert_true(g.from < before);
		before = g.from;
		assert_int_equal(g.first_port, right.first_port);
		assert_int_equal(g.last_port, right.last_port);
		assert_int_equal(g.until, right.until);
		assert_int_equal(g.instance_id, 7);
		assert_memory_equal(g.subscriber.addr, right.subscriber.addr, 16);
		assert_int_equal(g.subscriber.len, 32);
		found++;
	}
	return found;
}

static void test_memory(void **state)
{
	struct history *h = history_new(16, RETENTION, NULL);

	(void)state;
	for (unsigned n = 0; n < 40; n++)
		add(h, NULL, n);
	// of each block the last four of ten are remembered
	assert_int_equal(count(h, 1024, 0, INT64_MAX, START + 40000), 4);
	assert_int_equal(count(h, 1024 + 64, START, START + 20000, START + 40000), 0);
	// at the second that grant 28 began or the one before it ended
	assert_int_equal(count(h, 1024, START + 28500, START + 28500, START + 40000), 1);
	assert_int_equal(count(h, 900, 0, INT64_MAX, START + 40000), 0);
	// too old
	assert_int_equal(count(h, 1024, 0, INT64_MAX, START + 40000 + RETENTION), 0);
	history_free(h);
}

static void test_store_goes_on_where_memory_ends(void **state)
{
	struct store *store = open_store(1000000, START);
	struct history *h = history_new(16, RETENTION, store);

	(void)state;
	for (unsigned n = 0; n < 40; n++)
		add(h, store, n);
	assert_int_equal(count(h, 1024, 0, INT64_MAX, START + 40000), 10);
	assert_int_equal(count(h, 1024 + 130, START + 2100, START + 2200, START + 40000), 1);
	assert_int_equal(count(h, 1024 + 63, START + 1100, START + 3900, START + 40000), 0);
	history_free(h);
	store_close(store);

	// another run finds the same, and adds to it
	store = open_store(1000000, START + 50000);
	h = history_new(0, RETENTION, store);
	assert_int_equal(count(h, 1024, 0, INT64_MAX, START + 50000), 10);
	add(h, store, 60);
	assert_int_equal(count(h, 1024, 0, INT64_MAX, START + 70000), 11);
	history_free(h);
	store_close(store);
	remove_file();
}

static void count_recent(void *ctx, const struct block_grant *g)
{
	unsigned *counts = ctx;

	(void)g;
	(*counts)++;
}

static void test_recent(void **state)
{
	struct store *store = open_store(1000000, START);
	struct history *h = history_new(16, RETENTION, store);
	unsigned counts = 0;

	(void)state;
	for (unsigned n = 0; n < 40; n++)
		add(h, store, n);
	history_recent(h, START + 38500, count_recent, &counts);
	assert_int_equal(counts, 2); // those that ended at 39 and 40 s
	counts = 0;
	history_recent(h, START + 11000, count_recent, &counts);
	assert_int_equal(counts, 30);
	history_free(h);
	store_close(store);
	remove_file();
}

static void test_what_was_in_force_has_ended(void **state)
{
	struct store *store = open_store(1000000, START);
	struct block_grant g = grant_number(1), found;
	struct grant_query query = {OUTSIDE, g.first_port, g.first_port, 0, INT64_MAX};

	(void)state;
	store_grant(store, &g);
	store_close(store);
	store = open_store(1000000, START + 90000);
	assert_int_equal(store_find(store, UINT64_MAX >> 1, &query, &found), 1);
	assert_int_equal(found.from, g.from);
	assert_int_equal(found.until, START + 90000);
	assert_int_equal(store_newest(store), START + 90000);
	assert_int_equal(store_begin(store), 2);
	store_close(store);
	remove_file();
}

static void test_bounds(void **state)
{
	struct store *store = open_store(1000, START);
	struct history *h = history_new(0, RETENTION, store);

	(void)state;
	// no more than so many: 1000 of 4000
	for (unsigned n = 0; n < 4000; n++)
		add(h, store, n);
	store_poll(store, START);
	assert_int_equal(count(h, 1024, 0, INT64_MAX, START), 250);
	// nor any that is too old: the next commit after the time takes them out
	add(h, store, 4000);
	store_poll(store, START + 3500000 + RETENTION);
	assert_int_equal(count(h, 1024, 0, INT64_MAX, START), 126);
	history_free(h);
	store_close(store);
	remove_file();
}

static void test_the_file_is_one_box_s(void **state)
{
	struct store *store = open_store(1000, START);
	struct err err;

	(void)state;
	assert_null(store_open(path, 1000, RETENTION, START, &err));
	assert_text_has(err.text, "history-file");
	assert_text_has(err.text, "in use by another process");
	store_close(store);
	remove_file();
}

static void test_of_another_version(void **state)
{
	struct err err;
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA user_version = 99; CREATE TABLE t (a)", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_null(store_open(path, 1000, RETENTION, START, &err));
	assert_text_has(err.text, "another version");
	remove_file();
	assert_null(store_open("/nowhere/history.db", 1000, RETENTION, START, &err));
	assert_text_has(err.text, "No such file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_store_goes_on_where_memory_ends),
		cmocka_unit_test(test_recent),
		cmocka_unit_test(test_what_was_in_force_has_ended),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_the_file_is_one_box_s),
		cmocka_unit_test(test_of_another_version),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
