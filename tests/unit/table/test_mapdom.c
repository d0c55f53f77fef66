// SPDX-License-Identifier: BSD-3-Clause

// Mapping rules: the worked examples of RFC 7597 appendix A, that reading an address undoes making it whatever the
// rule (Q4, Q5, K2), and the longest match (M1, M3).

#include "base/bits.h"
#include "base/ipaddr.h"
#include "base/rand.h"
#include "table/mapdom.h"

#include "unit.h"

#include <rte_byteorder.h>

static struct map_rule rule(const char *prefix6, const char *prefix4, uint8_t ea,
	struct psid_geometry geometry, uint16_t psid)
{
	struct ipprefix p6, p4;
	struct map_rule r = {.ea = ea, .geometry = geometry, .psid = psid};

	assert_int_equal(ipprefix_parse(prefix6, &p6, NULL), 0);
	assert_int_equal(ipprefix_parse(prefix4, &p4, NULL), 0);
	memcpy(r.prefix6, p6.addr.bytes, sizeof(r.prefix6));
	r.len6 = p6.len;
	r.prefix4 = rte_be_to_cpu_32(ipaddr_be32(&p4.addr));
	r.len4 = p4.len;
	return r;
}

static uint32_t ipv4(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return rte_be_to_cpu_32(ipaddr_be32(&a));
}

static void assert_address(
	const struct map_rule *r, const char *address4, uint16_t port, const char *want)
{
	char text[IPADDR_TEXT];
	struct ipaddr a = {.family = 6};
	uint16_t psid;

	assert_true(map_psid(r, port, &psid));
	map_address(r, ipv4(address4), psid, a.bytes);
	assert_string_equal(ipaddr_format(&a, text), want);
}

static void examples(void **state)
{
	struct map_rule shared =
		rule("2001:db8::/40", "192.0.2.0/24", 16, (struct psid_geometry){6, 8}, 0);
	struct map_rule whole =
		rule("2001:db8:12:3400::/56", "192.0.2.18/32", 0, (struct psid_geometry){6, 0}, 0);
	struct map_rule told = rule(
		"2001:db8:12:3400::/56", "192.0.2.18/32", 0, (struct psid_geometry){6, 8}, 0x34);
	uint32_t address4;
	uint16_t psid;
	struct ipaddr a;

	(void)state;
	// examples 1 to 3
	assert_int_equal(map_user_len(&shared), 56);
	assert_address(&shared, "192.0.2.18", 1232, "2001:db8:12:3400:0:c000:212:34");
	assert_false(map_psid(&shared, 1023, &psid));
	assert_int_equal(ipaddr_parse("2001:db8:12:3400:0:c000:212:34", &a), 0);
	map_read(&shared, a.bytes, &address4, &psid);
	assert_int_equal(address4, ipv4("192.0.2.18"));
	assert_int_equal(psid, 0x34);
	// example 4: a whole address, any port
	assert_address(&whole, "192.0.2.18", 80, "2001:db8:12:3400:0:c000:212:0");
	// example 5: the port set was told otherwise
	assert_address(&told, "192.0.2.18", 1232, "2001:db8:12:3400:0:c000:212:34");
	assert_false(map_psid(&told, 1236, &psid));
	// a subscriber with a prefix has its first address in his own
	struct map_rule prefix =
		rule("2001:db8::/40", "192.0.0.0/16", 12, (struct psid_geometry){6, 0}, 0);

	assert_address(&prefix, "192.0.171.205", 7, "2001:db8:ab:c000:0:c000:abc0:0");
	// an end-user prefix longer than 64 bits has the upper part of the interface identifier
	struct map_rule beyond =
		rule("2001:db8:0:1::/72", "192.0.2.0/24", 16, (struct psid_geometry){6, 8}, 0);

	assert_address(&beyond, "192.0.2.18", 1232, "2001:db8:0:1:12:3400:212:34");
}

// With MAP-T every host in a subscriber's prefix has an address of its own, and no other address is one.
static void hosts_in_prefixes(void **state)
{
	struct map_rule r =
		rule("2001:db8::/40", "192.0.0.0/16", 12, (struct psid_geometry){6, 0}, 0);
	char text[IPADDR_TEXT];
	struct ipaddr a = {.family = 6};
	uint32_t address4;
	uint16_t psid;

	(void)state;
	map_host_address(&r, ipv4("192.0.171.205"), 0, a.bytes);
	assert_string_equal(ipaddr_format(&a, text), "2001:db8:ab:c000:0:c000:abcd:0");
	assert_true(map_read_host(&r, a.bytes, &address4, &psid));
	assert_int_equal(address4, ipv4("192.0.171.205"));
	assert_int_equal(ipaddr_parse("2001:db8:ab:c000:0:c000:abdd:0", &a), 0);
	assert_false(map_read_host(&r, a.bytes, &address4, &psid));
	assert_int_equal(ipaddr_parse("2001:db8:ab:c000:0:c000:abcd:1", &a), 0);
	assert_false(map_read_host(&r, a.bytes, &address4, &psid));
}

// Random rules of every shape.
static void undone(void **state)
{
	struct rand random;

	(void)state;
	rand_seed_fixed(&random, 1);
	for (unsigned n = 0; n < 200000; n++) {
		struct map_rule r = {.len4 = (uint8_t)(rand_u32(&random) % 33)};
		unsigned suffix = 32u - r.len4;
		uint8_t address[16], again[16];
		uint32_t address4, read4;
		uint16_t psid, read_psid;

		r.ea = (uint8_t)(rand_u32(&random) % (suffix + 17));
		r.geometry.length = r.ea > suffix ? (uint8_t)(r.ea - suffix) : 0;
		r.geometry.offset = (uint8_t)(rand_u32(&random) % (17u - r.geometry.length));
		r.len6 = (uint8_t)(rand_u32(&random) % (129u - r.ea));
		for (unsigned i = 0; i < 16; i++)
			r.prefix6[i] = (uint8_t)rand_u32(&random);
		map_store128(r.prefix6,
			r.len6 ? map_load128(r.prefix6) >> (128 - r.len6) << (128 - r.len6) : 0);
		r.prefix4 = r.len4 ? rand_u32(&random) & ~(uint32_t)(UINT64_C(0xffffffff) >> r.len4)
				   : 0;
		address4 = r.prefix4 |
			(rand_u32(&random) & (uint32_t)(UINT64_C(0xffffffff) >> r.len4));
		psid = psid_of_port(r.geometry, (uint16_t)rand_u32(&random));
		map_address(&r, address4, psid, address);
		map_read(&r, address, &read4, &read_psid);
		assert_int_equal(read_psid, psid);
		assert_int_equal((uint64_t)read4 >> (suffix - map_address_bits(&r)),
			(uint64_t)address4 >> (suffix - map_address_bits(&r)));
		map_address(&r, read4, read_psid, again);
		assert_memory_equal(again, address, sizeof(address));
		// unless the end-user prefix has the place of what hosts have of their own
		if (r.len6 > MAP_ADDRESS_AT + r.len4)
			continue;
		map_host_address(&r, address4, psid, address);
		assert_true(map_read_host(&r, address, &read4, &read_psid));
		assert_int_equal(read4, address4);
	}
}

static int find6(const struct mapdom *dom, const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return mapdom_find6(dom, a.bytes);
}

static void longest_match(void **state)
{
	struct psid_geometry whole = {6, 0};
	struct map_rule rules[] = {
		rule("2001:db8::/32", "192.0.0.0/8", 24, whole, 0),
		rule("2001:db8:40::/44", "192.0.2.0/24", 8, whole, 0),
		rule("2001:db8:41::/48", "192.0.2.128/25", 7, whole, 0),
		rule("2001:db9::/32", "198.51.100.0/24", 8, whole, 0),
	};
	const uint32_t numbers[] = {0, 1, 2, 7};
	struct mapdom *dom = mapdom_new(rules, numbers, ARRAY_LEN(rules), 8);
	struct mapdom *none = mapdom_new(NULL, NULL, 0, 0);

	(void)state;
	assert_int_equal(find6(dom, "2001:db8::"), 0);
	assert_int_equal(find6(dom, "2001:db8:40::1"), 1);
	assert_int_equal(find6(dom, "2001:db8:41::1"), 2);
	assert_int_equal(find6(dom, "2001:db8:42::"), 1);
	assert_int_equal(find6(dom, "2001:db8:50::"), 0);
	assert_int_equal(find6(dom, "2001:db9:ffff::"), 7);
	assert_int_equal(find6(dom, "2001:dba::"), -1);
	assert_true(mapdom_is_nested(dom, 0));
	assert_true(mapdom_is_nested(dom, 1));
	assert_false(mapdom_is_nested(dom, 2));
	assert_false(mapdom_is_nested(dom, 7));
	assert_int_equal(find6(none, "2001:db8::"), -1);
	mapdom_free(none);
	mapdom_free(dom);
}

#define RULES 300

// What mapdom_find6() should say, one rule after the other.
static int longest_of(const struct map_rule *rules, unsigned count, unsigned __int128 address)
{
	int found = -1;

	for (unsigned i = 0; i < count; i++) {
		const struct map_rule *r = &rules[i];
		unsigned __int128 differs = map_load128(r->prefix6) ^ address;

		if ((!r->len6 || !(differs >> (128 - r->len6))) &&
			(found < 0 || r->len6 > rules[found].len6))
			found = (int)i;
	}
	return found;
}

// Rules of all lengths whose prefixes lie within each other, and addresses beside and within them.
static void many_rules(void **state)
{
	struct map_rule rules[RULES] = {0};
	uint32_t numbers[RULES], count = 0;
	struct mapdom *dom;
	struct rand random;

	(void)state;
	rand_seed_fixed(&random, 1);
	while (count < RULES) {
		struct map_rule *r = &rules[count];
		unsigned __int128 bits =
			(unsigned __int128)(rand_u32(&random) & 7) << 125 | (rand_u32(&random) & 7);
		bool there = false;

		r->len6 = (uint8_t)(rand_u32(&random) % 129);
		map_store128(r->prefix6, r->len6 ? bits >> (128 - r->len6) << (128 - r->len6) : 0);
		for (uint32_t i = 0; i < count; i++)
			there |= rules[i].len6 == r->len6 &&
				!memcmp(rules[i].prefix6, r->prefix6, sizeof(r->prefix6));
		numbers[count] = count;
		count += !there;
	}
	dom = mapdom_new(rules, numbers, RULES, RULES);
	for (unsigned n = 0; n < 100000; n++) {
		unsigned __int128 address = map_load128(rules[rand_u32(&random) % RULES].prefix6) ^
			(unsigned __int128)1 << rand_u32(&random) % 128;
		uint8_t bytes[16];

		map_store128(bytes, address);
		mapdom_prefetch6(dom, bytes);
		assert_int_equal(mapdom_find6(dom, bytes), longest_of(rules, RULES, address));
	}
	mapdom_free(dom);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples),
		cmocka_unit_test(hosts_in_prefixes),
		cmocka_unit_test(undone),
		cmocka_unit_test(longest_match),
		cmocka_unit_test(many_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
