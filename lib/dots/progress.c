// SPDX-License-Identifier: BSD-3-Clause

// What comes of a mitigation: its counters, its rates, and the status that follows from them
// (RFC 9132 section 4.4.2).

#include "base/bits.h"
#include "base/clock.h"
#include "dots/delegate.h"
#include "dots/mitigations.h"

#define POLL_PERIOD CLOCK_SECOND
// Of a round, looked at in one turn of the loop: requests do not wait for more than these.
#define POLL_STEP 256
// traffic that has not come for so long has stopped
#define ATTACK_PAUSE (30 * CLOCK_SECOND)
// over which the rates are taken (RFC 9132 section 4.4.2)
#define BUCKET (300 * CLOCK_SECOND)

// The mean of the full buckets of five minutes; until the first is full, of the time so far.
struct dropped mitigation_dropped(const struct mitigation *m)
{
	const struct acl_hits *dropped = m->buckets ? &m->bucketed : &m->dropped;
	uint64_t seconds = m->buckets ? m->buckets * (BUCKET / CLOCK_SECOND)
				      : (clock_now() - m->began) / CLOCK_SECOND;

	if (!seconds)
		seconds = 1;
	return (struct dropped){
		.bytes = m->dropped.bytes,
		.bps = dropped->bytes / seconds,
		.packets = m->dropped.packets,
		.pps = dropped->packets / seconds,
	};
}

static void add(struct acl_hits *sum, const struct acl_hits *more)
{
	sum->packets += more->packets;
	sum->bytes += more->bytes;
}

// Reads the rules' counters, and what those tell to whom suspects are delegated.
static struct delegate_report read_hits(struct mitigation *m)
{
	struct delegate_report report = {0};

	m->own = enforce_hits(m->all->enforcer, &m->enforcement);
	add(&m->own, &m->past);
	if (delegate_of(m))
		delegate_of(m)->report(delegate_of(m)->ctx, m, &report);
	m->hits = m->dropped = report.hits;
	add(&m->hits, &m->own);
	if (m->measure.action != ACL_REDIRECT)
		add(&m->dropped, &m->own);
	return report;
}

// The rules drop from the moment they are installed, and their counters are all we see of the
// attack. So the statuses of RFC 9132 table 3 mean here:
//   1 in progress             the rules are in force, and nothing has met them yet
//   2 successfully mitigated  traffic towards the target is being dropped, or redirected
//   3 attack stopped          none has come for ATTACK_PAUSE; more of it leads back to 2
//   4 exceeded capability     all of the upstream's mitigations are suspended
static void poll_one(struct mitigation *m, uint64_t now)
{
	uint64_t before = m->hits.packets, own = m->own.packets;
	struct delegate_report report;

	if (m->phase == PHASE_REJECTED)
		return;
	if (m->phase == PHASE_ASKED) {
		m->evidence = enforce_hits(m->all->enforcer, &m->enforcement);
		m->evidence_time = now - m->began;
		consent_look(m);
		return;
	}
	// what its rules count now passes
	if (m->owner->suspended) {
		if (m->phase == PHASE_IN_FORCE)
			mitigation_set_status(m, STATUS_EXCEEDED);
		return;
	}
	report = read_hits(m);
	budget_count(m, m->own.packets - own);
	if (m->phase == PHASE_ENDING) {
		mitigation_set_status(m, STATUS_CLIENT_WITHDRAWN);
	} else if (report.pending) {
		mitigation_set_status(m, STATUS_IN_PROGRESS);
	} else if (m->hits.packets != before ||
		(report.mitigating && m->status == STATUS_IN_PROGRESS)) {
		m->hit_at = now;
		mitigation_set_status(m, STATUS_MITIGATED);
	} else if (m->status == STATUS_MITIGATED && now - m->hit_at >= ATTACK_PAUSE) {
		mitigation_set_status(m, STATUS_STOPPED);
	}
	if ((now - m->began) / BUCKET > m->buckets) {
		m->buckets = (now - m->began) / BUCKET;
		m->bucketed = m->dropped;
	}
}

// A round over all of them begins once a second and goes on from turn to turn of the loop; then all owners are looked
// at. Those that come meanwhile are at the end of the list.
static void poll_some(struct timer *timer)
{
	struct mitigations *all = CONTAINER_OF(timer, struct mitigations, poll);
	uint64_t now = clock_now();
	bool any;

	if (!all->polled) {
		all->polled = all->roll.first;
		all->round = now;
	}
	for (unsigned i = 0; all->polled && i < POLL_STEP; i++) {
		struct mitigation *m = all->polled;

		all->polled = m->next;
		poll_one(m, now);
	}
	if (all->polled) {
		timer_set(all->loop, &all->poll, now, poll_some);
		return;
	}
	any = budgets_look(all);
	if (any || all->roll.first)
		timer_set(all->loop, &all->poll, all->round + POLL_PERIOD, poll_some);
}

void progress_read(struct mitigation *m)
{
	if ((m->phase == PHASE_IN_FORCE || m->phase == PHASE_ENDING) && !m->owner->suspended)
		read_hits(m);
}

int progress_start(struct mitigations *all)
{
	return timer_is_set(&all->poll)
		? 0
		: timer_set(all->loop, &all->poll, clock_now() + POLL_PERIOD, poll_some);
}
