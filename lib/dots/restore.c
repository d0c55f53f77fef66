// SPDX-License-Identifier: BSD-3-Clause

// Mitigations that a run before this one had.

#include "base/clock.h"
#include "base/log.h"
#include "dots/mitigations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct mitigation *make(
	struct mitigations *all, struct owner *owner, struct restored *restored)
{
	struct mitigation *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->all = all;
	m->owner = owner;
	m->mid = restored->mid;
	m->cuid = strdup(restored->cuid);
	m->phase = restored->phase;
	m->lifetime = restored->lifetime;
	m->ends = restored->ends;
	m->began = clock_now(); // what was dropped before is told of no more
	m->began_unix = restored->began_unix;
	m->terminating_time = restored->terminating_time;
	m->conflict_cause = restored->conflict_cause;
	m->scope = restored->scope;
	restored->scope = (struct scope){0};
	m->enforcement.suspect = restored->suspect;
	m->enforcement.suspects = restored->suspects;
	m->chosen = restored->chosen;
	m->measure = m->chosen ? restored->measure : policy_measure(&owner->policy, &m->scope);
	m->enforcement.maker = m;
	m->enforcement.total = &owner->rules;
	restored->suspect = NULL;
	restored->suspects = 0;
	return m;
}

// Puts it where it was.
static int resume(struct mitigation *m, uint64_t verdict)
{
	int64_t began_unix = m->began_unix;
	int rc = 0;

	switch (m->phase) {
	case PHASE_ASKED:
		m->status = STATUS_IN_PROGRESS;
		// what was seen before is not known any more
		return consent_ask(m, consent_is_by_detector(m) ? consent_deadline(m) : verdict);
	case PHASE_IN_FORCE:
		rc = mitigation_put_in_force(m);
		break;
	case PHASE_ENDING:
		rc = mitigation_put_in_force(m);
		m->phase = PHASE_ENDING;
		m->status = STATUS_CLIENT_WITHDRAWN;
		break;
	case PHASE_REJECTED:
		m->status = STATUS_WITHDRAWN;
		break;
	}
	m->began_unix = began_unix;
	return rc;
}

int mitigation_restore(struct mitigations *all, struct owner *owner, struct restored *restored)
{
	struct mitigation *m;
	int rc;

	if (mitigation_find(all, owner, restored->cuid, restored->mid))
		return -EEXIST;
	m = make(all, owner, restored);
	if (!m)
		return -ENOMEM;
	rc = m->cuid ? resume(m, restored->verdict) : -ENOMEM;
	if (rc == 0)
		rc = mitigation_set_expiry(m);
	if (rc == 0)
		rc = progress_start(all);
	if (rc == 0)
		rc = mitigation_link(m);
	if (rc < 0) {
		log_error("dots", "%s: mitigation %u cannot be taken up again: %s",
			owner->policy.name, restored->mid, strerror(-rc));
		mitigation_free(m);
		return rc;
	}
	return 0;
}
