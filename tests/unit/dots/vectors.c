// SPDX-License-Identifier: BSD-3-Clause

#include "vectors.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *vectors_load(void)
{
	const char *path = getenv("VECTORS");
	json_t *rows = path ? json_load_file(path, 0, NULL) : NULL;

	if (!rows) {
		fprintf(stderr, "VECTORS names no file of vectors\n");
		exit(1);
	}
	return rows;
}

const char *vector_text(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

size_t vector_bytes(const json_t *row, uint8_t *out, size_t room)
{
	const char *hex = vector_text(row, "hex");
	size_t length = strlen(hex) / 2;

	assert_true(length <= room);
	for (size_t i = 0; i < length; i++)
		sscanf(hex + 2 * i, "%2hhx", &out[i]);
	return length;
}

const json_t *vector_named(const json_t *rows, const char *name)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		if (!strcmp(vector_text(json_array_get(rows, i), "name"), name))
			return json_array_get(rows, i);
	}
	fail_msg("no row %s", name);
	return NULL;
}
