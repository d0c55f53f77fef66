// SPDX-License-Identifier: BSD-3-Clause

#include "table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table {
	unsigned columns;
	unsigned rows;
	unsigned room;
	int width[TABLE_COLUMNS];
	char **cell;
};

static void *must(void *memory)
{
	if (!memory) {
		perror("homeport");
		exit(1);
	}
	return memory;
}

struct table *table_new(const char *const *heads)
{
	struct table *table = must(calloc(1, sizeof(*table)));

	while (table->columns < TABLE_COLUMNS && heads[table->columns])
		table->columns++;
	table_row(table, heads);
	return table;
}

void table_row(struct table *table, const char *const *cells)
{
	if (table->rows == table->room) {
		table->room = table->room ? table->room * 2 : 64;
		table->cell = must(reallocarray(
			table->cell, (size_t)table->room * table->columns, sizeof(char *)));
	}
	for (unsigned i = 0; i < table->columns; i++) {
		const char *text = cells[i] ? cells[i] : "-";
		int width = (int)strlen(text);

		table->cell[table->rows * table->columns + i] = must(strdup(text));
		if (width > table->width[i])
			table->width[i] = width;
	}
	table->rows++;
}

void table_print(struct table *table)
{
	for (unsigned row = 0; row < table->rows; row++) {
		for (unsigned i = 0; i < table->columns; i++) {
			char *cell = table->cell[row * table->columns + i];
			bool last = i + 1 == table->columns;

			printf("%-*s%s", last ? 0 : table->width[i], cell, last ? "\n" : "  ");
			free(cell);
		}
	}
	free(table->cell);
	free(table);
}
