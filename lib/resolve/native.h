// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Native IPv6 sources: an address is of the subscriber whose prefix it is in, at all times, as far as the
// configuration knows.

#include "resolve/resolve.h"
#include "table/snapshot.h"

// As resolve_outside(), for an IPv6 address or prefix. One that is wider than a subscriber's prefix has all
// subscribers that there can be in it.
int native_find(const struct snapshot *snapshot, const struct resolve_req *req,
	struct resolve_answer *answer);
