// SPDX-License-Identifier: BSD-3-Clause

// What comes of a mitigation: its counters, its rates, and the status that follows from them
// (RFC 9132 section 4.4.2).

#include "base/bits.h"
#include "base/clock.h"
#include "dots/delegate.h"
#include "dots/mitigations.h"

#define POLL_PERIOD CLOCK_SECOND
// traffic that has not come for so long has stopped
#define ATTACK_PAUSE (30 * CLOCK_SECOND)
// over which the rates are taken (RFC 9132 section 4.4.2)
#define BUCKET (300 * CLOCK_SECOND)

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
	struct acl_hits hits;

	if (m->phase == PHASE_REJECTED)
		return;
	if (m->phase == PHASE_ASKED) {
		m->evidence = enforce_hits(m->all->enforcer, &m->enforcement);
		m->evidence_time = now - m->began;
		return;
	}
	hits = hits_of(m, &report);
	if (m->phase == PHASE_ENDING) {
		m->status = STATUS_CLIENT_WITHDRAWN;
	} else if (report.pending) {
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

struct acl_hits progress_hits(const struct mitigation *m)
{
	struct delegate_report report;

	return m->phase == PHASE_IN_FORCE || m->phase == PHASE_ENDING ? hits_of(m, &report)
								      : m->hits;
}

int progress_start(struct mitigations *all)
{
	return timer_is_set(&all->poll)
		? 0
		: timer_set(all->loop, &all->poll, clock_now() + POLL_PERIOD, poll_all);
}
