// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Values of an answer as cells of a table.

#include <jansson.h>

#define CELL 256

// The value at a path of member names, divided by spaces, or NULL.
const json_t *at(const json_t *value, const char *path);

// A value as one word: text without its module prefix, a number, or lists joined by commas. NULL if it is none. `out`
// has room for CELL bytes.
const char *cell(const json_t *value, char *out);

// Prints one table: a row for each element of the list at `list`, a column for each path.
void print_list(
	const json_t *answer, const char *list, const char *const *heads, const char *const *paths);
