// SPDX-License-Identifier: BSD-3-Clause

// An upstream sends its homes to another Call Home DOTS client (RFC 9066 section 5.2.2).

#include "base/clock.h"
#include "dots/codec.h"

#include "unit.h"
#include "upstream.h"

#include <stdlib.h>
#include <string.h>

static const struct attack by_a = {"203.0.113.7/32", 1500, "198.51.100.10/32", 7200, 0};
static struct dots_session_row row;
static char redirected_to[256];

static void take_row(void *, const struct dots_session_row *shown)
{
	row = *shown;
	strcpy(redirected_to, row.redirected_to ? row.redirected_to : "");
}

static const char *state(void)
{
	dots_list_sessions(dots, take_row, NULL);
	return row.state;
}

// Asks for a redirection from one upstream to where the other listens.
static unsigned redirect(
	struct upstream *from, const char *path, const char *name, const char *record, int64_t ttl)
{
	struct redirect_body body = {.has_ttl = ttl >= 0, .ttl = (uint32_t)ttl};
	struct ipaddr addr;
	uint8_t bytes[400];
	int length;

	strcpy(body.name, name);
	if (record) {
		assert_int_equal(ipaddr_parse(record, &addr), 0);
		body.record = &addr;
		body.records = 1;
	}
	length = codec_write_redirect(&body, bytes, sizeof(bytes));
	assert_true(length > 0);
	return ask(from, COAP_REQUEST_PUT, path, bytes, (size_t)length);
}

static unsigned to_two(int64_t ttl)
{
	return redirect(&one, "redirect", "two.example", "192.0.2.2", ttl);
}

static void connect_one(void)
{
	struct dots_upstream config = upstream_config(&one);

	upstream_connect(&one, &config);
}

// CH-26: 2.01, the session closes, another is opened and the new name verified; what was asked for
// stays, under the same upstream
static void the_session_moves(void **)
{
	connect_one();
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(to_two(600), 201);
	assert_int_equal(one.reply.payload.length, 0);
	assert_null(one.exchange);
	assert_int_equal(two.sessions, 1);
	assert_string_equal(state(), "up");
	assert_string_equal(row.upstream, "one");
	assert_string_equal(row.peer_name, "two.example");
	assert_string_equal(redirected_to, "two.example");
	assert_int_equal(mitigate(&two, CUID, 1, by_a), 204);
	assert_int_equal(rules(), 1);
}

// The path of RFC 9066's figure 9, and the shorter one of its text
static void both_paths(void **)
{
	connect_one();
	assert_int_equal(
		redirect(&one, "redirect/cuid=" CUID "/mid=123", "two.example", "192.0.2.2", 600),
		201);
	assert_int_equal(two.sessions, 1);
}

// CH-27: back when the time is over, unless an attack is under way, and then after it
static void the_time_is_over(void **)
{
	struct attack brief = by_a;

	connect_one();
	assert_int_equal(to_two(600), 201);
	pass(300);
	brief.lifetime = 400;
	assert_int_equal(mitigate(&two, CUID, 1, brief), 201);
	pass(302);
	assert_string_equal(state(), "up");
	assert_string_equal(row.peer_name, "two.example");
	pass(100);
	assert_string_equal(state(), "up");
	assert_string_equal(row.peer_name, "one.example");
	assert_string_equal(redirected_to, "");
	assert_int_equal(one.sessions, 2);
}

// A ttl of 0 is for the attack in progress
static void with_the_attack(void **)
{
	connect_one();
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(to_two(0), 201);
	pass(100);
	assert_int_equal(two.sessions, 1);
	assert_non_null(two.exchange);
	assert_int_equal(
		ask(&two, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID "/mid=1", NULL, 0), 202);
	pass(301);
	assert_string_equal(state(), "up");
	assert_string_equal(row.peer_name, "one.example");
}

// Without a ttl it ends with the session
static void with_the_session(void **)
{
	connect_one();
	assert_int_equal(to_two(-1), 201);
	pass(1000);
	assert_non_null(two.exchange);
	fake_cut(two.transport, "cable cut");
	settle();
	assert_string_equal(state(), "up");
	assert_string_equal(row.peer_name, "one.example");
}

// One without an end outlasts its sessions
static void without_end(void **)
{
	connect_one();
	assert_int_equal(to_two(UINT32_MAX), 201);
	fake_cut(two.transport, "cable cut");
	settle();
	assert_string_equal(state(), "up");
	assert_string_equal(row.peer_name, "two.example");
	assert_int_equal(two.sessions, 2);
}

// CH-27: nobody we talked to within five minutes is gone back to
static void no_loops(void **)
{
	connect_one();
	assert_int_equal(to_two(600), 201);
	assert_int_equal(redirect(&two, "redirect", "One.Example", "192.0.2.1", 600), 400);
	assert_true(says(&two, "looks like a loop"));
	assert_int_equal(redirect(&two, "redirect", "two.example", "192.0.2.2", 600), 400);
	assert_true(says(&two, "with it already"));
	assert_string_equal(state(), "up");
	assert_string_equal(row.peer_name, "two.example");
	pass(301);
	assert_int_equal(redirect(&two, "redirect", "One.Example", "192.0.2.1", 600), 201);
}

// CH-27, CH-29
static void what_is_refused(void **)
{
	static const uint8_t no_name[] = {
		0xa1, 0x18, 0x2e, 0xa1, 0x19, 0x80, 0x07, 0x19, 0x02, 0x58};
	static const uint8_t not_here[] = {0xa1, 0x01, 0xa1, 0x02, 0x80};
	struct message m = message_make(COAP_REQUEST_PUT);

	connect_one();
	assert_int_equal(ask(&one, COAP_REQUEST_PUT, "redirect", no_name, sizeof(no_name)), 400);
	assert_true(says(&one, "alt-ch-client is missing"));
	assert_int_equal(ask(&one, COAP_REQUEST_PUT, "redirect", not_here, sizeof(not_here)), 400);
	assert_int_equal(redirect(&one, "redirect", "192.0.2.2", NULL, 600), 400);
	assert_int_equal(redirect(&one, "redirect", "two example", NULL, 600), 400);
	assert_true(says(&one, "no domain name"));
	assert_int_equal(redirect(&one, "redirect/x=1", "two.example", NULL, 600), 400);
	assert_int_equal(ask(&one, COAP_REQUEST_GET, "redirect", NULL, 0), 405);
	m.content_format = 50;
	assert_int_equal(ask_with(&one, &m, "redirect", no_name, sizeof(no_name)), 415);
	assert_string_equal(state(), "up");
	assert_int_equal(one.sessions, 1);
}

// Who cannot be reached where he sent us is looked for at home
static void nobody_there(void **)
{
	connect_one();
	assert_int_equal(redirect(&one, "redirect", "three.example", "192.0.2.3", 600), 201);
	assert_string_equal(state(), "up");
	assert_string_equal(row.peer_name, "one.example");
	assert_string_equal(redirected_to, "");
	assert_int_equal(one.sessions, 2);
}

// The new peer must have the new name
static void somebody_else_there(void **)
{
	connect_one();
	assert_int_equal(redirect(&one, "redirect", "three.example", "192.0.2.2", 600), 201);
	assert_int_equal(two.sessions, 0);
	assert_string_equal(state(), "up");
	assert_string_equal(row.peer_name, "one.example");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_session_moves),
		CASE(both_paths),
		CASE(the_time_is_over),
		CASE(with_the_attack),
		CASE(with_the_session),
		CASE(without_end),
		CASE(no_loops),
		CASE(what_is_refused),
		CASE(nobody_there),
		CASE(somebody_else_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
