// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// DS-Lite (RFC 6333) is NAT44 between the two ends of a tunnel: what comes out of a softwire enters as a packet of
// its host's alias (session/alias.h), since hosts behind other B4s have the same inner address, and what NAT44
// has made of a packet to an alias leaves by the softwire of its B4, wherever that was seen last. Mappings, ports,
// filters and timers are those of NAT44, hairpinning too.

#include "net/burst.h"
#include "net/icmp.h"
#include "session/nat.h"

// Takes the packets of the mask, whose route is an AFTR, out of their softwires; an ICMPv6 error about a softwire
// becomes one about what was in it (RFC 2473 section 8.3). Their headers are read anew. Ends those that cannot
// enter; returns the others.
uint64_t dslite_enter(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now);

// Those packets of the mask, which NAT44 has translated to aliases by their mappings, that are for hosts behind B4s.
uint64_t dslite_of(const struct nat *nat, const struct burst *b, uint64_t mask);

// Puts the IPv4 packets of the mask, for hosts behind B4s, into their softwires. Ends those that cannot leave;
// returns the others.
uint64_t dslite_leave(const struct nat *nat, struct burst *b, uint64_t mask);

// Gives packet i, which has entered and is not translated further, its own inner source again.
void dslite_restore(const struct nat *nat, struct burst *b, unsigned i);

// Makes packet i, which has entered and is not translated further, an error about itself, in the softwire that it
// came by. Returns false, with the packet as it was, if there is no room for its headers.
bool dslite_error_make(
	const struct nat *nat, struct burst *b, unsigned i, const struct icmp_error *error);

// The end of the softwire of an alias that is behind a B4.
static inline const struct aftr *dslite_aftr(const struct nat *nat, const struct alias *alias)
{
	return &nat->snapshot->aftr[alias->aftr];
}
