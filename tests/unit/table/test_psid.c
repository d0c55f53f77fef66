// SPDX-License-Identifier: BSD-3-Clause

// Port sets (RFC 7597 section 5.1 and appendix B): known sets, and that the sets of an address are disjoint, leave
// out the reserved ports alone, and are what the way back says (Q1, Q2).

#include "base/bits.h"
#include "table/psid.h"

#include "unit.h"

#include <string.h>

static void vectors(void **state)
{
	static const struct {
		struct psid_geometry geometry;
		uint16_t psid;
		uint32_t ranges;
		uint32_t first, first_end, second, second_end, last, last_end;
		uint32_t ports;
	} rows[] = {
		{{6, 8}, 52, 63, 1232, 1235, 2256, 2259, 64720, 64723, 252},
		{{6, 8}, 0, 63, 1024, 1027, 2048, 2051, 64512, 64515, 252},
		{{0, 6}, 0, 1, 0, 1023, 0, 1023, 0, 1023, 1024},
		{{0, 6}, 3, 1, 3072, 4095, 3072, 4095, 3072, 4095, 1024},
		{{0, 6}, 63, 1, 64512, 65535, 64512, 65535, 64512, 65535, 1024},
		{{4, 8}, 1, 15, 4112, 4127, 8208, 8223, 61456, 61471, 240},
		{{6, 10}, 1023, 63, 2047, 2047, 3071, 3071, 65535, 65535, 63},
		{{0, 0}, 0, 1, 0, 65535, 0, 65535, 0, 65535, 65536},
		{{1, 4}, 5, 1, 43008, 45055, 43008, 45055, 43008, 45055, 2048},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct psid_geometry g = rows[i].geometry;
		uint32_t last = psid_ranges(g) - 1, size = psid_range_size(g);

		assert_int_equal(psid_ranges(g), rows[i].ranges);
		assert_int_equal(psid_range_first(g, rows[i].psid, 0), rows[i].first);
		assert_int_equal(
			psid_range_first(g, rows[i].psid, 0) + size - 1, rows[i].first_end);
		if (last) {
			assert_int_equal(psid_range_first(g, rows[i].psid, 1), rows[i].second);
			assert_int_equal(psid_range_first(g, rows[i].psid, 1) + size - 1,
				rows[i].second_end);
		}
		assert_int_equal(psid_range_first(g, rows[i].psid, last), rows[i].last);
		assert_int_equal(
			psid_range_first(g, rows[i].psid, last) + size - 1, rows[i].last_end);
		assert_int_equal(psid_ports(g), rows[i].ports);
	}
}

static void ports(void **state)
{
	static const struct {
		struct psid_geometry geometry;
		uint16_t port;
		int psid; // -1: the port is nobody's
	} rows[] = {
		{{6, 8}, 1232, 52},
		{{6, 8}, 1236, 53},
		{{6, 8}, 64723, 52},
		{{6, 8}, 1023, -1},
		{{0, 6}, 3072, 3},
		{{0, 6}, 4095, 3},
		{{0, 6}, 4096, 4},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct psid_geometry g = rows[i].geometry;

		assert_int_equal(psid_is_reserved(g, rows[i].port), rows[i].psid < 0);
		if (rows[i].psid >= 0)
			assert_true(psid_has_port(g, (uint16_t)rows[i].psid, rows[i].port));
	}
}

// Every way to divide an address: each port is in the one set that lists it, and no other, unless it is below
// 2^(16-a).
static void disjoint_and_complete(void **state)
{
	static uint32_t holder[65536];

	(void)state;
	for (uint8_t a = 0; a <= 16; a++) {
		for (uint8_t k = 0; a + k <= 16; k++) {
			struct psid_geometry g = {a, k};
			uint32_t reserved = a ? 1u << (16 - a) : 0;

			assert_true(psid_geometry_is_valid(g));
			memset(holder, 0xff, sizeof(holder));
			for (uint32_t psid = 0; psid < 1u << k; psid++) {
				uint32_t ports = 0;

				assert_true(psid_is_valid(g, psid));
				for (uint32_t r = 0; r < psid_ranges(g); r++) {
					uint32_t first = psid_range_first(g, (uint16_t)psid, r);

					for (uint32_t j = 0; j < psid_range_size(g); j++, ports++) {
						assert_int_equal(holder[first + j], UINT32_MAX);
						holder[first + j] = psid;
					}
				}
				assert_int_equal(ports, psid_ports(g));
			}
			assert_false(psid_is_valid(g, 1u << k));
			for (uint32_t port = 0; port < 65536; port++) {
				assert_int_equal(
					psid_is_reserved(g, (uint16_t)port), port < reserved);
				if (port < reserved)
					assert_int_equal(holder[port], UINT32_MAX);
				else
					assert_int_equal(
						holder[port], psid_of_port(g, (uint16_t)port));
			}
		}
		assert_false(psid_geometry_is_valid((struct psid_geometry){a, (uint8_t)(17 - a)}));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(ports),
		cmocka_unit_test(disjoint_and_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
