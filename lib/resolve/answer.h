// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Putting answers together, for whatever service found them.

#include "resolve/resolve.h"

// Adds a holder. It is counted if there is no room, and makes the answer ambiguous if another may have held the
// same address and port at that time.
void answer_add(struct resolve_answer *answer, const struct holder *holder);

// Whether no more need be looked for, since there are more than there is room for.
static inline bool answer_is_full(const struct resolve_answer *answer)
{
	return answer->count > answer->room;
}
