// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The roll of all mitigations: a list, oldest first, and an index, so that a request costs the same however
// many there are. It finds one by (owner, cuid, mid), whether a cuid is somebody else's, those of an owner
// that a scope may overlap, and how many different subscribers an owner affects.
//
// A prefix stands in a cell for each of a few lengths up to its own. What overlaps it is in its longest
// cell, or was put with its own longest one in one of the shorter ones.

#include "dots/scope.h"

#include <stdbool.h>
#include <stdint.h>

struct cell;
struct enforcement;
struct mitigation;
struct owner;

struct roll {
	struct mitigation *first; // oldest first
	struct mitigation *last;
	struct cell **bucket;
	uint64_t seed;
	uint64_t called; // mitigations so far,
	uint64_t asked;  // and questions for candidates
};

// Where a mitigation stands in it.
struct roll_place {
	struct mitigation *prev;
	uint64_t number; // in the order of the list
	struct roll_entry *entry;
	unsigned entries;
	unsigned affected;       // of these, the last, for subscribers
	uint64_t asked;          // the question it was found for last,
	struct mitigation *also; // and the next that was
};

// Returns -ENOMEM or -errno for want of randomness.
int roll_init(struct roll *roll);

// Of an empty one.
void roll_end(struct roll *roll);

// Puts one at the end, under the names and the scope it has now, which must stay. Returns 0 or -ENOMEM.
int roll_add(struct roll *roll, struct mitigation *mitigation);

void roll_remove(struct roll *roll, struct mitigation *mitigation);

// Its subscribers are not affected any more.
void roll_release(struct roll *roll, struct mitigation *mitigation);

// How many different subscribers an owner would affect, with those that were found for one more.
unsigned roll_affected(
	const struct roll *roll, const struct owner *owner, const struct enforcement *more);

struct mitigation *roll_find(
	const struct roll *roll, const struct owner *owner, const char *cuid, uint32_t mid);

// Any with this cuid, or NULL.
struct mitigation *roll_of_client(
	const struct roll *roll, const struct owner *owner, const char *cuid);

// Whether a mitigation of another owner has this cuid.
bool roll_has_other(const struct roll *roll, const struct owner *owner, const char *cuid);

// Those of an owner that may overlap a scope, none left out that does: oldest first, the next by place.also,
// until the next question.
struct mitigation *roll_candidates(struct roll *roll, const struct owner *owner,
	const struct scope *scope, enum overlap_key key);
