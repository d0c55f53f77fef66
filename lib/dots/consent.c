// SPDX-License-Identifier: BSD-3-Clause

// Mitigations that somebody has to agree to (RFC 9066 section 5.3.1). What the subscriber sends
// towards the target is counted meanwhile, by rules that stop nothing: translation alone keeps no
// account of destinations.

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/mitigations.h"

#include <errno.h>

static void decide_by_default(struct timer *timer)
{
	struct mitigation *m = CONTAINER_OF(timer, struct mitigation, verdict);

	log_notice(
		"dots", "%s: nobody has decided on mitigation %u", m->owner->policy.name, m->mid);
	if (consent_decide(m, m->owner->policy.consent_by_default, "default") < 0)
		mitigation_reject(m, CAUSE_LEGITIMATE_TRAFFIC);
}

int consent_ask(struct mitigation *m, uint64_t until)
{
	char label[MITIGATION_LABEL];
	int rc;

	m->phase = PHASE_ASKED;
	m->enforcement.measure.action = ACL_COUNT;
	rc = enforce_install(
		m->all->enforcer, &m->scope, mitigation_label(m, label), &m->enforcement);
	return rc < 0 ? rc : timer_set(m->all->loop, &m->verdict, until, decide_by_default);
}

// MR-35: only now does anything stop
int consent_decide(struct mitigation *m, bool agreed, const char *decided_by)
{
	int rc;

	if (m->phase != PHASE_ASKED)
		return -EALREADY;
	m->decided_by = decided_by;
	if (!agreed) {
		mitigation_reject(m, CAUSE_LEGITIMATE_TRAFFIC);
		return 0;
	}
	m->evidence = enforce_hits(m->all->enforcer, &m->enforcement);
	rc = mitigation_put_in_force(m);
	if (rc < 0) {
		m->decided_by = NULL;
		return rc;
	}
	timer_stop(m->all->loop, &m->verdict);
	log_notice("dots", "%s: mitigation %u begins: %u subscribers, %u rules",
		m->owner->policy.name, m->mid, m->enforcement.suspects, m->enforcement.slots);
	mitigation_tell(m, EVENT_BEGAN);
	return 0;
}

int64_t consent_until(const struct mitigation *m)
{
	if (m->phase != PHASE_ASKED)
		return 0;
	return clock_unix_ms() / 1000 +
		(int64_t)(m->verdict.at - clock_now()) / (int64_t)CLOCK_SECOND;
}
