// SPDX-License-Identifier: BSD-3-Clause

#include "base/database.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

// Pages of the log at which it is carried over, and at which nobody waits for the thread any more: it has fallen
// behind, or new pages come all the time, and a log is begun anew only when all of it has been carried over.
#define LOG_LONG     2048
#define LOG_TOO_LONG 32768

struct database {
	sqlite3 *db;
	int lock; // a descriptor of the file; closed last, since that gives up SQLite's own locks
	sqlite3 *carrier;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool wanted; // these two under the mutex
	bool stop;
};

sqlite3 *database_handle(const struct database *d)
{
	return d->db;
}

bool database_run(struct database *d, const char *text)
{
	return sqlite3_exec(d->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

int64_t database_number(struct database *d, const char *text)
{
	sqlite3_stmt *q;
	int64_t value = -1;

	if (sqlite3_prepare_v2(d->db, text, -1, &q, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(q) == SQLITE_ROW)
		value = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return value;
}

bool database_prepare(
	struct database *d, const char *const *text, sqlite3_stmt **query, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (sqlite3_prepare_v3(d->db, text[i], -1, SQLITE_PREPARE_PERSISTENT, &query[i],
			    NULL) != SQLITE_OK)
			return false;
	}
	return true;
}

// ------------------------------------------------------------------ the thread

static void carry_over(sqlite3 *db)
{
	// who writes meanwhile is not held up, and what fails now is tried again with the next pages
	sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static void *carry(void *arg)
{
	struct database *d = arg;

	pthread_mutex_lock(&d->mutex);
	while (!d->stop) {
		if (!d->wanted) {
			pthread_cond_wait(&d->wake, &d->mutex);
			continue;
		}
		d->wanted = false;
		pthread_mutex_unlock(&d->mutex);
		carry_over(d->carrier);
		pthread_mutex_lock(&d->mutex);
	}
	pthread_mutex_unlock(&d->mutex);
	return NULL;
}

static int on_commit(void *ctx, sqlite3 *db, const char *, int pages)
{
	struct database *d = ctx;

	if (pages >= LOG_TOO_LONG) {
		carry_over(db);
	} else if (pages >= LOG_LONG) {
		pthread_mutex_lock(&d->mutex);
		d->wanted = true;
		pthread_cond_signal(&d->wake);
		pthread_mutex_unlock(&d->mutex);
	}
	return SQLITE_OK;
}

static bool start_thread(struct database *d, const char *path)
{
	if (sqlite3_open_v2(path, &d->carrier, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
		sqlite3_exec(d->carrier, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL) !=
			SQLITE_OK)
		return false;
	d->has_thread = pthread_create(&d->thread, NULL, carry, d) == 0;
	sqlite3_wal_hook(d->db, on_commit, d);
	return d->has_thread;
}

// ------------------------------------------------------------------ the file

static const char *open_file(struct database *d, const char *path)
{
	d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock < 0)
		return strerror(errno);
	if (flock(d->lock, LOCK_EX | LOCK_NB) < 0)
		return "in use by another process";
	// SQLite gives its log the same mode
	return sqlite3_open_v2(path, &d->db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
			database_run(d,
				"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
				"PRAGMA temp_store = MEMORY")
		? NULL
		: sqlite3_errmsg(d->db);
}

static const char *make_tables(struct database *d, const struct database_setup *setup)
{
	int64_t format = database_number(d, "PRAGMA user_version");
	char text[64];

	if (setup->upgrade && format == setup->format - 1 && database_run(d, setup->upgrade))
		format = setup->format;
	if (format > 0 && format != setup->format)
		return "made by another version of homeportd";
	snprintf(text, sizeof(text), "PRAGMA user_version = %d", setup->format);
	return format >= 0 && database_run(d, setup->schema) && database_run(d, text)
		? NULL
		: sqlite3_errmsg(d->db);
}

struct database *database_open(
	const char *path, const struct database_setup *setup, struct err *err)
{
	struct database *d = calloc(1, sizeof(*d));
	const char *why;

	if (!d) {
		err_set(err, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&d->mutex, NULL);
	pthread_cond_init(&d->wake, NULL);
	why = open_file(d, path);
	if (!why)
		why = make_tables(d, setup);
	if (!why && !start_thread(d, path))
		why = "no thread for it";
	if (!why)
		return d;
	err_set(err, "%s: %s", path, why);
	database_close(d);
	return NULL;
}

void database_close(struct database *d)
{
	if (!d)
		return;
	if (d->has_thread) {
		pthread_mutex_lock(&d->mutex);
		d->stop = true;
		pthread_cond_signal(&d->wake);
		pthread_mutex_unlock(&d->mutex);
		pthread_join(d->thread, NULL);
	}
	sqlite3_close(d->carrier);
	sqlite3_close(d->db);
	if (d->lock >= 0)
		close(d->lock);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->mutex);
	free(d);
}
