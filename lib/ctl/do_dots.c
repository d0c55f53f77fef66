// SPDX-License-Identifier: BSD-3-Clause

// What the operator does about mitigations.

#include "ctl/commands.h"
#include "ctl/words.h"
#include "dots/operate.h"

#include <string.h>

static bool read_mid(const char *text, uint32_t *mid)
{
	unsigned long number;

	if (!words_number(text, UINT32_MAX, &number))
		return false;
	*mid = (uint32_t)number;
	return true;
}

static int approve(struct dots *dots, const char *upstream, uint32_t mid, struct err *err)
{
	return dots_decide(dots, upstream, mid, true, err);
}

static int reject(struct dots *dots, const char *upstream, uint32_t mid, struct err *err)
{
	return dots_decide(dots, upstream, mid, false, err);
}

// MID... [--upstream NAME], and what is done with each.
static void with_each(struct call *call,
	int (*fn)(struct dots *dots, const char *upstream, uint32_t mid, struct err *err))
{
	const struct request *r = &call->request;
	const char *upstream = NULL;
	unsigned words = r->words;
	struct err err;
	uint32_t mid;

	if (words >= 4 && !strcmp(r->word[words - 2], "--upstream")) {
		upstream = r->word[words - 1];
		words -= 2;
	}
	if (words < 3) {
		call_fail(
			call, PROTO_USAGE, "which mitigations? Allowed: MID... [--upstream NAME]");
		return;
	}
	// first all are read: a typing error must not leave half of them decided
	for (unsigned i = 2; i < words; i++) {
		if (!read_mid(r->word[i], &mid)) {
			call_fail(call, PROTO_USAGE, "mid: %s. Allowed: 0 to %u", r->word[i],
				UINT32_MAX);
			return;
		}
	}
	for (unsigned i = 2; i < words; i++) {
		read_mid(r->word[i], &mid);
		if (fn(call->source->dots, upstream, mid, &err) < 0) {
			call_fail(call, PROTO_FAILED, "%s", err.text);
			return;
		}
	}
	call_text(call, "{}");
	call_end(call);
}

void do_approve(struct call *call)
{
	with_each(call, approve);
}

void do_reject(struct call *call)
{
	with_each(call, reject);
}

void do_withdraw(struct call *call)
{
	with_each(call, dots_withdraw);
}

static void set_suspended(struct call *call, bool suspended)
{
	struct err err;

	if (dots_suspend(call->source->dots, call->request.word[2], suspended, &err) < 0) {
		call_fail(call, PROTO_FAILED, "%s", err.text);
		return;
	}
	call_text(call, "{}");
	call_end(call);
}

void do_suspend(struct call *call)
{
	set_suspended(call, true);
}

void do_resume(struct call *call)
{
	set_suspended(call, false);
}

// ------------------------------------------------------------------ mitigate

#define LIST_MAX 16        // of each kind
#define RATE_MIN 64        // kbit/s
#define RATE_MAX 100000000 // as in the configuration

struct words {
	struct ipprefix source[LIST_MAX];
	struct ipprefix target[LIST_MAX];
	struct port_range source_port[LIST_MAX];
	struct port_range target_port[LIST_MAX];
	uint8_t protocol[LIST_MAX];
	struct scope scope;
	struct dots_report report;
};

static bool add_prefix(struct ipprefix *list, unsigned *count, const char *text)
{
	return *count < LIST_MAX && ipprefix_parse(text, &list[(*count)++], NULL) == 0;
}

static bool add_range(struct port_range *list, unsigned *count, const char *text)
{
	if (*count == LIST_MAX || !words_range(text, &list[*count].lower, &list[*count].upper))
		return false;
	++*count;
	return true;
}

static bool take_lifetime(struct dots_report *report, const char *text)
{
	unsigned long number;

	if (!strcmp(text, "-1")) {
		report->lifetime = LIFETIME_INDEFINITE;
		return true;
	}
	if (!words_number(text, UINT32_MAX, &number))
		return false;
	report->lifetime = (int64_t)number;
	return true;
}

static bool take_action(struct measure *measure, const char *text)
{
	return acl_action_find(text, &measure->action) == 0 && measure->action != ACL_COUNT;
}

static bool take_word(struct words *w, const char *name, const char *value)
{
	struct scope *s = &w->scope;
	unsigned long number;

	if (!strcmp(name, "--source"))
		return add_prefix(w->source, &s->sources, value);
	if (!strcmp(name, "--source-port"))
		return add_range(w->source_port, &s->source_ports, value);
	if (!strcmp(name, "--target"))
		return add_prefix(w->target, &s->targets, value);
	if (!strcmp(name, "--target-port"))
		return add_range(w->target_port, &s->target_ports, value);
	if (!strcmp(name, "--protocol"))
		return s->protocols < LIST_MAX &&
			words_protocol(value, &w->protocol[s->protocols++]);
	if (!strcmp(name, "--lifetime"))
		return take_lifetime(&w->report, value);
	if (!strcmp(name, "--at"))
		return words_time(value, &w->report.at);
	if (!strcmp(name, "--action"))
		return take_action(&w->report.measure, value);
	if (!strcmp(name, "--rate")) {
		if (!words_number(value, RATE_MAX, &number) || number < RATE_MIN)
			return false;
		w->report.measure.rate = number * 1000 / 8;
		return true;
	}
	if (strcmp(name, "--tolerance") != 0 || !words_number(value, 86400, &number))
		return false;
	w->report.tolerance_s = (uint32_t)number;
	return true;
}

static bool has_scrubber(const struct snapshot *snapshot, const struct scope *scope)
{
	for (unsigned i = 0; i < scope->sources; i++) {
		if (!(scope->source[i].addr.family == 4 ? snapshot->scrubber : snapshot->scrubber6))
			return false;
	}
	return true;
}

void do_mitigate(struct call *call)
{
	const struct request *r = &call->request;
	struct words w = {.report.lifetime = 3600}; // RFC 9132 section 4.4.1 recommends it
	struct err err;
	uint32_t mid;

	for (unsigned i = 2; i < r->words; i += 2) {
		if (i + 1 < r->words && take_word(&w, r->word[i], r->word[i + 1]))
			continue;
		call_fail(call, PROTO_USAGE,
			"%s %s. Allowed: --source and --target with a prefix, --source-port and "
			"--target-port with 0 to 65535 or a range, --protocol, up to %d of each; "
			"--lifetime, --at, --tolerance; --action with block, rate-limit, "
			"quarantine, inspect or redirect, --rate with 64 to 100000000 kbit/s",
			r->word[i], i + 1 < r->words ? r->word[i + 1] : "", LIST_MAX);
		return;
	}
	if ((w.report.measure.action == ACL_RATE_LIMIT) != (w.report.measure.rate != 0)) {
		call_fail(call, PROTO_USAGE,
			"--rate goes with --action rate-limit, and that with it alone");
		return;
	}
	w.scope.source = w.source;
	if (w.report.measure.action == ACL_REDIRECT &&
		!has_scrubber(call->source->snapshot(call->source->ctx), &w.scope)) {
		call_fail(call, PROTO_FAILED,
			"there is no scrubber for these sources: see dots/server/scrubber");
		return;
	}
	w.scope.source_port = w.source_port;
	w.scope.target = w.target;
	w.scope.target_port = w.target_port;
	w.scope.protocol = w.protocol;
	w.report.scope = &w.scope;
	if (dots_mitigate(call->source->dots, &w.report, &mid, &err) < 0)
		call_fail(call, PROTO_FAILED, "%s", err.text);
	else
		show_mitigation(call, DOTS_OPERATOR, mid);
}
