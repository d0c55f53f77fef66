// SPDX-License-Identifier: BSD-3-Clause

// Cookies of HelloVerifyRequest (RFC 6347 section 4.2.1).

#include "base/clock.h"
#include "dots/cookie.h"

#include "unit.h"

#include <string.h>

static struct path path_to(const char *peer, uint16_t port)
{
	struct path path = {.port = port};

	assert_int_equal(ipaddr_parse(peer, &path.peer), 0);
	return path;
}

static void fits_its_peer_only(void **)
{
	struct path path = path_to("192.0.2.1", 4647), other = path;
	struct cookie_secret secret, other_secret;
	uint8_t cookie[COOKIE_BYTES];

	assert_int_equal(cookie_secret_make(&secret), 0);
	assert_int_equal(cookie_secret_make(&other_secret), 0);
	assert_int_equal(cookie_make(&secret, &path, cookie), 0);
	assert_true(cookie_fits(&secret, &path, cookie, sizeof(cookie)));
	assert_false(cookie_fits(&other_secret, &path, cookie, sizeof(cookie)));
	assert_false(cookie_fits(&secret, &path, cookie, sizeof(cookie) - 1));
	other.port = 4648;
	assert_false(cookie_fits(&secret, &other, cookie, sizeof(cookie)));
	other = path_to("192.0.2.2", 4647);
	assert_false(cookie_fits(&secret, &other, cookie, sizeof(cookie)));
	// the same bytes as an IPv6 address
	other = path;
	other.peer.family = 6;
	assert_false(cookie_fits(&secret, &other, cookie, sizeof(cookie)));
	cookie[5] ^= 1;
	assert_false(cookie_fits(&secret, &path, cookie, sizeof(cookie)));
}

static void ages(void **)
{
	struct path path = path_to("2001:db8::1", 4647);
	struct cookie_secret secret;
	uint8_t cookie[COOKIE_BYTES];

	assert_int_equal(cookie_secret_make(&secret), 0);
	assert_int_equal(cookie_make(&secret, &path, cookie), 0);
	clock_advance(60 * CLOCK_SECOND);
	assert_true(cookie_fits(&secret, &path, cookie, sizeof(cookie)));
	clock_advance(60 * CLOCK_SECOND);
	assert_false(cookie_fits(&secret, &path, cookie, sizeof(cookie)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fits_its_peer_only),
		cmocka_unit_test(ages),
	};

	clock_hold();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
