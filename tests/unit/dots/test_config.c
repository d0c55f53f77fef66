// SPDX-License-Identifier: BSD-3-Clause

// The session configuration (RFC 9132 section 4.5): asked for, agreed on, in force, reset.

#include "base/clock.h"
#include "dots/codec.h"
#include "dots/config.h"

#include "unit.h"
#include "upstream.h"

#include <stdio.h>
#include <string.h>

static const struct attack by_a = {"203.0.113.7/32", 1500, "198.51.100.10/32", 600, 0};
static struct config_body shown;

static int connected(void **state)
{
	struct dots_upstream config;

	world_setup(state);
	config = upstream_config(&one);
	upstream_connect(&one, &config);
	return 0;
}

static struct config_body nothing(void)
{
	struct config_body body;

	for (enum setting i = 0; i < SETTINGS; i++)
		body.idle.setting[i] = body.mitigating.setting[i] =
			(struct setting_values){SETTING_ABSENT, SETTING_ABSENT, SETTING_ABSENT};
	return body;
}

static unsigned put(const char *path, const struct config_body *config)
{
	uint8_t body[256];
	struct message m = message_make(COAP_REQUEST_PUT);
	int length = codec_write_config(config, body, sizeof(body));

	assert_true(length > 0);
	m.type = COAP_MESSAGE_CON; // CF-08
	m.content_format = 271;
	return ask_with(&one, &m, path, body, (size_t)length);
}

// Heartbeats every `idle` seconds, and every `attack` while a mitigation is in force.
static unsigned put_intervals(const char *path, int32_t idle, int32_t attack)
{
	struct config_body config = nothing();

	config.idle.setting[SETTING_HEARTBEAT_INTERVAL].current = idle;
	config.mitigating.setting[SETTING_HEARTBEAT_INTERVAL].current = attack;
	return put(path, &config);
}

static unsigned get(const char *path)
{
	struct message m = message_make(COAP_REQUEST_GET);
	struct err err;
	unsigned code;

	m.type = COAP_MESSAGE_CON;
	code = ask_with(&one, &m, path, NULL, 0);
	if (code == 205)
		assert_int_equal(
			codec_read_config(one.body, one.reply.payload.length, false, &shown, &err),
			0);
	return code;
}

static int32_t interval(const char *path)
{
	assert_int_equal(get(path), 205);
	return shown.idle.setting[SETTING_HEARTBEAT_INTERVAL].current;
}

// CF-01: current, least and most of the six in both sets, and how long they hold
static void what_is_offered(void **)
{
	static const struct setting_values expected[SETTINGS] = {{240, 15, 30}, {20, 3, 15},
		{20, 5, 5}, {15, 2, 3}, {3000, 100, 200}, {400, 110, 150}};

	assert_int_equal(get("config"), 205);
	assert_int_equal(one.reply.type, COAP_MESSAGE_ACK);
	assert_int_equal(one.reply.max_age, UINT32_MAX);
	assert_memory_equal(&shown.idle, expected, sizeof(expected));
	assert_memory_equal(&shown.mitigating, expected, sizeof(expected));
	assert_int_equal(get("config/sid=1"), 404);
	assert_int_equal(get("config/cuid=" CUID), 400);
	assert_int_equal(get("config/sid=1/sid=2"), 400);
	assert_int_equal(ask(&one, COAP_REQUEST_POST, "config", NULL, 0), 405);
}

// CF-02: 2.01 for a new sid, 2.04 for the same; what is not named has its default
static void agreeing(void **)
{
	struct config_body config = nothing();

	config.idle.setting[SETTING_HEARTBEAT_INTERVAL].current = 90;
	config.idle.setting[SETTING_ACK_TIMEOUT].current = 350;
	assert_int_equal(put("config/sid=7", &config), 201);
	assert_int_equal(one.reply.payload.length, 0);
	assert_int_equal(interval("config/sid=7"), 90);
	assert_int_equal(shown.idle.setting[SETTING_ACK_TIMEOUT].current, 350);
	assert_int_equal(shown.mitigating.setting[SETTING_HEARTBEAT_INTERVAL].current, 30);
	assert_int_equal(shown.idle.setting[SETTING_HEARTBEAT_INTERVAL].max, 240);
	config = nothing();
	config.mitigating.setting[SETTING_MISSING_HB_ALLOWED].current = 5;
	assert_int_equal(put("config/sid=7", &config), 204);
	assert_int_equal(interval("config"), 30);
	assert_int_equal(shown.mitigating.setting[SETTING_MISSING_HB_ALLOWED].current, 5);
}

// CF-02
static void what_is_refused(void **)
{
	static const uint8_t empty[] = {0xa1, 0x18, 0x1e, 0xa0};
	// {30: {44: {33: {36: 30}, 99: {36: 1}}}}
	static const uint8_t unknown[] = {0xa1, 0x18, 0x1e, 0xa1, 0x18, 0x2c, 0xa2, 0x18, 0x21,
		0xa1, 0x18, 0x24, 0x18, 0x1e, 0x18, 0x63, 0xa1, 0x18, 0x24, 0x01};
	struct config_body config = nothing();
	struct message m = message_make(COAP_REQUEST_PUT);

	assert_int_equal(put_intervals("config", 60, 60), 400);
	assert_true(says(&one, "needs a sid"));
	assert_int_equal(ask(&one, COAP_REQUEST_PUT, "config/sid=1", empty, sizeof(empty)), 400);
	assert_int_equal(
		ask(&one, COAP_REQUEST_PUT, "config/sid=1", unknown, sizeof(unknown)), 400);
	assert_int_equal(put_intervals("config/sid=1", 14, 60), 422);
	assert_true(says(&one, "heartbeat-interval: 14 is out of range. Allowed: 15 to 240"));
	assert_int_equal(put_intervals("config/sid=1", 60, 241), 422);
	assert_true(says(&one, "mitigating-config"));
	config.idle.setting[SETTING_ACK_RANDOM_FACTOR].current = 109;
	assert_int_equal(put("config/sid=1", &config), 422);
	assert_true(says(&one, "ack-random-factor: 1.09 is out of range. Allowed: 1.10 to 4.00"));
	m.content_format = 50;
	assert_int_equal(ask_with(&one, &m, "config/sid=1", empty, sizeof(empty)), 415);
	assert_int_equal(get("config/sid=1"), 404);
	assert_int_equal(interval("config"), 30);
}

// CF-03
static void a_higher_sid_replaces_a_lower(void **)
{
	assert_int_equal(put_intervals("config/sid=5", 60, 60), 201);
	assert_int_equal(put_intervals("config/sid=4", 120, 120), 400);
	assert_true(says(&one, "sid 4 has been replaced by 5"));
	assert_int_equal(interval("config"), 60);
	assert_int_equal(put_intervals("config/sid=6", 90, 90), 201);
	assert_int_equal(get("config/sid=5"), 404);
	assert_int_equal(interval("config/sid=6"), 90);
}

// CF-04: both sets take effect, each in its time, without being asked for
static void it_takes_effect(void **)
{
	struct attack brief = by_a;

	brief.lifetime = 100;
	assert_int_equal(put_intervals("config/sid=1", 60, 20), 201);
	pass(121);
	assert_int_equal(one.heartbeats, 2);
	assert_int_equal(mitigate(&one, CUID, 1, brief), 201);
	pass(99);
	assert_int_equal(one.heartbeats, 2 + 4);
	pass(62); // the attack has ended, and an interval of 60 s begun with it
	assert_int_equal(one.heartbeats, 2 + 4 + 1);
}

// CF-04: an agreement outlives the session it was made in
static void it_survives_the_session(void **)
{
	assert_int_equal(put_intervals("config/sid=1", 60, 20), 201);
	fake_cut(one.transport, "cable cut");
	settle();
	one.heartbeats = 0;
	pass(121);
	assert_int_equal(one.heartbeats, 2);
	assert_int_equal(interval("config/sid=1"), 60);
}

// CF-06: with a sid or without
static void resetting(void **)
{
	assert_int_equal(put_intervals("config/sid=9", 60, 60), 201);
	assert_int_equal(ask(&one, COAP_REQUEST_DELETE, "config", NULL, 0), 202);
	assert_int_equal(one.reply.payload.length, 0);
	assert_int_equal(interval("config"), 30);
	assert_int_equal(get("config/sid=9"), 404);
	one.heartbeats = 0;
	pass(61);
	assert_int_equal(one.heartbeats, 2);
	// sids may begin anew
	assert_int_equal(put_intervals("config/sid=1", 60, 60), 201);
	assert_int_equal(ask(&one, COAP_REQUEST_DELETE, "config/sid=1", NULL, 0), 202);
	assert_int_equal(interval("config"), 30);
}

// CF-01: an agreement may be for a time, which Max-Age tells; who asks for it by its sid keeps it
static void it_is_for_a_time(void **)
{
	struct dots_upstream config = upstream_config(&one);

	dots_remove(dots, "one", true);
	settle();
	config.config_lifetime = 600;
	upstream_connect(&one, &config);
	assert_int_equal(put_intervals("config/sid=1", 60, 60), 201);
	pass(400);
	assert_int_equal(get("config"), 205);
	assert_int_equal(one.reply.max_age, 200);
	assert_int_equal(get("config/sid=1"), 205);
	assert_int_equal(one.reply.max_age, 600);
	pass(599);
	assert_int_equal(interval("config"), 60);
	one.heartbeats = 0;
	pass(2 + 61);
	assert_int_equal(one.heartbeats, 2);
	assert_int_equal(interval("config"), 30);
	assert_int_equal(one.reply.max_age, UINT32_MAX);
}

// RFC 9132 section 4.5.3: during an attack nobody is held to refreshing
static void it_does_not_end_in_an_attack(void **)
{
	struct dots_upstream config = upstream_config(&one);
	struct attack brief = by_a;

	dots_remove(dots, "one", true);
	settle();
	config.config_lifetime = 100;
	upstream_connect(&one, &config);
	assert_int_equal(put_intervals("config/sid=1", 240, 20), 201);
	brief.lifetime = 200;
	assert_int_equal(mitigate(&one, CUID, 1, brief), 201);
	one.heartbeats = 0;
	pass(199);
	assert_int_equal(one.heartbeats, 9);
	one.heartbeats = 0;
	pass(62);
	assert_int_equal(one.heartbeats, 2);
}

// OB-01: told of changes, and of nothing else
static void it_is_observed(void **)
{
	struct message m = message_make(COAP_REQUEST_GET);

	m.observe = 0;
	assert_int_equal(ask_with(&one, &m, "config", NULL, 0), 205);
	assert_true(one.reply.observe != MESSAGE_ABSENT);
	pass(30);
	assert_int_equal(one.notifications, 0);
	assert_int_equal(put_intervals("config/sid=1", 60, 60), 201);
	pass(4);
	assert_int_equal(one.notifications, 1);
	assert_int_equal(one.reply.type, COAP_MESSAGE_NON);
	assert_int_equal(one.reply.max_age, UINT32_MAX);
	assert_int_equal(
		codec_read_config(one.body, one.reply.payload.length, false, &shown, NULL), 0);
	assert_int_equal(shown.idle.setting[SETTING_HEARTBEAT_INTERVAL].current, 60);
	m.path_count = 0;
	m.observe = 1;
	assert_int_equal(ask_with(&one, &m, "config", NULL, 0), 205);
	assert_int_equal(ask(&one, COAP_REQUEST_DELETE, "config", NULL, 0), 202);
	pass(10);
	assert_int_equal(one.notifications, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, connected, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_offered),
		CASE(agreeing),
		CASE(what_is_refused),
		CASE(a_higher_sid_replaces_a_lower),
		CASE(it_takes_effect),
		CASE(it_survives_the_session),
		CASE(resetting),
		CASE(it_is_for_a_time),
		CASE(it_does_not_end_in_an_attack),
		CASE(it_is_observed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
