// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The mitigations in force (RFC 9132 section 4.4): made by a PUT, found by (cuid, mid), refreshed,
// overlapped by a higher mid, ended by a DELETE or with their lifetime. They belong to an upstream
// and its cuid, not to a session, and so survive the loss of one.
//
// A mitigation is in force from the moment it exists; when it ends its rules go at once.

#include "base/evloop.h"
#include "dots/codec.h"
#include "dots/enforce.h"
#include "dots/policy.h"

#include <stdbool.h>
#include <stdint.h>

struct mitigation;

// An upstream, as its mitigations see it.
struct owner {
	struct policy policy;
	// This one ends now, its status says how. It is gone when the call returns.
	void (*ending)(struct owner *owner, const struct mitigation *mitigation);
	unsigned mitigations;
};

struct mitigation {
	struct mitigation *next;
	struct mitigations *all;
	struct owner *owner;
	char *cuid;
	uint32_t mid;
	struct scope scope;
	int64_t lifetime;    // granted, in seconds, or LIFETIME_INDEFINITE
	uint64_t ends;       // reading of clock_now(); UINT64_MAX: never
	struct timer expiry; // set unless indefinite
	uint64_t began;      // reading of clock_now(),
	int64_t began_unix;  // and Unix time in seconds
	uint8_t status;
	uint8_t attack_status; // as the client sees it; 0: has not said
	struct enforcement enforcement;
	struct acl_hits hits;     // read last
	uint64_t hit_at;          // when the hits grew last; 0: never
	uint64_t buckets;         // of five minutes that are full,
	struct acl_hits bucketed; // and the hits at the end of the last
};

// Returns NULL if memory runs out. `enforcer` must outlive it.
struct mitigations *mitigations_new(struct evloop *loop, const struct enforcer *enforcer);

// Ends what is left without telling the owners. NULL is allowed.
void mitigations_free(struct mitigations *all);

struct put {
	struct owner *owner;
	const char *cuid;
	uint32_t mid;
	struct mitigation_body *body; // its scope is taken over by a new mitigation
	bool efficacy;                // came with If-Match (RFC 9132 section 4.4.3)
};

enum put_outcome {
	PUT_CREATED,
	PUT_REFRESHED,
	PUT_DIFFERS,    // the mid is in use for something else
	PUT_UNKNOWN,    // an efficacy update for what does not exist
	PUT_CUID_TAKEN, // by another upstream
	PUT_OVERLAPS,   // with a higher mid, given back
	PUT_REFUSED,    // for the reason in err
	PUT_FULL,       // for the reason in err; later it may work
};

// What a valid request comes to. *mitigation is the one made, refreshed or in the way, else NULL.
enum put_outcome mitigation_put(struct mitigations *all, const struct put *put,
	struct mitigation **mitigation, struct err *err);

// The box stops a suspect after all whom a delegate has taken. Returns 0, or -ENOSPC or -ENOMEM, and
// then nobody stops him.
int mitigation_step_in(struct mitigation *mitigation, unsigned suspect);

// Ends a mitigation with a final status and frees it.
void mitigation_end(struct mitigation *mitigation, enum mitigation_status status);

// Ends all of an owner's without telling it.
void mitigations_drop(struct mitigations *all, const struct owner *owner);

struct mitigation *mitigation_find(
	const struct mitigations *all, const struct owner *owner, const char *cuid, uint32_t mid);

// Oldest first; NULL after the last.
struct mitigation *mitigation_first(const struct mitigations *all);

// Seconds to the end of the lifetime, at least 1, or LIFETIME_INDEFINITE.
int64_t mitigation_remaining(const struct mitigation *mitigation);

// What has been dropped (RFC 9132 section 4.4.2), as read within the last second.
struct dropped mitigation_dropped(const struct mitigation *mitigation);
