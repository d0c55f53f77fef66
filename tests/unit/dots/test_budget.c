// SPDX-License-Identifier: BSD-3-Clause

// How many subscribers and packets one upstream may affect before somebody has to look.

#include "dots/codec.h"
#include "dots/dots.h"

#include "unit.h"
#include "upstream.h"

#include <errno.h>
#include <string.h>

static const struct attack by_a = {"203.0.113.7/32", 1500, "198.51.100.10/32", 3600, 0};
static const struct attack by_a_again = {"203.0.113.7/32", 1600, "198.51.100.30/32", 3600, 0};
static const struct attack by_b = {"203.0.113.7/32", 2500, "198.51.100.20/32", 3600, 0};
static const struct attack by_c = {"203.0.113.9/32", 0, "198.51.100.20/32", 3600, 0};
static struct dots_upstream config;

static int setup(void **state)
{
	world_setup(state);
	config = upstream_config(&one);
	config.max_affected = 2;
	config.max_packets = 1000;
	upstream_connect(&one, &config);
	return 0;
}

// So many of the rules do this.
static unsigned doing(enum acl_action action)
{
	unsigned count = 0;

	rules();
	for (uint32_t slot = 0; slot < acl_size(acl); slot++)
		count += acl_get(acl, slot) && acl_get(acl, slot)->action == action;
	return count;
}

static void traffic(unsigned packets, unsigned seconds)
{
	for (unsigned k = 0; k < seconds; k++) {
		for (uint32_t slot = 0; slot < acl_size(acl); slot++) {
			for (unsigned i = 0; acl_get(acl, slot) && i < packets; i++)
				acl_hit(acl, 0, slot, 100);
		}
		pass(1);
	}
}

static struct dots_session_row session;
static struct dots_mitigation_row row;

static void take_session(void *, const struct dots_session_row *shown)
{
	session = *shown;
}

static void take_row(void *, const struct dots_mitigation_row *shown)
{
	row = *shown;
}

static void look(void)
{
	dots_list_sessions(dots, take_session, NULL);
	dots_list_mitigations(dots, take_row, NULL);
}

// One who is about more of them than one mitigation counts once
static void subscribers_in_all(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(mitigate(&one, CUID, 2, by_b), 201);
	assert_int_equal(mitigate(&one, CUID, 3, by_a_again), 201);
	assert_int_equal(mitigate(&one, CUID, 4, by_c), 503);
	assert_true(says(&one, "more than 2 subscribers would be affected"));
	assert_int_equal(
		ask(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID "/mid=2", NULL, 0), 202);
	assert_int_equal(mitigate(&one, CUID, 5, by_c), 201);
	assert_int_equal(rules(), 3);
}

// Another upstream has a measure of its own
static void subscribers_of_another(void **)
{
	struct dots_upstream other = upstream_config(&two);

	upstream_connect(&two, &other);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(mitigate(&one, CUID, 2, by_b), 201);
	assert_int_equal(mitigate(&two, OTHER, 1, by_c), 201);
}

// Beyond the bound nothing is stopped any more, the upstream is told status 4, and asks in vain
static void too_many_packets(void **)
{
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	assert_int_equal(mitigate(&one, CUID, 2, by_b), 201);
	traffic(450, 20);
	look();
	assert_int_equal(session.suspended, 0);
	assert_in_range(session.packet_rate, 800, 900);
	assert_int_equal(doing(ACL_BLOCK), 2);
	traffic(600, 10);
	look();
	assert_int_not_equal(session.suspended, 0);
	assert_int_equal(doing(ACL_BLOCK), 0);
	assert_int_equal(doing(ACL_COUNT), 2);
	assert_int_equal(ask(&one, COAP_REQUEST_GET, "mitigate/cuid=" CUID "/mid=1", NULL, 0), 205);
	assert_int_equal(answered(&one)->status, STATUS_EXCEEDED);
	assert_int_equal(mitigate(&one, CUID, 3, by_a_again), 503);
	assert_true(says(&one, "suspended"));
	// what it has may be refreshed and withdrawn
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 204);
	assert_int_equal(
		ask(&one, COAP_REQUEST_DELETE, "mitigate/cuid=" CUID "/mid=2", NULL, 0), 202);
	assert_int_equal(doing(ACL_COUNT), 1);
}

// What passes meanwhile is not told as dropped, and what was dropped before is not forgotten
static void it_goes_on(void **)
{
	uint64_t dropped;
	struct err err;

	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	traffic(100, 3);
	assert_int_equal(dots_suspend(dots, "one", true, &err), 0);
	look();
	dropped = row.packets_dropped;
	assert_int_equal(dropped, 300);
	traffic(100, 3);
	look();
	assert_int_equal(row.packets_dropped, dropped);
	assert_int_equal(dots_suspend(dots, "one", true, &err), -EINVAL);
	assert_string_equal(err.text, "upstream one: is already suspended");
	assert_int_equal(dots_suspend(dots, "one", false, &err), 0);
	assert_int_equal(dots_suspend(dots, "one", false, &err), -EINVAL);
	assert_int_equal(dots_suspend(dots, "three", false, &err), -EINVAL);
	assert_int_equal(doing(ACL_BLOCK), 1);
	traffic(100, 2);
	look();
	assert_int_equal(row.packets_dropped, dropped + 200);
	assert_int_equal(row.status, STATUS_MITIGATED);
}

// Rules that drop nothing stop nobody
static void counting_is_no_harm(void **)
{
	dots_remove(dots, "one", true);
	settle();
	config.consent = CONSENT_ASK;
	upstream_connect(&one, &config);
	assert_int_equal(mitigate(&one, CUID, 1, by_a), 201);
	traffic(5000, 12);
	look();
	assert_int_equal(session.suspended, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(subscribers_in_all),
		CASE(subscribers_of_another),
		CASE(too_many_packets),
		CASE(it_goes_on),
		CASE(counting_is_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
