// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The inside of `struct dots`, shared by dots.c, which joins the parts, and operate.c, which an operator
// acts through. Nobody else includes this.

#include "base/hook.h"
#include "dots/dots.h"
#include "dots/ledger.h"
#include "dots/session.h"

struct dots {
	struct evloop *loop;
	struct enforcer enforcer;
	struct mitigations *mitigations;
	struct ledger *ledger;    // NULL: nothing is kept
	struct hook *hook;        // NULL: nobody is told
	void *accept;             // one block: the entries, then what they point to
	struct owner operator;    // of the mitigations that operators ask for
	uint32_t operator_mid;    // used last
	struct session *sessions; // in the order they were added
};
