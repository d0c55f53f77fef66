// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What an operator does about mitigations.

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct dots;

// Decides on a mitigation that waits for consent. `upstream` may be NULL if the mid alone tells which
// it is. Returns -EINVAL with the reason in err.
int dots_decide(
	struct dots *dots, const char *upstream, uint32_t mid, bool agreed, struct err *err);
