// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The mitigations (RFC 9132 section 4.4): made by a PUT, found by (cuid, mid), refreshed, overlapped
// by a higher mid, ended by a DELETE or with their lifetime. They belong to an upstream and its cuid,
// not to a session, and so survive the loss of one.
//
//	      PUT                       DELETE
//	       |-------> in force -------------> ending
//	       |          ^     |   overlapped      |  after terminating_time
//	consent is asked  |     |   or expired      v
//	       '-> asked -'     '---------------> gone
//	             |                              ^
//	             '--> rejected -----------------'  with its lifetime, or withdrawn
//
// One that is asked for has rules that count, one in force or ending has rules that act, and one that
// is rejected has none: it stays so that the client sees why, and is not asked about again and again.
//
// One whose action is to inspect is asked for too: its rules show the traffic to a detector, which decides
// where nobody else has to (RFC 9066 section 5.3.1).

#include "base/evloop.h"
#include "dots/accept.h"
#include "dots/budget.h"
#include "dots/codec.h"
#include "dots/detector.h"
#include "dots/enforce.h"
#include "dots/policy.h"
#include "dots/roll.h"

#include <stdbool.h>
#include <stdint.h>

struct client;
struct mitigation;

enum mitigation_phase { PHASE_ASKED, PHASE_IN_FORCE, PHASE_ENDING, PHASE_REJECTED };

// What happens to one, for whoever keeps book.
enum mitigation_event {
	EVENT_ASKED, // consent is
	EVENT_BEGAN,
	EVENT_REFRESHED,
	EVENT_WITHDRAWN, // and goes on for a while
	EVENT_REJECTED,
	EVENT_ENDED, // it is gone when the call returns
};

typedef void mitigation_watcher(
	void *ctx, const struct mitigation *mitigation, enum mitigation_event event);

// What else is to be known of an upstream: that a request was refused, which no mitigation came of; or that
// all of its mitigations are suspended, or no longer.
struct remark {
	const char *upstream;
	const char *outcome; // "refused", "suspended" or "resumed"
	const char *cuid;    // of a request, as the next; NULL: there is none
	uint32_t mid;
	const struct scope *scope; // NULL: it could not be read
	const char *reason;
	uint64_t missed; // refused before it, since the last one that was told: too many
};

typedef void remark_watcher(void *ctx, const struct remark *remark);

// So many refusals of one upstream are told at once, and then one a second.
#define REFUSALS_AT_ONCE 60

// An upstream, as its mitigations see it.
struct owner {
	struct owner *next; // of those that there are
	struct policy policy;
	// This one ends now, its status says how. It is gone when the call returns.
	void (*ending)(struct owner *owner, const struct mitigation *mitigation);
	struct client *clients;
	unsigned mitigations; // all of them,
	unsigned rejected;    // and these
	unsigned affected;    // different subscribers of the others,
	unsigned rules;       // and their rules
	uint64_t changes;     // of them
	uint64_t confirmed;   // ever, by the detector
	uint64_t cleared;
	struct budget budget;
	int64_t suspended;   // Unix time in seconds since then; 0: it is not
	uint64_t refused_at; // reading of clock_now() up to which refusals are accounted for
	uint64_t missed;     // of them, not told
};

// Whether an attack is being fought for it.
static inline bool owner_has_attack(const struct owner *owner)
{
	return owner->mitigations > owner->rejected;
}

struct mitigation {
	struct mitigation *next;
	struct roll_place place;
	struct client *client;     // NULL: it is not in the roll yet, or any more
	struct mitigation *before; // of the client's,
	struct mitigation *after;  // and the next
	struct mitigations *all;
	struct owner *owner;
	char *cuid;
	uint32_t mid;
	uint8_t hop_limit; // for those that it is relayed to (RFC 8768 section 3)
	struct scope scope;
	enum mitigation_phase phase;
	struct measure measure;    // what is done once it is in force;
	bool chosen;               // by whoever asked, or by what was found out, not by the policy
	struct detector *detector; // of one that was asked about, or inspected
	int64_t lifetime;          // granted, in seconds, or LIFETIME_INDEFINITE
	uint64_t ends;             // reading of clock_now(); UINT64_MAX: never
	struct timer expiry;       // set unless indefinite
	struct timer verdict;      // while consent is asked: when the default comes in
	uint32_t terminating_time; // seconds it would go on for if it were withdrawn
	uint8_t conflict_cause;    // of one that is rejected
	const char *decided_by; // "operator", "detector" or "default"; NULL: nobody had to, or yet
	const char *outcome;    // once it ends: "withdrawn", "expired", "replaced", "removed"
	bool delegating;        // suspects of it may be with the delegate
	uint64_t began;         // reading of clock_now(),
	int64_t began_unix;     // and Unix time in seconds
	uint8_t status;
	uint8_t attack_status; // as the client sees it; 0: has not said
	struct enforcement enforcement;
	struct acl_hits evidence; // counted while consent was asked,
	uint64_t evidence_time;   // in so many ns
	struct acl_hits hits;     // what has met its rules, and what homes have dropped, read last
	struct acl_hits dropped;  // of the hits
	struct acl_hits own;      // of the hits, those of the box's rules,
	struct acl_hits past;     // and of rules that are no longer there
	uint64_t hit_at;          // when the hits grew last; 0: never
	uint64_t buckets;         // of five minutes that are full,
	struct acl_hits bucketed; // and what was dropped at the end of the last
};

// Returns NULL if memory runs out. `enforcer` must outlive it.
struct mitigations *mitigations_new(struct evloop *loop, const struct enforcer *enforcer);

// Sets who hears of all that happens; at most one.
void mitigations_watch(
	struct mitigations *all, mitigation_watcher *watch, remark_watcher *remark, void *ctx);

// owner.c: makes one known; it stays so until mitigations_drop().
void owner_join(struct mitigations *all, struct owner *owner);

// budget.c: takes all mitigations of an owner out of force, or puts them back; their lifetimes go on. Returns
// -EALREADY if that is so.
int owner_suspend(struct mitigations *all, struct owner *owner, const char *reason);
int owner_resume(struct mitigations *all, struct owner *owner, const char *reason);

// A request of an owner's has been refused; what is not known here is filled in. A flood of them is told in
// part.
void mitigations_refused(struct mitigations *all, struct owner *owner, const struct remark *remark);

// What is always legitimate from now on; mitigations that stop any of it are rejected. The entries
// must stay until the next call.
void mitigations_accept(struct mitigations *all, const struct accept_list *list);

// How mitigations are inspected from now on.
void mitigations_inspect(struct mitigations *all, const struct inspection *inspection);

// A copy of a packet that met the rule in a slot, of a flow with this hash.
void mitigations_saw(struct mitigations *all, uint32_t slot, uint32_t flow);

// Ends what is left without telling the owners. NULL is allowed.
void mitigations_free(struct mitigations *all);

struct put {
	struct owner *owner;
	const char *cuid;
	uint32_t mid;
	uint8_t hop_limit;            // left of the request's
	struct mitigation_body *body; // its scope is taken over by a new mitigation
	bool efficacy;                // came with If-Match (RFC 9132 section 4.4.3)
	const struct measure *chosen; // NULL: what the policy says
	struct enforce_time when;
};

enum put_outcome {
	PUT_CREATED,
	PUT_REFRESHED,
	PUT_DIFFERS,    // the mid is in use for something else
	PUT_UNKNOWN,    // an efficacy update for what does not exist
	PUT_CUID_TAKEN, // by another upstream
	PUT_OVERLAPS,   // with a higher mid, given back
	PUT_LEGITIMATE, // the traffic, so it is said here (RFC 9066 section 5.3.1)
	PUT_REFUSED,    // for the reason in err
	PUT_FULL,       // for the reason in err; later it may work
};

// What a valid request comes to. *mitigation is the one made, refreshed or in the way, else NULL.
enum put_outcome mitigation_put(struct mitigations *all, const struct put *put,
	struct mitigation **mitigation, struct err *err);

// The box stops a suspect after all whom a delegate has taken. Returns 0, or -ENOSPC or -ENOMEM, and
// then nobody stops him.
int mitigation_step_in(struct mitigation *mitigation, unsigned suspect);

// The client takes it back. It is gone when the call returns, or goes on for a while.
void mitigation_withdraw(struct mitigation *mitigation);

// Takes the rules away, for this conflict-cause.
void mitigation_reject(struct mitigation *mitigation, enum conflict_cause cause);

// consent.c: somebody ("operator", "detector" or "default") has agreed to what is asked, or not. Returns 0,
// -EALREADY if nothing is asked, -ENOSPC or -ENOMEM.
int consent_decide(struct mitigation *mitigation, bool agreed, const char *decided_by);

// Unix time in seconds the default comes in; 0 if nothing is asked.
int64_t consent_until(const struct mitigation *mitigation);

// Ends a mitigation with a final status and frees it.
void mitigation_end(struct mitigation *mitigation, enum mitigation_status status);

// One that was written down, as it comes from the ledger.
struct restored {
	const char *cuid;
	uint32_t mid;
	enum mitigation_phase phase;
	struct scope scope;
	struct suspect *suspect; // as they were found then
	unsigned suspects;
	int64_t lifetime; // granted
	uint64_t ends;    // readings of clock_now()
	uint64_t verdict; // while consent is asked
	int64_t began_unix;
	uint32_t terminating_time;
	uint8_t conflict_cause;
	bool chosen;            // the measure was,
	struct measure measure; // and is this
};

// restore.c: makes it again for an owner, for the rest of its lifetime, and takes over its scope and
// suspects. Nobody is looked up anew: who was found then is meant. Returns 0, -EEXIST, -ENOSPC or
// -ENOMEM.
int mitigation_restore(struct mitigations *all, struct owner *owner, struct restored *restored);

// Ends all of an owner's without telling it, only the watcher, and forgets it.
void mitigations_drop(struct mitigations *all, struct owner *owner);

struct mitigation *mitigation_find(
	const struct mitigations *all, const struct owner *owner, const char *cuid, uint32_t mid);

// owner.c: what an operator means by a mid, of an upstream with this name (NULL: of any): NULL with the reason in
// err if there is none, or more than one.
struct mitigation *mitigation_named(
	const struct mitigations *all, const char *upstream, uint32_t mid, struct err *err);

// owner.c: those of one; NULL after the last. The clients' one behind the other, of each the oldest first.
struct mitigation *owner_first(const struct owner *owner);
struct mitigation *owner_next(const struct mitigation *mitigation);

// Oldest first; NULL after the last.
struct mitigation *mitigation_first(const struct mitigations *all);

// Seconds to the end of the lifetime, at least 1, or LIFETIME_INDEFINITE.
int64_t mitigation_remaining(const struct mitigation *mitigation);

// What has been dropped (RFC 9132 section 4.4.2), as read within the last second. What the scrubber got is
// not: it alone knows what it has dropped of it.
struct dropped mitigation_dropped(const struct mitigation *mitigation);
