// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Who has which ports of an A+P address (RFC 9066 section 5.3.2, RFC 7596, RFC 7597, RFC 7599): by arithmetic, from the
// configuration in force.

#include "resolve/answer.h"
#include "table/snapshot.h"

// Adds the holders of addresses behind border relays. Returns whether any of the addresses asked for is one, and
// sets *ours then.
bool softwire_resolve(const struct snapshot *snapshot, const struct resolve_req *req,
	struct resolve_answer *answer, const struct window *window, bool *ours);

// Whether several subscribers share such an address, so that it alone names nobody.
bool softwire_shares(const struct snapshot *snapshot, rte_be32_t outside);
