// SPDX-License-Identifier: BSD-3-Clause

#include "value.h"

#include "table.h"

#include <stdio.h>
#include <string.h>

const json_t *at(const json_t *value, const char *path)
{
	char name[64];

	while (value && *path) {
		size_t length = strcspn(path, " ");

		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		value = json_object_get(value, name);
		path += length + strspn(path + length, " ");
	}
	return value;
}

const char *cell(const json_t *value, char *out)
{
	const char *text, *colon;
	size_t length = 0, i;
	const json_t *element;

	if (json_is_string(value)) {
		text = json_string_value(value);
		colon = !strncmp(text, "ietf-", 5) ? strchr(text, ':') : NULL;
		snprintf(out, CELL, "%s", colon ? colon + 1 : text);
	} else if (json_is_integer(value)) {
		snprintf(out, CELL, "%lld", (long long)json_integer_value(value));
	} else if (json_is_boolean(value)) {
		snprintf(out, CELL, "%s", json_is_true(value) ? "yes" : "no");
	} else if (json_is_array(value)) {
		out[0] = '\0';
		json_array_foreach(value, i, element)
		{
			char one[CELL];

			if (length < CELL)
				length += (size_t)snprintf(out + length, CELL - length, "%s%s",
					i ? "," : "", cell(element, one));
		}
	} else {
		return NULL;
	}
	return out;
}

void print_list(
	const json_t *answer, const char *list, const char *const *heads, const char *const *paths)
{
	struct table *table = table_new(heads);
	const json_t *element;
	size_t i;

	json_array_foreach(at(answer, list), i, element)
	{
		const char *cells[TABLE_COLUMNS];
		char text[TABLE_COLUMNS][CELL];

		for (unsigned c = 0; heads[c]; c++)
			cells[c] = cell(at(element, paths[c]), text[c]);
		table_row(table, cells);
	}
	table_print(table);
}
