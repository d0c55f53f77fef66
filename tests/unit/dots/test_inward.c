// SPDX-License-Identifier: BSD-3-Clause

// What a home is asked, for each service that its subscriber is found by (RFC 9066 section 5.3.2).

#include "base/bits.h"
#include "dots/inward.h"

#include "table_resolver.h"
#include "unit.h"

#include <netinet/in.h>

static struct table_resolver table;
static struct ipprefix source[4], target[2];
static struct port_range port[64];
static uint8_t protocol[2];
static struct type_range type;
static struct scope asked, scope;
static char text[IPPREFIX_TEXT];

static void put_line(const char *line)
{
	assert_int_equal(table_resolver_add(&table, line), 0);
}

static void put_source(const char *prefix)
{
	assert_int_equal(ipprefix_parse(prefix, &source[asked.sources++], NULL), 0);
}

static void put_ports(uint16_t lower, uint16_t upper)
{
	port[asked.source_ports++] = (struct port_range){lower, upper};
}

static void put_protocol(uint8_t number)
{
	protocol[asked.protocols++] = number;
}

// A request about 203.0.113.7 and 198.51.100.10; sources, ports and protocols are the test's.
static int set_up(void **)
{
	table_resolver_init(&table);
	asked = (struct scope){.source = source,
		.target = target,
		.targets = 1,
		.source_port = port,
		.protocol = protocol};
	ipprefix_parse("198.51.100.10/32", &target[0], NULL);
	return 0;
}

static int tear_down(void **)
{
	scope_free(&scope);
	return 0;
}

// The whole way: who it is, the only one, and what his home is asked.
static bool say(void)
{
	struct policy policy = {.name = "up", .max_subscribers = 16};
	struct enforcer enforcer = {.resolver = &table.resolver};
	struct enforce_time now = {0};
	struct enforcement found = {0};
	struct err err;
	bool said;

	if (enforce_find(&enforcer, &policy, &asked, &now, &found, &err) < 0)
		fail_msg("%s", err.text);
	said = inward_scope(&table.resolver, &found.suspect[0], &asked, &scope);
	enforce_end(&enforcer, &found);
	return said;
}

static void assert_source(unsigned i, const char *expected)
{
	assert_true(i < scope.sources);
	assert_string_equal(ipprefix_format(&scope.source[i], text), expected);
}

static void assert_ports(unsigned i, uint16_t lower, uint16_t upper)
{
	assert_true(i < scope.source_ports);
	assert_int_equal(scope.source_port[i].lower, lower);
	assert_int_equal(scope.source_port[i].upper, upper);
}

static void assert_target(const char *expected)
{
	assert_int_equal(scope.targets, 1);
	assert_string_equal(ipprefix_format(&scope.target[0], text), expected);
}

// NA-01: inside address and ports in the place of those outside
static void nat44(void **)
{
	put_line("203.0.113.7:1024-2047=100.64.0.1");
	put_line("203.0.113.7:2048-3071=100.64.0.2");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_UDP);
	put_ports(1025, 1025);
	put_ports(2049, 2049); // somebody else's
	put_ports(1030, 1030);
	assert_true(say());
	assert_int_equal(scope.sources, 1);
	assert_source(0, "100.64.0.1/32");
	assert_int_equal(scope.source_ports, 2);
	assert_ports(0, 1025, 1025);
	assert_ports(1, 1030, 1030);
	assert_target("198.51.100.10/32");
	assert_int_equal(scope.protocol[0], IPPROTO_UDP);
}

// a subscriber who has two blocks, with a port of each
static void nat44_two_blocks(void **)
{
	put_line("203.0.113.7:1024-2047=100.64.0.1");
	put_line("203.0.113.7:4096-5119=100.64.0.1");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_UDP);
	put_ports(1025, 1025);
	put_ports(4097, 4097);
	assert_true(say());
	assert_int_equal(scope.source_ports, 2);
	assert_ports(1, 4097, 4097);
}

// a range stands for no inside ports: the address alone does
static void nat44_range(void **)
{
	put_line("203.0.113.7:1024-2047=100.64.0.1");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_UDP);
	put_ports(1025, 1025);
	put_ports(1100, 1200);
	assert_true(say());
	assert_source(0, "100.64.0.1/32");
	assert_int_equal(scope.source_ports, 0);
}

static bool by_well_known_prefix(struct resolver *, const struct subkey *,
	const struct ipprefix *outside, struct ipprefix *inside)
{
	struct ipaddr addr = {6, {0, 0x64, 0xff, 0x9b}};

	// one network has no such name, and none has that is none of IPv4
	if (outside->addr.family == 6 || outside->addr.bytes[0] == 192)
		return false;
	memcpy(addr.bytes + 12, outside->addr.bytes, 4);
	*inside = ipprefix_make(&addr, 96u + outside->len);
	return true;
}

// NA-03: the host, and the target as the host calls it (RFC 6052)
static void nat64(void **)
{
	table.resolver.inside_name = by_well_known_prefix;
	put_line("203.0.113.7:1024-2047=2001:db8:1::10@2001:db8:1::/64");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_TCP);
	put_ports(1025, 1025);
	assert_true(say());
	assert_int_equal(scope.sources, 1);
	assert_source(0, "2001:db8:1::10/128");
	assert_int_equal(scope.source_ports, 1);
	assert_ports(0, 1025, 1025);
	assert_target("64:ff9b::c633:640a/128");
}

// without a mapping it is one of those that have the prefix; what has no name there is not asked for
static void nat64_range(void **)
{
	table.resolver.inside_name = by_well_known_prefix;
	put_line("203.0.113.7:1024-2047=2001:db8:1::10@2001:db8:1::/64");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_ICMP);
	put_ports(1024, 2047);
	ipprefix_parse("192.0.2.1/32", &target[asked.targets++], NULL);
	asked.source_type = &type;
	asked.source_types = 1;
	assert_true(say());
	assert_source(0, "2001:db8:1::/64");
	assert_int_equal(scope.source_ports, 0);
	assert_target("64:ff9b::c633:640a/128");
	assert_int_equal(scope.protocol[0], IPPROTO_ICMPV6);
	assert_int_equal(scope.source_types, 0); // ICMP's mean something else there
}

// the host behind the B4, by its own address (RFC 9066 section 5.3.2, RFC 8513 section 2)
static void dslite(void **)
{
	put_line("203.0.113.7:1024-2047=192.168.1.10@2001:db8:1::/56");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_UDP);
	put_ports(1025, 1025);
	assert_true(say());
	assert_int_equal(scope.sources, 1);
	assert_source(0, "192.168.1.10/32");
	assert_ports(0, 1025, 1025);
	assert_target("198.51.100.10/32");
}

// without a mapping nobody knows which, and neither prefix of the B4's would be an answer
static void dslite_range(void **)
{
	put_line("203.0.113.7:1024-2047=192.168.1.10@2001:db8:1::/56");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_UDP);
	put_ports(1025, 1025);
	put_ports(1026, 1027);
	assert_false(say());
	assert_null(scope.source);
}

// NA-02: the shared address, and of the ports those that are his
static void shared(void **)
{
	put_line("203.0.113.7:1024-2047=@2001:db8:1::1/128");
	put_line("203.0.113.7:2048-3071=@2001:db8:2::1/128");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_UDP);
	put_ports(2000, 2100);
	put_ports(1025, 1025);
	assert_true(say());
	assert_int_equal(scope.sources, 1);
	assert_source(0, "203.0.113.7/32");
	assert_int_equal(scope.source_ports, 2);
	assert_ports(0, 2000, 2047);
	assert_ports(1, 1025, 1025);
	assert_target("198.51.100.10/32");
}

// NA-02: a port set of several ranges (MAP-E, RFC 7597 section 5.1)
static void shared_in_pieces(void **)
{
	put_line("203.0.113.7:1024-1039=@2001:db8:1::/56");
	put_line("203.0.113.7:1040-1055=@2001:db8:2::/56");
	put_line("203.0.113.7:2048-2063=@2001:db8:1::/56");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_TCP);
	put_ports(1024, 4095);
	assert_true(say());
	assert_int_equal(scope.source_ports, 2);
	assert_ports(0, 1024, 1039);
	assert_ports(1, 2048, 2063);
}

// NA-02: who has the whole address is asked for all of its ports, by number
static void shared_by_nobody(void **)
{
	put_line("203.0.113.7=@2001:db8:1::1/128");
	put_source("203.0.113.7/32");
	assert_true(say());
	assert_source(0, "203.0.113.7/32");
	assert_int_equal(scope.source_ports, 1);
	assert_ports(0, 0, UINT16_MAX);
}

// NA-02: a binding that is no more was his when it was reported
static void shared_in_the_past(void **)
{
	struct suspect suspect = {
		.holder = {.outside = {4, {203, 0, 113, 7}}, .lower = 1500, .upper = 1600},
		.ipv4 = true};
	struct ipprefix b4;

	ipprefix_parse("2001:db8:1::1/128", &b4, NULL);
	suspect.holder.subscriber = subkey_of(&b4, SUBKEY_SOFTWIRE);
	put_line("203.0.113.7:1024-2047=@2001:db8:2::1/128");
	put_source("203.0.113.7/32");
	put_ports(1500, 1600);
	assert_true(inward_scope(&table.resolver, &suspect, &asked, &scope));
	assert_source(0, "203.0.113.7/32");
	assert_int_equal(scope.source_ports, 1);
	assert_ports(0, 1500, 1600);
}

// native IPv6 looks the same inside; of the sources those that are the home's, of the targets those of their family
static void native(void **)
{
	struct suspect suspect = {.ipv6 = true};
	struct ipprefix home;

	ipprefix_parse("2001:db8:1::/56", &home, NULL);
	suspect.holder.subscriber = subkey_of(&home, SUBKEY_NATIVE);
	put_source("2001:db8:1::10/128");
	put_source("2001:db8:2::10/128");
	put_ports(5000, 5001);
	ipprefix_parse("2001:db8:ffff::1/128", &target[asked.targets++], NULL);
	assert_true(inward_scope(&table.resolver, &suspect, &asked, &scope));
	assert_int_equal(scope.sources, 1);
	assert_source(0, "2001:db8:1::10/128");
	assert_ports(0, 5000, 5001);
	assert_target("2001:db8:ffff::1/128");
}

// more ports than mappings are asked about
static void many_ports(void **)
{
	put_line("203.0.113.7:1024-2047=100.64.0.1");
	put_source("203.0.113.7/32");
	put_protocol(IPPROTO_UDP);
	for (uint16_t i = 0; i < 40; i++)
		put_ports((uint16_t)(1100 + i), (uint16_t)(1100 + i));
	assert_true(say());
	assert_source(0, "100.64.0.1/32");
	assert_int_equal(scope.source_ports, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nat44),
		TEST(nat44_two_blocks),
		TEST(nat44_range),
		TEST(nat64),
		TEST(nat64_range),
		TEST(dslite),
		TEST(dslite_range),
		TEST(shared),
		TEST(shared_in_pieces),
		TEST(shared_by_nobody),
		TEST(shared_in_the_past),
		TEST(native),
		TEST(many_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
