// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the programs for tests of whole processes have in common: they print a line of JSON for each event, and take
// commands from standard input, a line each.

#include "base/evloop.h"

#include <jansson.h>

// Prints an event, with the time it is printed at, and frees it.
void lines_print(json_t *line);

// Has each line that comes carried out. The end of the input is that of the program.
void lines_read(struct evloop *loop, void (*command)(char *line));
void lines_end(void);
bool lines_ended(void);

// Ends the program at once with the reason.
void lines_fail(const char *what, const char *why) __attribute__((noreturn));
