// SPDX-License-Identifier: BSD-3-Clause

// From an upstream's request to the subscribers' homes and back (RFC 9066 section 5.3.2; DESIGN section 1,
// policies box, home and home-then-box).

#include "base/bits.h"
#include "base/clock.h"
#include "dots/relay.h"

#include "homestead.h"
#include "unit.h"
#include "upstream.h"

#include <stdio.h>

#define BOX     "100.64.0.254"
#define CONFIRM 5 // seconds

static struct homes *homes;
static struct relay *relay;
static struct homestead first, second; // of 100.64.0.1 and 100.64.0.2, behind 203.0.113.7

static const struct homes_listener listener = {
	.addr = {4, {100, 64, 0, 254}}, .port = 4647, .kind = TRANSPORT_DTLS};

static struct ipprefix subscriber(const char *text)
{
	struct ipprefix prefix;

	ipprefix_parse(text, &prefix, NULL);
	return prefix;
}

static const struct delegate *make_relay(void)
{
	struct homes_home home[] = {
		{.name = "first",
			.identity = "first.example",
			.subscriber = subscriber("100.64.0.1")},
		{.name = "second",
			.identity = "second.example",
			.subscriber = subscriber("100.64.0.2")},
	};
	struct homes_setup setup = {
		.credentials = {.certificate = "box.example"},
		.listener = &listener,
		.listeners = 1,
		.home = home,
		.homes = ARRAY_LEN(home),
		.drop = {.failures = 3, .window_ns = 1, .duration_ns = 1, .len4 = 32, .len6 = 64},
		.request_rate = 1000,
	};
	struct err err;

	homes = homes_new(loop);
	assert_int_equal(homes_configure(homes, &setup, &err), 0);
	relay = relay_new(loop, homes, &resolver.resolver, CONFIRM * CLOCK_SECOND);
	return relay_delegate(relay);
}

static int set_up(void **state)
{
	world_delegate = make_relay;
	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	first.name = "first.example";
	first.addr = "100.64.0.1";
	second.name = "second.example";
	second.addr = "100.64.0.2";
	return world_setup(state);
}

static int tear_down(void **state)
{
	// mitigations let go of their homes before those go
	dots_free(dots);
	dots = NULL;
	relay_free(relay);
	homes_free(homes);
	homestead_end(&first);
	homestead_end(&second);
	return world_teardown(state);
}

static void relay_to(enum relay_policy policy)
{
	struct dots_upstream config = upstream_config(&one);

	config.relay = policy;
	upstream_connect(&one, &config);
}

static void dial(struct homestead *h)
{
	homestead_dial(h, loop, BOX, 4647, TRANSPORT_DTLS);
	assert_int_equal(h->sessions, 1 + h->losses);
}

static const struct attack attack = {"203.0.113.7/32", 1024, "198.51.100.10/32", 600, 0};

// Status and counters as the upstream sees them.
static const struct mitigation_body *status(void)
{
	assert_int_equal(ask(&one, COAP_REQUEST_GET, "mitigate/cuid=" CUID "/mid=1", NULL, 0), 205);
	return answered(&one);
}

static void test_box(void **)
{
	relay_to(RELAY_BOX);
	dial(&first);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	settle();
	assert_int_equal(rules(), 1);
	assert_int_equal(asked_count(&first, COAP_REQUEST_PUT, "mitigate"), 0);
}

// NA-01: the home hears of its own address, never of the outside's; the upstream never of the inside
// (OB-08)
static void test_home(void **)
{
	struct mitigation_body *body;
	char text[IPPREFIX_TEXT];

	relay_to(RELAY_HOME);
	dial(&first);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	settle();
	assert_int_equal(rules(), 0);
	body = asked_body(asked_last(&first, COAP_REQUEST_PUT, "mitigate", 0));
	assert_int_equal(body->scope.sources, 1);
	assert_string_equal(ipprefix_format(&body->scope.source[0], text), "100.64.0.1/32");
	assert_int_equal(body->scope.source_ports, 0); // no live mapping is known
	assert_int_equal(body->scope.targets, 1);
	assert_string_equal(ipprefix_format(&body->scope.target[0], text), "198.51.100.10/32");
	assert_int_equal(body->lifetime, 600);
	mitigation_bodies_free(body, 1);
	assert_string_equal(ipprefix_format(&status()->scope.source[0], text), "203.0.113.7/32");
	assert_int_equal(status()->scope.source_port[0].lower, 1024);
}

// the inside port of a live mapping goes with it
static void test_inside_port(void **)
{
	struct ipprefix source, target;
	struct port_range port = {1025, 1025};
	uint8_t udp = 17, body[512];
	struct mitigation_body request = {.has_lifetime = true,
		.lifetime = 600,
		.scope = {.source = &source,
			.sources = 1,
			.target = &target,
			.targets = 1,
			.source_port = &port,
			.source_ports = 1,
			.protocol = &udp,
			.protocols = 1}};
	struct message m = message_make(COAP_REQUEST_PUT);
	struct mitigation_body *asked;
	int length;

	ipprefix_parse("203.0.113.7/32", &source, NULL);
	ipprefix_parse("198.51.100.10/32", &target, NULL);
	length = codec_write_mitigations(&request, 1, body, sizeof(body));
	m.content_format = 271;
	relay_to(RELAY_HOME);
	dial(&first);
	assert_int_equal(
		ask_with(&one, &m, "mitigate/cuid=" CUID "/mid=1", body, (size_t)length), 201);
	settle();
	assert_true(resolver.last.with_mapping);
	asked = asked_body(asked_last(&first, COAP_REQUEST_PUT, "mitigate", 0));
	assert_int_equal(asked->scope.source_ports, 1);
	assert_int_equal(asked->scope.source_port[0].lower, 1025);
	assert_int_equal(asked->scope.protocols, 1);
	mitigation_bodies_free(asked, 1);
}

static void test_home_then_box(void **)
{
	relay_to(RELAY_HOME_THEN_BOX);
	dial(&first);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	pass(CONFIRM + 1);
	assert_int_equal(rules(), 0);
	assert_int_equal(relay_counters(relay)->confirmed, 1);
	assert_int_equal(relay_counters(relay)->stepped_in, 0);
}

static void test_absent(void **)
{
	relay_to(RELAY_HOME_THEN_BOX);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	settle();
	assert_int_equal(rules(), 1);
}

// with the policy home a home that is away is waited for, and the status says so
static void test_absent_alone(void **)
{
	relay_to(RELAY_HOME);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	pass(CONFIRM + 1);
	assert_int_equal(rules(), 0);
	assert_int_equal(status()->status, STATUS_IN_PROGRESS);
	dial(&first);
	assert_int_equal(asked_count(&first, COAP_REQUEST_PUT, "mitigate"), 1);
}

static void test_late(void **)
{
	relay_to(RELAY_HOME_THEN_BOX);
	dial(&first);
	first.mute = true;
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	pass(CONFIRM - 1);
	assert_int_equal(rules(), 0);
	pass(2);
	assert_int_equal(rules(), 1);
	assert_int_equal(relay_counters(relay)->stepped_in, 1);
}

static void test_refused(void **)
{
	relay_to(RELAY_HOME_THEN_BOX);
	dial(&first);
	first.put_code = 409;
	first.put_body.conflict.cause = CAUSE_LEGITIMATE_TRAFFIC;
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	settle();
	assert_int_equal(rules(), 1);
	assert_int_equal(relay_counters(relay)->refused, 1);
	assert_int_equal(
		ask(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID "/mid=1", NULL, 0), 202);
	assert_int_equal(asked_count(&first, COAP_REQUEST_DELETE, "mitigate"), 0);
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

static void relay_with(enum relay_policy policy, struct measure measure)
{
	struct dots_upstream config = upstream_config(&one);

	config.relay = policy;
	config.measure = measure;
	upstream_connect(&one, &config);
}

// The box steps in with what it is to do, whatever that is
static void test_action(void **)
{
	static const struct measure measure[] = {
		{ACL_RATE_LIMIT, 8000}, {ACL_REDIRECT}, {ACL_QUARANTINE}};

	dial(&first);
	first.put_code = 400;
	for (unsigned i = 0; i < ARRAY_LEN(measure); i++) {
		relay_with(RELAY_HOME_THEN_BOX, measure[i]);
		assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
		settle();
		assert_int_equal(relay_counters(relay)->stepped_in, i + 1);
		assert_int_equal(action(), measure[i].action);
		dots_remove(dots, "one", true);
		settle();
	}
}

// No home hears of what is inspected, before it is found to be an attack
static void test_inspection(void **)
{
	struct inspection inspection = {.thresholds = {.packets = 10, .window = 2},
		.time = 60,
		.confirmed = {ACL_BLOCK},
		.act = true};
	uint32_t slot = 0;

	dots_inspect(dots, &inspection);
	relay_with(RELAY_HOME, (struct measure){ACL_INSPECT});
	dial(&first);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	pass(3);
	assert_int_equal(action(), ACL_INSPECT);
	assert_int_equal(asked_count(&first, COAP_REQUEST_PUT, "mitigate"), 0);
	while (!acl_get(acl, slot))
		slot++;
	for (unsigned i = 0; i < 100; i++)
		acl_hit(acl, 0, slot, 60);
	pass(3);
	assert_int_equal(rules(), 0);
	assert_int_equal(asked_count(&first, COAP_REQUEST_PUT, "mitigate"), 1);
}

// Homes are let go while the upstream is suspended, and asked again afterwards
static void test_suspended(void **)
{
	struct err err;

	relay_to(RELAY_HOME);
	dial(&first);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	settle();
	assert_int_equal(dots_suspend(dots, "one", true, &err), 0);
	settle();
	assert_int_equal(asked_count(&first, COAP_REQUEST_DELETE, "mitigate"), 1);
	assert_int_equal(status()->status, STATUS_EXCEEDED);
	assert_int_equal(action(), ACL_COUNT);
	assert_int_equal(dots_suspend(dots, "one", false, &err), 0);
	settle();
	assert_int_equal(asked_count(&first, COAP_REQUEST_PUT, "mitigate"), 2);
	assert_int_equal(rules(), 0);
}

// MR-33: where the home alone decides, the upstream is told what it says
static void test_legitimate_at_home(void **)
{
	relay_to(RELAY_HOME);
	dial(&first);
	first.put_code = 409;
	first.put_body.conflict.cause = CAUSE_LEGITIMATE_TRAFFIC;
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	settle();
	assert_int_equal(rules(), 0);
	assert_int_equal(status()->status, STATUS_WITHDRAWN);
	assert_int_equal(status()->conflict.cause, CAUSE_LEGITIMATE_TRAFFIC);
}

// a session that is lost in the middle: a home that is back in time goes on, else the box steps in
static void test_lost(void **)
{
	relay_to(RELAY_HOME_THEN_BOX);
	dial(&first);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	settle();
	fake_cut(fake_other_end(first.transport), "cut");
	pass(CONFIRM - 1);
	dial(&first);
	pass(CONFIRM + 1);
	assert_int_equal(rules(), 0);
	fake_cut(fake_other_end(first.transport), "cut");
	pass(CONFIRM + 1);
	assert_int_equal(rules(), 1);
	// the box stays, and the home is told when it is over
	dial(&first);
	assert_int_equal(rules(), 1);
	assert_int_equal(
		ask(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID "/mid=1", NULL, 0), 202);
	settle();
	assert_non_null(asked_last(&first, COAP_REQUEST_DELETE, "mitigate", 0));
}

// one request, two subscribers: each home its own, counters in one sum, and the worst of the statuses
static void test_fan_out(void **)
{
	struct mitigation_body dropping = {.status = STATUS_MITIGATED,
		.start = 1,
		.has_dropped = true,
		.dropped = {.packets = 7, .bytes = 700}};
	uint8_t body[512];
	struct message m = message_make(COAP_REQUEST_PUT);
	struct ipprefix source, target;
	struct port_range ports[] = {{1024, 1024}, {2048, 2050}};
	struct mitigation_body request = {.has_lifetime = true,
		.lifetime = 600,
		.scope = {.source = &source,
			.sources = 1,
			.target = &target,
			.targets = 1,
			.source_port = ports,
			.source_ports = 2}};
	struct mitigation_body *asked;
	char text[IPPREFIX_TEXT];
	int length;

	ipprefix_parse("203.0.113.7/32", &source, NULL);
	ipprefix_parse("198.51.100.10/32", &target, NULL);
	relay_to(RELAY_HOME_THEN_BOX);
	dial(&first);
	dial(&second);
	length = codec_write_mitigations(&request, 1, body, sizeof(body));
	m.content_format = 271;
	assert_int_equal(
		ask_with(&one, &m, "mitigate/cuid=" CUID "/mid=1", body, (size_t)length), 201);
	settle();
	asked = asked_body(asked_last(&second, COAP_REQUEST_PUT, "mitigate", 0));
	assert_string_equal(ipprefix_format(&asked->scope.source[0], text), "100.64.0.2/32");
	mitigation_bodies_free(asked, 1);
	assert_int_equal(asked_count(&first, COAP_REQUEST_PUT, "mitigate"), 1);
	homestead_notify(&first, &dropping);
	homestead_notify(&second, &dropping);
	pass(2);
	assert_int_equal(status()->status, STATUS_MITIGATED);
	assert_int_equal(status()->dropped.packets, 14);
	// one is lost: the other's rule is not the box's affair
	fake_cut(fake_other_end(second.transport), "cut");
	pass(2);
	assert_int_equal(status()->status, STATUS_IN_PROGRESS);
	pass(CONFIRM);
	assert_int_equal(rules(), 1);
	assert_int_equal(
		ask(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID "/mid=1", NULL, 0), 202);
	pass(1);
	assert_int_equal(rules(), 0);
	assert_int_equal(asked_count(&first, COAP_REQUEST_DELETE, "mitigate"), 1);
}

// lifetimes and efficacy reach the home
static void test_refresh(void **)
{
	struct attack longer = attack, update = attack;
	struct mitigation_body *body;

	relay_to(RELAY_HOME);
	dial(&first);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	longer.lifetime = 1200;
	assert_int_equal(mitigate(&one, CUID, 1, longer), 204);
	settle();
	body = asked_body(asked_last(&first, COAP_REQUEST_PUT, "mitigate", 0));
	assert_int_equal(body->lifetime, 1200);
	mitigation_bodies_free(body, 1);
	update.attack_status = ATTACK_UNDER_WAY;
	assert_int_equal(mitigate(&one, CUID, 1, update), 204);
	settle();
	assert_true(asked_last(&first, COAP_REQUEST_PUT, "mitigate", 0)->efficacy);
	// both ends let go of it by themselves
	pass(601);
	assert_null(asked_last(&first, COAP_REQUEST_DELETE, "mitigate", 0));
}

// GW-03 (RFC 8768): counted down on the way, refused when it is used up
static void test_hop_limit(void **)
{
	struct message m = message_make(COAP_REQUEST_PUT);
	uint8_t body[512];
	int length = attack_body(attack, body, sizeof(body));

	relay_to(RELAY_HOME);
	dial(&first);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	settle();
	assert_int_equal(asked_last(&first, COAP_REQUEST_PUT, "mitigate", 0)->hop_limit, 15);
	m.content_format = 271;
	m.hop_limit = 1;
	assert_int_equal(
		ask_with(&one, &m, "mitigate/cuid=" CUID "/mid=2", body, (size_t)length), 508);
	m = message_make(COAP_REQUEST_PUT);
	m.content_format = 271;
	m.hop_limit = 3;
	assert_int_equal(
		ask_with(&one, &m, "mitigate/cuid=" CUID "/mid=2", body, (size_t)length), 201);
	settle();
	assert_int_equal(asked_last(&first, COAP_REQUEST_PUT, "mitigate", 0)->hop_limit, 2);
}

// the configuration loses the home: the box steps in
static void test_home_removed(void **)
{
	struct homes_setup setup = {.credentials = {.certificate = "box.example"},
		.listener = &listener,
		.listeners = 1,
		.drop = {.failures = 3, .window_ns = 1, .duration_ns = 1, .len4 = 32, .len6 = 64},
		.request_rate = 1000};
	struct err err;

	relay_to(RELAY_HOME_THEN_BOX);
	dial(&first);
	assert_int_equal(mitigate(&one, CUID, 1, attack), 201);
	settle();
	assert_int_equal(homes_configure(homes, &setup, &err), 0);
	settle();
	assert_int_equal(rules(), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_box),
		TEST(test_home),
		TEST(test_inside_port),
		TEST(test_home_then_box),
		TEST(test_absent),
		TEST(test_absent_alone),
		TEST(test_late),
		TEST(test_refused),
		TEST(test_action),
		TEST(test_inspection),
		TEST(test_suspended),
		TEST(test_legitimate_at_home),
		TEST(test_lost),
		TEST(test_fan_out),
		TEST(test_refresh),
		TEST(test_hop_limit),
		TEST(test_home_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
