// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What an operator does about mitigations.

#include "base/err.h"
#include "dots/policy.h"
#include "dots/scope.h"

#include <stdbool.h>
#include <stdint.h>

struct dots;

// Decides on a mitigation that waits for consent. `upstream` may be NULL if the mid alone tells which
// it is. Returns -EINVAL with the reason in err.
int dots_decide(
	struct dots *dots, const char *upstream, uint32_t mid, bool agreed, struct err *err);

// Takes all mitigations of an upstream out of force until they are resumed, or resumes them. Returns -EINVAL
// with the reason in err.
int dots_suspend(struct dots *dots, const char *upstream, bool suspended, struct err *err);

#define DOTS_OPERATOR "operator" // the upstream that an operator's own mitigations have

// An abuse report, in the words of a mitigation request.
struct dots_report {
	const struct scope *scope;
	int64_t lifetime; // seconds, or LIFETIME_INDEFINITE
	int64_t at;       // when the attack was seen: Unix time in milliseconds, 0: now
	uint32_t tolerance_s;
	struct measure measure; // what is to be done
};

// Judges it as the request of an upstream would be, and carries it out. Returns 0 and its mid, or -EINVAL
// with the reason in err.
int dots_mitigate(
	struct dots *dots, const struct dots_report *report, uint32_t *mid, struct err *err);

// Ends a mitigation, whoever asked for it: an upstream is told that it was withdrawn (status 7). As
// dots_decide() about `upstream`.
int dots_withdraw(struct dots *dots, const char *upstream, uint32_t mid, struct err *err);
