// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// MAP-T (RFC 7599): subscribers' IPv6 addresses follow from rules, like those of MAP-E, but packets are translated
// (RFC 7915). Everybody who is not behind a border relay has an address under the rule's DMR (RFC 6052). There is
// no state.

#include "net/burst.h"
#include "xlate/softwire.h"

#include <stdbool.h>
#include <stdint.h>

// Makes the IPv6 packets of the mask, whose ports are known and whose destinations are under DMRs, IPv4 packets from
// the subscribers that their sources are (RFC 7599 section 8.3). An ICMPv6 error is one from the subscriber whom the
// packet was for that it quotes; if a router sent it, it is from `self`, or in want of that from him too (RFC 6791).
// Fills the search for all, but for those of no rule, whose `softwire` is NULL. Headers are read anew. Ends those
// that cannot enter, with V_SOFTWIRE_SOURCE if no such subscriber has the address and port; returns the others.
uint64_t mapt_enter(const struct snapshot *s, struct burst *b, uint64_t mask, rte_be32_t self,
	struct softwire_search *search);

// Finds who the ordinary IPv6 packets of the mask (net/plain.h) are from, whose ports are read, whose destinations are
// under DMRs and whose sources mapdom_prefetch6() has asked for, and fills in src and dst as they will be. Returns those
// that can enter.
uint64_t mapt_find(
	const struct snapshot *s, struct burst *b, uint64_t mask, struct softwire_search *search);

// Makes the IPv4 packet i, for the subscriber that softwire_find() has found, an IPv6 packet to him. Returns false,
// having ended it, if it cannot be one.
bool mapt_leave(const struct snapshot *s, struct burst *b, unsigned i,
	const struct softwire_search *search);

// Makes the IPv4 packet i, which has entered, the IPv6 packet again that it was, for an error about it. Returns the
// rule that its sender is under, or NULL, having ended it, if it cannot be.
const struct softwire *mapt_restore(const struct snapshot *s, struct burst *b, unsigned i);
