// SPDX-License-Identifier: BSD-3-Clause

// Which class a request is of, and so what is done about it.

#include "base/bits.h"
#include "dots/policy.h"

#include "unit.h"

#include <stdlib.h>
#include <string.h>

static struct ipprefix victim[2], elsewhere, victim6;
static uint8_t udp[] = {17}, icmp[] = {1, 58}, tcp_udp[] = {6, 17};
static struct port_range dns = {53, 53}, web[] = {{80, 80}, {443, 443}};
static struct type_range echo = {8, 8};

// Each class does something that no other does.
static struct request_class class[] = {
	{.target = victim, .targets = 2, .port = {0, UINT16_MAX}, .measure = {ACL_QUARANTINE}},
	{.protocol = icmp,
		.protocols = 2,
		.port = {0, UINT16_MAX},
		.measure = {ACL_RATE_LIMIT, 8000}},
	{.protocol = udp, .protocols = 1, .port = {53, 123}, .measure = {ACL_RATE_LIMIT, 16000}},
	{.port = {80, 443}, .measure = {ACL_RATE_LIMIT, 32000}},
};
static struct policy policy = {.class = class, .classes = ARRAY_LEN(class)};

static int setup(void **)
{
	ipprefix_parse("198.51.100.10/32", &victim[0], NULL);
	ipprefix_parse("2001:db8::/32", &victim[1], NULL);
	ipprefix_parse("192.0.2.0/24", &elsewhere, NULL);
	ipprefix_parse("2001:db8::10/128", &victim6, NULL);
	return 0;
}

// 0 is the upstream's own measure.
static uint64_t done(struct scope scope)
{
	struct measure m;

	if (!scope.targets) {
		scope.target = &elsewhere;
		scope.targets = 1;
	}
	m = policy_measure(&policy, &scope);
	return m.action == ACL_QUARANTINE ? 1 : m.rate;
}

static void all_that_is_named_counts(void **)
{
	struct ipprefix both[] = {victim[0], elsewhere}, families[] = {victim[0], victim6};

	assert_int_equal(done((struct scope){.target = victim, .targets = 1}), 1);
	assert_int_equal(done((struct scope){.target = families, .targets = 2}), 1);
	assert_int_equal(done((struct scope){.target = both, .targets = 2}), 0);
	assert_int_equal(
		done((struct scope){
			.protocol = udp, .protocols = 1, .target_port = &dns, .target_ports = 1}),
		16000);
	// one protocol, or one port, too many; or what is left open
	assert_int_equal(done((struct scope){.protocol = tcp_udp,
				 .protocols = 2,
				 .target_port = &dns,
				 .target_ports = 1}),
		0);
	assert_int_equal(done((struct scope){.protocol = udp, .protocols = 1}), 0);
	assert_int_equal(done((struct scope){.target_port = &dns, .target_ports = 1}), 0);
	assert_int_equal(done((struct scope){0}), 0);
	// a class that says nothing of protocols takes also those who name none
	assert_int_equal(done((struct scope){.target_port = web, .target_ports = 2}), 32000);
	assert_int_equal(done((struct scope){.protocol = tcp_udp,
				 .protocols = 2,
				 .target_port = web,
				 .target_ports = 2}),
		32000);
}

// RFC 9066 section 5.3.1: types are of ICMP or ICMPv6, as the target is
static void types_alone_are_icmp(void **)
{
	struct scope types = {.source_type = &echo, .source_types = 1};

	assert_int_equal(done(types), 8000);
	types.target = &victim6;
	types.targets = 1;
	assert_int_equal(done(types), 1); // the first class wins
	types.targets = 0;
	types.source_port = web; // but with ports it is about more
	types.source_ports = 1;
	assert_int_equal(done(types), 0);
	types.source_ports = 0;
	types.protocol = tcp_udp;
	types.protocols = 2;
	assert_int_equal(done(types), 0);
}

static void a_copy_stands_alone(void **)
{
	struct request_class *copy = classes_copy(class, ARRAY_LEN(class));
	struct request_class was[ARRAY_LEN(class)];

	assert_non_null(copy);
	memcpy(was, class, sizeof(was));
	memset(class, 0xff, sizeof(class));
	policy.class = copy;
	all_that_is_named_counts(NULL);
	types_alone_are_icmp(NULL);
	policy.class = class;
	memcpy(class, was, sizeof(was));
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_named_counts),
		cmocka_unit_test(types_alone_are_icmp),
		cmocka_unit_test(a_copy_stands_alone),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
