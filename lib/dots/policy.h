// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What one upstream may ask of this server, what is done about it, and who does it.

#include "base/ipaddr.h"
#include "dots/scope.h"
#include "table/acl.h"

#include <stdbool.h>
#include <stdint.h>

#define TERMINATING_MAX 300 // seconds

enum relay_policy {
	RELAY_BOX,           // the box alone
	RELAY_HOME,          // the subscriber's home alone
	RELAY_HOME_THEN_BOX, // the box for a home that is absent, refuses, or is late to confirm
};

enum consent { CONSENT_AUTOMATIC, CONSENT_ASK };

// What the rules of a mitigation do.
struct measure {
	enum acl_action action; // any but ACL_COUNT
	uint64_t rate;          // of ACL_RATE_LIMIT, bytes a second
};

// Requests of one kind: those that name nothing but what stands here. What is absent here matches all,
// also what a request leaves open.
struct request_class {
	const struct ipprefix *target;
	unsigned targets;
	const uint8_t *protocol;
	unsigned protocols;
	struct port_range port; // of the target; 0 to 65535: absent
	struct measure measure;
};

struct policy {
	const char *name;              // of the upstream
	const struct ipprefix *domain; // outside prefixes it may report; none: all we hold
	unsigned domains;
	unsigned max_subscribers; // that one request may hit
	unsigned max_mitigations; // in force at once
	enum overlap_key overlap;
	uint32_t max_lifetime; // seconds; 0: as long as is asked for
	// Seconds for which a withdrawn mitigation goes on; 0: none. Doubles with each that is asked
	// for again meanwhile, up to TERMINATING_MAX (RFC 9132 section 4.4.4)
	uint32_t terminating_time;
	const struct request_class *class; // the first that matches says what is done,
	unsigned classes;
	struct measure measure; // and this where none does
	unsigned max_rules;     // in force at once; 0: as many as there is room for
	unsigned max_affected;  // subscribers, by all mitigations; 0: no bound
	uint64_t max_packets; // a second that they may meet before they are suspended; 0: no bound
	enum consent consent;
	uint32_t consent_time;   // seconds to wait for somebody to agree
	bool consent_by_default; // what is then assumed
	enum relay_policy relay;
};

// What is to be done about a request.
struct measure policy_measure(const struct policy *policy, const struct scope *scope);

// A copy with all that the classes point to, in one block to be freed. Returns NULL if memory runs out.
struct request_class *classes_copy(const struct request_class *class, unsigned classes);
