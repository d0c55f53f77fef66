// SPDX-License-Identifier: BSD-3-Clause

// Files of SQLite's: what is committed stays, and its log is carried over while more comes.

#include "base/database.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLE "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, text TEXT);"

static const struct database_setup setup = {TABLE, 2, "ALTER TABLE t ADD COLUMN text TEXT"};
static char path[] = "/tmp/test_database.XXXXXX";

static void remove_files(void)
{
	char other[sizeof(path) + 4];

	unlink(path);
	snprintf(other, sizeof(other), "%s-wal", path);
	unlink(other);
	snprintf(other, sizeof(other), "%s-shm", path);
	unlink(other);
}

static struct database *open_it(void)
{
	struct err err = {""};
	struct database *d = database_open(path, &setup, &err);

	assert_string_equal(err.text, "");
	assert_non_null(d);
	return d;
}

static off_t size_of_file(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

// A page or more each.
static void insert(struct database *d, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_true(database_run(
			d, "INSERT INTO t (text) VALUES (replace(hex(zeroblob(2500)), '0', 'x'))"));
}

static int set_up(void **)
{
	remove_files();
	return 0;
}

static void what_is_committed(void **)
{
	static const char *const text[] = {"SELECT count(*) FROM t", "DELETE FROM t"};
	sqlite3_stmt *query[2];
	struct database *d = open_it();
	struct stat st;

	insert(d, 3);
	database_close(d);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	d = open_it();
	assert_int_equal(database_number(d, text[0]), 3);
	assert_int_equal(database_number(d, "SELECT nothing"), -1);
	assert_false(database_run(d, "no SQL"));
	assert_true(database_prepare(d, text, query, 2));
	assert_int_equal(sqlite3_step(query[1]), SQLITE_DONE);
	assert_int_equal(database_number(d, text[0]), 0);
	sqlite3_finalize(query[0]);
	sqlite3_finalize(query[1]);
	database_close(d);
}

// The thread does it, and he who commits does not have to: it goes on until the file has grown.
static void carried_over(void **)
{
	struct database *d = open_it();
	off_t before = size_of_file();
	unsigned count = 0;

	for (; size_of_file() == before && count < 200000; count += 100)
		insert(d, 100);
	assert_true(size_of_file() > before);
	assert_int_equal(database_number(d, "SELECT count(*) FROM t"), count);
	database_close(d);
	d = open_it();
	assert_int_equal(database_number(d, "SELECT count(*) FROM t"), count);
	assert_int_equal(
		database_number(d, "SELECT count(*) FROM t WHERE length(text) <> 5000"), 0);
	database_close(d);
}

// What a process that is killed has committed is there for the next.
static void killed(void **)
{
	struct database *d;
	pid_t pid = fork();
	int status;

	if (!pid) {
		d = open_it();
		insert(d, 5000); // and carried over meanwhile
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	d = open_it();
	assert_int_equal(database_number(d, "SELECT count(*) FROM t"), 5000);
	database_close(d);
}

static void formats(void **)
{
	static const struct database_setup old = {"CREATE TABLE t (n INTEGER PRIMARY KEY)", 1,
						   NULL},
					   later = {TABLE, 4, NULL};
	struct database *d;
	struct err err;

	d = database_open(path, &old, &err);
	assert_non_null(d);
	assert_true(database_run(d, "INSERT INTO t VALUES (7)"));
	database_close(d);
	d = open_it();
	assert_int_equal(database_number(d, "SELECT n FROM t WHERE text IS NULL"), 7);
	assert_int_equal(database_number(d, "PRAGMA user_version"), 2);
	database_close(d);
	assert_null(database_open(path, &later, &err));
	assert_non_null(strstr(err.text, "made by another version"));
}

static void one_at_a_time(void **)
{
	struct database *d = open_it();
	struct err err;

	assert_null(database_open(path, &setup, &err));
	assert_non_null(strstr(err.text, "in use by another process"));
	insert(d, 1);
	database_close(d);
	database_close(open_it());
	assert_null(database_open("/nowhere/file", &setup, &err));
	assert_string_equal(err.text, "/nowhere/file: No such file or directory");
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_committed),
		CASE(carried_over),
		CASE(killed),
		CASE(formats),
		CASE(one_at_a_time),
	};
	int rc;

	close(mkstemp(path));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	remove_files();
	return rc;
}
