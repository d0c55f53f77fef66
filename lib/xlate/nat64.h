// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Stateful NAT64 (RFC 6146) is NAT44 between two translations without state: what comes from an IPv6 host enters
// as an IPv4 packet of its alias (session/alias.h), and what NAT44 has made of a packet to an alias leaves as an
// IPv6 packet to its host. Mappings, ports, filters and timers are those of NAT44, hairpinning too.

#include "net/burst.h"
#include "session/nat.h"

// Makes the IPv6 packets of the mask, whose route is a Pref64, IPv4 packets of their aliases; an ICMPv6 error
// becomes one of the alias of the host that it quotes. Their headers are read anew. Ends those that cannot
// enter; returns the others.
uint64_t nat64_enter(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now);

// Packets that were to enter have come to their end, or have been translated from inside: aliases that nothing
// holds go.
void nat64_settle(struct nat *nat, const struct burst *b, uint64_t mask);

// Makes the IPv4 packets of the mask, which NAT44 has translated to aliases of NAT64 hosts by their mappings, IPv6
// packets to them. Ends those that cannot leave; returns the others.
uint64_t nat64_leave(const struct nat *nat, struct burst *b, uint64_t mask);

// Makes packet i, which has entered and is not translated further, the IPv6 packet again that it was, for an error
// about it. Returns false, having ended it, if it cannot be.
bool nat64_restore(const struct nat *nat, struct burst *b, unsigned i);
