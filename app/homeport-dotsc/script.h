// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Lines of commands: from a file, from standard input as they are typed, or the one of the command
// line.

#include "base/err.h"
#include "base/evloop.h"

#include <stdbool.h>
#include <stddef.h>

#define LINE_MAX_BYTES 8192

struct script {
	struct evloop *loop;
	struct watch watch; // started while a line is waited for
	int fd;             // -1: all has been read
	char buffer[LINE_MAX_BYTES];
	size_t used;
	bool too_long; // the rest of a line that did not fit is being skipped
	void (*ready)(void *ctx);
	void *ctx;
};

enum script_line { SCRIPT_LINE, SCRIPT_LATER, SCRIPT_TOO_LONG, SCRIPT_END };

// `path` is a file, "-", or NULL for no lines. `ready` is called when script_next() said later and
// there is more. Returns -errno with the reason in err.
int script_open(struct script *script, struct evloop *loop, const char *path,
	void (*ready)(void *ctx), void *ctx, struct err *err);
void script_close(struct script *script);

// Copies the next line, without its end, into LINE_MAX_BYTES.
enum script_line script_next(struct script *script, char *line);
