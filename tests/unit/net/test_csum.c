// SPDX-License-Identifier: BSD-3-Clause

// Incremental checksums against ones computed anew, by code that shares nothing with net/csum.h.

#include "base/bits.h"
#include "net/csum.h"

#include "unit.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define WORDS 8

// The checksum as RFC 1071 section 1 defines it, in host order: words added one by one, the carry at once.
static uint16_t anew(const uint8_t *data, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)~sum;
}

// Words that carry, fill up or vanish, more often than others.
static uint16_t draw(void)
{
	static const uint16_t corners[] = {0, 1, 0x8000, 0x7fff, 0xff00, 0x00ff, 0xfffe, 0xffff};
	long r = random();

	return r % 2 ? corners[r / 2 % (long)ARRAY_LEN(corners)] : (uint16_t)(r >> 8);
}

// Sums of every length and place, whatever its alignment.
static void sums(void **)
{
	uint8_t data[64];

	for (unsigned round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(round == 0 ? 0xff : draw());
		for (size_t at = 0; at < 5; at++) {
			for (size_t length = 0; at + length <= sizeof(data); length++) {
				uint16_t sum = csum_fold(csum_sum(data + at, length));

				assert_int_equal(ntohs((uint16_t)~sum), anew(data + at, length));
			}
		}
	}
}

static void folds(void **)
{
	assert_int_equal(csum_fold32(0), 0);
	assert_int_equal(csum_fold32(0xffff), 0xffff);
	assert_int_equal(csum_fold32(0x10000), 1);
	assert_int_equal(csum_fold32(0x1ffff), 1); // the carry of the carry
	assert_int_equal(csum_fold32(0xffffffff), 0xffff);
	assert_int_equal(csum_fold(0x100000000), 1);
	assert_int_equal(csum_fold(0xffffffff00000001), 1);
	assert_int_equal(csum_fold(UINT64_MAX), 0xffff);
}

// The example of RFC 1624 section 4, which the equation of RFC 1141 gets wrong.
static void example(void **)
{
	assert_int_equal(csum_apply(0xdd2f, csum_change16(0x5555, 0x3285)), 0x0000);
}

// Some words of a message change, and its checksum is the one computed anew. The first is never 0: a message of
// zeros alone has a checksum of all ones, which no change leads to.
static void changes(void **)
{
	uint16_t word[WORDS], next[WORDS];
	uint32_t from, to;

	for (unsigned round = 0; round < 20000; round++) {
		uint16_t csum;
		uint32_t change = 0;

		for (unsigned i = 0; i < WORDS; i++) {
			word[i] = draw();
			next[i] = random() % 3 ? word[i] : draw();
		}
		word[0] = next[0] = htons(0x4500);
		csum = htons(anew((const uint8_t *)word, sizeof(word)));
		memcpy(&from, &word[2], sizeof(from));
		memcpy(&to, &next[2], sizeof(to));
		change += csum_change32(from, to);
		for (unsigned i = 1; i < WORDS; i++) {
			if (i != 2 && i != 3)
				change += csum_change16(word[i], next[i]);
		}
		assert_int_equal(
			ntohs(csum_apply(csum, change)), anew((const uint8_t *)next, sizeof(next)));
	}
}

// A change and the one back leave what there was, and nothing changes nothing.
static void changes_back(void **)
{
	for (uint32_t csum = 0; csum < 0xffff; csum++) {
		uint16_t from = draw(), to = draw();
		uint16_t there = csum_apply((uint16_t)csum, csum_change16(from, to));

		assert_int_equal(csum_apply(there, csum_change16(to, from)), csum);
		assert_int_equal(csum_apply((uint16_t)csum, csum_change16(from, from)), csum);
	}
}

// As many changes as may be made at once.
static void many_changes(void **)
{
	uint32_t change = 0;

	for (unsigned i = 0; i < 4000; i++)
		change += csum_change16(0, 0xffff);
	assert_int_equal(csum_apply(0x1234, change), 0x1234); // each adds -0
	change = 0;
	for (unsigned i = 0; i < 4000; i++)
		change += csum_change16(0, 1);
	assert_int_equal(csum_apply(0xffff, change), 0xffff - 4000);
}

// UDP (RFC 768): none stays none, and one that comes to 0 is sent as all ones, which is as right.
static void udp(void **)
{
	assert_int_equal(csum_apply_udp(0, csum_change16(1, 2)), 0);
	assert_int_equal(csum_apply_udp(0xdd2f, csum_change16(0x5555, 0x3285)), 0xffff);
	for (uint32_t csum = 1; csum <= 0xffff; csum++) {
		uint16_t from = draw(), to = draw();
		uint16_t there = csum_apply_udp((uint16_t)csum, csum_change16(from, to));
		uint16_t plain = csum_apply((uint16_t)csum, csum_change16(from, to));

		assert_int_equal(there, plain ? plain : 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums),
		cmocka_unit_test(folds),
		cmocka_unit_test(example),
		cmocka_unit_test(changes),
		cmocka_unit_test(changes_back),
		cmocka_unit_test(many_changes),
		cmocka_unit_test(udp),
	};

	srandom(1624);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
