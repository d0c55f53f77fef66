// SPDX-License-Identifier: BSD-3-Clause

// Addresses with IPv4 addresses in them: the examples of RFC 6052 section 2.4, there and back, and which
// addresses the well-known prefix may stand for (section 3.1).

#include "base/bits.h"
#include "base/ipaddr.h"
#include "table/nat64pfx.h"

#include "unit.h"

static struct nat64pfx prefix_of(const char *text)
{
	struct nat64pfx out;
	struct ipprefix prefix;
	bool odd;

	assert_int_equal(ipprefix_parse(text, &prefix, &odd), 0);
	assert_false(odd);
	memcpy(out.bytes, prefix.addr.bytes, sizeof(out.bytes));
	out.len = prefix.len;
	return out;
}

static void examples(void **)
{
	static const struct {
		const char *prefix, *v4, *v6;
	} rows[] = {
		{"2001:db8::/32", "192.0.2.33", "2001:db8:c000:221::"},
		{"2001:db8:100::/40", "192.0.2.33", "2001:db8:1c0:2:21::"},
		{"2001:db8:122::/48", "192.0.2.33", "2001:db8:122:c000:2:2100::"},
		{"2001:db8:122:300::/56", "192.0.2.33", "2001:db8:122:3c0:0:221::"},
		{"2001:db8:122:344::/64", "192.0.2.33", "2001:db8:122:344:c0:2:2100:0"},
		{"2001:db8:122:344::/96", "192.0.2.33", "2001:db8:122:344::c000:221"},
		{"64:ff9b::/96", "192.0.2.33", "64:ff9b::c000:221"},
		// RFC 7599 section 5.2
		{"2001:db8:ffff::/64", "10.2.3.4", "2001:db8:ffff:0:a:203:400:0"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct nat64pfx prefix = prefix_of(rows[i].prefix);
		struct ipaddr v4, v6;
		uint8_t made[16];

		ipaddr_parse(rows[i].v4, &v4);
		ipaddr_parse(rows[i].v6, &v6);
		nat64pfx_embed(&prefix, ipaddr_be32(&v4), made);
		assert_memory_equal(made, v6.bytes, 16);
		assert_int_equal(nat64pfx_extract(v6.bytes, prefix.len), ipaddr_be32(&v4));
		assert_true(nat64pfx_has(&prefix, v6.bytes));
		v6.bytes[3] ^= 1;
		assert_false(nat64pfx_has(&prefix, v6.bytes));
	}
}

// What stands in bits 64 to 71 and in the suffix is not read, and written as zero.
static void there_and_back(void **)
{
	static const unsigned lengths[] = {32, 40, 48, 56, 64, 96};

	for (unsigned k = 0; k < ARRAY_LEN(lengths); k++) {
		struct nat64pfx prefix = {
			.bytes = {0x20, 1, 0x0d, 0xb8}, .len = (uint8_t)lengths[k]};
		unsigned suffix = lengths[k] == 96 ? 16 : lengths[k] == 32 ? 8 : lengths[k] / 8 + 5;

		for (uint32_t n = 1; n; n <<= 1) {
			uint8_t address[16];

			nat64pfx_embed(&prefix, rte_cpu_to_be_32(n), address);
			assert_int_equal(address[NAT64PFX_U], 0);
			for (unsigned i = suffix; i < 16; i++) {
				assert_int_equal(address[i], 0);
				address[i] = 0xff;
			}
			if (lengths[k] != 96)
				address[NAT64PFX_U] = 0xff;
			assert_int_equal(
				nat64pfx_extract(address, lengths[k]), rte_cpu_to_be_32(n));
		}
	}
}

static void networks(void **)
{
	static const struct {
		const char *prefix, *v4, *v6;
	} rows[] = {
		{"64:ff9b::/96", "198.51.100.0/24", "64:ff9b::c633:6400/120"},
		{"64:ff9b::/96", "198.51.100.10/32", "64:ff9b::c633:640a/128"},
		{"2001:db8::/32", "198.51.100.10/32", "2001:db8:c633:640a::/64"},
		{"2001:db8:100::/40", "198.51.100.0/24", "2001:db8:1c6:3364::/64"},
		{"2001:db8:100::/40", "198.51.100.10/32", "2001:db8:1c6:3364:a::/80"},
		{"2001:db8:122:344::/64", "198.0.0.0/8", "2001:db8:122:344:c6::/80"},
		{"2001:db8:122:344::/64", "0.0.0.0/0", "2001:db8:122:344::/64"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct nat64pfx prefix = prefix_of(rows[i].prefix);
		struct ipaddr addr = {.family = 6};
		struct ipprefix v4, v6;
		char text[IPPREFIX_TEXT];
		unsigned len;

		ipprefix_parse(rows[i].v4, &v4, NULL);
		len = nat64pfx_network(&prefix, ipaddr_be32(&v4.addr), v4.len, addr.bytes);
		v6 = ipprefix_make(&addr, len);
		assert_string_equal(ipprefix_format(&v6, text), rows[i].v6);
	}
}

static void six_lengths(void **)
{
	unsigned count = 0;

	for (unsigned len = 0; len <= 128; len++)
		count += nat64pfx_is_length(len);
	assert_int_equal(count, 6);
	assert_true(nat64pfx_is_length(56));
	assert_false(nat64pfx_is_length(72));
}

static void global_addresses(void **)
{
	static const char *const local[] = {"0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255",
		"127.0.0.1", "169.254.1.1", "172.16.0.1", "172.31.255.255", "192.0.0.1",
		"192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "224.0.0.1",
		"240.0.0.1", "255.255.255.255"};
	static const char *const global[] = {"1.1.1.1", "9.255.255.255", "11.0.0.0",
		"100.63.255.255", "100.128.0.0", "172.32.0.0", "192.0.2.33", "192.167.0.1",
		"198.17.0.1", "198.20.0.1", "198.51.100.10", "203.0.113.9", "223.255.255.255"};
	struct nat64pfx prefix = prefix_of("64:ff9b::/96");
	struct ipaddr addr;

	for (unsigned i = 0; i < ARRAY_LEN(local); i++) {
		ipaddr_parse(local[i], &addr);
		assert_false(nat64pfx_is_global(ipaddr_be32(&addr)));
	}
	for (unsigned i = 0; i < ARRAY_LEN(global); i++) {
		ipaddr_parse(global[i], &addr);
		assert_true(nat64pfx_is_global(ipaddr_be32(&addr)));
	}
	assert_true(nat64pfx_is_well_known(&prefix));
	prefix = prefix_of("64:ff9b:1::/96");
	assert_false(nat64pfx_is_well_known(&prefix));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(networks),
		cmocka_unit_test(six_lengths),
		cmocka_unit_test(global_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
