// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The rows of tests/dots/vectors/index.json, which the environment names as VECTORS.

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

// Reads the file; ends the program if it cannot.
json_t *vectors_load(void);

// A member of a row, or NULL.
const char *vector_text(const json_t *row, const char *name);

// The bytes of a row, into a buffer that must hold them; returns how many.
size_t vector_bytes(const json_t *row, uint8_t *out, size_t room);

const json_t *vector_named(const json_t *rows, const char *name);
