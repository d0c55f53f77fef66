// SPDX-License-Identifier: BSD-3-Clause

// The length header of CoAP over TCP (RFC 8323 section 3.2).

#include "base/bits.h"
#include "dots/frame.h"

#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *what;
	uint8_t bytes[8];
	size_t have;
	int length;
} rows[] = {
	{"nothing has arrived", {0}, 0, 0},
	{"an empty message: header and code", {0x00}, 1, 2},
	{"a token of four bytes, no options", {0x04}, 1, 6},
	{"the longest token, the longest short length", {0xc8}, 1, 1 + 1 + 8 + 12},
	{"one more byte of length has not arrived", {0xd0}, 1, 0},
	{"length 13, the first of that form", {0xd0, 0}, 2, 1 + 1 + 1 + 13},
	{"length 268, the last of it", {0xd0, 255}, 2, 1 + 1 + 1 + 268},
	{"one of two bytes of length has arrived", {0xe0, 0}, 2, 0},
	{"length 269", {0xe0, 0, 0}, 3, 1 + 2 + 1 + 269},
	{"length 65804: longer than we take", {0xe0, 255, 255}, 3, -EMSGSIZE},
	{"the longest frame we take", {0xe0, 0xfe, 0xef}, 3, 65536},
	{"one byte more", {0xe0, 0xfe, 0xf0}, 3, -EMSGSIZE},
	{"three of four bytes of length", {0xf0, 0, 0, 0}, 4, 0},
	{"length 65805", {0xf0, 0, 0, 0, 0}, 5, -EMSGSIZE},
	{"a length that would not fit 32 bits", {0xf0, 255, 255, 255, 255}, 5, -EMSGSIZE},
	{"token length 9 is reserved", {0x09}, 1, -EBADMSG},
	{"token length 15 is reserved", {0xff, 255, 255, 255, 255}, 5, -EBADMSG},
};

static void frame_lengths(void **)
{
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		// on the heap and of that length exactly, so that a sanitizer sees a byte too many
		uint8_t *data = malloc(rows[i].have ? rows[i].have : 1);

		memcpy(data, rows[i].bytes, rows[i].have);
		if (frame_length(data, rows[i].have) != rows[i].length)
			fail_msg("%s: %d, not %d", rows[i].what, frame_length(data, rows[i].have),
				rows[i].length);
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
