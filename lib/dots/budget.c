// SPDX-License-Identifier: BSD-3-Clause

#include "dots/budget.h"

#include "base/clock.h"
#include "base/log.h"
#include "dots/mitigations.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

uint64_t budget_rate(const struct budget *b)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < BUDGET_SECONDS; i++)
		sum += b->second[i];
	return sum / BUDGET_SECONDS;
}

void budget_count(struct mitigation *m, uint64_t packets)
{
	struct budget *b = &m->owner->budget;

	b->second[b->at] += packets;
}

static void remark(
	struct mitigations *all, struct owner *owner, const char *outcome, const char *reason)
{
	struct remark said = {.upstream = owner->policy.name, .outcome = outcome, .reason = reason};

	log_warning("dots", "%s: all mitigations are %s: %s", owner->policy.name, outcome, reason);
	if (all->remark)
		all->remark(all->watch_ctx, &said);
}

static bool acts(const struct mitigation *m)
{
	return m->phase == PHASE_IN_FORCE || m->phase == PHASE_ENDING;
}

// Rules that count take the place of those that act; without room for them there are none.
static void suspend(struct mitigation *m)
{
	mitigation_take_back(m);
	m->past = m->own;
	if (mitigation_set_rules(m) < 0)
		enforce_lift(m->all->enforcer, &m->enforcement);
	if (m->phase == PHASE_IN_FORCE)
		mitigation_set_status(m, STATUS_EXCEEDED);
}

int owner_suspend(struct mitigations *all, struct owner *owner, const char *reason)
{
	if (owner->suspended)
		return -EALREADY;
	for (struct mitigation *m = owner_first(owner); m; m = owner_next(m))
		progress_read(m);
	owner->suspended = clock_unix_ms() / 1000;
	for (struct mitigation *m = owner_first(owner); m; m = owner_next(m)) {
		if (acts(m))
			suspend(m);
	}
	remark(all, owner, "suspended", reason);
	return 0;
}

int owner_resume(struct mitigations *all, struct owner *owner, const char *reason)
{
	if (!owner->suspended)
		return -EALREADY;
	owner->suspended = 0;
	memset(owner->budget.second, 0, sizeof(owner->budget.second));
	for (struct mitigation *m = owner_first(owner); m; m = owner_next(m)) {
		if (!acts(m))
			continue;
		if (mitigation_set_rules(m) < 0)
			log_error("dots", "%s: mitigation %u: no room for the rules it takes",
				owner->policy.name, m->mid);
		if (m->phase == PHASE_IN_FORCE)
			mitigation_set_status(m, STATUS_IN_PROGRESS);
	}
	remark(all, owner, "resumed", reason);
	return 0;
}

static void look(struct mitigations *all, struct owner *owner)
{
	struct budget *b = &owner->budget;
	uint64_t rate = budget_rate(b), most = owner->policy.max_packets;
	struct err reason;

	if (most && rate > most && !owner->suspended) {
		err_set(&reason,
			"%" PRIu64 " packets a second have met its rules. Allowed: %" PRIu64, rate,
			most);
		owner_suspend(all, owner, reason.text);
	}
	b->at = (b->at + 1) % BUDGET_SECONDS;
	b->second[b->at] = 0;
}

bool budgets_look(struct mitigations *all)
{
	bool any = false;

	for (struct owner *o = all->owners; o; o = o->next) {
		look(all, o);
		any |= budget_rate(&o->budget) > 0;
	}
	return any;
}
