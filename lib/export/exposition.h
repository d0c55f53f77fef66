// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Metrics as text, in the exposition format 0.0.4 of Prometheus: families, each with its help and
// kind, and their samples. The text grows as it is written; if memory runs out it is not whole, and
// exposition_end() says so.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exposition {
	char *text;
	size_t length;
	size_t room;
	const char *family;
	bool broken;
};

enum exposition_kind { EXPOSITION_COUNTER, EXPOSITION_GAUGE };

struct exposition_label {
	const char *name; // NULL ends a list
	const char *value;
};

// Begins a family, to which the samples up to the next belong. The name stays the caller's.
void exposition_family(
	struct exposition *e, const char *name, enum exposition_kind kind, const char *help);

// A sample with its labels (NULL: none).
void exposition_sample(struct exposition *e, const struct exposition_label *labels, uint64_t value);

// The text, which the caller frees, or NULL; `e` is empty again.
char *exposition_end(struct exposition *e, size_t *length);
