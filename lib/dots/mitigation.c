// SPDX-License-Identifier: BSD-3-Clause

#include "dots/mitigation.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/client.h"
#include "dots/delegate.h"
#include "dots/mitigations.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mitigations *mitigations_new(struct evloop *loop, const struct enforcer *enforcer)
{
	struct mitigations *all = calloc(1, sizeof(*all));

	if (!all || roll_init(&all->roll) < 0) {
		free(all);
		return NULL;
	}
	all->loop = loop;
	all->inspection = (struct inspection){
		.thresholds = {.packets = 1000, .window = 10},
		.time = 60,
		.act = true,
		.reject = true,
	};
	all->enforcer = enforcer;
	return all;
}

void mitigations_watch(
	struct mitigations *all, mitigation_watcher *watch, remark_watcher *remark, void *ctx)
{
	all->watch = watch;
	all->remark = remark;
	all->watch_ctx = ctx;
}

void mitigations_refused(struct mitigations *all, struct owner *owner, const struct remark *remark)
{
	uint64_t now = clock_now(), burst = (REFUSALS_AT_ONCE - 1) * CLOCK_SECOND;
	struct remark told = *remark;

	if (!all->remark)
		return;
	if (owner->refused_at + burst < now)
		owner->refused_at = now - burst;
	if (owner->refused_at > now) {
		owner->missed++;
		return;
	}
	owner->refused_at += CLOCK_SECOND;
	told.upstream = owner->policy.name;
	told.outcome = "refused";
	told.missed = owner->missed;
	owner->missed = 0;
	all->remark(all->watch_ctx, &told);
}

void mitigation_tell(const struct mitigation *m, enum mitigation_event event)
{
	if (m->all->watch)
		m->all->watch(m->all->watch_ctx, m, event);
}

// What the delegate has taken is no longer its affair.
void mitigation_take_back(struct mitigation *m)
{
	if (m->delegating)
		delegate_of(m)->end(delegate_of(m)->ctx, m);
	m->delegating = false;
}

void mitigation_free(struct mitigation *m)
{
	if (!m)
		return;
	timer_stop(m->all->loop, &m->expiry);
	timer_stop(m->all->loop, &m->verdict);
	mitigation_take_back(m);
	enforce_end(m->all->enforcer, &m->enforcement);
	free(m->detector);
	scope_free(&m->scope);
	free(m->cuid);
	free(m);
}

int mitigation_link(struct mitigation *m)
{
	int rc = client_join(m);

	if (rc < 0)
		return rc;
	rc = roll_add(&m->all->roll, m);
	if (rc < 0) {
		client_leave(m);
		return rc;
	}
	m->owner->mitigations++;
	m->owner->rejected += m->phase == PHASE_REJECTED;
	return 0;
}

static void mitigation_unlink(struct mitigation *m)
{
	struct mitigations *all = m->all;

	if (all->polled == m)
		all->polled = m->next;
	roll_remove(&all->roll, m);
	client_leave(m);
	m->owner->mitigations--;
	m->owner->rejected -= m->phase == PHASE_REJECTED;
}

void mitigation_set_status(struct mitigation *m, enum mitigation_status status)
{
	if (m->status == status)
		return;
	m->status = (uint8_t)status;
	client_changed(m->client, m->owner);
}

void mitigations_free(struct mitigations *all)
{
	if (!all)
		return;
	while (all->roll.first) {
		struct mitigation *m = all->roll.first;

		mitigation_unlink(m);
		mitigation_free(m);
	}
	timer_stop(all->loop, &all->poll);
	roll_end(&all->roll);
	free(all);
}

void mitigations_drop(struct mitigations *all, struct owner *owner)
{
	struct mitigation *m;

	while ((m = owner_first(owner))) {
		progress_read(m);
		m->outcome = "removed";
		mitigation_unlink(m);
		mitigation_tell(m, EVENT_ENDED);
		mitigation_free(m);
	}
	owner_leave(all, owner);
}

struct mitigation *mitigation_first(const struct mitigations *all)
{
	return all->roll.first;
}

struct mitigation *mitigation_find(
	const struct mitigations *all, const struct owner *owner, const char *cuid, uint32_t mid)
{
	return roll_find(&all->roll, owner, cuid, mid);
}

int64_t mitigation_remaining(const struct mitigation *m)
{
	uint64_t now = clock_now();

	if (m->ends == UINT64_MAX)
		return LIFETIME_INDEFINITE;
	return m->ends > now ? (int64_t)div_round_up(m->ends - now, CLOCK_SECOND) : 1;
}

// ------------------------------------------------------------------ lifetime

static void expire(struct timer *timer)
{
	struct mitigation *m = CONTAINER_OF(timer, struct mitigation, expiry);

	m->outcome = m->phase == PHASE_ENDING ? "withdrawn" : "expired";
	mitigation_end(m, STATUS_TERMINATED);
}

int mitigation_set_expiry(struct mitigation *m)
{
	if (m->ends != UINT64_MAX)
		return timer_set(m->all->loop, &m->expiry, m->ends, expire);
	timer_stop(m->all->loop, &m->expiry);
	return 0;
}

// Grants what is asked for, up to what the policy allows (RFC 9132 section 4.4.1: an indefinite
// lifetime may become a finite one).
static int grant_lifetime(struct mitigation *m, int64_t asked)
{
	uint32_t max = m->owner->policy.max_lifetime;

	m->lifetime = max && (asked == LIFETIME_INDEFINITE || asked > max) ? max : asked;
	m->ends = m->lifetime == LIFETIME_INDEFINITE
		? UINT64_MAX
		: clock_now() + (uint64_t)m->lifetime * CLOCK_SECOND;
	return mitigation_set_expiry(m);
}

void mitigation_end(struct mitigation *m, enum mitigation_status status)
{
	struct owner *owner = m->owner;

	progress_read(m);
	mitigation_set_status(m, status);
	m->ends = clock_now();
	log_notice("dots", "%s: mitigation %u ends: %" PRIu64 " packets met it", owner->policy.name,
		m->mid, m->hits.packets);
	// out of the list first: whoever is told may look for what is left
	mitigation_unlink(m);
	if (owner->ending)
		owner->ending(owner, m);
	mitigation_tell(m, EVENT_ENDED);
	mitigation_free(m);
}

// MR-42: goes on for a while, so that an attack that comes and goes does not make the rules do so;
// never past the lifetime (RFC 9132 section 4.4.4)
void mitigation_withdraw(struct mitigation *m)
{
	uint64_t ends = clock_now() + m->terminating_time * CLOCK_SECOND;

	if (m->phase == PHASE_ENDING)
		return;
	m->outcome = "withdrawn";
	if (m->phase != PHASE_IN_FORCE || !m->terminating_time) {
		mitigation_end(m, STATUS_TERMINATED);
		return;
	}
	m->phase = PHASE_ENDING;
	mitigation_set_status(m, STATUS_CLIENT_WITHDRAWN);
	if (ends < m->ends) {
		m->ends = ends;
		// one that never ended has no timer yet; without memory for it there is no delay
		if (mitigation_set_expiry(m) < 0) {
			mitigation_end(m, STATUS_TERMINATED);
			return;
		}
	}
	log_notice("dots", "%s: mitigation %u is withdrawn and goes on for %u s",
		m->owner->policy.name, m->mid, m->terminating_time);
	mitigation_tell(m, EVENT_WITHDRAWN);
}

// MR-33
void mitigation_reject(struct mitigation *m, enum conflict_cause cause)
{
	if (m->phase == PHASE_REJECTED)
		return;
	progress_read(m);
	timer_stop(m->all->loop, &m->verdict);
	mitigation_take_back(m);
	enforce_lift(m->all->enforcer, &m->enforcement);
	roll_release(&m->all->roll, m);
	m->phase = PHASE_REJECTED;
	m->owner->rejected++;
	m->client->rejected++;
	mitigation_set_status(m, STATUS_WITHDRAWN);
	m->conflict_cause = (uint8_t)cause;
	log_notice("dots", "%s: mitigation %u is rejected", m->owner->policy.name, m->mid);
	mitigation_tell(m, EVENT_REJECTED);
}

// The entry that stands in the way of a request against these suspects.
static const struct accept_entry *accepted(const struct mitigations *all, const struct scope *scope,
	const struct enforcement *enforcement)
{
	for (unsigned i = 0; i < enforcement->suspects; i++) {
		const struct accept_entry *e = accept_find(
			&all->accept, scope, &enforcement->suspect[i].holder.subscriber);

		if (e)
			return e;
	}
	return NULL;
}

void mitigations_accept(struct mitigations *all, const struct accept_list *list)
{
	all->accept = *list;
	for (struct mitigation *m = all->roll.first; m; m = m->next) {
		if (accepted(all, &m->scope, &m->enforcement))
			mitigation_reject(m, CAUSE_LEGITIMATE_TRAFFIC);
	}
}

// ------------------------------------------------------------------ requests

// The next request of the same client, from a candidate on, that overlaps this scope under another mid.
static struct mitigation *next_overlap(
	struct mitigation *m, const struct put *put, const struct scope *scope)
{
	for (; m; m = m->place.also) {
		if (m->mid != put->mid && !strcmp(m->cuid, put->cuid) &&
			scope_overlaps(&m->scope, scope, put->owner->policy.overlap))
			break;
	}
	return m;
}

static struct mitigation *first_overlap(
	struct mitigations *all, const struct put *put, const struct scope *scope)
{
	return next_overlap(
		roll_candidates(&all->roll, put->owner, scope, put->owner->policy.overlap), put,
		scope);
}

static enum put_outcome refresh(struct mitigation *m, const struct put *put)
{
	// only the lifetime may change (RFC 9132 section 4.4.1.3; section 4.4.3 for efficacy)
	if (!scope_equal(&m->scope, &put->body->scope))
		return PUT_DIFFERS;
	if (put->efficacy)
		m->attack_status = put->body->attack_status;
	// a timer that is set already is moved, which takes no memory
	if (put->body->has_lifetime)
		grant_lifetime(m, put->body->lifetime);
	if (delegate_of(m) && m->phase == PHASE_IN_FORCE)
		delegate_of(m)->refresh(delegate_of(m)->ctx, m);
	mitigation_tell(m, EVENT_REFRESHED);
	return PUT_REFRESHED;
}

const char *mitigation_label(const struct mitigation *m, char out[MITIGATION_LABEL])
{
	snprintf(out, MITIGATION_LABEL, "%s mid %u", m->owner->policy.name, m->mid);
	return out;
}

int mitigation_set_rules(struct mitigation *m)
{
	static const struct measure none = {.action = ACL_COUNT};
	const struct delegate *d = m->owner->suspended ? NULL : delegate_of(m);
	char label[MITIGATION_LABEL];

	m->delegating = d != NULL;
	for (unsigned i = 0; i < m->enforcement.suspects; i++)
		m->enforcement.suspect[i].delegated = d && d->take(d->ctx, m, i);
	return enforce_change(m->all->enforcer, &m->scope, mitigation_label(m, label),
		m->owner->suspended ? &none : &m->measure, &m->enforcement);
}

int mitigation_put_in_force(struct mitigation *m)
{
	int rc = mitigation_set_rules(m);

	if (rc < 0)
		return rc;
	m->phase = PHASE_IN_FORCE;
	mitigation_set_status(m, STATUS_IN_PROGRESS);
	m->began = clock_now();
	m->began_unix = clock_unix_ms() / 1000;
	return 0;
}

int mitigation_step_in(struct mitigation *m, unsigned suspect)
{
	char label[MITIGATION_LABEL];
	int rc;

	m->enforcement.suspect[suspect].delegated = false;
	rc = enforce_install(
		m->all->enforcer, &m->scope, mitigation_label(m, label), &m->enforcement);
	if (rc < 0)
		log_error("dots", "%s: mitigation %u: no room for the rules it takes",
			m->owner->policy.name, m->mid);
	return rc;
}

// A mitigation in the list that is in force; NULL with the reason in err.
static struct mitigation *create(struct mitigations *all, const struct put *put,
	struct enforcement *enforcement, struct err *err)
{
	struct mitigation *m = calloc(1, sizeof(*m));
	int rc;

	err_set(err, "out of memory");
	if (!m)
		return NULL;
	m->all = all;
	m->owner = put->owner;
	m->mid = put->mid;
	m->hop_limit = put->hop_limit;
	m->enforcement = *enforcement;
	m->enforcement.maker = m;
	m->enforcement.total = &m->owner->rules;
	*enforcement = (struct enforcement){0};
	m->began = clock_now();
	m->began_unix = clock_unix_ms() / 1000;
	m->status = STATUS_IN_PROGRESS;
	m->terminating_time = put->owner->policy.terminating_time;
	m->cuid = strdup(put->cuid);
	if (!m->cuid || grant_lifetime(m, put->body->lifetime) < 0)
		goto fail;
	m->scope = put->body->scope;
	put->body->scope = (struct scope){0};
	m->chosen = put->chosen != NULL;
	m->measure = m->chosen ? *put->chosen : policy_measure(&m->owner->policy, &m->scope);
	rc = consent_is_needed(m) ? consent_ask(m, consent_deadline(m))
				  : mitigation_put_in_force(m);
	if (rc < 0) {
		err_set(err, "no room for the rules this takes");
		goto fail;
	}
	if (progress_start(all) < 0 || mitigation_link(m) < 0)
		goto fail;
	return m;
fail:
	mitigation_free(m);
	return NULL;
}

// A mid that is asked for again while it is ending goes on, and ends more slowly the next time.
static enum put_outcome revive(struct mitigation *m, const struct put *put)
{
	if (!scope_equal(&m->scope, &put->body->scope))
		return PUT_DIFFERS;
	if (put->efficacy)
		return PUT_UNKNOWN;
	m->phase = PHASE_IN_FORCE;
	mitigation_set_status(m, STATUS_IN_PROGRESS);
	m->terminating_time = min_u32(2 * m->terminating_time, TERMINATING_MAX);
	grant_lifetime(m, put->body->lifetime);
	mitigation_tell(m, EVENT_REFRESHED);
	return PUT_CREATED;
}

// The same traffic has been called legitimate, and has not been asked about for so long.
static bool is_rejected(struct mitigations *all, const struct put *put)
{
	struct mitigation *m = put->owner->rejected
		? roll_candidates(&all->roll, put->owner, &put->body->scope, OVERLAP_TARGET_SOURCE)
		: NULL;

	for (; m; m = m->place.also) {
		if (m->phase == PHASE_REJECTED &&
			scope_overlaps(&m->scope, &put->body->scope, OVERLAP_TARGET_SOURCE))
			return true;
	}
	return false;
}

// Looks at the client's other requests: a higher mid wins where two overlap (RFC 9132
// section 4.4.1.3). Gives the one that stands in the way, or NULL and how many will have to go.
static struct mitigation *higher_overlap(
	struct mitigations *all, const struct put *put, unsigned *lower)
{
	struct mitigation *m = first_overlap(all, put, &put->body->scope);

	for (*lower = 0; m && m->mid < put->mid; (*lower)++)
		m = next_overlap(m->place.also, put, &put->body->scope);
	return m;
}

// The new rules stand before the old ones go, so nothing slips through between them. One that takes
// over from another that was ending will end more slowly (RFC 9132 section 4.4.4).
static void end_overlapped(struct mitigation *winner, const struct put *put)
{
	struct mitigation *next;

	for (struct mitigation *m = first_overlap(winner->all, put, &winner->scope); m; m = next) {
		next = next_overlap(m->place.also, put, &winner->scope);
		if (m->phase == PHASE_ENDING)
			winner->terminating_time =
				min_u32(2 * m->terminating_time, TERMINATING_MAX);
		m->outcome = "replaced";
		mitigation_end(m, STATUS_TERMINATED);
	}
}

enum put_outcome mitigation_put(struct mitigations *all, const struct put *put,
	struct mitigation **mitigation, struct err *err)
{
	struct owner *owner = put->owner;
	const struct accept_entry *entry;
	struct mitigation *m = mitigation_find(all, owner, put->cuid, put->mid);
	struct enforcement found;
	unsigned overlapped;
	int rc;

	*mitigation = m;
	if (m && m->phase == PHASE_REJECTED)
		return PUT_LEGITIMATE;
	if (m)
		return m->phase == PHASE_ENDING ? revive(m, put) : refresh(m, put);
	if (put->efficacy)
		return PUT_UNKNOWN;
	// a cuid belongs to the upstream whose mitigations it names, for as long as it has any
	if (roll_has_other(&all->roll, owner, put->cuid))
		return PUT_CUID_TAKEN;
	if (owner->suspended) {
		err_set(err, "all mitigations of this upstream are suspended");
		return PUT_FULL;
	}
	if (is_rejected(all, put))
		return PUT_LEGITIMATE;
	*mitigation = higher_overlap(all, put, &overlapped);
	if (*mitigation)
		return PUT_OVERLAPS;
	if (owner->mitigations - overlapped >= owner->policy.max_mitigations) {
		err_set(err, "%u mitigations are in force, the most for one upstream",
			owner->mitigations);
		return PUT_FULL;
	}
	rc = enforce_find(
		all->enforcer, &owner->policy, &put->body->scope, &put->when, &found, err);
	if (rc < 0)
		return rc == -EINVAL ? PUT_REFUSED : PUT_FULL;
	if (limits_check(all, put, &found, err) < 0) {
		enforce_end(all->enforcer, &found);
		return PUT_FULL;
	}
	entry = accepted(all, &put->body->scope, &found);
	if (entry) {
		log_notice("dots", "%s: request %u is about legitimate traffic, %s",
			owner->policy.name, put->mid, entry->name);
		enforce_end(all->enforcer, &found);
		return PUT_LEGITIMATE;
	}
	m = create(all, put, &found, err);
	enforce_end(all->enforcer, &found);
	if (!m)
		return PUT_FULL;
	*mitigation = m;
	mitigation_tell(m, m->phase == PHASE_ASKED ? EVENT_ASKED : EVENT_BEGAN);
	log_notice("dots", "%s: mitigation %u %s: %u subscribers, %u rules", owner->policy.name,
		m->mid, m->phase == PHASE_ASKED ? "waits for consent" : "begins",
		m->enforcement.suspects, m->enforcement.slots);
	end_overlapped(*mitigation, put);
	return PUT_CREATED;
}
