// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a Call Home mitigation request must satisfy whatever the network behind it looks like
// (RFC 9066 section 5.3.1, RFC 9132 section 4.4.1). Both ends use it: the client so as not to send
// what the server must refuse.

#include "base/err.h"
#include "dots/codec.h"

#include <stdbool.h>

// Returns -EINVAL with the first violation. `efficacy`: the request came with an If-Match option
// (RFC 9132 section 4.4.3), which demands an attack-status and lets the lifetime be absent.
int validate_request(const struct mitigation_body *body, bool efficacy, struct err *err);

// Whether each source lies within one of the prefixes, if there are any: 0, or -EINVAL with the
// source that does not.
int validate_domain(const struct scope *scope, const struct ipprefix *domain, unsigned domains,
	struct err *err);
