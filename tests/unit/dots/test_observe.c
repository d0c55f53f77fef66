// SPDX-License-Identifier: BSD-3-Clause

// Observing mitigations (RFC 7641; RFC 9132 section 4.4.2.1).

#include "base/clock.h"
#include "dots/codec.h"
#include "dots/observe.h"

#include "unit.h"
#include "upstream.h"

#include <stdio.h>
#include <string.h>

static const struct attack by_a = {"203.0.113.7/32", 1500, "198.51.100.10/32", 3600, 0};
static const struct attack by_b = {"203.0.113.7/32", 2500, "198.51.100.10/32", 3600, 0};
static struct message registration;
static unsigned not_non; // messages towards the listener that were no NON

static void tap(enum fake_side towards, const uint8_t *data, size_t length)
{
	struct message m;

	if (towards != FAKE_TO_LISTENER || !one.transport ||
		transport_kind(one.transport) != TRANSPORT_DTLS)
		return;
	assert_int_equal(message_parse(&m, TRANSPORT_DTLS, data, length), 0);
	not_non += m.type != COAP_MESSAGE_NON;
}

static int connect_over(void **state, enum transport_kind kind)
{
	struct dots_upstream config;

	world_setup(state);
	config = upstream_config(&one);
	config.transports = 1;
	config.transport[0] = kind;
	upstream_connect(&one, &config);
	fake_tap = tap;
	not_non = 0;
	return 0;
}

static int over_dtls(void **state)
{
	return connect_over(state, TRANSPORT_DTLS);
}

static int over_tls(void **state)
{
	return connect_over(state, TRANSPORT_TLS);
}

static unsigned observers;

static void take_observers(void *, const struct dots_session_row *row)
{
	observers = row->observers;
}

static void count_now(void)
{
	dots_list_sessions(dots, take_observers, NULL);
}

static unsigned observe(const char *path, int32_t value)
{
	if (value == 0)
		registration = message_make(COAP_REQUEST_GET);
	registration.path_count = 0;
	registration.observe = value;
	return ask_with(&one, &registration, path, NULL, 0);
}

// OB-02, OB-03: periodic while the mitigation is in force, each non-confirmable, never two within
// 3 s
static void twenty_notifications(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	assert_true(one.reply.observe != MESSAGE_ABSENT);
	pass(20 * OBSERVE_PERIOD / CLOCK_SECOND + 1);
	assert_int_equal(one.notifications, 20);
	assert_int_equal(not_non, 0);
	for (unsigned i = 1; i < one.notifications; i++)
		assert_true(one.notified_at[i] - one.notified_at[i - 1] >= 3 * CLOCK_SECOND);
	assert_int_equal(answered(&one)->mid, 1);
	assert_int_equal(answered(&one)->lifetime, 3500);
}

// OB-03: a change of status does not wait for the period, but for the 3 s
static void a_change_is_told(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	acl_hit(acl, 0, 0, 1000);
	pass(2);
	assert_int_equal(one.notifications, 0);
	pass(2);
	assert_int_equal(one.notifications, 1);
	assert_int_equal(answered(&one)->status, STATUS_MITIGATED);
	assert_int_equal(answered(&one)->dropped.packets, 1);
}

// The end of a mitigation is told with its final status, and ends the observation
static void the_end_is_told(void **)
{
	struct attack brief = by_a;

	brief.lifetime = 12;
	assert_int_equal(mitigate(&one, CUID, 1, brief), 201);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	pass(17);
	assert_int_equal(one.notifications, 3);
	assert_int_equal(answered(&one)->status, STATUS_TERMINATED);
	assert_int_equal(answered(&one)->lifetime, 0);
	for (unsigned i = 1; i < one.notifications; i++)
		assert_true(one.notified_at[i] - one.notified_at[i - 1] >= 3 * CLOCK_SECOND);
	pass(60);
	assert_int_equal(one.notifications, 3);
}

static void a_withdrawal_is_told(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	assert_int_equal(
		ask(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID "/mid=1", NULL, 0), 202);
	pass(10);
	assert_int_equal(one.notifications, 1);
	assert_int_equal(answered(&one)->status, STATUS_TERMINATED);
}

// All of a client's at once
static void the_list_is_observed(void **)
{
	struct mitigation_body *bodies;
	struct err err;
	unsigned count;

	assert_int_equal(observe("mitigate/cuid=" CUID, 0), 404);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(observe("mitigate/cuid=" CUID, 0), 205);
	assert_int_equal(mitigate(&one, CUID, 2, by_b), 201);
	pass(4);
	assert_int_equal(one.notifications, 1);
	codec_read_mitigations(one.body, one.reply.payload.length, false, &bodies, &count, &err);
	assert_int_equal(count, 2);
	mitigation_bodies_free(bodies, count);
	ask(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID "/mid=1", NULL, 0);
	ask(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID "/mid=2", NULL, 0);
	pass(4);
	// nothing is left to observe (RFC 7641 section 4.2)
	assert_int_equal(one.notifications, 2);
	assert_int_equal(one.reply.code, COAP_RESPONSE_CODE(404));
	pass(20);
	assert_int_equal(one.notifications, 2);
}

// OB-06: GET with Observe 1 under the same token
static void deregistering(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	pass(6);
	assert_int_equal(one.notifications, 1);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 1), 205);
	assert_int_equal(one.reply.observe, MESSAGE_ABSENT);
	pass(30);
	assert_int_equal(one.notifications, 1);
}

// or by rejecting a notification (RFC 7641 section 3.6)
static void a_reset_deregisters(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	exchange_forget(one.exchange, registration.token, registration.token_length);
	count_now();
	assert_int_equal(observers, 1);
	pass(6); // the first is rejected
	count_now();
	assert_int_equal(observers, 0);
	assert_int_equal(one.notifications, 0);
}

// The same token again is the same observer (RFC 7641 section 4.1)
static void registering_twice(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	registration.path_count = 0;
	assert_int_equal(
		ask_with(&one, &registration, "mitigate/cuid=" CUID "/mid=1", NULL, 0), 205);
	pass(6);
	assert_int_equal(one.notifications, 1);
}

static void observers_are_bounded(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	for (unsigned i = 0; i < OBSERVERS_MAX; i++) {
		assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
		assert_true(one.reply.observe != MESSAGE_ABSENT);
		// the client forgets, so that its own table has room
		exchange_forget(one.exchange, registration.token, registration.token_length);
	}
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	assert_int_equal(one.reply.observe, MESSAGE_ABSENT);
	count_now();
	assert_int_equal(observers, OBSERVERS_MAX);
}

// The observers of a session end with it; the mitigation does not
static void a_lost_session_has_no_observers(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	fake_cut(one.transport, "cable cut");
	settle();
	assert_int_equal(one.sessions, 2);
	count_now();
	assert_int_equal(observers, 0);
	pass(20);
	assert_int_equal(one.notifications, 0);
	assert_int_equal(observe("mitigate/cuid=" CUID "/mid=1", 0), 205);
	pass(6);
	assert_int_equal(one.notifications, 1);
}

#define DTLS(test) cmocka_unit_test_setup_teardown(test, over_dtls, world_teardown)
#define TLS(test)  cmocka_unit_test_setup_teardown(test, over_tls, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DTLS(twenty_notifications),
		TLS(twenty_notifications),
		DTLS(a_change_is_told),
		DTLS(the_end_is_told),
		DTLS(a_withdrawal_is_told),
		DTLS(the_list_is_observed),
		DTLS(deregistering),
		TLS(deregistering),
		DTLS(a_reset_deregisters),
		DTLS(registering_twice),
		DTLS(observers_are_bounded),
		DTLS(a_lost_session_has_no_observers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
