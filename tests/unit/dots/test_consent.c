// SPDX-License-Identifier: BSD-3-Clause

// Mitigations that somebody has to agree to, that are rejected, or that go on after they were
// withdrawn (RFC 9066 section 5.3.1; RFC 9132 section 4.4.4).

#include "base/clock.h"
#include "dots/codec.h"
#include "dots/dots.h"

#include "unit.h"
#include "upstream.h"

#include <stdio.h>
#include <string.h>

static const struct attack by_a = {"203.0.113.7/32", 1500, "198.51.100.10/32", 3600, 0};
static const struct attack by_b = {"203.0.113.7/32", 2500, "198.51.100.20/32", 3600, 0};
static struct dots_upstream config;

static int asking(void **state)
{
	world_setup(state);
	config = upstream_config(&one);
	config.consent = CONSENT_ASK;
	config.consent_time = 300;
	upstream_connect(&one, &config);
	return 0;
}

static int automatic(void **state)
{
	world_setup(state);
	config = upstream_config(&one);
	upstream_connect(&one, &config);
	return 0;
}

static int terminating(void **state)
{
	world_setup(state);
	config = upstream_config(&one);
	config.terminating_time = 120;
	upstream_connect(&one, &config);
	return 0;
}

static unsigned acting; // rules that stop something

static void count_rules(void)
{
	unsigned all = rules();

	acting = 0;
	for (uint32_t slot = 0; slot < acl_size(acl); slot++) {
		const struct acl_rule *rule = acl_get(acl, slot);

		acting += rule && rule->action == ACL_BLOCK;
	}
	assert_true(acting <= all);
}

static unsigned get(uint32_t mid)
{
	char path[64];

	snprintf(path, sizeof(path), "mitigate/cuid=" CUID "/mid=%u", mid);
	return ask(&one, COAP_REQUEST_GET, path, NULL, 0);
}

static unsigned withdraw(uint32_t mid)
{
	char path[64];

	snprintf(path, sizeof(path), "mitigate/cuid=" CUID "/mid=%u", mid);
	return ask(&one, COAP_REQUEST_DELETE, path, NULL, 0);
}

static void observe(uint32_t mid)
{
	struct message m = message_make(COAP_REQUEST_GET);
	char path[64];

	m.observe = 0;
	snprintf(path, sizeof(path), "mitigate/cuid=" CUID "/mid=%u", mid);
	assert_int_equal(ask_with(&one, &m, path, NULL, 0), 205);
}

static struct dots_mitigation_row row;

static void take_row(void *, const struct dots_mitigation_row *shown)
{
	row = *shown;
}

static const char *phase(void)
{
	dots_list_mitigations(dots, take_row, NULL);
	return row.phase;
}

static int decide(uint32_t mid, bool agreed)
{
	struct err err;

	return dots_decide(dots, NULL, mid, agreed, &err);
}

static uint8_t cause_of_409(void)
{
	struct mitigation_body *bodies;
	unsigned count;
	struct err err;
	uint8_t cause;

	assert_int_equal(one.reply.content_format, 271);
	assert_int_equal(codec_read_mitigations(
				 one.body, one.reply.payload.length, false, &bodies, &count, &err),
		0);
	cause = bodies->conflict.cause;
	mitigation_bodies_free(bodies, count);
	return cause;
}

// MR-35: 2.01 with status 1, nothing stops before somebody agrees, then status 2
static void somebody_agrees(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(answered(&one)->status, STATUS_IN_PROGRESS);
	observe(1);
	count_rules();
	assert_int_equal(acting, 0);
	assert_string_equal(phase(), "asked");
	pass(10);
	assert_int_equal(answered(&one)->status, STATUS_IN_PROGRESS);
	assert_int_equal(decide(1, true), 0);
	count_rules();
	assert_int_equal(acting, 1);
	assert_int_equal(rules(), 1);
	assert_string_equal(phase(), "in-force");
	for (uint32_t slot = 0; slot < acl_size(acl); slot++) {
		if (acl_get(acl, slot))
			acl_hit(acl, 0, slot, 1000);
	}
	pass(5);
	assert_int_equal(answered(&one)->status, STATUS_MITIGATED);
	assert_int_equal(answered(&one)->dropped.packets, 1);
}

// What was seen meanwhile is shown to whoever decides, and is not told as dropped
static void the_evidence(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	for (unsigned i = 0; i < 50; i++) {
		acl_hit(acl, 0, 0, 100);
		dots_saw(dots, 0, i % 5);
	}
	pass(10);
	phase();
	assert_int_equal(row.flows, 5);
	assert_string_equal(row.judgement, "watching");
	assert_int_equal(row.evidence_packets, 50);
	assert_int_equal(row.evidence_bytes, 5000);
	assert_int_equal(row.evidence_seconds, 10);
	assert_int_equal(row.packets_dropped, 0);
	assert_int_equal(row.decide_until, clock_unix_ms() / 1000 + 290);
	assert_int_equal(decide(1, true), 0);
	pass(2);
	phase();
	assert_int_equal(row.packets_dropped, 0);
	assert_int_equal(row.evidence_packets, 50);
	assert_int_equal(row.decide_until, 0);
}

// MR-33: a notification with cause 4, and no rule is left; MR-32: who asks again is told so at once
static void somebody_refuses(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	observe(1);
	assert_int_equal(decide(1, false), 0);
	assert_int_equal(rules(), 0);
	pass(4);
	assert_int_equal(answered(&one)->status, STATUS_WITHDRAWN);
	assert_int_equal(answered(&one)->conflict.cause, CAUSE_LEGITIMATE_TRAFFIC);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 409);
	assert_int_equal(cause_of_409(), CAUSE_LEGITIMATE_TRAFFIC);
	assert_int_equal(mitigate(&one, CUID, 2, by_a), 409);
	assert_int_equal(cause_of_409(), CAUSE_LEGITIMATE_TRAFFIC);
	// other traffic is another matter
	assert_int_equal(mitigate(&one, CUID, 3, by_b), 201);
	// there is nothing more to tell
	one.notifications = 0;
	pass(60);
	assert_int_equal(one.notifications, 0);
	// it is there until its lifetime ends or the client lets go of it
	assert_int_equal(get(1), 205);
	assert_int_equal(withdraw(1), 202);
	assert_int_equal(mitigate(&one, CUID, 4, by_a), 201);
}

// Nobody decides: what the policy says then
static void nobody_decides(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	pass(299);
	assert_string_equal(phase(), "asked");
	pass(2);
	assert_string_equal(phase(), "rejected");
	assert_int_equal(rules(), 0);
}

static void nobody_decides_and_that_is_a_yes(void **)
{
	dots_remove(dots, "one", true);
	settle();
	config.consent_by_default = true;
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	pass(301);
	assert_string_equal(phase(), "in-force");
	count_rules();
	assert_int_equal(acting, 1);
}

static void decisions_that_are_none(void **)
{
	struct dots_upstream other = upstream_config(&two);
	struct err err;

	other.consent = CONSENT_ASK;
	upstream_connect(&two, &other);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(mitigate(&two, OTHER, 1, by_a), 201);
	assert_true(dots_decide(dots, NULL, 2, true, &err) < 0);
	assert_non_null(strstr(err.text, "no such mitigation"));
	assert_true(dots_decide(dots, NULL, 1, true, &err) < 0);
	assert_non_null(strstr(err.text, "one and two both have one"));
	assert_int_equal(dots_decide(dots, "two", 1, true, &err), 0);
	assert_true(dots_decide(dots, "two", 1, true, &err) < 0);
	assert_non_null(strstr(err.text, "does not wait"));
	assert_int_equal(dots_decide(dots, "one", 1, false, &err), 0);
}

// The client may take back what waits, and its lifetime may end first
static void it_is_taken_back(void **)
{
	struct attack brief = by_b;

	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(withdraw(1), 202);
	assert_int_equal(rules(), 0);
	assert_int_equal(get(1), 404);
	brief.lifetime = 10;
	assert_int_equal(mitigate(&one, CUID, 2, brief), 201);
	pass(11);
	assert_int_equal(get(2), 404);
	assert_int_equal(rules(), 0);
}

// MR-32: traffic that is always legitimate is never stopped, whoever asks
static void accepted_traffic(void **)
{
	struct ipprefix target, subscriber;
	struct accept_entry entry = {.name = "resolver",
		.target = &target,
		.targets = 1,
		.any_protocol = true,
		.port = {0, UINT16_MAX}};
	struct accept_list list = {&entry, 1};

	ipprefix_parse("198.51.100.10/32", &target, NULL);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(mitigate(&one, CUID, 2, by_b), 201);
	assert_int_equal(dots_accept(dots, &list), 0);
	// what is in force already goes too
	assert_int_equal(rules(), 1);
	assert_int_equal(get(1), 205);
	assert_int_equal(answered(&one)->status, STATUS_WITHDRAWN);
	assert_int_equal(answered(&one)->conflict.cause, CAUSE_LEGITIMATE_TRAFFIC);
	assert_int_equal(withdraw(1), 202);
	assert_int_equal(mitigate(&one, CUID, 3, by_a), 409);
	assert_int_equal(cause_of_409(), CAUSE_LEGITIMATE_TRAFFIC);
	assert_int_equal(one.reply.payload.length, 10);
	// of one subscriber only
	ipprefix_parse("100.64.0.2/32", &subscriber, NULL);
	entry.subscriber = &subscriber;
	entry.subscribers = 1;
	assert_int_equal(dots_accept(dots, &list), 0);
	assert_int_equal(mitigate(&one, CUID, 4, by_a), 201);
	// of one service only: the request is about all of them
	entry.subscribers = 0;
	entry.any_protocol = false;
	entry.protocol = 6;
	entry.port = (struct port_range){443, 443};
	assert_int_equal(withdraw(4), 202);
	assert_int_equal(dots_accept(dots, &list), 0);
	assert_int_equal(mitigate(&one, CUID, 5, by_a), 409);
	list.entries = 0;
	assert_int_equal(dots_accept(dots, &list), 0);
	assert_int_equal(mitigate(&one, CUID, 6, by_a), 201);
}

// MR-42: 2.02 at once; the rules stay for 120 s with status 5, and the last word is 6
static void it_goes_on_for_a_while(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	observe(1);
	assert_int_equal(withdraw(1), 202);
	assert_int_equal(rules(), 1);
	assert_string_equal(phase(), "ending");
	pass(119);
	assert_int_equal(answered(&one)->status, STATUS_CLIENT_WITHDRAWN);
	assert_int_equal(rules(), 1);
	assert_int_equal(withdraw(1), 202);
	pass(6);
	assert_int_equal(rules(), 0);
	assert_int_equal(answered(&one)->status, STATUS_TERMINATED);
	assert_int_equal(get(1), 404);
}

static unsigned seconds_to_the_end(uint32_t mid)
{
	unsigned seconds = 0;

	assert_int_equal(withdraw(mid), 202);
	while (rules() && seconds < 1000) {
		pass(1);
		seconds++;
	}
	return seconds;
}

// MR-42: it doubles with each that is asked for again meanwhile, up to 300 s
static void it_goes_on_for_longer(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(withdraw(1), 202);
	pass(60);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(withdraw(1), 202);
	pass(200);
	assert_int_equal(rules(), 1);
	// under another mid it is the same attack
	assert_int_equal(mitigate(&one, CUID, 2, by_a), 201);
	assert_int_equal(rules(), 1);
	assert_in_range(seconds_to_the_end(2), 299, 301);
	// once it has ended it is forgotten
	assert_int_equal(mitigate(&one, CUID, 3, by_a), 201);
	assert_in_range(seconds_to_the_end(3), 119, 121);
}

// It never goes on past its lifetime
static void not_past_its_lifetime(void **)
{
	struct attack brief = by_a;

	brief.lifetime = 60;
	assert_int_equal(mitigate(&one, CUID, 1, brief), 201);
	pass(10);
	assert_in_range(seconds_to_the_end(1), 49, 51);
}

// ------------------------------------------------------------------ inspection

static struct inspection inspection = {
	.thresholds = {.packets = 100, .bytes = 100000, .flows = 50, .window = 10},
	.time = 60,
	.confirmed = {ACL_RATE_LIMIT, 8000},
	.act = true,
	.reject = true,
};

static int inspecting(void **state)
{
	world_setup(state);
	config = upstream_config(&one);
	config.measure.action = ACL_INSPECT;
	inspection.act = inspection.reject = true;
	dots_inspect(dots, &inspection);
	upstream_connect(&one, &config);
	return 0;
}

// The action of the only rule.
static enum acl_action action(void)
{
	assert_int_equal(rules(), 1);
	for (uint32_t slot = 0;; slot++) {
		if (acl_get(acl, slot))
			return acl_get(acl, slot)->action;
	}
}

// So many packets of so many flows in a second.
static void traffic(unsigned packets, uint32_t bytes, unsigned flows)
{
	uint32_t slot = 0;

	while (!acl_get(acl, slot))
		slot++;
	for (unsigned i = 0; i < packets; i++)
		acl_hit(acl, 0, slot, bytes);
	for (unsigned i = 0; i < flows; i++)
		dots_saw(dots, slot, i * 2654435761u);
	pass(1);
}

// RFC 9066 section 5.3.1: 2.01 with status 1 while it is inspected, then 2 once it is dropped
static void the_detector_confirms(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(answered(&one)->status, STATUS_IN_PROGRESS);
	observe(1);
	assert_int_equal(action(), ACL_INSPECT);
	assert_string_equal(phase(), "asked");
	assert_string_equal(row.judgement, "watching");
	for (unsigned i = 0; i < 15; i++)
		traffic(110, 60, 3);
	assert_int_equal(action(), ACL_RATE_LIMIT);
	assert_string_equal(phase(), "in-force");
	assert_string_equal(row.judgement, "attack");
	assert_string_equal(row.action, "rate-limit");
	assert_in_range(row.flows, 3, 3);
	traffic(10, 60, 0);
	pass(5);
	assert_int_equal(answered(&one)->status, STATUS_MITIGATED);
}

// Any of the thresholds does
static void bytes_and_flows_confirm(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	for (unsigned i = 0; i < 12; i++)
		traffic(99, 1000, 49);
	assert_int_equal(action(), ACL_INSPECT);
	for (unsigned i = 0; i < 20; i++)
		traffic(99, 1100, 49);
	assert_int_equal(action(), ACL_RATE_LIMIT);
	assert_int_equal(mitigate(&one, CUID, 2, by_b), 201);
	assert_int_equal(withdraw(1), 202);
	for (unsigned i = 0; i < 20; i++)
		traffic(60, 100, 50);
	assert_int_equal(action(), ACL_RATE_LIMIT);
}

// What is no attack is called legitimate (MR-33)
static void the_detector_clears(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	observe(1);
	for (unsigned i = 0; i < 58; i++)
		traffic(20, 100, 1);
	assert_string_equal(phase(), "asked");
	pass(5);
	assert_string_equal(phase(), "rejected");
	assert_string_equal(row.judgement, "clear");
	assert_int_equal(rules(), 0);
	assert_int_equal(answered(&one)->status, STATUS_WITHDRAWN);
	assert_int_equal(answered(&one)->conflict.cause, CAUSE_LEGITIMATE_TRAFFIC);
}

// It only says what it finds, and an operator decides; it may change its mind for the worse
static void the_detector_advises(void **)
{
	inspection.act = inspection.reject = false;
	dots_inspect(dots, &inspection);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	pass(70);
	assert_string_equal(phase(), "asked");
	assert_string_equal(row.judgement, "clear");
	for (unsigned i = 0; i < 20; i++)
		traffic(200, 100, 1);
	assert_string_equal(phase(), "asked");
	assert_string_equal(row.judgement, "attack");
	assert_int_equal(action(), ACL_INSPECT);
	assert_int_equal(decide(1, true), 0);
	assert_int_equal(action(), ACL_RATE_LIMIT);
}

// Where consent is asked it only advises, whatever it may do elsewhere
static void consent_comes_first(void **)
{
	dots_remove(dots, "one", true);
	settle();
	config.consent = CONSENT_ASK;
	config.consent_time = 300;
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	for (unsigned i = 0; i < 20; i++)
		traffic(200, 100, 1);
	assert_string_equal(phase(), "asked");
	assert_string_equal(row.judgement, "attack");
	pass(100);
	assert_string_equal(phase(), "asked");
	assert_int_equal(decide(1, true), 0);
	assert_int_equal(action(), ACL_RATE_LIMIT);
}

// A packet that was copied before its rule went
static void nobody_looks_at_late_copies(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(withdraw(1), 202);
	dots_saw(dots, 0, 1);
	dots_saw(dots, UINT32_MAX, 1);
	assert_int_equal(rules(), 0);
}

#define ASKING(test)      cmocka_unit_test_setup_teardown(test, asking, world_teardown)
#define INSPECTING(t)     cmocka_unit_test_setup_teardown(t, inspecting, world_teardown)
#define AUTOMATIC(test)   cmocka_unit_test_setup_teardown(test, automatic, world_teardown)
#define TERMINATING(test) cmocka_unit_test_setup_teardown(test, terminating, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ASKING(somebody_agrees),
		ASKING(the_evidence),
		ASKING(somebody_refuses),
		ASKING(nobody_decides),
		ASKING(nobody_decides_and_that_is_a_yes),
		ASKING(decisions_that_are_none),
		ASKING(it_is_taken_back),
		AUTOMATIC(accepted_traffic),
		INSPECTING(the_detector_confirms),
		INSPECTING(bytes_and_flows_confirm),
		INSPECTING(the_detector_clears),
		INSPECTING(the_detector_advises),
		INSPECTING(consent_comes_first),
		INSPECTING(nobody_looks_at_late_copies),
		TERMINATING(it_goes_on_for_a_while),
		TERMINATING(it_goes_on_for_longer),
		TERMINATING(not_past_its_lifetime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
