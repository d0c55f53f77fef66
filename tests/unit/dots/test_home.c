// SPDX-License-Identifier: BSD-3-Clause

// The box as Call Home DOTS client of homes (RFC 9066 section 5, RFC 9132 section 4.4): who is let in,
// what is asked when, and what the answers lead to. Rule numbers are those of tests/dots/conformance.md.

#include "base/bits.h"
#include "base/clock.h"
#include "dots/home.h"
#include "dots/homes.h"

#include "homestead.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BOX  "100.64.0.1"
#define CUID "dz6pHjaADkaFTbjr0JGBpw"
#define PORT 4647

static struct evloop *loop;
static struct homes *homes;
static struct homestead one, two;
static unsigned changes;

static const struct homes_listener listeners[] = {
	{.addr = {4, {100, 64, 0, 1}}, .port = PORT, .kind = TRANSPORT_DTLS},
	{.addr = {4, {100, 64, 0, 1}}, .port = PORT, .kind = TRANSPORT_TLS},
};

static struct ipprefix subscriber(const char *text)
{
	struct ipprefix prefix;

	assert_int_equal(ipprefix_parse(text, &prefix, NULL), 0);
	return prefix;
}

static struct home *home_of(const char *text, uint16_t instance)
{
	struct ipprefix prefix = subscriber(text);
	struct subkey key = subkey_of(&prefix, instance);

	return homes_of(homes, &key);
}

static struct homes_home configured[2];

static struct homes_setup setup_of(unsigned count)
{
	configured[0] = (struct homes_home){
		.name = "one", .identity = "One.Example", .subscriber = subscriber("100.64.0.10")};
	configured[1] = (struct homes_home){
		.name = "two", .identity = "two.example", .subscriber = subscriber("100.64.0.11")};
	return (struct homes_setup){
		.credentials = {.certificate = "box.example"},
		.listener = listeners,
		.listeners = ARRAY_LEN(listeners),
		.home = configured,
		.homes = count,
		.drop = {.failures = 3,
			.window_ns = 60 * CLOCK_SECOND,
			.duration_ns = 300 * CLOCK_SECOND,
			.len4 = 32,
			.len6 = 64},
		.request_rate = 1000,
	};
}

static int set_up(void **)
{
	struct homes_setup setup = setup_of(2);
	struct err err;

	if (!clock_is_held())
		clock_hold();
	loop = evloop_new();
	fake_reset(loop);
	homes = homes_new(loop);
	assert_non_null(homes);
	if (homes_configure(homes, &setup, &err) < 0)
		fail_msg("%s", err.text);
	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
	one.name = "one.example";
	one.addr = "100.64.0.10";
	two.name = "two.example";
	two.addr = "100.64.0.11";
	changes = 0;
	return 0;
}

static int tear_down(void **)
{
	homes_free(homes);
	homestead_end(&one);
	homestead_end(&two);
	fake_reset(loop);
	evloop_free(loop);
	fake_reset(NULL);
	return 0;
}

static void settle(void)
{
	for (unsigned i = 0; i < 20; i++)
		evloop_turn(loop, 0);
}

static void pass(unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 20; i++) {
		clock_advance(CLOCK_SECOND / 20);
		for (unsigned turn = 0; turn < 6; turn++)
			evloop_turn(loop, 0);
	}
}

static void dial(struct homestead *h)
{
	homestead_dial(h, loop, BOX, PORT, TRANSPORT_DTLS);
}

static struct dots_homes_counters count(void)
{
	struct dots_homes_counters c;

	homes_count(homes, &c);
	return c;
}

static void on_changed(void *, struct order *)
{
	changes++;
}

// An order for `targets` prefixes and a lifetime in seconds.
static struct order *order_for(const char *who, unsigned targets, uint64_t lifetime)
{
	struct scope scope = {
		.target = calloc(targets, sizeof(*scope.target)),
		.targets = targets,
		.source = calloc(1, sizeof(*scope.source)),
		.sources = 1,
	};
	struct order *order;

	for (unsigned i = 0; i < targets; i++) {
		char text[IPPREFIX_TEXT];

		snprintf(text, sizeof(text), "2001:db8:1234:5678:9abc:def0:%x:0/112", i + 1);
		ipprefix_parse(targets == 1 ? "198.51.100.10/32" : text, &scope.target[i], NULL);
	}
	ipprefix_parse(who, &scope.source[0], NULL);
	order = order_new(&scope);
	if (!order) {
		scope_free(&scope);
		return NULL;
	}
	order->ends = clock_now() + lifetime * CLOCK_SECOND;
	order->changed = on_changed;
	assert_int_equal(home_order(home_of(who, 0), order), 0);
	settle();
	return order;
}

// ------------------------------------------------------------------ who is let in

static void test_known_home(void **)
{
	dial(&one);
	assert_int_equal(one.sessions, 1);
	assert_int_equal(count().ready, 1);
	homestead_dial(&two, loop, BOX, PORT, TRANSPORT_TLS);
	assert_int_equal(count().ready, 2);
}

// CH-05: a valid certificate that is nobody's, and one that comes from somebody else's address
static void test_strangers(void **)
{
	one.name = "three.example";
	dial(&one);
	assert_int_equal(one.sessions, 0);
	assert_int_equal(count().unknown, 1);
	one.name = "one.example";
	one.addr = "100.64.0.11";
	dial(&one);
	assert_int_equal(one.sessions, 0);
	assert_int_equal(count().misplaced, 1);
}

static void take_row(void *ctx, const struct dots_home_row *row)
{
	struct dots_home_row *out = ctx;

	*out = *row;
}

// CH-08: an identity is a home's as it stands, and no name of a certificate stands for it, nor the other
// way round
static void test_psk(void **)
{
	struct homes_setup setup = setup_of(2);
	struct dots_home_row row = {0};
	struct err err;

	configured[0].identity = "home-1";
	configured[0].kind = HOME_BY_PSK;
	assert_int_equal(homes_configure(homes, &setup, &err), 0);
	one.name = "home-1";
	dial(&one);
	assert_int_equal(count().unknown, 1);
	one.psk = true;
	one.name = "HOME-1";
	dial(&one);
	assert_int_equal(count().unknown, 2);
	one.name = "two.example";
	one.addr = "100.64.0.11"; // for one address may fail only so often
	dial(&one);
	assert_int_equal(count().unknown, 3);
	assert_int_equal(one.sessions, 0);
	one.addr = "100.64.0.10";
	one.name = "home-1";
	dial(&one);
	assert_int_equal(count().ready, 1);
	// what the box calls itself is made of what both call the home
	homes_list(homes, "one", take_row, &row);
	assert_int_equal(row.kind, HOME_BY_PSK);
	assert_string_equal(row.identity, "home-1");
	assert_string_equal(row.cuid, "-x6802yesa__6P87_urczA");
}

static void test_any_source(void **)
{
	struct homes_setup setup = setup_of(2);
	struct err err;

	configured[0].any_source = true;
	assert_int_equal(homes_configure(homes, &setup, &err), 0);
	one.addr = "192.0.2.99";
	dial(&one);
	assert_int_equal(count().ready, 1);
}

// CH-11: who fails again and again is not listened to, for a while
static void test_drop_list(void **)
{
	one.name = "three.example";
	for (unsigned i = 0; i < 3; i++)
		dial(&one);
	assert_int_equal(count().unknown, 3);
	one.name = "one.example";
	dial(&one);
	assert_int_equal(one.sessions, 0);
	assert_string_equal(one.why.text, "not admitted");
	pass(301);
	dial(&one);
	assert_int_equal(one.sessions, 1);
}

// a home has one session: the one it has dialled last
static void test_newer_session(void **)
{
	dial(&one);
	dial(&one);
	assert_int_equal(one.sessions, 2);
	assert_int_equal(count().ready, 1);
	assert_non_null(one.exchange);
}

static void test_reload_keeps_sessions(void **)
{
	struct homes_setup setup = setup_of(2);
	struct err err;

	dial(&one);
	dial(&two);
	setup.homes = 1;
	assert_int_equal(homes_configure(homes, &setup, &err), 0);
	settle();
	assert_int_equal(count().ready, 1);
	assert_non_null(one.exchange);
	assert_null(two.exchange);
}

// ------------------------------------------------------------------ the session

// CH-16, CF-08: GET /config comes first, as a CON, and orders wait for its answer
static void test_config_first(void **)
{
	fake_faults[FAKE_TO_LISTENER].drop = 1; // the answer is lost
	dial(&one);
	order_for("100.64.0.10", 1, 600);
	assert_int_equal(one.asks, 1);
	assert_string_equal(one.asked[0].path, "config");
	assert_int_equal(one.asked[0].code, COAP_REQUEST_GET);
	assert_int_equal(one.asked[0].type, COAP_MESSAGE_CON);
	pass(4);
	assert_non_null(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 0));
}

// CF-04: the home's heartbeat interval is in force, that of the other set while it has an order
static void test_heartbeats(void **)
{
	struct order *order;

	one.heartbeat_interval = 20;
	dial(&one);
	pass(61);
	assert_int_equal(one.heartbeats, 3);
	order = order_for("100.64.0.10", 1, 3600);
	pass(81);
	assert_int_equal(one.heartbeats, 5);
	home_withdraw(order);
	settle();
}

// CF-05: asked for again before it is stale, but not during an attack
static void test_config_refresh(void **)
{
	struct order *order;

	one.config_max_age = 100;
	dial(&one);
	pass(85);
	assert_int_equal(asked_count(&one, COAP_REQUEST_GET, "config"), 2);
	order = order_for("100.64.0.10", 1, 3600);
	pass(200);
	assert_int_equal(asked_count(&one, COAP_REQUEST_GET, "config"), 2);
	home_withdraw(order);
	pass(5);
	assert_int_equal(asked_count(&one, COAP_REQUEST_GET, "config"), 3);
}

// CH-21: an attack fills the home's uplink, so silence is no loss as long as it lasts; else it is
static void test_silence(void **)
{
	struct order *order;

	dial(&one);
	order = order_for("100.64.0.10", 1, 3600);
	fake_faults[FAKE_TO_LISTENER].blackhole = true;
	pass(17 * 30);
	assert_int_equal(count().ready, 1);
	fake_faults[FAKE_TO_LISTENER].blackhole = false;
	home_withdraw(order);
	pass(40);
	assert_int_equal(count().orders, 0);
	fake_faults[FAKE_TO_LISTENER].blackhole = true;
	pass(17 * 30);
	assert_int_equal(count().ready, 0);
}

static unsigned refused;

static void on_refusal(void *, const struct answer *answer)
{
	refused = answer->message ? answer->message->code : 0;
}

// a client has no mitigations to be asked about
static void test_nothing_but_heartbeats(void **)
{
	struct message m = message_make(COAP_REQUEST_GET);
	struct call call = {.timeout_ns = CLOCK_SECOND, .once = true, .fn = on_refusal};

	dial(&one);
	message_add_path(&m, ".well-known");
	message_add_path(&m, "dots");
	message_add_path(&m, "mitigate");
	assert_int_equal(exchange_call(one.exchange, &m, &call), 0);
	settle();
	assert_int_equal(refused, COAP_RESPONSE_CODE(404));
}

// ------------------------------------------------------------------ orders

// MR-01, MR-28, GW-02, GW-04: a NON with our own cuid, no cdid, source, target and lifetime
static void test_put(void **)
{
	const struct asked *put;
	struct mitigation_body *body;
	struct order *order;
	char text[IPPREFIX_TEXT];

	dial(&one);
	order = order_for("100.64.0.10", 1, 600);
	put = asked_last(&one, COAP_REQUEST_PUT, "mitigate/cuid=" CUID "/mid=", 0);
	assert_non_null(put);
	assert_int_equal(put->type, COAP_MESSAGE_NON);
	body = asked_body(put);
	assert_int_equal(body->lifetime, 600);
	assert_int_equal(body->scope.sources, 1);
	assert_string_equal(ipprefix_format(&body->scope.source[0], text), "100.64.0.10/32");
	assert_int_equal(body->scope.targets, 1);
	assert_false(body->trigger_off); // MR-06
	mitigation_bodies_free(body, 1);
	assert_int_equal(order_state(order), ORDER_CONFIRMED);
	assert_true(changes > 0);
	// OB-01: and observed
	assert_int_equal(asked_last(&one, COAP_REQUEST_GET, "mitigate", 0)->observe, 0);
	// OB-06: withdrawn with a deregistration, and then there is nothing left
	home_withdraw(order);
	settle();
	assert_non_null(asked_last(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID, 0));
	assert_int_equal(asked_last(&one, COAP_REQUEST_GET, "mitigate", 0)->observe, 1);
	assert_int_equal(count().orders, 0);
}

// MR-26: before three quarters of what was granted are over, with all attributes and the same mid
static void test_refresh(void **)
{
	struct mitigation_body *first, *second;

	dial(&one);
	one.granted = 100;
	order_for("100.64.0.10", 1, 250);
	pass(74);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 1);
	pass(3);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 2);
	first = asked_body(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 1));
	second = asked_body(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 0));
	assert_string_equal(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 1)->path,
		asked_last(&one, COAP_REQUEST_PUT, "mitigate", 0)->path);
	assert_true(scope_equal(&first->scope, &second->scope));
	assert_int_equal(second->lifetime, 175);
	mitigation_bodies_free(first, 1);
	mitigation_bodies_free(second, 1);
}

// A home that grants nothing, or next to nothing, is not asked for more all the time
static void test_grants_nothing(void **)
{
	dial(&one);
	one.granted = 1;
	order_for("100.64.0.10", 1, 600);
	pass(30);
	assert_in_range(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 9, 11);
}

// MR-38: what is not answered is repeated once in 3 s, and not given up
static void test_pace(void **)
{
	dial(&one);
	one.mute = true;
	order_for("100.64.0.10", 1, 600);
	pass(30);
	assert_in_range(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 9, 11);
	one.mute = false;
	pass(4);
	assert_int_equal(asked_last(&one, COAP_REQUEST_GET, "mitigate", 0)->observe, 0);
}

// MR-27: mids grow, and begin anew at three quarters of their range when no attack is on
static void test_mids(void **)
{
	struct home *home = home_of("100.64.0.10", 0);
	struct order *first, *second;
	uint32_t mid;

	dial(&one);
	first = order_for("100.64.0.10", 1, 600);
	mid = first->part[0].mid;
	assert_true(mid > 1700000000); // goes on from before a restart
	home->next_mid = 3221225471u;
	second = order_for("100.64.0.10", 1, 600);
	assert_int_equal(second->part[0].mid, 3221225471u);
	home_withdraw(first);
	home_withdraw(second);
	settle();
	assert_int_equal(order_for("100.64.0.10", 1, 600)->part[0].mid, 0);
}

// SZ-01: what does not fit a datagram goes in several requests, and all of them together are confirmed
static void test_split(void **)
{
	struct order *order;
	unsigned targets = 0;

	dial(&one);
	order = order_for("100.64.0.10", 120, 600);
	pass(2);
	assert_true(order->parts > 1);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), order->parts);
	for (unsigned i = 0; i < order->parts; i++) {
		const struct asked *put = asked_last(&one, COAP_REQUEST_PUT, "mitigate", i);
		struct mitigation_body *body = asked_body(put);

		assert_true(put->size <= ORDER_BODY_MAX);
		targets += body->scope.targets;
		mitigation_bodies_free(body, 1);
	}
	assert_int_equal(targets, 120);
	assert_int_equal(order_state(order), ORDER_CONFIRMED);
	assert_null(order_for("100.64.0.10", 250 * 8, 600));
}

// OB-07: a new session gets the requests and the observations again
static void test_reconnect(void **)
{
	struct order *order;
	uint32_t mid;

	dial(&one);
	order = order_for("100.64.0.10", 1, 600);
	mid = order->part[0].mid;
	fake_cut(fake_other_end(one.transport), "cut");
	settle();
	assert_int_equal(count().ready, 0);
	dial(&one);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 2);
	assert_int_equal(asked_mid(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 0)), mid);
	assert_int_equal(asked_count(&one, COAP_REQUEST_GET, "mitigate"), 2);
}

// What was withdrawn while the home was away is withdrawn when it is back, if it still has it.
static void test_withdrawn_while_away(void **)
{
	struct order *order;

	dial(&one);
	order = order_for("100.64.0.10", 1, 600);
	fake_cut(fake_other_end(one.transport), "cut");
	settle();
	home_withdraw(order);
	dial(&one);
	assert_int_equal(asked_count(&one, COAP_REQUEST_DELETE, "mitigate"), 1);
	order = order_for("100.64.0.10", 1, 600);
	fake_cut(fake_other_end(one.transport), "cut");
	settle();
	home_withdraw(order);
	pass(601);
	assert_int_equal(count().orders, 0);
}

// A status of 1 in the answer: the home asks for consent (RFC 9066 section 5.3.1).
static void test_consent(void **)
{
	struct mitigation_body status = {.status = STATUS_MITIGATED,
		.start = 1,
		.has_dropped = true,
		.dropped = {.packets = 7, .bytes = 700}};
	struct order *order;

	dial(&one);
	one.put_body.status = STATUS_IN_PROGRESS;
	order = order_for("100.64.0.10", 1, 600);
	assert_int_equal(order_state(order), ORDER_QUEUED);
	homestead_notify(&one, &status);
	assert_int_equal(order_state(order), ORDER_CONFIRMED);
	assert_true(order_mitigates(order));
	assert_int_equal(order_dropped(order).packets, 7);
}

// MR-34: legitimate traffic is not asked for again, whether said at once or later
static void test_legitimate(void **)
{
	struct mitigation_body status = {
		.status = STATUS_WITHDRAWN, .start = 1, .conflict.cause = CAUSE_LEGITIMATE_TRAFFIC};
	struct order *order;

	dial(&one);
	one.put_code = 409;
	one.put_body.conflict.cause = CAUSE_LEGITIMATE_TRAFFIC;
	order = order_for("100.64.0.10", 1, 600);
	assert_int_equal(order_state(order), ORDER_REFUSED);
	assert_true(order->legitimate);
	pass(100);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 1);
	dial(&two);
	order = order_for("100.64.0.11", 1, 600);
	assert_int_equal(order_state(order), ORDER_CONFIRMED);
	homestead_notify(&two, &status);
	assert_int_equal(order_state(order), ORDER_REFUSED);
	assert_true(order->legitimate);
}

// MR-30: somebody else has our cuid there
static void test_cuid_collision(void **)
{
	const struct asked *put;
	struct order *order;

	dial(&one);
	one.put_code = 409;
	one.put_body.conflict.cause = CAUSE_CUID_COLLISION;
	order = order_for("100.64.0.10", 1, 600);
	put = asked_last(&one, COAP_REQUEST_PUT, "mitigate", 0);
	assert_null(strstr(put->path, CUID));
	assert_int_equal(strlen("mitigate/cuid=") + 22, strrchr(put->path, '/') - put->path);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 2);
	assert_int_equal(order_state(order), ORDER_REFUSED); // twice is too much
}

// a request of before a restart is in the way: the same with a higher mid
static void test_overlap(void **)
{
	uint32_t first;

	dial(&one);
	one.put_code = 409;
	one.put_body.conflict.cause = CAUSE_OVERLAPPING_TARGETS;
	order_for("100.64.0.10", 1, 600);
	first = asked_mid(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 3));
	assert_int_equal(asked_mid(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 0)), first + 3);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 4);
}

// CH-25 and 5.03: tried again when the home says so, and nobody goes anywhere else
static void test_busy(void **)
{
	struct order *order;

	dial(&one);
	one.put_code = 503;
	one.max_age = 45;
	order = order_for("100.64.0.10", 1, 600);
	pass(40);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 1);
	one.put_code = 0;
	pass(10);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 2);
	assert_int_equal(order_state(order), ORDER_CONFIRMED);
}

static void test_refused(void **)
{
	struct order *order;

	dial(&one);
	one.put_code = 400;
	order = order_for("100.64.0.10", 1, 600);
	assert_int_equal(order_state(order), ORDER_REFUSED);
	pass(100);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 1);
}

// the home has lost it, and is asked anew
static void test_forgotten(void **)
{
	dial(&one);
	one.observe_code = 404;
	order_for("100.64.0.10", 1, 600);
	one.observe_code = 0;
	pass(40);
	assert_int_equal(asked_count(&one, COAP_REQUEST_PUT, "mitigate"), 2);
	assert_int_equal(asked_count(&one, COAP_REQUEST_GET, "mitigate"), 2);
}

// MR-45: an efficacy update has an empty If-Match and an attack-status
static void test_efficacy(void **)
{
	struct mitigation_body *body;
	struct order *order;

	dial(&one);
	order = order_for("100.64.0.10", 1, 600);
	home_reorder(order, order->ends, ATTACK_UNDER_WAY);
	settle();
	assert_true(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 0)->efficacy);
	body = asked_body(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 0));
	assert_int_equal(body->attack_status, ATTACK_UNDER_WAY);
	mitigation_bodies_free(body, 1);
}

// a longer lifetime reaches the home in time, a shorter one needs no message until it is over
static void test_lifetime_changes(void **)
{
	struct order *order;
	struct mitigation_body *body;

	dial(&one);
	order = order_for("100.64.0.10", 1, 100);
	home_reorder(order, clock_now() + 1000 * CLOCK_SECOND, 0);
	settle();
	body = asked_body(asked_last(&one, COAP_REQUEST_PUT, "mitigate", 0));
	assert_int_equal(body->lifetime, 1000);
	mitigation_bodies_free(body, 1);
}

// one home asks for no more than its share at a time, and there is an end to what it may have
static void test_bounds(void **)
{
	struct home *home = home_of("100.64.0.10", 0);
	struct scope scope = {.target = calloc(1, sizeof(*scope.target)), .targets = 1};
	struct order *order;

	ipprefix_parse("198.51.100.10", &scope.target[0], NULL);
	dial(&one);
	one.mute = true;
	for (unsigned i = 0; i < HOME_ORDERS; i++)
		order_for("100.64.0.10", 1, 600);
	assert_int_equal(home->in_flight, HOME_IN_FLIGHT);
	order = order_new(&scope);
	assert_int_equal(home_order(home, order), -ENOBUFS);
	order_free(order);
}

// all homes together are asked at a pace
static void test_rate(void **)
{
	struct homes_setup setup = setup_of(2);
	struct err err;

	setup.request_rate = 2;
	assert_int_equal(homes_configure(homes, &setup, &err), 0);
	dial(&one);
	for (unsigned i = 0; i < 5; i++)
		order_for("100.64.0.10", 1, 600);
	pass(2);
	// two a second: what was asked and what is observed
	assert_in_range(one.asks, 4, 7);
	pass(10);
	assert_int_equal(asked_count(&one, COAP_REQUEST_GET, "mitigate"), 5);
}

// One home for a subscriber of whatever services he has, by the longest prefix that is his
static void test_prefixes(void **)
{
	struct homes_setup setup = setup_of(2);
	struct err err;

	configured[0].subscriber = subscriber("2001:db8:1::/56");
	configured[1].subscriber = subscriber("2001:db8:1:1::c000:205/128");
	assert_int_equal(homes_configure(homes, &setup, &err), 0);
	assert_string_equal(home_of("2001:db8:1::/56", 3)->name, "one"); // behind an AFTR
	assert_string_equal(home_of("2001:db8:1::/56", SUBKEY_NATIVE)->name, "one");
	assert_string_equal(home_of("2001:db8:1:2::/64", 1)->name, "one"); // behind NAT64
	assert_string_equal(home_of("2001:db8:1:1::5", SUBKEY_SOFTWIRE)->name, "one");
	assert_string_equal(home_of("2001:db8:1:1::c000:205", SUBKEY_SOFTWIRE)->name, "two");
	assert_null(home_of("2001:db8:1:100::/56", SUBKEY_NATIVE));
	assert_null(home_of("2001:db8::/32", SUBKEY_NATIVE)); // more than the home's
	assert_null(home_of("32.1.13.184", 0));
}

// CH-05: over IPv6 a home comes from its prefix, and from nowhere else
static void test_own_prefix(void **)
{
	struct homes_setup setup = setup_of(1);
	struct err err;

	configured[0].subscriber = subscriber("2001:db8:1::/56");
	assert_int_equal(homes_configure(homes, &setup, &err), 0);
	one.addr = "2001:db8:1:100::1";
	dial(&one);
	assert_int_equal(one.sessions, 0);
	assert_int_equal(count().misplaced, 1);
	one.addr = "2001:db8:1:ff::1";
	dial(&one);
	assert_int_equal(one.sessions, 1);
	assert_int_equal(count().ready, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_known_home),
		TEST(test_strangers),
		TEST(test_psk),
		TEST(test_any_source),
		TEST(test_prefixes),
		TEST(test_own_prefix),
		TEST(test_drop_list),
		TEST(test_newer_session),
		TEST(test_reload_keeps_sessions),
		TEST(test_config_first),
		TEST(test_heartbeats),
		TEST(test_config_refresh),
		TEST(test_silence),
		TEST(test_nothing_but_heartbeats),
		TEST(test_put),
		TEST(test_refresh),
		TEST(test_grants_nothing),
		TEST(test_pace),
		TEST(test_mids),
		TEST(test_split),
		TEST(test_reconnect),
		TEST(test_withdrawn_while_away),
		TEST(test_consent),
		TEST(test_legitimate),
		TEST(test_cuid_collision),
		TEST(test_overlap),
		TEST(test_busy),
		TEST(test_refused),
		TEST(test_forgotten),
		TEST(test_efficacy),
		TEST(test_lifetime_changes),
		TEST(test_bounds),
		TEST(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
