// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The time that a request is about, and putting answers together, for whatever service found them.

#include "resolve/resolve.h"

// In Unix milliseconds.
struct window {
	int64_t from;
	int64_t until;
	int64_t now;
	bool past; // an instant was named; else now is meant
};

struct window answer_window(const struct resolve_req *req);

// Adds a holder. It is counted if there is no room, and makes the answer ambiguous if another may have held the
// same address and port at that time.
void answer_add(struct resolve_answer *answer, const struct holder *holder);

// Whether no more need be looked for, since there are more than there is room for.
static inline bool answer_is_full(const struct resolve_answer *answer)
{
	return answer->count > answer->room;
}
