// SPDX-License-Identifier: BSD-3-Clause

// CH-11: who fails to authenticate again and again is not listened to for a while (RFC 9066 section 8).

#include "base/clock.h"
#include "dots/droplist.h"

#include "unit.h"

static const struct droplist_setup setup = {
	.failures = 3,
	.window_ns = 60 * CLOCK_SECOND,
	.duration_ns = 300 * CLOCK_SECOND,
	.len4 = 32,
	.len6 = 64,
};

static struct droplist *list;

static int set_up(void **)
{
	if (!clock_is_held())
		clock_hold();
	list = droplist_new(&setup);
	return list ? 0 : -1;
}

static int tear_down(void **)
{
	droplist_free(list);
	return 0;
}

static struct ipaddr at(const char *text)
{
	struct ipaddr addr;

	assert_int_equal(ipaddr_parse(text, &addr), 0);
	return addr;
}

static void count_one(void *ctx, const struct ipprefix *, uint64_t)
{
	++*(unsigned *)ctx;
}

static unsigned count(void)
{
	unsigned n = 0;

	droplist_walk(list, count_one, &n);
	return n;
}

static void test_threshold(void **)
{
	struct ipaddr one = at("192.0.2.1"), other = at("192.0.2.2");

	assert_false(droplist_note(list, &one));
	assert_false(droplist_note(list, &one));
	assert_false(droplist_has(list, &one));
	assert_true(droplist_note(list, &one));
	assert_true(droplist_has(list, &one));
	assert_false(droplist_has(list, &other));
	assert_int_equal(count(), 1);
}

// an expired entry begins anew: one failure more does not bring it back
static void test_expiry(void **)
{
	struct ipaddr one = at("192.0.2.1");

	for (unsigned i = 0; i < 3; i++)
		droplist_note(list, &one);
	clock_advance(300 * CLOCK_SECOND);
	assert_false(droplist_has(list, &one));
	assert_int_equal(count(), 0);
	assert_false(droplist_note(list, &one));
	assert_false(droplist_has(list, &one));
}

// failures that are far apart are a user's, not an attacker's
static void test_window(void **)
{
	struct ipaddr one = at("192.0.2.1");

	for (unsigned i = 0; i < 10; i++) {
		assert_false(droplist_note(list, &one));
		clock_advance(31 * CLOCK_SECOND);
	}
	assert_false(droplist_has(list, &one));
}

// a host has all addresses of its subnet
static void test_prefix(void **)
{
	struct ipaddr a = at("2001:db8::1"), b = at("2001:db8::2"), c = at("2001:db8::3");
	struct ipaddr elsewhere = at("2001:db8:0:1::1");

	droplist_note(list, &a);
	droplist_note(list, &b);
	assert_true(droplist_note(list, &c));
	assert_true(droplist_has(list, &a));
	assert_false(droplist_has(list, &elsewhere));
}

// more sources than there is room for: memory stays as it is, and the newest are known
static void test_full(void **)
{
	struct ipaddr last = {0};

	for (uint32_t i = 0; i < 4 * DROPLIST_ENTRIES; i++) {
		last = ipaddr_v4(0x0a000000 + i * 0x01000193u);
		for (unsigned k = 0; k < 3; k++)
			droplist_note(list, &last);
		clock_advance(1);
	}
	assert_true(droplist_has(list, &last));
	assert_true(count() <= DROPLIST_ENTRIES);
	assert_true(count() > DROPLIST_ENTRIES / 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_threshold),
		TEST(test_expiry),
		TEST(test_window),
		TEST(test_prefix),
		TEST(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
