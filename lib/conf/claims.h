// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ranges of endpoints (table/endpoint.h) that entries of the configuration lay claim to. There may be a hundred
// thousand of them, so those that have one in common are found by sorting.

#include "conf/judge.h"

#include <stdint.h>

struct claim {
	uint64_t start;
	uint64_t end; // the last one
	const struct lyd_node *node;
	const char *leaf;
	const char *list; // what the entry is, and its key
	uint32_t key;
	unsigned order; // in the configuration
};

// Sorts the claims and reports each that meets another one of another entry, at the later of the two: that this
// is so of a `what` ("inside port"), of which a `unit` ("port") may stand in one entry only.
void claims_check(
	struct judge *j, struct claim *claims, unsigned count, const char *what, const char *unit);
