// SPDX-License-Identifier: BSD-3-Clause

#include "dots/mitigation.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_PERIOD CLOCK_SECOND
// traffic that has not come for so long has stopped
#define ATTACK_PAUSE (30 * CLOCK_SECOND)
// over which the rates are taken (RFC 9132 section 4.4.2)
#define BUCKET (300 * CLOCK_SECOND)

struct mitigations {
	struct evloop *loop;
	const struct enforcer *enforcer;
	struct mitigation *first;
	struct timer poll; // set while there is any
};

struct mitigations *mitigations_new(struct evloop *loop, const struct enforcer *enforcer)
{
	struct mitigations *all = calloc(1, sizeof(*all));

	if (all) {
		all->loop = loop;
		all->enforcer = enforcer;
	}
	return all;
}

static const struct delegate *delegate_of(const struct mitigation *m)
{
	return m->all->enforcer->delegate;
}

static void mitigation_free(struct mitigation *m)
{
	if (!m)
		return;
	timer_stop(m->all->loop, &m->expiry);
	if (delegate_of(m))
		delegate_of(m)->end(delegate_of(m)->ctx, m);
	enforce_end(m->all->enforcer, &m->enforcement);
	scope_free(&m->scope);
	free(m->cuid);
	free(m);
}

static void mitigation_unlink(struct mitigation *m)
{
	struct mitigation **link = &m->all->first;

	while (*link != m)
		link = &(*link)->next;
	*link = m->next;
	m->owner->mitigations--;
	if (!m->all->first)
		timer_stop(m->all->loop, &m->all->poll);
}

void mitigations_free(struct mitigations *all)
{
	if (!all)
		return;
	while (all->first) {
		struct mitigation *m = all->first;

		mitigation_unlink(m);
		mitigation_free(m);
	}
	free(all);
}

void mitigations_drop(struct mitigations *all, const struct owner *owner)
{
	struct mitigation *next;

	for (struct mitigation *m = all->first; m; m = next) {
		next = m->next;
		if (m->owner != owner)
			continue;
		mitigation_unlink(m);
		mitigation_free(m);
	}
}

struct mitigation *mitigation_first(const struct mitigations *all)
{
	return all->first;
}

struct mitigation *mitigation_find(
	const struct mitigations *all, const struct owner *owner, const char *cuid, uint32_t mid)
{
	for (struct mitigation *m = all->first; m; m = m->next) {
		if (m->mid == mid && m->owner == owner && !strcmp(m->cuid, cuid))
			return m;
	}
	return NULL;
}

int64_t mitigation_remaining(const struct mitigation *m)
{
	uint64_t now = clock_now();

	if (m->ends == UINT64_MAX)
		return LIFETIME_INDEFINITE;
	return m->ends > now ? (int64_t)div_round_up(m->ends - now, CLOCK_SECOND) : 1;
}

// ------------------------------------------------------------------ counters and status

// The mean of the full buckets of five minutes; until the first is full, of the time so far.
struct dropped mitigation_dropped(const struct mitigation *m)
{
	const struct acl_hits *hits = m->buckets ? &m->bucketed : &m->hits;
	uint64_t seconds = m->buckets ? m->buckets * (BUCKET / CLOCK_SECOND)
				      : (clock_now() - m->began) / CLOCK_SECOND;

	if (!seconds)
		seconds = 1;
	return (struct dropped){
		.bytes = m->hits.bytes,
		.bps = hits->bytes / seconds,
		.packets = m->hits.packets,
		.pps = hits->packets / seconds,
	};
}

// What the box and those it has delegated suspects to have dropped.
static struct acl_hits hits_of(const struct mitigation *m, struct delegate_report *report)
{
	struct acl_hits hits = enforce_hits(m->all->enforcer, &m->enforcement);

	*report = (struct delegate_report){0};
	if (!delegate_of(m))
		return hits;
	delegate_of(m)->report(delegate_of(m)->ctx, m, report);
	hits.packets += report->hits.packets;
	hits.bytes += report->hits.bytes;
	return hits;
}

// The rules drop from the moment they are installed, and their counters are all we see of the
// attack. So the statuses of RFC 9132 table 3 mean here:
//   1 in progress             the rules are in force, and nothing has met them yet
//   2 successfully mitigated  traffic towards the target is being dropped
//   3 attack stopped          none has come for ATTACK_PAUSE; more of it leads back to 2
static void poll_one(struct mitigation *m, uint64_t now)
{
	struct delegate_report report;
	struct acl_hits hits = hits_of(m, &report);

	if (report.pending) {
		m->status = STATUS_IN_PROGRESS;
	} else if (hits.packets != m->hits.packets ||
		(report.mitigating && m->status == STATUS_IN_PROGRESS)) {
		m->hit_at = now;
		m->status = STATUS_MITIGATED;
	} else if (m->status == STATUS_MITIGATED && now - m->hit_at >= ATTACK_PAUSE) {
		m->status = STATUS_STOPPED;
	}
	m->hits = hits;
	if ((now - m->began) / BUCKET > m->buckets) {
		m->buckets = (now - m->began) / BUCKET;
		m->bucketed = hits;
	}
}

static void poll_all(struct timer *timer)
{
	struct mitigations *all = CONTAINER_OF(timer, struct mitigations, poll);
	uint64_t now = clock_now();

	for (struct mitigation *m = all->first; m; m = m->next)
		poll_one(m, now);
	timer_set(all->loop, &all->poll, now + POLL_PERIOD, poll_all);
}

// ------------------------------------------------------------------ lifetime

static void expire(struct timer *timer)
{
	mitigation_end(CONTAINER_OF(timer, struct mitigation, expiry), STATUS_TERMINATED);
}

// Grants what is asked for, up to what the policy allows (RFC 9132 section 4.4.1: an indefinite
// lifetime may become a finite one).
static int grant_lifetime(struct mitigation *m, int64_t asked)
{
	uint32_t max = m->owner->policy.max_lifetime;

	m->lifetime = max && (asked == LIFETIME_INDEFINITE || asked > max) ? max : asked;
	if (m->lifetime == LIFETIME_INDEFINITE) {
		m->ends = UINT64_MAX;
		timer_stop(m->all->loop, &m->expiry);
		return 0;
	}
	m->ends = clock_now() + (uint64_t)m->lifetime * CLOCK_SECOND;
	return timer_set(m->all->loop, &m->expiry, m->ends, expire);
}

void mitigation_end(struct mitigation *m, enum mitigation_status status)
{
	struct owner *owner = m->owner;
	struct delegate_report report;

	m->hits = hits_of(m, &report);
	m->status = status;
	m->ends = clock_now();
	log_notice("dots", "%s: mitigation %u ends: %" PRIu64 " packets dropped",
		owner->policy.name, m->mid, m->hits.packets);
	// out of the list first: whoever is told may look for what is left
	mitigation_unlink(m);
	if (owner->ending)
		owner->ending(owner, m);
	mitigation_free(m);
}

// ------------------------------------------------------------------ requests

// A cuid belongs to the upstream whose mitigations it names, for as long as it has any.
static bool cuid_is_taken(const struct mitigations *all, const struct put *put)
{
	for (const struct mitigation *m = all->first; m; m = m->next) {
		if (m->owner != put->owner && !strcmp(m->cuid, put->cuid))
			return true;
	}
	return false;
}

// The next request of the same client, from m on, that overlaps this scope under another mid.
static struct mitigation *next_overlap(
	struct mitigation *m, const struct put *put, const struct scope *scope)
{
	for (; m; m = m->next) {
		if (m->owner == put->owner && m->mid != put->mid && !strcmp(m->cuid, put->cuid) &&
			scope_overlaps(&m->scope, scope, put->owner->policy.overlap))
			return m;
	}
	return NULL;
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
	if (delegate_of(m))
		delegate_of(m)->refresh(delegate_of(m)->ctx, m);
	return PUT_REFRESHED;
}

static int install(struct mitigation *m)
{
	char label[64];

	snprintf(label, sizeof(label), "%s mid %u", m->owner->policy.name, m->mid);
	return enforce_install(m->all->enforcer, &m->scope, label, &m->enforcement);
}

// Each suspect is stopped by whom the delegate finds for him, or by the box.
static int put_in_force(struct mitigation *m)
{
	const struct delegate *d = delegate_of(m);

	for (unsigned i = 0; d && i < m->enforcement.suspects; i++)
		m->enforcement.suspect[i].delegated = d->take(d->ctx, m, i);
	return install(m);
}

int mitigation_step_in(struct mitigation *m, unsigned suspect)
{
	int rc;

	m->enforcement.suspect[suspect].delegated = false;
	rc = install(m);
	if (rc < 0)
		log_error("dots", "%s: mitigation %u: no room for the rules it takes",
			m->owner->policy.name, m->mid);
	return rc;
}

// A mitigation in the list that is in force; NULL with the reason in err.
static struct mitigation *create(struct mitigations *all, const struct put *put,
	struct enforcement *enforcement, struct err *err)
{
	struct mitigation *m = calloc(1, sizeof(*m)), **link = &all->first;

	err_set(err, "out of memory");
	if (!m)
		return NULL;
	m->all = all;
	m->owner = put->owner;
	m->mid = put->mid;
	m->enforcement = *enforcement;
	*enforcement = (struct enforcement){0};
	m->began = clock_now();
	m->began_unix = clock_unix_ms() / 1000;
	m->status = STATUS_IN_PROGRESS;
	m->cuid = strdup(put->cuid);
	if (!m->cuid || grant_lifetime(m, put->body->lifetime) < 0)
		goto fail;
	m->scope = put->body->scope;
	put->body->scope = (struct scope){0};
	if (put_in_force(m) < 0) {
		err_set(err, "no room for the rules this takes");
		goto fail;
	}
	if (!timer_is_set(&all->poll) &&
		timer_set(all->loop, &all->poll, m->began + POLL_PERIOD, poll_all) < 0)
		goto fail;
	while (*link)
		link = &(*link)->next;
	*link = m;
	m->owner->mitigations++;
	return m;
fail:
	mitigation_free(m);
	return NULL;
}

// Looks at the client's other requests: a higher mid wins where two overlap (RFC 9132
// section 4.4.1.3). Gives the one that stands in the way, or NULL and how many will have to go.
static struct mitigation *higher_overlap(
	const struct mitigations *all, const struct put *put, unsigned *lower)
{
	struct mitigation *m = next_overlap(all->first, put, &put->body->scope);

	for (*lower = 0; m && m->mid < put->mid; (*lower)++)
		m = next_overlap(m->next, put, &put->body->scope);
	return m;
}

enum put_outcome mitigation_put(struct mitigations *all, const struct put *put,
	struct mitigation **mitigation, struct err *err)
{
	struct owner *owner = put->owner;
	struct mitigation *m = mitigation_find(all, owner, put->cuid, put->mid);
	struct enforcement found;
	unsigned overlapped;
	int rc;

	*mitigation = m;
	if (m)
		return refresh(m, put);
	if (put->efficacy)
		return PUT_UNKNOWN;
	if (cuid_is_taken(all, put))
		return PUT_CUID_TAKEN;
	*mitigation = higher_overlap(all, put, &overlapped);
	if (*mitigation)
		return PUT_OVERLAPS;
	if (owner->mitigations - overlapped >= owner->policy.max_mitigations) {
		err_set(err, "%u mitigations are in force, the most for one upstream",
			owner->mitigations);
		return PUT_FULL;
	}
	rc = enforce_find(all->enforcer, &owner->policy, &put->body->scope, &found, err);
	if (rc < 0)
		return rc == -EINVAL ? PUT_REFUSED : PUT_FULL;
	m = create(all, put, &found, err);
	enforce_end(all->enforcer, &found);
	if (!m)
		return PUT_FULL;
	log_notice("dots", "%s: mitigation %u begins: %u subscribers, %u rules", owner->policy.name,
		m->mid, m->enforcement.suspects, m->enforcement.slots);
	*mitigation = m;
	// the new rules stand before the old ones go, so nothing slips through between them
	while ((m = next_overlap(all->first, put, &(*mitigation)->scope)))
		mitigation_end(m, STATUS_TERMINATED);
	return PUT_CREATED;
}
