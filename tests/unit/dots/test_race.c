// SPDX-License-Identifier: BSD-3-Clause

// Happy Eyeballs (RFC 9132 section 4.3, RFC 8305): who is tried when, and who wins.

#include "base/bits.h"
#include "base/clock.h"
#include "dots/race.h"

#include "fake_transport.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static struct evloop *loop;
static struct race race;
static struct credentials *credentials;
static struct attempt *winner;
static unsigned wins, losses;
static struct ipaddr addr[3]; // IPv4, IPv6, IPv4, as RFC 6724 may have them

static void won(void *, struct attempt *attempt)
{
	winner = attempt;
	wins++;
}

static void lost(void *)
{
	losses++;
}

static int setup(void **)
{
	static const char *const text[] = {"192.0.2.1", "2001:db8::1", "192.0.2.2"};
	struct credentials_files files = {.certificate = "home.example"};

	if (!clock_is_held())
		clock_hold();
	loop = evloop_new();
	fake_reset(loop);
	for (unsigned i = 0; i < ARRAY_LEN(addr); i++)
		assert_int_equal(ipaddr_parse(text[i], &addr[i]), 0);
	credentials = credentials_load(&files, NULL);
	race = (struct race){.loop = loop,
		.credentials = credentials,
		.name = "up",
		.server_name = "up.example",
		.port = 4647,
		.delay = RACE_DELAY,
		.won = won,
		.lost = lost};
	winner = NULL;
	wins = losses = 0;
	return 0;
}

static int teardown(void **)
{
	race_stop(&race);
	attempt_close(winner);
	credentials_free(credentials);
	fake_reset(loop);
	evloop_free(loop);
	fake_reset(NULL);
	return 0;
}

static void pass_ms(unsigned ms)
{
	clock_advance(ms * CLOCK_MS);
	for (unsigned i = 0; i < 10; i++)
		evloop_turn(loop, 0);
}

static void line_up(const struct candidate *first)
{
	static const enum transport_kind kinds[] = {TRANSPORT_DTLS, TRANSPORT_TLS};

	race_line_up(&race, kinds, 2, addr, ARRAY_LEN(addr), first);
}

static const char *candidate(unsigned i)
{
	static char out[IPADDR_TEXT + 8];
	char text[IPADDR_TEXT];

	snprintf(out, sizeof(out), "%s %s", attempt_kind_name(race.candidate[i].kind),
		ipaddr_format(&race.candidate[i].addr, text));
	return out;
}

// CH-12: UDP/IPv6, UDP/IPv4, TCP/IPv6, TCP/IPv4
static void the_order(void **)
{
	line_up(NULL);
	assert_int_equal(race.candidates, 6);
	assert_string_equal(candidate(0), "DTLS 2001:db8::1");
	assert_string_equal(candidate(1), "DTLS 192.0.2.1");
	assert_string_equal(candidate(2), "DTLS 192.0.2.2");
	assert_string_equal(candidate(3), "TLS 2001:db8::1");
	assert_string_equal(candidate(5), "TLS 192.0.2.2");
}

// CH-13: a remembered winner goes first, if the name still has that address
static void the_remembered_goes_first(void **)
{
	struct candidate first = {TRANSPORT_TLS, addr[2]};

	line_up(&first);
	assert_int_equal(race.candidates, 6);
	assert_string_equal(candidate(0), "TLS 192.0.2.2");
	assert_string_equal(candidate(1), "DTLS 2001:db8::1");
	first.addr.bytes[3] = 99;
	line_up(&first);
	assert_string_equal(candidate(0), "DTLS 2001:db8::1");
}

static void expect_delays(uint64_t delay_ms)
{
	fake_faults[FAKE_TO_LISTENER].swallow_dials = true;
	line_up(NULL);
	race_start(&race);
	for (unsigned i = 0; i < 200; i++)
		pass_ms(10);
	assert_int_equal(fake_dialled_count, 6);
	for (unsigned i = 1; i < 6; i++) {
		assert_int_equal(fake_dialled[i].at - fake_dialled[i - 1].at, delay_ms * CLOCK_MS);
		assert_int_equal(fake_dialled[i].kind, race.candidate[i].kind);
		assert_int_equal(ipaddr_compare(&fake_dialled[i].addr, &race.candidate[i].addr), 0);
	}
	assert_int_equal(losses, 0);
	for (unsigned i = 0; i < 11; i++)
		pass_ms(1000);
	assert_int_equal(losses, 1);
	assert_int_equal(race.failures, 6);
	assert_string_equal(race.last_error.text, "handshake timed out");
}

// CH-12: 250 ms between attempts, none of which is given up for the next
static void the_delays(void **)
{
	expect_delays(250);
}

// CH-12: 100 ms while an attack is on
static void the_delays_under_attack(void **)
{
	race.delay = RACE_DELAY_ATTACK;
	expect_delays(100);
}

static void *accept_all(void *ctx, struct transport *)
{
	return ctx;
}

static void far_up(void *, struct transport *)
{
}

static void far_message(void *, struct transport *, const uint8_t *, size_t)
{
}

static void far_down(void *, struct transport *, const struct err *)
{
}

static const struct transport_events far = {far_up, far_message, far_down};

// The third answers while the first two hang: it wins, and they are closed
static void the_first_that_is_ready_wins(void **)
{
	struct credentials_files files = {.certificate = "up.example"};
	struct credentials *its = credentials_load(&files, NULL);

	dtls_listen(loop, its, &addr[2], 4647, &far, accept_all, loop, NULL);
	fake_faults[FAKE_TO_LISTENER].swallow_dials = true;
	line_up(NULL);
	race_start(&race);
	pass_ms(0);
	pass_ms(250);
	assert_int_equal(fake_dialled_count, 2);
	fake_faults[FAKE_TO_LISTENER].swallow_dials = false;
	pass_ms(250);
	assert_int_equal(wins, 1);
	assert_int_equal(winner->kind, TRANSPORT_DTLS);
	assert_int_equal(ipaddr_compare(&winner->addr, &addr[2]), 0);
	assert_null(race.attempts);
	for (unsigned i = 0; i < 20; i++)
		pass_ms(1000);
	assert_int_equal(fake_dialled_count, 3);
	assert_int_equal(race.failures, 0);
	credentials_free(its);
}

// Nobody waits for a delay when all before have failed already
static void failures_are_not_waited_for(void **)
{
	line_up(NULL);
	race_start(&race);
	pass_ms(0);
	for (unsigned i = 0; i < 3; i++)
		pass_ms(0);
	assert_int_equal(fake_dialled_count, 6);
	assert_int_equal(losses, 1);
	assert_int_equal(wins, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_order),
		CASE(the_remembered_goes_first),
		CASE(the_delays),
		CASE(the_delays_under_attack),
		CASE(the_first_that_is_ready_wins),
		CASE(failures_are_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
