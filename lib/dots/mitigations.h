// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The list of all mitigations, shared by mitigation.c, which requests and lifetimes change, limits.c,
// progress.c, which sees what comes of them, and consent.c, which waits for somebody to agree.
// Nobody else includes this.

#include "dots/mitigation.h"

struct mitigations {
	struct evloop *loop;
	const struct enforcer *enforcer;
	struct accept_list accept;
	struct inspection inspection;
	mitigation_watcher *watch; // may be NULL, as the next
	remark_watcher *remark;
	void *watch_ctx;
	struct owner *owners;
	struct roll roll;
	struct timer poll;         // set while there is any
	struct mitigation *polled; // the next of this round; NULL: it is over
	uint64_t round;            // reading of clock_now() this began
};

static inline const struct delegate *delegate_of(const struct mitigation *m)
{
	return m->all->enforcer->delegate;
}

#define MITIGATION_LABEL 64

// What its rules are called.
const char *mitigation_label(const struct mitigation *mitigation, char out[MITIGATION_LABEL]);

// What is told of it from now on.
void mitigation_set_status(struct mitigation *mitigation, enum mitigation_status status);

// Tells the watcher.
void mitigation_tell(const struct mitigation *mitigation, enum mitigation_event event);

// Puts one in force that is not yet: each suspect is stopped by whom the delegate finds for him, or
// by the box. Returns 0, -ENOSPC or -ENOMEM.
int mitigation_put_in_force(struct mitigation *mitigation);

// Puts rules in force that do what is to be done now, or that count while its owner is suspended. Returns as
// mitigation_put_in_force().
int mitigation_set_rules(struct mitigation *mitigation);

// Lets go of whom suspects are delegated to.
void mitigation_take_back(struct mitigation *mitigation);

// Puts a new one at the end of the list, and among its client's. Returns 0 or -ENOMEM.
int mitigation_link(struct mitigation *mitigation);

// Ends the expiry of one that is not in the list, and frees it.
void mitigation_free(struct mitigation *mitigation);

// Sets the timer of the lifetime to the time it ends, if it does.
int mitigation_set_expiry(struct mitigation *mitigation);

// owner.c: forgets one that has none any more.
void owner_leave(struct mitigations *all, struct owner *owner);

// limits.c: whether the upstream may have one more, with the suspects that were found for it. Returns 0, or
// -EINVAL with the reason in err.
int limits_check(const struct mitigations *all, const struct put *put,
	const struct enforcement *found, struct err *err);

// budget.c: adds up what the rules have met, once a second for each, and then looks at all owners. Returns whether
// any of them has met something lately.
void budget_count(struct mitigation *mitigation, uint64_t packets);
bool budgets_look(struct mitigations *all);

// progress.c: looks once a second at what the rules have met.
int progress_start(struct mitigations *all);

// Reads what one that acts has met and dropped until now.
void progress_read(struct mitigation *mitigation);

// consent.c: lets the traffic be counted or inspected, and waits until a reading of clock_now(). Returns as
// mitigation_put_in_force().
int consent_ask(struct mitigation *mitigation, uint64_t until);

// Whether the detector decides, and nobody else has to.
bool consent_is_by_detector(const struct mitigation *mitigation);

// Whether somebody, or the detector, has to agree before it comes in force; and until when.
bool consent_is_needed(const struct mitigation *mitigation);
uint64_t consent_deadline(const struct mitigation *mitigation);

// Shows to the detector what the rules have counted.
void consent_look(struct mitigation *mitigation);
