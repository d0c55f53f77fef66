// SPDX-License-Identifier: BSD-3-Clause

// The session with an upstream: dialling, heartbeats, loss, dialling again.

#include "base/bits.h"
#include "base/clock.h"
#include "dots/codec.h"

#include "unit.h"
#include "upstream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct attack by_a = {"203.0.113.7/32", 1500, "198.51.100.10/32", 7200, 0};
static struct dots_session_row row;
static char last_error[512];

static void take_row(void *, const struct dots_session_row *shown)
{
	row = *shown;
	snprintf(last_error, sizeof(last_error), "%s", row.last_error ? row.last_error : "");
}

static const char *state(void)
{
	dots_list_sessions(dots, take_row, NULL);
	return row.state;
}

static void add(struct upstream *u)
{
	struct dots_upstream config = upstream_config(u);
	struct err err;

	assert_int_equal(dots_add(dots, &config, &err), 0);
	settle();
}

// A name that no resolver library asks the network about: a label has 63 characters at most.
#define NO_HOST "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.invalid"

// ------------------------------------------------------------------ dialling

static void dtls_first(void **)
{
	add(&one);
	assert_string_equal(state(), "up");
	assert_string_equal(row.transport, "dtls");
	assert_string_equal(row.peer_name, "one.example");
	assert_int_equal(row.peer_port, DOTS_PORT);
	assert_int_equal(row.sessions, 1);
	assert_int_equal(row.certificate_end, 4102444800);
	assert_int_equal(row.ca_end, 4102444801);
	assert_int_equal(row.peer_end, 4102444802);
	assert_int_equal(fake_dials[TRANSPORT_TLS], 0);
}

static void tls_if_dtls_fails(void **)
{
	fake_faults[FAKE_TO_LISTENER].refuse_dtls = true;
	add(&one);
	assert_string_equal(state(), "up");
	assert_string_equal(row.transport, "tls");
	assert_int_equal(row.failures, 1);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
}

// The session that stands is left alone, and so is a race that is being run
static void new_credentials(void **)
{
	const struct credentials_files files = upstream_config(&one).credentials;
	struct err err;

	add(&one);
	assert_int_equal(dots_renew(dots, "one", &files, &err), 0);
	settle();
	assert_string_equal(state(), "up");
	assert_int_equal(row.sessions, 1);
	fake_faults[FAKE_TO_LISTENER].swallow_dials = true;
	add(&two);
	assert_int_equal(dots_renew(dots, "two", &files, &err), 0);
	fake_faults[FAKE_TO_LISTENER].swallow_dials = false;
	pass(1);
	assert_int_equal(two.sessions, 1);
	assert_int_equal(dots_renew(dots, "three", &files, &err), -ENOENT);
	assert_string_equal(err.text, "there is no upstream three");
}

// CH-12: a dial that hangs does not keep the next from being tried
static void a_dial_that_hangs(void **)
{
	fake_faults[FAKE_TO_LISTENER].swallow_dials = true;
	add(&one);
	assert_string_equal(state(), "connecting");
	clock_advance(CLOCK_SECOND / 5);
	settle();
	assert_int_equal(fake_dials[TRANSPORT_TLS], 0);
	fake_faults[FAKE_TO_LISTENER].swallow_dials = false;
	clock_advance(CLOCK_SECOND / 10);
	settle();
	assert_string_equal(state(), "up");
	assert_string_equal(row.transport, "tls");
	// the one that hung is not waited for any more
	pass(11);
	assert_int_equal(row.sessions, 1);
	assert_int_equal(row.failures, 0);
}

// CH-13: what worked is tried first, for ten minutes
static void what_worked_goes_first(void **)
{
	fake_faults[FAKE_TO_LISTENER].refuse_dtls = true;
	add(&one);
	assert_string_equal(state(), "up");
	fake_cut(one.transport, "cable cut");
	settle();
	assert_int_equal(one.sessions, 2);
	assert_int_equal(fake_dials[TRANSPORT_DTLS], 1);
	assert_int_equal(fake_dials[TRANSPORT_TLS], 2);
	pass(601);
	fake_cut(one.transport, "cable cut");
	settle();
	assert_int_equal(one.sessions, 3);
	assert_int_equal(fake_dials[TRANSPORT_DTLS], 2);
}

// CH-13: a session over TLS looks for DTLS again, not more often than is configured, and moves
static void back_to_dtls(void **)
{
	struct dots_upstream config = upstream_config(&one);
	struct err err;

	config.probe_interval = 299;
	assert_int_equal(dots_add(dots, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "299 is below 300 s"));
	config.probe_interval = 300;
	fake_faults[FAKE_TO_LISTENER].refuse_dtls = true;
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	pass(299);
	assert_int_equal(fake_dials[TRANSPORT_DTLS], 1);
	pass(2);
	assert_int_equal(fake_dials[TRANSPORT_DTLS], 2);
	assert_string_equal(state(), "up");
	assert_string_equal(row.transport, "tls");
	fake_faults[FAKE_TO_LISTENER].refuse_dtls = false;
	pass(299);
	assert_string_equal(state(), "up");
	pass(2);
	state();
	assert_string_equal(row.transport, "dtls");
	assert_int_equal(row.sessions, 2);
	assert_int_equal(row.mitigations, 1);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 204);
	pass(700);
	assert_int_equal(fake_dials[TRANSPORT_DTLS], 3);
}

// CH-15: one session for each upstream domain, whatever its addresses, and several domains at once
static void one_session_for_each_domain(void **)
{
	add(&one);
	add(&two);
	assert_int_equal(one.sessions, 1);
	assert_int_equal(two.sessions, 1);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(mitigate(&two, OTHER, 1, by_a), 201);
	fake_cut(one.transport, "cable cut");
	settle();
	assert_int_equal(one.sessions, 2);
	assert_int_equal(two.sessions, 1);
	pass(1000);
	assert_int_equal(one.sessions, 2);
	assert_int_equal(two.sessions, 1);
}

// CH-14: a new round 300 s after one that failed (RFC 9132 section 4.7)
static void rounds_are_300_s_apart(void **)
{
	fake_faults[FAKE_TO_LISTENER].refuse_dtls = true;
	fake_faults[FAKE_TO_LISTENER].refuse_tls = true;
	add(&one);
	assert_string_equal(state(), "waiting");
	assert_string_equal(last_error, "connection refused");
	// and up to a tenth later, so that homes do not come back all at once
	assert_in_range(row.retry_at, clock_unix_ms() / 1000 + 299, clock_unix_ms() / 1000 + 331);
	for (unsigned round = 1; round < 4; round++) {
		assert_int_equal(fake_dials[TRANSPORT_DTLS], round);
		assert_int_equal(fake_dials[TRANSPORT_TLS], round);
		pass(299);
		assert_int_equal(fake_dials[TRANSPORT_DTLS], round);
		for (unsigned i = 0; i < 32 && fake_dials[TRANSPORT_TLS] == round; i++)
			pass(1);
	}
	memset(fake_faults, 0, sizeof(fake_faults));
	pass(331);
	assert_string_equal(state(), "up");
}

static void the_retry_interval_has_a_floor(void **)
{
	struct dots_upstream config = upstream_config(&one);
	struct err err;

	config.retry_interval = 59;
	assert_int_equal(dots_add(dots, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "59 is below 60 s"));
	config.retry_interval = 60;
	fake_faults[FAKE_TO_LISTENER].refuse_dtls = true;
	fake_faults[FAKE_TO_LISTENER].refuse_tls = true;
	assert_int_equal(dots_add(dots, &config, &err), 0);
	pass(59);
	assert_int_equal(fake_dials[TRANSPORT_DTLS], 1);
	pass(8);
	assert_int_equal(fake_dials[TRANSPORT_DTLS], 2);
}

static void configurations_that_are_refused(void **)
{
	struct dots_upstream config = upstream_config(&one);
	struct err err;

	config.peer_name = NULL;
	assert_int_equal(dots_add(dots, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "192.0.2.1 is an address"));
	config = upstream_config(&one);
	config.heartbeat_interval = 14;
	assert_int_equal(dots_add(dots, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not within 15 to 240"));
	config = upstream_config(&one);
	config.credentials.certificate = "missing.pem";
	assert_int_equal(dots_add(dots, &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "missing.pem"));
	add(&one);
	config = upstream_config(&one);
	assert_int_equal(dots_add(dots, &config, &err), -EEXIST);
	assert_int_equal(dots_remove(dots, "three", true), -ENOENT);
	assert_int_equal(dots_remove(dots, "one", true), 0);
	settle();
	assert_null(one.exchange);
}

// CH-04, as far as this layer goes: a peer of another name is no upstream of ours
static void the_peer_has_another_name(void **)
{
	struct dots_upstream config = upstream_config(&one);
	struct err err;

	config.peer_name = "two.example";
	assert_int_equal(dots_add(dots, &config, &err), 0);
	settle();
	assert_string_equal(state(), "waiting");
	assert_non_null(strstr(last_error, "not for two.example"));
	assert_int_equal(one.sessions, 0);
}

// A name is looked up in a thread; the loop hears of it by a descriptor
static void a_host_name_is_resolved(void **)
{
	struct dots_upstream config = upstream_config(&one);
	struct err err;

	config.host = "localhost";
	config.peer_name = NULL;
	assert_int_equal(dots_add(dots, &config, &err), 0);
	assert_string_equal(state(), "resolving");
	while (!strcmp(state(), "resolving"))
		assert_int_equal(evloop_turn(loop, 10000), 0);
	settle();
	// nobody listens there: both transports were tried at each address
	assert_string_equal(state(), "waiting");
	assert_true(fake_dials[TRANSPORT_DTLS] >= 1);
	assert_int_equal(fake_dials[TRANSPORT_DTLS], fake_dials[TRANSPORT_TLS]);
}

static void a_host_name_that_does_not_exist(void **)
{
	struct dots_upstream config = upstream_config(&one);
	struct err err;

	config.host = NO_HOST;
	config.peer_name = NULL;
	assert_int_equal(dots_add(dots, &config, &err), 0);
	while (!strcmp(state(), "resolving"))
		assert_int_equal(evloop_turn(loop, 10000), 0);
	assert_string_equal(state(), "waiting");
	assert_non_null(strstr(last_error, NO_HOST ": "));
	assert_int_equal(fake_dials[TRANSPORT_DTLS], 0);
}

// Nobody waits for a look-up that is no longer wanted
static void a_look_up_is_abandoned(void **)
{
	struct dots_upstream config = upstream_config(&one);
	struct err err;

	config.host = NO_HOST;
	config.peer_name = NULL;
	assert_int_equal(dots_add(dots, &config, &err), 0);
	assert_int_equal(dots_remove(dots, "one", true), 0);
	settle();
}

// ------------------------------------------------------------------ loss

// The first attempt after a loss is immediate, the mitigations stay (RFC 9132 section 7.2 binds them
// to cuid and certificate), and who comes back may go on with them
static void mitigations_survive_a_lost_session(void **)
{
	add(&one);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	pass(100);
	fake_cut(one.transport, "cable cut");
	settle();
	assert_string_equal(state(), "up");
	assert_int_equal(one.sessions, 2);
	assert_string_equal(last_error, "cable cut");
	assert_int_equal(rules(), 1);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 204);
	assert_int_equal(rules(), 1);
}

static void the_lifetime_ends_without_a_session(void **)
{
	struct attack brief = by_a;

	brief.lifetime = 10;
	add(&one);
	assert_int_equal(mitigate(&one, CUID, 1, brief), 201);
	fake_faults[FAKE_TO_LISTENER].refuse_dtls = true;
	fake_faults[FAKE_TO_LISTENER].refuse_tls = true;
	fake_cut(one.transport, "cable cut");
	settle();
	assert_string_equal(state(), "waiting");
	assert_int_equal(rules(), 1);
	pass(11);
	assert_int_equal(rules(), 0);
}

// A session that falls again and again is not dialled over and over
static void a_session_that_flaps(void **)
{
	add(&one);
	fake_cut(one.transport, "first");
	settle();
	assert_int_equal(one.sessions, 2);
	fake_cut(one.transport, "second");
	settle();
	assert_string_equal(state(), "waiting");
	pass(299);
	assert_int_equal(one.sessions, 2);
	pass(32);
	assert_int_equal(one.sessions, 3);
	// it has stood for a while now
	pass(100);
	fake_cut(one.transport, "third");
	settle();
	assert_int_equal(one.sessions, 4);
}

// RFC 8323 section 5.5: the peer says goodbye
static void a_released_session(void **)
{
	struct dots_upstream config = upstream_config(&one);
	static const uint8_t release[] = {0x00, 0xe4};

	config.transports = 1;
	config.transport[0] = TRANSPORT_TLS;
	upstream_connect(&one, &config);
	assert_int_equal(transport_send(one.transport, release, sizeof(release)), 0);
	settle();
	assert_int_equal(one.sessions, 2);
	dots_list_sessions(dots, take_row, NULL);
	assert_string_equal(last_error, "released by the peer");
}

// TLS 1.3 says "connected" before the peer has judged our certificate: a session counts when it has
// shown that it speaks CoAP
static void tls_without_a_csm(void **)
{
	struct dots_upstream config = upstream_config(&one);
	struct err err;

	config.transports = 1;
	config.transport[0] = TRANSPORT_TLS;
	fake_faults[FAKE_TO_DIALLER].blackhole = true; // its CSM never comes
	assert_int_equal(dots_add(dots, &config, &err), 0);
	settle();
	assert_string_equal(state(), "connecting");
	pass(11);
	assert_string_equal(state(), "waiting");
	assert_string_equal(last_error, "the peer speaks TLS but no CoAP");
	assert_int_equal(row.sessions, 0);
}

// ------------------------------------------------------------------ heartbeats

static unsigned heartbeat(struct upstream *u, bool status)
{
	uint8_t body[16];
	int length = codec_write_heartbeat(status, body, sizeof(body));

	return ask(u, COAP_REQUEST_PUT, "hb", body, (size_t)length);
}

// CH-18, CH-19: one in 30 s (the upstream checks that it is a NON PUT of /hb with nothing after it);
// its status tells whether the upstream's came within two intervals
static void heartbeats_both_ways(void **)
{
	add(&one);
	pass(31);
	assert_int_equal(one.heartbeats, 1);
	assert_false(one.heartbeat_status);
	assert_int_equal(heartbeat(&one, true), 204);
	assert_int_equal(one.reply.payload.length, 0);
	assert_int_equal(one.reply.type, COAP_MESSAGE_NON);
	pass(30);
	assert_int_equal(one.heartbeats, 2);
	assert_true(one.heartbeat_status);
	pass(30);
	assert_true(one.heartbeat_status);
	pass(30);
	assert_int_equal(one.heartbeats, 4);
	assert_false(one.heartbeat_status);
	dots_list_sessions(dots, take_row, NULL);
	assert_int_equal(row.heartbeats_sent, 4);
	assert_int_equal(row.heartbeats_heard, 1);
}

// CH-20
static void heartbeats_that_are_none(void **)
{
	const uint8_t body[] = {0xa1, 0x18, 0x31, 0xa1, 0x18, 0x33, 0xf5};
	const uint8_t empty[] = {0xa1, 0x18, 0x31, 0xa0};
	struct message m = message_make(COAP_REQUEST_PUT);

	add(&one);
	assert_int_equal(ask(&one, COAP_REQUEST_PUT, "hb", body, sizeof(body)), 204);
	assert_int_equal(ask(&one, COAP_REQUEST_PUT, "hb", empty, sizeof(empty)), 400);
	assert_true(says(&one, "peer-hb-status is missing"));
	assert_int_equal(ask(&one, COAP_REQUEST_PUT, "hb/cuid=" CUID, body, sizeof(body)), 400);
	assert_int_equal(ask(&one, COAP_REQUEST_GET, "hb", NULL, 0), 405);
	m.content_format = 50;
	assert_int_equal(ask_with(&one, &m, "hb", body, sizeof(body)), 415);
	pass(31);
	assert_true(one.heartbeat_status); // one of them was good
}

static void the_interval_is_as_configured(void **)
{
	struct dots_upstream config = upstream_config(&one);

	config.heartbeat_interval = 15;
	upstream_connect(&one, &config);
	pass(61);
	assert_int_equal(one.heartbeats, 4);
}

// CH-23: silence for as long as missing-hb-allowed heartbeats take ends the session, and another is
// opened at once
static void silence_ends_the_session(void **)
{
	add(&one);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	fake_faults[FAKE_TO_DIALLER].blackhole = true;
	pass(449);
	assert_string_equal(state(), "up");
	pass(60);
	dots_list_sessions(dots, take_row, NULL);
	assert_string_equal(last_error, "nothing heard for 15 heartbeats of 30 s");
	assert_int_equal(row.sessions, 2);
	assert_int_equal(rules(), 1);
}

// CH-22: while anything at all comes in the session is kept, though no heartbeat is answered
static void anything_heard_keeps_the_session(void **)
{
	add(&one);
	one.mute = true;
	for (unsigned i = 0; i < 10; i++) {
		pass(100);
		assert_int_equal(mitigate(&one, CUID, i, by_a), 201);
	}
	assert_string_equal(state(), "up");
	assert_int_equal(row.sessions, 1);
	assert_true(row.heartbeats_missed >= 30);
	// and given up when that ends too
	pass(500);
	dots_list_sessions(dots, take_row, NULL);
	assert_int_equal(row.sessions, 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(dtls_first),
		CASE(tls_if_dtls_fails),
		CASE(new_credentials),
		CASE(a_dial_that_hangs),
		CASE(what_worked_goes_first),
		CASE(back_to_dtls),
		CASE(one_session_for_each_domain),
		CASE(rounds_are_300_s_apart),
		CASE(the_retry_interval_has_a_floor),
		CASE(configurations_that_are_refused),
		CASE(the_peer_has_another_name),
		CASE(a_host_name_is_resolved),
		CASE(a_host_name_that_does_not_exist),
		CASE(a_look_up_is_abandoned),
		CASE(mitigations_survive_a_lost_session),
		CASE(the_lifetime_ends_without_a_session),
		CASE(a_session_that_flaps),
		CASE(a_released_session),
		CASE(tls_without_a_csm),
		CASE(heartbeats_both_ways),
		CASE(heartbeats_that_are_none),
		CASE(the_interval_is_as_configured),
		CASE(silence_ends_the_session),
		CASE(anything_heard_keeps_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
