// SPDX-License-Identifier: BSD-3-Clause

#include "resolve/store.h"

#include "base/bits.h"
#include "base/database.h"
#include "base/log.h"

#include <rte_byteorder.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_MS     1000
#define COMMIT_EVENTS 4096
#define PRUNE_ROWS    1000  // a step of what is too old; two for each commit keep up with any load
#define LOG_MS        60000 // between two complaints
#define SPAN_MAX      65536 // ports of the largest grant

enum query {
	Q_BEGIN,
	Q_COMMIT,
	Q_GRANT,
	Q_TAKE_BACK,
	Q_END,
	Q_FIND,
	Q_RECENT,
	Q_PRUNE_COUNT,
	Q_PRUNE_AGE,
	Q_COUNT
};

#define COLUMNS "instance, family, length, address, outside, first, last, since, until"

static const char *const text_of[Q_COUNT] = {
	[Q_BEGIN] = "BEGIN",
	[Q_COMMIT] = "COMMIT",
	[Q_GRANT] = "INSERT OR REPLACE INTO live VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[Q_TAKE_BACK] = "DELETE FROM live WHERE outside = ?5 AND first = ?6",
	[Q_END] = "INSERT INTO ended VALUES (?10, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[Q_FIND] = "SELECT " COLUMNS ", number FROM ended WHERE outside = ?1 AND first BETWEEN ?2"
		   " AND ?3 AND last >= ?4 AND since <= ?5 AND until >= ?6 AND number < ?7"
		   " ORDER BY number DESC LIMIT 1",
	[Q_RECENT] = "SELECT " COLUMNS " FROM ended WHERE number < ?1 ORDER BY number DESC",
	[Q_PRUNE_COUNT] = "DELETE FROM ended WHERE number <= ?1",
	[Q_PRUNE_AGE] = ("DELETE FROM ended WHERE number < (SELECT min(number) FROM ended) + ?1"
			 " AND until < ?2"),
};

// Times are Unix milliseconds, addresses and ports plain numbers.
static const char schema_text[] =
	"CREATE TABLE IF NOT EXISTS live (instance INTEGER, family INTEGER, length INTEGER,"
	"  address BLOB, outside INTEGER, first INTEGER, last INTEGER, since INTEGER,"
	"  PRIMARY KEY (outside, first)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS ended (number INTEGER PRIMARY KEY, instance INTEGER,"
	"  family INTEGER, length INTEGER, address BLOB, outside INTEGER, first INTEGER,"
	"  last INTEGER, since INTEGER, until INTEGER);"
	"CREATE INDEX IF NOT EXISTS ended_place ON ended (outside, first, until);";

struct store {
	struct database *file;
	sqlite3 *db; // of it
	sqlite3_stmt *query[Q_COUNT];
	uint32_t most;
	int64_t retention_ms;
	uint64_t begin;
	uint64_t last; // number
	int64_t newest;
	unsigned events; // of the open transaction
	int64_t commit_at;
	int64_t complain_at;
};

static void complain(struct store *s, const char *what)
{
	log_error("history", "%s: %s: who had the ports is not recorded on disk", what,
		sqlite3_errmsg(s->db));
}

static sqlite3_stmt *ready(struct store *s, enum query query)
{
	sqlite3_reset(s->query[query]);
	return s->query[query];
}

static void bind_number(sqlite3_stmt *q, int at, int64_t value)
{
	sqlite3_bind_int64(q, at, value);
}

// Runs what gives no rows.
static int run(struct store *s, enum query query)
{
	int rc = sqlite3_step(s->query[query]);

	sqlite3_reset(s->query[query]);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

static void bind_grant(sqlite3_stmt *q, const struct block_grant *g)
{
	bind_number(q, 1, g->instance_id);
	bind_number(q, 2, g->subscriber.family);
	bind_number(q, 3, g->subscriber.len);
	sqlite3_bind_blob(
		q, 4, g->subscriber.addr, g->subscriber.family == 4 ? 4 : 16, SQLITE_TRANSIENT);
	bind_number(q, 5, rte_be_to_cpu_32(g->outside));
	bind_number(q, 6, g->first_port);
	bind_number(q, 7, g->last_port);
	bind_number(q, 8, g->from);
}

static int64_t column(sqlite3_stmt *q, int at)
{
	return sqlite3_column_int64(q, at);
}

static struct block_grant read_grant(sqlite3_stmt *q)
{
	struct block_grant g = {
		.instance_id = (uint32_t)column(q, 0),
		.subscriber = {.family = (uint8_t)column(q, 1), .len = (uint8_t)column(q, 2)},
		.outside = rte_cpu_to_be_32((uint32_t)column(q, 4)),
		.first_port = (uint16_t)column(q, 5),
		.last_port = (uint16_t)column(q, 6),
		.from = column(q, 7),
		.until = column(q, 8),
	};
	const void *address = sqlite3_column_blob(q, 3);
	int length = sqlite3_column_bytes(q, 3);

	if (address && length <= (int)sizeof(g.subscriber.addr))
		memcpy(g.subscriber.addr, address, (size_t)length);
	return g;
}

// Opens a transaction if there is none, be it that SQLite has given one up, and counts what goes into it.
static bool begin(struct store *s)
{
	s->events++;
	return !sqlite3_get_autocommit(s->db) || run(s, Q_BEGIN) == 0;
}

static void note(struct store *s, int rc, int64_t now)
{
	if (rc >= 0 || now < s->complain_at)
		return;
	complain(s, "write");
	s->complain_at = now + LOG_MS;
}

void store_grant(struct store *s, const struct block_grant *g)
{
	int rc = -EIO;

	bind_grant(ready(s, Q_GRANT), g);
	if (begin(s))
		rc = run(s, Q_GRANT);
	note(s, rc, g->from);
}

void store_end(struct store *s, uint64_t number, const struct block_grant *g)
{
	int rc = -EIO;

	bind_grant(ready(s, Q_END), g);
	bind_number(s->query[Q_END], 9, g->until);
	bind_number(s->query[Q_END], 10, (int64_t)number);
	bind_number(ready(s, Q_TAKE_BACK), 5, rte_be_to_cpu_32(g->outside));
	bind_number(s->query[Q_TAKE_BACK], 6, g->first_port);
	if (begin(s))
		rc = run(s, Q_END) < 0 ? -EIO : run(s, Q_TAKE_BACK);
	note(s, rc, g->until);
	s->last = number;
}

uint64_t store_find(
	struct store *s, uint64_t before, const struct grant_query *query, struct block_grant *out)
{
	sqlite3_stmt *q = ready(s, Q_FIND);
	uint64_t number = 0;

	bind_number(q, 1, rte_be_to_cpu_32(query->outside));
	bind_number(q, 2, (int64_t)query->lower - (SPAN_MAX - 1));
	bind_number(q, 3, query->upper);
	bind_number(q, 4, query->lower);
	bind_number(q, 5, query->until);
	bind_number(q, 6, query->from);
	bind_number(q, 7, (int64_t)before);
	if (sqlite3_step(q) == SQLITE_ROW) {
		*out = read_grant(q);
		number = (uint64_t)column(q, 9);
	}
	sqlite3_reset(q);
	return number;
}

void store_recent(struct store *s, uint64_t before, int64_t since,
	void (*fn)(void *ctx, const struct block_grant *grant), void *ctx)
{
	sqlite3_stmt *q = ready(s, Q_RECENT);

	bind_number(q, 1, (int64_t)before);
	while (sqlite3_step(q) == SQLITE_ROW) {
		struct block_grant g = read_grant(q);

		if (g.until < since)
			break;
		fn(ctx, &g);
	}
	sqlite3_reset(q);
}

static int prune(struct store *s, int64_t now)
{
	int rc = 0;

	if (s->last > s->most) {
		bind_number(ready(s, Q_PRUNE_COUNT), 1, (int64_t)(s->last - s->most));
		rc = run(s, Q_PRUNE_COUNT);
	}
	bind_number(ready(s, Q_PRUNE_AGE), 1, PRUNE_ROWS + 2 * s->events);
	bind_number(s->query[Q_PRUNE_AGE], 2, now - s->retention_ms);
	return run(s, Q_PRUNE_AGE) < 0 ? -EIO : rc;
}

static int commit(struct store *s, int64_t now)
{
	int rc;

	if (!s->events)
		return 0;
	rc = prune(s, now);
	s->events = 0;
	// one that cannot be committed stays open, and the next events join it
	if (!sqlite3_get_autocommit(s->db) && run(s, Q_COMMIT) < 0)
		return -EIO;
	return rc;
}

void store_poll(struct store *s, int64_t now)
{
	if (now < s->commit_at && s->events < COMMIT_EVENTS)
		return;
	s->commit_at = now + COMMIT_MS;
	note(s, commit(s, now), now);
}

uint64_t store_begin(const struct store *s)
{
	return s->begin;
}

int64_t store_newest(const struct store *s)
{
	return s->newest;
}

// Grants that were in force when the last run ended without a word, ended at the latest now.
static bool settle(struct store *s, int64_t now)
{
	static const char move[] =
		"INSERT INTO ended (" COLUMNS ") SELECT instance, family, length,"
		" address, outside, first, last, since, max(since, %lld)"
		" FROM live; DELETE FROM live";
	char *text = sqlite3_mprintf(move, (long long)now);
	bool done = text && database_run(s->file, text);

	sqlite3_free(text);
	return done;
}

static bool prepare(struct store *s, int64_t now)
{
	if (!settle(s, now) || !database_prepare(s->file, text_of, s->query, Q_COUNT))
		return false;
	s->last = (uint64_t)database_number(s->file, "SELECT max(number) FROM ended");
	s->newest = database_number(s->file, "SELECT max(until) FROM ended");
	s->begin = s->last + 1;
	return true;
}

struct store *store_open(
	const char *path, uint32_t most, int64_t retention_ms, int64_t now, struct err *err)
{
	static const struct database_setup setup = {schema_text, 1, NULL};
	struct store *s = calloc(1, sizeof(*s));
	struct err why;

	if (!s)
		return NULL;
	s->most = most;
	s->retention_ms = retention_ms;
	s->file = database_open(path, &setup, &why);
	if (s->file) {
		s->db = database_handle(s->file);
		if (prepare(s, now))
			return s;
		err_set(&why, "%s: %s", path, sqlite3_errmsg(s->db));
	}
	err_set(err, "/homeport:homeport/resolve/history-file: %s", why.text);
	store_close(s);
	return NULL;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->file && !sqlite3_get_autocommit(s->db) && run(s, Q_COMMIT) < 0)
		complain(s, "close");
	for (unsigned i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(s->query[i]);
	database_close(s->file);
	free(s);
}
