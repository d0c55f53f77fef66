// SPDX-License-Identifier: BSD-3-Clause

#include "dots/ledger.h"

#include "base/clock.h"
#include "base/database.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_MS      60000
#define PRUNE_EVERY 256 // ended records
#define SCOPE_ROOM  (64 * 1024)

enum query {
	Q_BEGIN,
	Q_COMMIT,
	Q_SAVE,
	Q_FORGET,
	Q_OPEN,
	Q_ACT,
	Q_CLOSE,
	Q_REMARK,
	Q_SUSPENDED,
	Q_RESTORE,
	Q_SHOW,
	Q_PRUNE,
	Q_PRUNE_REFUSED,
	Q_COUNT
};

static const char *const text_of[Q_COUNT] = {
	[Q_BEGIN] = "BEGIN",
	[Q_COMMIT] = "COMMIT",
	[Q_SAVE] =
		"INSERT OR REPLACE INTO mitigation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
		" ?11, ?12, ?13, ?14)",
	[Q_FORGET] = "DELETE FROM mitigation WHERE upstream = ?1 AND cuid = ?2 AND mid = ?3",
	[Q_OPEN] = "INSERT INTO audit (upstream, cuid, mid, scope, subscribers, asked)"
		   " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[Q_ACT] =
		"UPDATE audit SET began = ?4, decided = ?5, action = ?6, rules = ?7 WHERE ended IS NULL"
		" AND upstream = ?1 AND cuid = ?2 AND mid = ?3",
	[Q_CLOSE] = "UPDATE audit SET ended = ?4, outcome = ?5, packets = ?6, bytes = ?7,"
		    " decided = coalesce(?8, decided) WHERE ended IS NULL"
		    " AND upstream = ?1 AND cuid = ?2 AND mid = ?3",
	[Q_RESTORE] =
		"SELECT cuid, mid, scope, subscribers, phase, lifetime, ends, began, verdict,"
		" terminating, cause, action, rate FROM mitigation WHERE upstream = ?1 ORDER BY began, mid",
	[Q_SHOW] =
		"SELECT number, upstream, cuid, mid, scope, subscribers, asked, began, ended, decided,"
		" action, rules, outcome, packets, bytes, reason, missed FROM audit"
		" ORDER BY number DESC",
	[Q_REMARK] = "INSERT INTO audit (upstream, cuid, mid, scope, asked, ended, outcome, reason,"
		     " missed) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?8, ?6, ?7)",
	[Q_SUSPENDED] = "SELECT outcome, ended FROM audit WHERE upstream = ?1 AND cuid IS NULL"
			" ORDER BY number DESC LIMIT 1",
	[Q_PRUNE] = "DELETE FROM audit WHERE ended IS NOT NULL AND (ended < ?1"
		    " OR (outcome <> 'refused' AND number <= (SELECT number FROM audit"
		    " WHERE outcome IS NULL OR outcome <> 'refused'"
		    " ORDER BY number DESC LIMIT 1 OFFSET ?2)))",
	[Q_PRUNE_REFUSED] = "DELETE FROM audit WHERE outcome = 'refused' AND number <="
			    " (SELECT number FROM audit WHERE outcome = 'refused'"
			    " ORDER BY number DESC LIMIT 1 OFFSET ?1)",
};

// Times are Unix milliseconds; `ends` -1 is never. A scope is the CBOR of a request, subscribers are
// lines of text: instance, inside prefix, outside address, first and last port, families. The action of
// a mitigation is there if its asker has chosen it.
static const char schema_text[] =
	"CREATE TABLE IF NOT EXISTS mitigation (upstream TEXT, cuid TEXT, mid INTEGER, scope BLOB,"
	"  subscribers TEXT, phase INTEGER, lifetime INTEGER, ends INTEGER, began INTEGER,"
	"  verdict INTEGER, terminating INTEGER, cause INTEGER, action TEXT, rate INTEGER,"
	"  PRIMARY KEY (upstream, cuid, mid)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY AUTOINCREMENT, upstream TEXT,"
	"  cuid TEXT, mid INTEGER, scope BLOB, subscribers TEXT, asked INTEGER, began INTEGER,"
	"  ended INTEGER, decided TEXT, action TEXT, rules INTEGER, outcome TEXT, packets INTEGER,"
	"  bytes INTEGER, reason TEXT, missed INTEGER);"
	"CREATE INDEX IF NOT EXISTS audit_refused ON audit (number) WHERE outcome = 'refused';"
	"CREATE INDEX IF NOT EXISTS audit_open ON audit (upstream, cuid, mid) WHERE ended IS NULL;";

// What makes the tables of format 1 those of today.
static const char from_1[] = "ALTER TABLE mitigation ADD COLUMN action TEXT;"
			     "ALTER TABLE mitigation ADD COLUMN rate INTEGER;"
			     "ALTER TABLE audit ADD COLUMN reason TEXT;"
			     "ALTER TABLE audit ADD COLUMN missed INTEGER;";

struct ledger {
	struct database *file;
	sqlite3 *db; // of it
	sqlite3_stmt *query[Q_COUNT];
	struct resolver *resolver;
	int64_t retention_ms;
	uint32_t most;
	unsigned since_prune;
	int64_t complain_at;
	uint8_t scope[SCOPE_ROOM]; // of the mitigation in hand
};

// ------------------------------------------------------------------ queries

static sqlite3_stmt *ready(struct ledger *l, enum query query)
{
	sqlite3_reset(l->query[query]);
	sqlite3_clear_bindings(l->query[query]);
	return l->query[query];
}

static bool run(struct ledger *l, enum query query)
{
	int rc = sqlite3_step(l->query[query]);

	sqlite3_reset(l->query[query]);
	return rc == SQLITE_DONE;
}

static void bind_text(sqlite3_stmt *q, int at, const char *text)
{
	if (text)
		sqlite3_bind_text(q, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_number(sqlite3_stmt *q, int at, int64_t value)
{
	sqlite3_bind_int64(q, at, value);
}

static const char *column_text(sqlite3_stmt *q, int at)
{
	return (const char *)sqlite3_column_text(q, at);
}

// The statement, with the key of a mitigation bound.
static sqlite3_stmt *about(struct ledger *l, enum query query, const struct mitigation *m)
{
	sqlite3_stmt *q = ready(l, query);

	bind_text(q, 1, m->owner->policy.name);
	bind_text(q, 2, m->cuid);
	bind_number(q, 3, m->mid);
	return q;
}

// ------------------------------------------------------------------ what a mitigation is written as

static void bind_scope(struct ledger *l, sqlite3_stmt *q, int at, const struct scope *scope)
{
	struct mitigation_body body = {.scope = *scope};
	int length = codec_write_mitigations(&body, 1, l->scope, sizeof(l->scope));

	if (length > 0)
		sqlite3_bind_blob(q, at, l->scope, length, SQLITE_TRANSIENT);
}

static void bind_subscribers(struct ledger *l, sqlite3_stmt *q, int at, const struct mitigation *m)
{
	sqlite3_str *text = sqlite3_str_new(l->db);
	char *out;

	for (unsigned i = 0; i < m->enforcement.suspects; i++) {
		const struct suspect *s = &m->enforcement.suspect[i];
		struct ipprefix inside = subkey_prefix(&s->holder.subscriber);
		char a[IPPREFIX_TEXT], b[IPADDR_TEXT];

		sqlite3_str_appendf(text, "%u %s %s %u %u %s%s\n",
			resolve_instance_id(l->resolver, s->holder.subscriber.instance),
			ipprefix_format(&inside, a), ipaddr_format(&s->holder.outside, b),
			s->holder.lower, s->holder.upper, s->ipv4 ? "4" : "", s->ipv6 ? "6" : "");
	}
	out = sqlite3_str_finish(text);
	if (out)
		sqlite3_bind_text(q, at, out, -1, sqlite3_free);
}

// One line of them. Returns what follows it, or NULL.
static const char *read_subscriber(
	const char *line, struct dots_audit_subscriber *s, char families[3])
{
	char inside[IPPREFIX_TEXT], outside[IPADDR_TEXT];
	const char *end = strchr(line, '\n');

	if (!end ||
		sscanf(line, "%" SCNu32 " %51s %47s %" SCNu16 " %" SCNu16 " %2s", &s->nat_instance,
			inside, outside, &s->lower, &s->upper, families) != 6 ||
		ipprefix_parse(inside, &s->inside, NULL) < 0 ||
		ipaddr_parse(outside, &s->outside) < 0)
		return NULL;
	return end + 1;
}

static unsigned count_lines(const char *text)
{
	unsigned lines = 0;

	for (; text && (text = strchr(text, '\n')); text++)
		lines++;
	return lines;
}

// A reading of clock_now() as Unix milliseconds, and back.
static int64_t unix_ms(uint64_t at)
{
	return clock_unix_ms() + (int64_t)(at - clock_now()) / (int64_t)CLOCK_MS;
}

static uint64_t reading(int64_t unix_time)
{
	return clock_now() + (uint64_t)(unix_time - clock_unix_ms()) * CLOCK_MS;
}

static bool save(struct ledger *l, const struct mitigation *m)
{
	sqlite3_stmt *q = about(l, Q_SAVE, m);

	bind_scope(l, q, 4, &m->scope);
	bind_subscribers(l, q, 5, m);
	bind_number(q, 6, m->phase);
	bind_number(q, 7, m->lifetime);
	bind_number(q, 8, m->ends == UINT64_MAX ? -1 : unix_ms(m->ends));
	bind_number(q, 9, m->began_unix * 1000);
	bind_number(q, 10, m->phase == PHASE_ASKED ? unix_ms(m->verdict.at) : 0);
	bind_number(q, 11, m->terminating_time);
	bind_number(q, 12, m->conflict_cause);
	if (m->chosen) {
		bind_text(q, 13, acl_action_name(m->measure.action));
		bind_number(q, 14, (int64_t)m->measure.rate);
	}
	return run(l, Q_SAVE);
}

static bool open_record(struct ledger *l, const struct mitigation *m)
{
	sqlite3_stmt *q = about(l, Q_OPEN, m);

	bind_scope(l, q, 4, &m->scope);
	bind_subscribers(l, q, 5, m);
	bind_number(q, 6, clock_unix_ms());
	return run(l, Q_OPEN);
}

static bool note_action(struct ledger *l, const struct mitigation *m)
{
	sqlite3_stmt *q = about(l, Q_ACT, m);

	bind_number(q, 4, clock_unix_ms());
	bind_text(q, 5, m->decided_by);
	bind_text(q, 6, acl_action_name(m->enforcement.measure.action));
	bind_number(q, 7, m->enforcement.slots);
	return run(l, Q_ACT);
}

static bool close_record(
	struct ledger *l, const struct mitigation *m, const char *outcome, int64_t ended)
{
	sqlite3_stmt *q = about(l, Q_CLOSE, m);

	bind_number(q, 4, ended);
	bind_text(q, 5, outcome);
	bind_number(q, 6, (int64_t)m->hits.packets);
	bind_number(q, 7, (int64_t)m->hits.bytes);
	bind_text(q, 8, m->decided_by);
	return run(l, Q_CLOSE);
}

static bool prune(struct ledger *l)
{
	sqlite3_stmt *q = ready(l, Q_PRUNE);

	bind_number(q, 1, clock_unix_ms() - l->retention_ms);
	bind_number(q, 2, l->most);
	bind_number(ready(l, Q_PRUNE_REFUSED), 1, l->most);
	return run(l, Q_PRUNE) && run(l, Q_PRUNE_REFUSED);
}

// Now and then, when a record has been added that nothing more will come to.
static bool prune_in_time(struct ledger *l)
{
	if (++l->since_prune < PRUNE_EVERY)
		return true;
	l->since_prune = 0;
	return prune(l);
}

// ------------------------------------------------------------------ events

static bool write_event(struct ledger *l, const struct mitigation *m, enum mitigation_event event)
{
	switch (event) {
	case EVENT_ASKED:
		return open_record(l, m) && save(l, m);
	case EVENT_BEGAN:
		// one that was asked about has a record already
		if (!m->decided_by && !open_record(l, m))
			return false;
		return note_action(l, m) && save(l, m);
	case EVENT_REFRESHED:
	case EVENT_WITHDRAWN:
		return save(l, m);
	case EVENT_REJECTED: // the record is complete, though its client may still look at it
		return close_record(l, m, "rejected", clock_unix_ms()) && save(l, m);
	case EVENT_ENDED:
		about(l, Q_FORGET, m);
		return close_record(l, m, m->outcome, clock_unix_ms()) && run(l, Q_FORGET) &&
			prune_in_time(l);
	}
	return true;
}

// Also what was written in part: it is more than nothing.
static void commit(struct ledger *l, bool done)
{
	if ((run(l, Q_COMMIT) && done) || clock_unix_ms() < l->complain_at)
		return;
	log_error("dots", "state-file: %s: what happens to mitigations is not recorded",
		sqlite3_errmsg(l->db));
	l->complain_at = clock_unix_ms() + LOG_MS;
}

void ledger_note(struct ledger *l, const struct mitigation *m, enum mitigation_event event)
{
	commit(l, run(l, Q_BEGIN) && write_event(l, m, event));
}

static bool write_remark(struct ledger *l, const struct remark *r)
{
	sqlite3_stmt *q = ready(l, Q_REMARK);

	bind_text(q, 1, r->upstream);
	bind_text(q, 2, r->cuid);
	bind_number(q, 3, r->mid);
	if (r->scope)
		bind_scope(l, q, 4, r->scope);
	bind_number(q, 5, clock_unix_ms());
	bind_text(q, 6, r->reason);
	bind_number(q, 7, (int64_t)r->missed);
	bind_text(q, 8, r->outcome);
	return run(l, Q_REMARK) && prune_in_time(l);
}

void ledger_remark(struct ledger *l, const struct remark *remark)
{
	commit(l, run(l, Q_BEGIN) && write_remark(l, remark));
}

int64_t ledger_suspended(struct ledger *l, const char *upstream)
{
	sqlite3_stmt *q = ready(l, Q_SUSPENDED);
	int64_t since = 0;

	bind_text(q, 1, upstream);
	if (sqlite3_step(q) == SQLITE_ROW && !strcmp(column_text(q, 0), "suspended"))
		since = sqlite3_column_int64(q, 1) / 1000;
	sqlite3_reset(q);
	return since;
}

// ------------------------------------------------------------------ restoring

// Subscribers of instances that are no longer configured have nothing to be stopped at.
static int read_suspects(struct ledger *l, const char *text, struct restored *r)
{
	struct dots_audit_subscriber s;
	char families[3];

	r->suspect = calloc(count_lines(text) + 1, sizeof(*r->suspect));
	if (!r->suspect)
		return -ENOMEM;
	while (text && *text && (text = read_subscriber(text, &s, families))) {
		int instance = resolve_instance(l->resolver, s.nat_instance);
		struct suspect *suspect = &r->suspect[r->suspects];

		if (instance < 0)
			continue;
		suspect->holder = (struct holder){
			.subscriber = subkey_of(&s.inside, (uint16_t)instance),
			.outside = s.outside,
			.lower = s.lower,
			.upper = s.upper,
		};
		suspect->ipv4 = strchr(families, '4') != NULL;
		suspect->ipv6 = strchr(families, '6') != NULL;
		r->suspects++;
	}
	return r->suspects ? 0 : -ENOENT;
}

// Returns -EINVAL for an action that there is not.
static int read_measure(sqlite3_stmt *q, struct restored *r)
{
	const char *action = column_text(q, 11);

	r->chosen = action != NULL;
	r->measure.rate = (uint64_t)sqlite3_column_int64(q, 12);
	return action ? acl_action_find(action, &r->measure.action) : 0;
}

static int read_row(struct ledger *l, sqlite3_stmt *q, struct restored *r)
{
	int64_t ends = sqlite3_column_int64(q, 6);
	struct mitigation_body *body;
	unsigned count;
	struct err err;

	*r = (struct restored){
		.cuid = column_text(q, 0),
		.mid = (uint32_t)sqlite3_column_int64(q, 1),
		.phase = (enum mitigation_phase)sqlite3_column_int(q, 4),
		.lifetime = sqlite3_column_int64(q, 5),
		.ends = ends < 0 ? UINT64_MAX : reading(ends),
		.began_unix = sqlite3_column_int64(q, 7) / 1000,
		.verdict = reading(sqlite3_column_int64(q, 8)),
		.terminating_time = (uint32_t)sqlite3_column_int64(q, 9),
		.conflict_cause = (uint8_t)sqlite3_column_int(q, 10),
	};
	if (ends >= 0 && ends <= clock_unix_ms())
		return -ETIME;
	if (!r->cuid || r->phase > PHASE_REJECTED || read_measure(q, r) < 0 ||
		codec_read_mitigations(sqlite3_column_blob(q, 2),
			(size_t)sqlite3_column_bytes(q, 2), true, &body, &count, &err) < 0)
		return -EBADMSG;
	r->scope = body->scope;
	body->scope = (struct scope){0};
	mitigation_bodies_free(body, count);
	return read_suspects(l, column_text(q, 3), r);
}

// Rows that are no mitigations any more, to be closed when the reading is over.
struct leftover {
	char *cuid;
	uint32_t mid;
	int64_t ended;
};

static void forget(struct ledger *l, const char *upstream, const struct leftover *left)
{
	struct owner owner = {.policy.name = upstream};
	struct mitigation m = {.owner = &owner, .cuid = left->cuid, .mid = left->mid};

	close_record(l, &m, left->ended ? "expired" : "removed",
		left->ended ? left->ended : clock_unix_ms());
	about(l, Q_FORGET, &m);
	run(l, Q_FORGET);
}

unsigned ledger_restore(struct ledger *l, const char *upstream,
	int (*take)(void *ctx, struct restored *restored), void *ctx)
{
	sqlite3_stmt *q = ready(l, Q_RESTORE);
	struct leftover *left = NULL;
	unsigned lefts = 0, taken = 0;

	bind_text(q, 1, upstream);
	while (sqlite3_step(q) == SQLITE_ROW) {
		struct restored r;
		int rc = read_row(l, q, &r);
		struct leftover *more;

		if (rc == 0)
			rc = take(ctx, &r);
		scope_free(&r.scope);
		free(r.suspect);
		if (rc == 0) {
			taken++;
			continue;
		}
		more = realloc(left, (lefts + 1) * sizeof(*left));
		if (!more)
			break;
		left = more;
		left[lefts++] = (struct leftover){strdup(r.cuid ? r.cuid : ""), r.mid,
			rc == -ETIME ? sqlite3_column_int64(q, 6) : 0};
	}
	sqlite3_reset(q);
	for (unsigned i = 0; i < lefts; i++) {
		forget(l, upstream, &left[i]);
		free(left[i].cuid);
	}
	free(left);
	return taken;
}

// ------------------------------------------------------------------ showing

static void show(
	sqlite3_stmt *q, void (*fn)(void *ctx, const struct dots_audit_row *row), void *ctx)
{
	const char *text = column_text(q, 5), *outcome = column_text(q, 12);
	struct dots_audit_row row = {
		.number = (uint64_t)sqlite3_column_int64(q, 0),
		.upstream = column_text(q, 1),
		.cuid = column_text(q, 2),
		.mid = (uint32_t)sqlite3_column_int64(q, 3),
		.asked = sqlite3_column_int64(q, 6),
		.began = sqlite3_column_int64(q, 7),
		.ended = sqlite3_column_int64(q, 8),
		.decided_by = column_text(q, 9),
		.action = column_text(q, 10),
		.rules = (unsigned)sqlite3_column_int64(q, 11),
		.outcome = outcome ? outcome : "open",
		.packets = (uint64_t)sqlite3_column_int64(q, 13),
		.bytes = (uint64_t)sqlite3_column_int64(q, 14),
		.reason = column_text(q, 15),
		.missed = (uint64_t)sqlite3_column_int64(q, 16),
	};
	struct dots_audit_subscriber *subscriber =
		calloc(count_lines(text) + 1, sizeof(*subscriber));
	struct mitigation_body *body;
	char families[3];
	unsigned count;
	struct err err;

	while (subscriber && text && *text &&
		(text = read_subscriber(text, &subscriber[row.subscribers], families)))
		row.subscribers++;
	row.subscriber = subscriber;
	if (codec_read_mitigations(sqlite3_column_blob(q, 4), (size_t)sqlite3_column_bytes(q, 4),
		    true, &body, &count, &err) == 0) {
		row.scope = &body->scope;
		fn(ctx, &row);
		mitigation_bodies_free(body, count);
	} else if (row.reason) { // what could not be read is refused
		fn(ctx, &row);
	}
	free(subscriber);
}

void ledger_audit(
	struct ledger *l, void (*fn)(void *ctx, const struct dots_audit_row *row), void *ctx)
{
	sqlite3_stmt *q = ready(l, Q_SHOW);

	while (sqlite3_step(q) == SQLITE_ROW)
		show(q, fn, ctx);
	sqlite3_reset(q);
}

// ------------------------------------------------------------------ the file

struct ledger *ledger_open(const char *path, uint32_t retention_s, uint32_t most,
	struct resolver *resolver, struct err *err)
{
	static const struct database_setup setup = {schema_text, 2, from_1};
	struct ledger *l = calloc(1, sizeof(*l));

	if (!l) {
		err_set(err, "out of memory");
		return NULL;
	}
	l->resolver = resolver;
	l->retention_ms = (int64_t)retention_s * 1000;
	l->most = most;
	l->file = database_open(path, &setup, err);
	if (!l->file) {
		free(l);
		return NULL;
	}
	l->db = database_handle(l->file);
	if (database_prepare(l->file, text_of, l->query, Q_COUNT) && prune(l))
		return l;
	err_set(err, "%s: %s", path, sqlite3_errmsg(l->db));
	ledger_close(l);
	return NULL;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < Q_COUNT; i++)
		sqlite3_finalize(l->query[i]);
	database_close(l->file);
	free(l);
}
