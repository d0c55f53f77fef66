// SPDX-License-Identifier: BSD-3-Clause

// An operator's decisions, and his own mitigations: they go the way of a request, in the name of an
// upstream that has no session.

#include "dots/operate.h"

#include "base/clock.h"
#include "dots/tower.h"
#include "dots/validate.h"

#include <errno.h>
#include <string.h>

int dots_decide(struct dots *dots, const char *upstream, uint32_t mid, bool agreed, struct err *err)
{
	struct mitigation *m = mitigation_named(dots->mitigations, upstream, mid, err);

	if (!m)
		return -EINVAL;
	switch (consent_decide(m, agreed, "operator")) {
	case 0:
		return 0;
	case -EALREADY:
		return err_set(err, "mid %u: does not wait for consent", mid);
	default:
		return err_set(err, "mid %u: no room for the rules this takes", mid);
	}
}

int dots_suspend(struct dots *dots, const char *upstream, bool suspended, struct err *err)
{
	struct session *s = dots->sessions;
	int rc;

	while (s && strcmp(s->name, upstream) != 0)
		s = s->next;
	if (!s)
		return err_set(err, "upstream %s: there is none", upstream);
	rc = (suspended ? owner_suspend : owner_resume)(
		dots->mitigations, &s->signal.owner, "by an operator");
	return rc < 0 ? err_set(err, "upstream %s: is %s suspended", upstream,
				suspended ? "already" : "not")
		      : 0;
}

int dots_withdraw(struct dots *dots, const char *upstream, uint32_t mid, struct err *err)
{
	struct mitigation *m = mitigation_named(dots->mitigations, upstream, mid, err);

	if (!m)
		return -EINVAL;
	m->outcome = "cancelled";
	mitigation_end(m, STATUS_WITHDRAWN);
	return 0;
}

// mids only go up, also over a restart (RFC 9132 section 4.4.1.1).
static uint32_t next_mid(struct dots *dots)
{
	uint32_t now = (uint32_t)(clock_unix_ms() / 1000);

	dots->operator_mid = now > dots->operator_mid ? now : dots->operator_mid + 1;
	return dots->operator_mid;
}

static void refused(
	struct dots *dots, const struct dots_report *report, uint32_t mid, const struct err *err)
{
	struct remark remark = {
		.cuid = DOTS_OPERATOR,
		.mid = mid,
		.scope = report->scope,
		.reason = err->text,
	};

	mitigations_refused(dots->mitigations, &dots->operator, & remark);
}

int dots_mitigate(
	struct dots *dots, const struct dots_report *report, uint32_t *mid, struct err *err)
{
	struct mitigation_body body = {.has_lifetime = true, .lifetime = report->lifetime};
	struct put put = {
		.owner = &dots->operator,
		.cuid = DOTS_OPERATOR,
		.body = &body,
		.when = {report->at, report->tolerance_s},
		.chosen = &report->measure,
	};
	struct mitigation *m;
	enum put_outcome outcome;

	body.scope = *report->scope;
	if (validate_request(&body, false, err) < 0) {
		refused(dots, report, 0, err);
		return -EINVAL;
	}
	if (scope_copy(&body.scope, report->scope) < 0)
		return err_set(err, "out of memory");
	put.mid = *mid = next_mid(dots);
	outcome = mitigation_put(dots->mitigations, &put, &m, err);
	scope_free(&body.scope); // unless it has been taken over
	if (outcome == PUT_CREATED)
		return 0;
	if (outcome == PUT_LEGITIMATE)
		err_set(err, "the traffic is legitimate: see dots/server/accept");
	else if (outcome != PUT_REFUSED && outcome != PUT_FULL)
		err_set(err, "mid %u cannot be used", *mid);
	refused(dots, report, *mid, err);
	return -EINVAL;
}
