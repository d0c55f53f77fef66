// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A file of SQLite's that this process alone writes, its owner's alone to read. What is committed goes to SQLite's
// log beside the file, which a crash of the process does not touch, and whoever commits does not wait for the
// disk. A thread of the database's own carries the log over into the file once it is long, and waits: what is
// committed before that survives the machine's end, too.
//
// For one thread; only that of the database is another.

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct database;

struct database_setup {
	const char *schema; // makes the tables that are missing
	int format;         // of theirs, in the file as user_version
	const char
		*upgrade; // makes tables of the format before those of this; NULL: there was none
};

// Opens or makes the file. Returns NULL with the path and the reason in err.
struct database *database_open(
	const char *path, const struct database_setup *setup, struct err *err);

// Its statements must have been finalized. NULL is allowed.
void database_close(struct database *database);

sqlite3 *database_handle(const struct database *database);

// Runs statements that give no rows, and one that gives a number (-1 if it fails).
bool database_run(struct database *database, const char *text);
int64_t database_number(struct database *database, const char *text);

// Prepares statements that are used again and again; those that were are to be finalized in any case.
bool database_prepare(
	struct database *database, const char *const *text, sqlite3_stmt **query, unsigned count);
