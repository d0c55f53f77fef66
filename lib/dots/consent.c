// SPDX-License-Identifier: BSD-3-Clause

// Mitigations that somebody, or a detector, has to agree to (RFC 9066 sections 5.3.1 and 8). What the
// subscriber sends towards the target is counted meanwhile, by rules that stop nothing: translation alone
// keeps no account of destinations.

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/mitigations.h"

#include <errno.h>
#include <inttypes.h>

static bool is_inspected(const struct mitigation *m)
{
	return m->measure.action == ACL_INSPECT;
}

bool consent_is_by_detector(const struct mitigation *m)
{
	return is_inspected(m) && m->owner->policy.consent == CONSENT_AUTOMATIC;
}

bool consent_is_needed(const struct mitigation *m)
{
	return is_inspected(m) || m->owner->policy.consent == CONSENT_ASK;
}

uint64_t consent_deadline(const struct mitigation *m)
{
	uint32_t seconds =
		consent_is_by_detector(m) ? m->all->inspection.time : m->owner->policy.consent_time;

	return clock_now() + seconds * CLOCK_SECOND;
}

// The time is over, and it was no attack. Without a decision the detector goes on looking.
static void clear(struct mitigation *m)
{
	if (m->detector->judgement == JUDGED_ATTACK)
		return;
	m->detector->judgement = JUDGED_CLEAR;
	m->owner->cleared++;
	log_notice("dots", "%s: mitigation %u: what comes is no attack", m->owner->policy.name,
		m->mid);
	if (m->all->inspection.reject)
		consent_decide(m, false, "detector");
}

static void decide_by_default(struct timer *timer)
{
	struct mitigation *m = CONTAINER_OF(timer, struct mitigation, verdict);

	if (consent_is_by_detector(m)) {
		clear(m);
		return;
	}
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
	m->enforcement.measure.action = is_inspected(m) ? ACL_INSPECT : ACL_COUNT;
	m->detector = detector_new();
	if (!m->detector)
		return -ENOMEM;
	rc = enforce_install(
		m->all->enforcer, &m->scope, mitigation_label(m, label), &m->enforcement);
	return rc < 0 ? rc : timer_set(m->all->loop, &m->verdict, until, decide_by_default);
}

void mitigations_inspect(struct mitigations *all, const struct inspection *inspection)
{
	all->inspection = *inspection;
}

void mitigations_saw(struct mitigations *all, uint32_t slot, uint32_t flow)
{
	const struct acl_rule *rule = acl_get(all->enforcer->acl, slot);
	struct mitigation *m = rule ? rule->maker : NULL;

	if (m && m->phase == PHASE_ASKED)
		detector_saw(m->detector, flow);
}

void consent_look(struct mitigation *m)
{
	const struct inspection *inspection = &m->all->inspection;

	if (!detector_look(m->detector, &inspection->thresholds, &m->evidence))
		return;
	m->owner->confirmed++;
	log_notice("dots",
		"%s: mitigation %u: what comes is an attack: %" PRIu64 " packets and %" PRIu64
		" bytes a second, %u flows",
		m->owner->policy.name, m->mid, m->detector->packets, m->detector->bytes,
		m->detector->flows);
	if (consent_is_by_detector(m) && inspection->act && consent_decide(m, true, "detector") < 0)
		log_error("dots", "%s: mitigation %u: no room for the rules it takes",
			m->owner->policy.name, m->mid);
}

// MR-35: only now does anything stop
int consent_decide(struct mitigation *m, bool agreed, const char *decided_by)
{
	struct measure before = m->measure;
	int rc;

	if (m->phase != PHASE_ASKED)
		return -EALREADY;
	m->decided_by = decided_by;
	if (!agreed) {
		mitigation_reject(m, CAUSE_LEGITIMATE_TRAFFIC);
		return 0;
	}
	m->evidence = enforce_hits(m->all->enforcer, &m->enforcement);
	if (is_inspected(m))
		m->measure = m->all->inspection.confirmed;
	rc = mitigation_put_in_force(m);
	if (rc < 0) {
		m->measure = before;
		m->decided_by = NULL;
		return rc;
	}
	m->chosen |= before.action == ACL_INSPECT;
	timer_stop(m->all->loop, &m->verdict);
	log_notice("dots", "%s: mitigation %u begins: %u subscribers, %u rules",
		m->owner->policy.name, m->mid, m->enforcement.suspects, m->enforcement.slots);
	mitigation_tell(m, EVENT_BEGAN);
	return 0;
}

int64_t consent_until(const struct mitigation *m)
{
	if (m->phase != PHASE_ASKED || !timer_is_set(&m->verdict))
		return 0;
	return clock_unix_ms() / 1000 +
		(int64_t)(m->verdict.at - clock_now()) / (int64_t)CLOCK_SECOND;
}
