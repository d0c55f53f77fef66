// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Marks on routes: what is to be asked about some destinations costs all others nothing. A marked route has a
// next hop of its own, a copy of the one before with one more flag in its realm.

#include "table/snapshot.h"

struct marks {
	struct snapshot *snapshot;
	uint8_t flag; // REALM_ASK, REALM_DSTNAT
	bool (*wanted)(const struct nexthop *nh);
	uint16_t *of; // by number of a next hop, that of the same with the mark; 0: none yet
};

// Begins to mark with a flag those of the routes that are wanted; all others are there. Returns 0 or -ENOMEM.
int marks_begin(struct marks *marks, struct snapshot *snapshot, uint8_t flag,
	bool (*wanted)(const struct nexthop *nh));
void marks_end(struct marks *marks);

// Marks the routes to a prefix: those within it, and for the rest of it the one that covers it. Returns 0 or a
// negative errno.
int marks_add(struct marks *marks, const struct ipprefix *prefix);
