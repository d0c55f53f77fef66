// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One request in the words of one home: inside addresses, ports and targets in the place of those that the
// upstream knows (RFC 9066 section 5.3.2).
//
//	found by      sources                       ports                 targets
//	NAT44         the subscriber's address      inside, if known      as asked
//	NAT64         the hosts, or their prefix    inside, if known      RFC 6052
//	DS-Lite       the hosts behind the B4       inside                as asked
//	A+P           the shared address            his share of those    as asked
//	native IPv6   those reported that are his   as asked              as asked
//
// Inside ports are known if there is a live mapping behind each port reported. Behind a B4 that alone tells a
// host, so there a request without is one that the home cannot be asked.

#include "dots/enforce.h"

// Makes `scope` of what was asked, for the home of one suspect. False if it cannot be said in his home's words, or
// memory has run out; there is nothing to be freed then.
bool inward_scope(struct resolver *resolver, const struct suspect *suspect,
	const struct scope *asked, struct scope *scope);
