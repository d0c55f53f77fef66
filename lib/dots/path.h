// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The two ends of a DTLS association on a listener's socket, which tell its datagrams from all
// others. Our address belongs to it: a listener on the wildcard address has to answer from the one
// it was called at, or a peer with a connected socket never sees the answer.

#include "base/ipaddr.h"

#include <stdbool.h>
#include <stdint.h>

struct path {
	struct ipaddr peer;
	struct ipaddr local;
	uint32_t interface; // of a link-local peer, 0 for any other
	uint16_t port;      // the peer's, host order
};

static inline bool path_equal(const struct path *a, const struct path *b)
{
	return a->port == b->port && a->interface == b->interface &&
		!ipaddr_compare(&a->peer, &b->peer) && !ipaddr_compare(&a->local, &b->local);
}
