// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// From a request to rules: who holds the sources it names, and the ACL that stops those subscribers,
// and nobody else, from reaching the targets (RFC 9066 section 5.3.2). The reported source ports
// only find the subscriber; the rules match from any inside port.

#include "base/err.h"
#include "dots/delegate.h"
#include "dots/policy.h"
#include "dots/scope.h"
#include "resolve/resolve.h"
#include "table/acl.h"

#define ENFORCE_LOOKUPS_MAX 4096 // questions to the resolver for one request
#define ENFORCE_RULES_MAX   1024 // rules of one request

struct enforcer {
	struct resolver *resolver;
	struct acl *acl;
	const struct delegate *delegate; // NULL: the box stops everybody itself
};

// A subscriber that a request hits.
struct suspect {
	struct holder holder; // the first of its holdings that a lookup gave
	bool ipv4;            // found by a source of this family: targets of it are closed to him
	bool ipv6;
	bool delegated; // left to somebody else: has no rules here
	bool installed; // has them
};

// What one request comes to; all zero is nothing.
struct enforcement {
	struct measure measure; // what its rules do
	void *maker;            // of theirs
	unsigned *total;        // of the rules of all that count there; NULL: nobody counts
	struct suspect *suspect;
	unsigned suspects;
	uint32_t *slot; // in the ACL
	unsigned slots;
};

// When the sources are meant: 0 is now.
struct enforce_time {
	int64_t at;           // Unix time in milliseconds
	uint32_t tolerance_s; // how far the reporter's clock may be off
};

// Finds the subscribers behind the sources and checks that they, and the rules they would need, are
// not too many. Returns 0; -EINVAL with the source and the reason in err; or -ENOMEM. Nothing said
// there shows an inside address (RFC 9066 section 9).
int enforce_find(const struct enforcer *enforcer, const struct policy *policy,
	const struct scope *scope, const struct enforce_time *when, struct enforcement *found,
	struct err *err);

// Puts the rules in force of those suspects who have none yet and are not delegated, all or none:
// -ENOSPC if the ACL has no room for them, or -ENOMEM. `label` is shown with each.
int enforce_install(const struct enforcer *enforcer, const struct scope *scope, const char *label,
	struct enforcement *enforcement);

// Puts rules that do something else in the place of those there are: as enforce_install(), and if it
// fails the old ones stay.
int enforce_change(const struct enforcer *enforcer, const struct scope *scope, const char *label,
	const struct measure *measure, struct enforcement *enforcement);

// How many rules it would take to stop the suspects.
unsigned enforce_count(const struct scope *scope, const struct enforcement *found);

// Takes the rules out of force, and leaves the subscribers.
void enforce_lift(const struct enforcer *enforcer, struct enforcement *enforcement);

// Takes the rules out of force and forgets the subscribers.
void enforce_end(const struct enforcer *enforcer, struct enforcement *enforcement);

// What the rules have matched since they were installed.
struct acl_hits enforce_hits(
	const struct enforcer *enforcer, const struct enforcement *enforcement);
