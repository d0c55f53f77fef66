// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// From an upstream's mitigation to orders for homes, and back: the delegate of mitigations that are
// to be carried out at the subscriber's own home (policy.h says whose are).
//
//   take -> asked --(confirmed)----------------------------> confirmed <-.
//             |                                                  |       | session is back
//             '--(not in time, refused)--> the box steps in      '-> lost in time
//                                          ^                         |
//                                          '-------------------------'
//
// What goes to a home names inside addresses and ports alone (RFC 9066 section 5.3.2); what comes back is
// counters and a status, and says nothing of the inside (section 9). Once the box has stepped in for a
// subscriber it stays until the mitigation ends; the home is asked on.

#include "base/evloop.h"
#include "dots/delegate.h"
#include "dots/homes.h"
#include "resolve/resolve.h"

struct relay;

struct relay_counters {
	uint64_t ordered;    // subscribers whose homes were asked
	uint64_t confirmed;  //
	uint64_t refused;    //
	uint64_t stepped_in; // for whom the box did it after all
};

// `confirm_ns` is how long a home has to confirm before the box steps in. All must outlive the relay.
// Returns NULL if memory runs out.
struct relay *relay_new(
	struct evloop *loop, struct homes *homes, struct resolver *resolver, uint64_t confirm_ns);

// No mitigation may have suspects with it any more. NULL is allowed.
void relay_free(struct relay *relay);

void relay_set_confirm(struct relay *relay, uint64_t confirm_ns);

const struct delegate *relay_delegate(const struct relay *relay);

const struct relay_counters *relay_counters(const struct relay *relay);
