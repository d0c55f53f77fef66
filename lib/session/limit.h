// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The limits of an instance (RFC 8512 mapping-limits, RFC 6888 REQ-5). Each worker counts what it has; one
// that is about to make more adds up what all have. Two that do so at the same moment may exceed a limit by
// one each, and nothing is ever taken away to keep one.

#include "session/nat.h"

// Whether a flow of a policy with limits may have a mapping. Returns V_NAT44_OUT, or the verdict that says
// why not.
enum verdict limit_check(
	const struct nat *nat, const struct flow *flow, const struct nat_policy *policy);
