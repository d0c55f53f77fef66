// SPDX-License-Identifier: BSD-3-Clause

// Service prefixes beside the FIB: only those that no longer route is within, in whatever order routes come.

#include "base/ipaddr.h"
#include "table/shortcut6.h"

#include "unit.h"

#include <stdio.h>

static void note(struct shortcut6_list *list, const char *prefix, uint32_t nexthop, bool is_service,
	bool is_last)
{
	struct ipprefix p;

	assert_int_equal(ipprefix_parse(prefix, &p, NULL), 0);
	shortcut6_note(list, p.addr.bytes, p.len, nexthop, is_service, is_last);
}

static uint32_t find(const struct shortcut6_list *list, const char *address)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(address, &a), 0);
	return shortcut6_find(list, a.bytes);
}

static void prefixes(void **)
{
	struct shortcut6_list list = {0};

	assert_int_equal(find(&list, "2001:db8::1"), SHORTCUT6_NONE);
	note(&list, "2001:db8::/32", 1, false, true);
	assert_int_equal(find(&list, "2001:db8::1"), SHORTCUT6_NONE);
	note(&list, "2001:db8:64::/96", 2, true, true);
	note(&list, "2001:db8:ffff::1/128", 3, true, true);
	note(&list, "2001:db8:70::/44", 4, true, true);
	assert_int_equal(find(&list, "2001:db8:64::c000:201"), 2);
	assert_int_equal(find(&list, "2001:db8:64::1:c000:201"), SHORTCUT6_NONE);
	assert_int_equal(find(&list, "2001:db8:ffff::1"), 3);
	assert_int_equal(find(&list, "2001:db8:ffff::2"), SHORTCUT6_NONE);
	assert_int_equal(find(&list, "2001:db8:7f::"), 4);
	assert_int_equal(find(&list, "2001:db8:80::"), SHORTCUT6_NONE);
}

static void longer_routes(void **)
{
	struct shortcut6_list list = {0};

	note(&list, "2001:db8:64::/96", 1, true, true);
	note(&list, "2001:db8:65::/96", 2, true, false);
	note(&list, "2001:db8::/32", 3, false, false);
	assert_int_equal(find(&list, "2001:db8:64::1"), 1);
	assert_int_equal(find(&list, "2001:db8:65::1"), SHORTCUT6_NONE);
	note(&list, "2001:db8:64::c000:201/128", 3, false, true);
	assert_int_equal(find(&list, "2001:db8:64::1"), SHORTCUT6_NONE);
}

static void again(void **)
{
	struct shortcut6_list list = {0};

	note(&list, "2001:db8:64::/96", 1, true, true);
	note(&list, "2001:db8:64::/96", 2, true, true);
	assert_int_equal(list.count, 1);
	assert_int_equal(find(&list, "2001:db8:64::1"), 2);
	note(&list, "2001:db8:64::/96", 3, false, true);
	assert_int_equal(find(&list, "2001:db8:64::1"), SHORTCUT6_NONE);
}

static void no_room(void **)
{
	struct shortcut6_list list = {0};
	char prefix[64];

	for (unsigned i = 0; i <= SHORTCUT6_MAX; i++) {
		snprintf(prefix, sizeof(prefix), "2001:db8:%x::/48", i);
		note(&list, prefix, i, true, true);
	}
	assert_int_equal(find(&list, "2001:db8:7::1"), 7);
	assert_int_equal(find(&list, "2001:db8:8::1"), SHORTCUT6_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes),
		cmocka_unit_test(longer_routes),
		cmocka_unit_test(again),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
