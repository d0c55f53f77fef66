// SPDX-License-Identifier: BSD-3-Clause

// Rules that do something else than drop: they count, keep to a rate, or leave some destinations open.

#include "base/clock.h"
#include "base/rcu.h"
#include "table/acl.h"

#include "unit.h"

static struct rcu *rcu;
static struct acl *acl;
static const struct subkey who = {.addr = {100, 64, 0, 1}, .family = 4, .len = 32};

static int setup(void **)
{
	rcu = rcu_new(0);
	acl = acl_new(16, 2, rcu);
	return acl ? 0 : -1;
}

static int teardown(void **)
{
	rcu_barrier(rcu);
	acl_free(acl);
	rcu_free(rcu);
	return 0;
}

static uint32_t add(const char *target, enum acl_action action, uint64_t rate)
{
	struct acl_rule rule = {.subscriber = who,
		.any_protocol = true,
		.upper_port = UINT16_MAX,
		.upper_type = UINT8_MAX,
		.action = action,
		.rate = rate};
	uint32_t slot;

	ipprefix_parse(target, &rule.target, NULL);
	assert_int_equal(acl_add(acl, &rule, &slot), 0);
	return slot;
}

static struct ipaddr address(const char *text)
{
	struct ipaddr addr;

	assert_int_equal(ipaddr_parse(text, &addr), 0);
	return addr;
}

static uint32_t first_of_his(void)
{
	return acl_first(acl, 0, acl_home(acl, &who));
}

// Each rule of the subscriber that matches is found, one behind the other
static void one_behind_the_other(void **)
{
	uint32_t count = add("198.51.100.0/24", ACL_COUNT, 0);
	uint32_t other = add("203.0.113.0/24", ACL_BLOCK, 0);
	uint32_t block = add("198.51.100.10/32", ACL_BLOCK, 0);
	struct acl_packet packet = {.destination = address("198.51.100.10"), .protocol = 17};
	uint32_t first = acl_match(acl, &who, &packet, first_of_his());
	uint32_t second = acl_match_next(acl, &who, &packet, first);

	assert_int_not_equal(first, second);
	assert_true(first == count || first == block);
	assert_true(second == count || second == block);
	assert_int_equal(acl_match_next(acl, &who, &packet, second), ACL_NO_SLOT);
	packet.destination = address("203.0.113.1");
	assert_int_equal(acl_match(acl, &who, &packet, first_of_his()), other);
}

// So many bytes pass in ten seconds of packets at every tick, however many come.
static uint64_t passed(uint32_t slot, uint32_t *now, uint32_t size, unsigned each_tick)
{
	uint64_t bytes = 0;

	for (unsigned tick = 0; tick < 10 * TICKS_A_SECOND; tick++, ++*now) {
		for (unsigned i = 0; i < each_tick; i++)
			bytes += acl_exceeds(acl, 0, slot, size, *now) ? 0 : size;
	}
	return bytes;
}

static void a_rate_is_kept(void **)
{
	uint32_t slot = add("198.51.100.0/24", ACL_RATE_LIMIT, 80000), now = 1000;

	// the burst of one second, and the rate from then on
	assert_in_range(passed(slot, &now, 1000, 100), 80000 * 10, 80000 * 11);
	assert_in_range(passed(slot, &now, 1000, 100), 79000 * 10, 80000 * 10);
	// what is slower passes whole
	now += 10 * TICKS_A_SECOND;
	assert_int_equal(passed(slot, &now, 1000, 9), 9000 * TICKS_A_SECOND * 10);
	// and so does what fits the burst after a pause, and no more
	now += 3600 * TICKS_A_SECOND;
	for (unsigned i = 0; i < 80; i++)
		assert_false(acl_exceeds(acl, 0, slot, 1000, now));
	assert_true(acl_exceeds(acl, 0, slot, 1000, now));
	// another worker has a meter of its own
	assert_false(acl_exceeds(acl, 1, slot, 1000, now));
}

// A slot that is used again begins with a full burst of its own rate
static void a_rate_begins_anew(void **)
{
	uint32_t slot = add("198.51.100.0/24", ACL_RATE_LIMIT, 8000), now = 5;

	while (!acl_exceeds(acl, 0, slot, 1000, now))
		continue;
	for (unsigned i = 0; i < 16; i++) {
		acl_remove(acl, slot);
		rcu_barrier(rcu);
		slot = add("198.51.100.0/24", ACL_RATE_LIMIT, 16000);
		for (unsigned k = 0; k < 16; k++)
			assert_false(acl_exceeds(acl, 0, slot, 1000, now));
		assert_true(acl_exceeds(acl, 0, slot, 1000, now));
	}
}

static void what_a_quarantine_leaves_open(void **)
{
	struct ipprefix prefix[2];
	struct ipaddr inside = address("192.0.2.53"), outside = address("192.0.2.54");
	struct ipaddr six = address("2001:db8::53");

	assert_false(acl_is_exempt(acl, &inside));
	ipprefix_parse("192.0.2.53/32", &prefix[0], NULL);
	ipprefix_parse("2001:db8::/32", &prefix[1], NULL);
	assert_int_equal(acl_exempt(acl, prefix, 2), 0);
	assert_true(acl_is_exempt(acl, &inside));
	assert_true(acl_is_exempt(acl, &six));
	assert_false(acl_is_exempt(acl, &outside));
	assert_int_equal(acl_exempt(acl, prefix, 0), 0);
	assert_false(acl_is_exempt(acl, &inside));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(one_behind_the_other),
		CASE(a_rate_is_kept),
		CASE(a_rate_begins_anew),
		CASE(what_a_quarantine_leaves_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
