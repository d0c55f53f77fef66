// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Grants of port blocks on disk, in a file of SQLite's: those in force, so that after a crash their ports
// can rest (RFC 6888 REQ-8), and those that ended, so that it can still be told who had them.
//
// What is written is committed once a second, or sooner if there is much: a crash loses no more than that.
// A disk that fails is logged and costs the record, never the traffic. Control thread only.

#include "base/err.h"
#include "resolve/history.h"

struct store;

// Opens or makes the file, of at most `most` ended grants, each kept for `retention_ms`. Grants that an
// earlier run left in force have ended `now`. Returns NULL with the reason in err.
struct store *store_open(
	const char *path, uint32_t most, int64_t retention_ms, int64_t now, struct err *err);

// Commits and closes. NULL is allowed.
void store_close(struct store *store);

// Ended grants are numbered by whoever adds them: the number with which this run begins, and when the
// newest of the earlier runs ended (0: there is none).
uint64_t store_begin(const struct store *store);
int64_t store_newest(const struct store *store);

// A grant is in force; and it has ended, with the next number.
void store_grant(struct store *store, const struct block_grant *grant);
void store_end(struct store *store, uint64_t number, const struct block_grant *grant);

// The last of the ended grants before a number that a query asks for. Returns its number, or 0.
uint64_t store_find(struct store *store, uint64_t before, const struct grant_query *query,
	struct block_grant *out);

// Calls fn for every grant before a number that ended at `since` or later.
void store_recent(struct store *store, uint64_t before, int64_t since,
	void (*fn)(void *ctx, const struct block_grant *grant), void *ctx);

// Commits what is due, and takes out what is too old or too much. `now` in Unix milliseconds.
void store_poll(struct store *store, int64_t now);
