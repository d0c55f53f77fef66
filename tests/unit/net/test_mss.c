// SPDX-License-Identifier: BSD-3-Clause

// Clamping the maximum segment size: where the option may stand, and what must stay as it is.

#include "net/csum.h"
#include "net/mss.h"

#include "unit.h"

#define SEGMENT 48

// A SYN with these options, its checksum right over header and data alone.
static void make(uint8_t *tcp, const uint8_t *options, unsigned length)
{
	uint16_t sum;

	memset(tcp, 0x5a, SEGMENT);
	tcp[12] = (uint8_t)((20 + length) / 4 << 4);
	tcp[13] = 2;
	memset(tcp + 16, 0, 2);
	memcpy(tcp + 20, options, length);
	sum = (uint16_t)~csum_fold(csum_sum(tcp, SEGMENT));
	memcpy(tcp + 16, &sum, 2);
}

static void check(const char *options, unsigned length, const char *wanted, unsigned there)
{
	uint8_t tcp[SEGMENT], expected[SEGMENT];

	make(tcp, (const uint8_t *)options, length);
	make(expected, (const uint8_t *)wanted, length);
	mss_clamp(tcp, there, 1200);
	assert_memory_equal(tcp + 18, expected + 18, SEGMENT - 18);
	assert_int_equal(csum_fold(csum_sum(tcp, SEGMENT)), 0xffff);
}

#define CLAMPED(options, wanted) check(options, sizeof(options) - 1, wanted, SEGMENT)
#define SAME(options)            check(options, sizeof(options) - 1, options, SEGMENT)

static void lowered(void **state)
{
	(void)state;
	CLAMPED("\2\4\x05\xb4", "\2\4\x04\xb0");
	CLAMPED("\2\4\xff\xff", "\2\4\x04\xb0");
	CLAMPED("\1\1\2\4\x05\xb4\1\1", "\1\1\2\4\x04\xb0\1\1");
	// at an odd place the value lies in two words of the sum
	CLAMPED("\1\2\4\x05\xb4\1\1\1", "\1\2\4\x04\xb0\1\1\1");
	CLAMPED("\3\3\7\2\4\x05\xb4\0", "\3\3\7\2\4\x04\xb0\0");
	CLAMPED("\4\2\2\4\x05\xb4\0\0", "\4\2\2\4\x04\xb0\0\0");
}

static void left(void **state)
{
	(void)state;
	SAME("");
	SAME("\2\4\x04\xb0");
	SAME("\2\4\x01\x00"); // never raised
	SAME("\1\1\1\1");
	SAME("\3\3\7\0\2\4\x05\xb4"); // behind the end of options
	SAME("\2\3\x05\xb4");         // of a length it cannot have
}

static void cut_short(void **state)
{
	(void)state;
	SAME("\1\1\1\2");             // no length
	SAME("\1\1\2\4");             // no value
	SAME("\1\2\4\x05");           // half a value
	SAME("\5\0\2\4\x05\xb4\0\0"); // an option of no length would never end
	SAME("\5\1\2\4\x05\xb4\0\0");
	SAME("\5\x30\2\4\x05\xb4\0\0"); // and one that is longer than the header
	// the header says it is longer than what is here
	check("\2\4\x05\xb4", 4, "\2\4\x05\xb4", 20);
	check("\2\4\x05\xb4", 4, "\2\4\x05\xb4", 23);
	check("\2\4\x05\xb4", 4, "\2\4\x04\xb0", 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lowered),
		cmocka_unit_test(left),
		cmocka_unit_test(cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
