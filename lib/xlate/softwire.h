// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A+P softwires (RFC 7596, RFC 7597, RFC 7599): who has an IPv4 address and port, asked for a whole burst. There is no
// state: a binding or a rule says it, for packets either way.

#include "net/burst.h"
#include "table/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

// What a burst's packets have to do with softwires.
struct softwire_search {
	const struct softwire *softwire[BURST_MAX]; // the border relay of the IPv4 address
	uint64_t key[BURST_MAX];                    // of the binding, or of the rule's port set
	const struct binding *home[BURST_MAX];      // where bound.h looks for it first
	uint8_t subscriber[BURST_MAX][16];          // IPv6 address of who has address and port
	const uint8_t *br[BURST_MAX];               // and the box's own for him, or his DMR
	uint64_t marked;                            // there may be ACL rules for him
};

// Finds who has the addresses and ports of the packets of the mask, all behind border relays by their routes in
// `route`: their destinations, or, `outward`, their sources. Of ICMP errors, those of the other end of the packet
// that they quote (RFC 7596 section 8.1). Fills the search for those that somebody has, and returns them; of the
// others the border relay alone.
uint64_t softwire_find(const struct snapshot *s, const struct burst *b, uint64_t mask,
	const uint32_t route[], bool outward, struct softwire_search *search);

// The same for packets with ports of their own, no ICMP errors, behind the rules of MAP-E that the search names.
// Addresses and ports are given as in a burst; the counters of `worker` are prefetched. Adds to the search.
uint64_t softwire_find_ruled(const rte_be32_t ipv4[], const rte_be16_t port[], uint64_t mask,
	unsigned worker, struct softwire_search *search);

// Who has an address and port; NULL if nobody. For single packets, and for those who ask on behalf of an operator.
struct softwire_holder {
	const struct softwire *softwire;
	uint8_t subscriber[16];
	const uint8_t *br;
	bool marked;
};

bool softwire_holder(const struct softwire *softwire, rte_be32_t ipv4, uint16_t port, bool has_port,
	struct softwire_holder *holder);
