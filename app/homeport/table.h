// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A table of text whose columns become as wide as their widest cell.

#define TABLE_COLUMNS 12

struct table;

// Makes a table with these column heads, the last of which is followed by NULL. Exits if memory runs out.
struct table *table_new(const char *const *heads);

// Appends a row of as many cells as there are heads. Text is copied; NULL is shown as "-".
void table_row(struct table *table, const char *const *cells);

// Prints and frees it.
void table_print(struct table *table);
