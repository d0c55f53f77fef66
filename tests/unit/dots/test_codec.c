// SPDX-License-Identifier: BSD-3-Clause

// What CBOR may look like and what it may not, and the bounds of the bodies in it, beyond what the
// vectors show.

#include "base/bits.h"
#include "dots/cborio.h"
#include "dots/codec.h"
#include "dots/validate.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct err err;

// ------------------------------------------------------------------ CBOR

static int read_doc(const void *bytes, size_t length)
{
	struct cborio_doc doc;
	int rc;

	err.text[0] = 0;
	rc = cborio_doc_read(&doc, bytes, length, &err);
	cborio_doc_free(&doc);
	return rc;
}

#define READ(bytes) read_doc(bytes, sizeof(bytes) - 1)

#define REFUSED(bytes, why)                                                                        \
	do {                                                                                       \
		assert_int_equal(READ(bytes), -EINVAL);                                            \
		assert_text_has(err.text, why);                                                    \
	} while (0)

static void what_is_no_document(void **)
{
	REFUSED("", "empty");
	REFUSED("\x01\x01", "1 bytes after the end");
	REFUSED("\xff", "break");
	REFUSED("\x81", "in the middle");
	REFUSED("\xa1\x01", "in the middle");
	REFUSED("\x78\x05"
		"abc",
		"in the middle");
	REFUSED("\x1c", "byte 0 is no CBOR"); // a reserved length
	REFUSED("\x9f\x01", "in the middle");
	REFUSED("\xbf\x01\xff", "ends after a key");
	REFUSED("\xa1\xff", "break");
	REFUSED("\x7f\x41"
		"a\xff",
		"another kind"); // bytes in a text
	REFUSED("\x7f\x7f\xff\xff", "another kind");
}

static void keys(void **)
{
	REFUSED("\xa2\x01\x00\x01\x00", "key 1 stands twice");
	REFUSED("\xa2\x01\x00\x18\x01\x00", "key 1 stands twice"); // the same, written longer
	REFUSED("\xa2\x61"
		"a\x00\x61"
		"a\x00",
		"stands twice");
	REFUSED("\xa2\x20\x00\x20\x00", "stands twice");
	REFUSED("\xbf\x01\x00\x02\x00\x01\x00\xff", "key 1 stands twice");
	REFUSED("\xa1\x80\x00", "neither a number nor a text");
	REFUSED("\xa1\xf5\x00", "neither a number nor a text");
	assert_int_equal(READ("\xa3\x01\x00\x20\x00\x61\x01\x00"), 0); // 1, -1, "\1"
	assert_int_equal(READ("\xa2\x61"
			      "a\x00\x61"
			      "b\x00"),
		0);
}

static void depth_and_numbers(void **)
{
	static uint8_t big[CBORIO_BYTES_MAX + 2];
	uint8_t pairs[2 + 4 * (CBORIO_PAIRS_MAX + 1)] = {0xb8, CBORIO_PAIRS_MAX};
	size_t at = 2;

	assert_int_equal(READ("\x81\x81\x81\x81\x81\x81\x81\x81\x01"), 0);
	REFUSED("\x81\x81\x81\x81\x81\x81\x81\x81\x81\x01", "deeper than 8");
	REFUSED("\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\x01", "deeper than 8");
	REFUSED("\x9a\xff\xff\xff\xff", "more than 4096 items");
	REFUSED("\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "more than 4096 items");
	for (unsigned i = 0; i < CBORIO_PAIRS_MAX + 1; i++) {
		memcpy(pairs + at, (uint8_t[]){0x18, (uint8_t)(100 + i), 0}, 3);
		at += 3;
	}
	assert_int_equal(read_doc(pairs, at - 3), 0);
	pairs[1]++;
	assert_int_equal(read_doc(pairs, at), -EINVAL);
	assert_text_has(err.text, "more than 64 pairs");
	memset(big, 0x01, sizeof(big));
	memcpy(big, "\x9f", 1);
	assert_int_equal(read_doc(big, CBORIO_ITEMS_MAX + 2), -EINVAL);
	assert_text_has(err.text, "more than 4096 items");
	// one text may fill it
	memcpy(big, "\x59\xff\xfd", 3);
	assert_int_equal(read_doc(big, CBORIO_BYTES_MAX), 0);
	memcpy(big, "\x59\xff\xfe", 3);
	assert_int_equal(read_doc(big, CBORIO_BYTES_MAX + 1), -EINVAL);
	assert_text_has(err.text, "more than 65536 bytes");
}

// Any well-formed encoding is taken: indefinite lengths, texts in pieces, heads longer than needed
static void forms(void **)
{
	static const char indefinite[] = "\xbf\x01\xbf\x02\x9f\xbf\x06\x9f\x7f\x67"
					 "198.51.\x69"
					 "100.10/32\xff\xff\x1b\x00\x00\x00\x00\x00\x00\x00\x0e"
					 "\x19\x00\x3c\xff\xff\xff\xff";
	struct mitigation_body *bodies;
	unsigned count;

	if (codec_read_mitigations((const uint8_t *)indefinite, sizeof(indefinite) - 1, true,
		    &bodies, &count, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(bodies->scope.targets, 1);
	assert_int_equal(bodies->scope.target[0].addr.bytes[3], 10);
	assert_int_equal(bodies->lifetime, 60);
	mitigation_bodies_free(bodies, count);
}

// ------------------------------------------------------------------ bodies

static int read_request(const uint8_t *bytes, size_t length, struct mitigation_body **bodies)
{
	unsigned count;

	err.text[0] = 0;
	return codec_read_mitigations(bytes, length, true, bodies, &count, &err);
}

// A request of one attribute, and what is said of it; NULL: it is taken.
static void attribute(const char *bytes, size_t length, const char *why)
{
	uint8_t body[512] = {0xa1, 1, 0xa1, 2, 0x81, 0xa1};
	struct mitigation_body *bodies;
	int rc;

	memcpy(body + 6, bytes, length);
	rc = read_request(body, 6 + length, &bodies);
	if (rc == 0) {
		mitigation_bodies_free(bodies, 1);
		assert_null(why);
	} else if (!why || !strstr(err.text, why)) {
		fail_msg("'%s'", err.text);
	}
}

#define ATTRIBUTE(bytes, why) attribute(bytes, sizeof(bytes) - 1, why)

static void attributes(void **)
{
	ATTRIBUTE("\x06\x81\x6a"
		  "10.0.0.0/8",
		NULL);
	ATTRIBUTE("\x06\xf6", NULL); // null is absent
	ATTRIBUTE("\x06\x81\x68"
		  "10.0.0.1",
		"'10.0.0.1' is not a prefix");
	ATTRIBUTE("\x06\x81\x6a"
		  "10.0.0.0/x",
		"is not a prefix");
	ATTRIBUTE("\x06\x81\x6b"
		  "10.0.0.0/33",
		"is not a prefix");
	ATTRIBUTE("\x06\x81\x65::/\0"
		  "0",
		"is not a prefix");
	ATTRIBUTE("\x06\x81\x60", "target-prefix is empty");
	ATTRIBUTE("\x06\x81\x01", "target-prefix is not a text");
	ATTRIBUTE("\x06\x60", "target-prefix is not an array");
	// V18: lower-port is the key of the list
	ATTRIBUTE("\x07\x82\xa1\x08\x01\xa2\x08\x01\x09\x02", "two ranges begin at 1");
	ATTRIBUTE("\x07\x82\xa1\x08\x01\xa1\x08\x02", NULL);
	ATTRIBUTE("\x07\x81\x01", "does not hold maps");
	ATTRIBUTE("\x0a\x81\x20", "target-protocol is not a number");
	ATTRIBUTE("\x0b\x81\x63"
		  "a b",
		"byte 1 is not printable");
	ATTRIBUTE("\x0b\x81\x62\xc3\xa4", "byte 0 is not printable");
	ATTRIBUTE("\x0b\x81\x63"
		  "a.b",
		NULL);
	ATTRIBUTE("\x0e\x1b\x00\x00\x00\x01\x00\x00\x00\x00", "neither -1 nor within");
	ATTRIBUTE("\x0e\xf5", "neither -1 nor within");
	ATTRIBUTE("\x0e\x1a\xff\xff\xff\xff", NULL);
	ATTRIBUTE("\x18\x2d\x01", "neither true nor false");
	// what only a reply holds, and what belongs elsewhere
	ATTRIBUTE("\x10\x01", "status may not stand in a request");
	ATTRIBUTE("\x11\xa0", "conflict-information may not stand in a request");
	ATTRIBUTE("\x18\x33\xf5", "attribute 51");
	ATTRIBUTE(
		"\x18\x34\x01", "attribute 52"); // activation-type (RFC 9133) needs a data channel
	ATTRIBUTE("\x39\x01\x00\x00", "not one of DOTS' numbers");
	ATTRIBUTE("\x19\x80\x06\x80", NULL); // ttl: may be ignored
}

static void lists_are_bounded(void **)
{
	static uint8_t body[16384] = {0xa1, 1, 0xa1, 2, 0x81, 0xa1, 0x0a, 0x99};
	struct mitigation_body *bodies;

	memset(body + 10, 17, 300);
	body[8] = SCOPE_LIST_MAX >> 8;
	assert_int_equal(read_request(body, 10 + SCOPE_LIST_MAX, &bodies), 0);
	assert_int_equal(bodies->scope.protocols, SCOPE_LIST_MAX);
	mitigation_bodies_free(bodies, 1);
	body[9] = 1;
	assert_int_equal(read_request(body, 10 + SCOPE_LIST_MAX + 1, &bodies), -EINVAL);
	assert_text_has(err.text, "257 entries, at most 256");
}

static int read_decimal(const char *bytes, size_t length, int32_t *value)
{
	uint8_t body[64] = {0xa1, 0x18, 0x1e, 0xa1, 0x18, 0x2c, 0xa1, 0x18, 0x27, 0xa1, 0x18, 0x2b};
	struct config_body config;
	int rc;

	memcpy(body + 12, bytes, length);
	rc = codec_read_config(body, 12 + length, true, &config, &err);
	*value = config.idle.setting[SETTING_ACK_TIMEOUT].current;
	return rc;
}

#define DECIMAL(bytes, value) read_decimal(bytes, sizeof(bytes) - 1, value)

// RFC 8949 section 3.4.4: tag 4, exponent and mantissa
static void decimals(void **)
{
	int32_t v;

	assert_int_equal(DECIMAL("\xc4\x82\x21\x18\xc8", &v), 0);
	assert_int_equal(v, 200);
	assert_int_equal(DECIMAL("\xc4\x82\x20\x14", &v), 0); // 20 * 10^-1
	assert_int_equal(v, 200);
	assert_int_equal(DECIMAL("\xc4\x82\x00\x02", &v), 0);
	assert_int_equal(v, 200);
	assert_int_equal(DECIMAL("\xc4\x82\x22\x19\x07\xd0", &v), -EINVAL); // three digits
	assert_int_equal(DECIMAL("\xc4\x82\x01\x02", &v), -EINVAL);
	assert_int_equal(DECIMAL("\xc4\x81\x21", &v), -EINVAL);
	assert_int_equal(DECIMAL("\xc5\x82\x21\x02", &v), -EINVAL);
	assert_int_equal(DECIMAL("\x02", &v), -EINVAL);
	assert_int_equal(DECIMAL("\xc4\x82\x21\x20", &v), -EINVAL); // negative
	assert_int_equal(DECIMAL("\xc4\x82\x21\x1b\x00\x00\x00\x01\x00\x00\x00\x00", &v), -EINVAL);
	assert_int_equal(DECIMAL("\xc4\x82\x00\x1a\xff\xff\xff\xff", &v), -EINVAL);
}

// A reply may hold what we do not know: that is no error of ours
static void unknown_in_a_reply(void **)
{
	static const uint8_t body[] = {0xa1, 1, 0xa1, 2, 0x81, 0xa3, 5, 7, 0x18, 60, 1, 16, 9};
	struct mitigation_body *bodies;
	unsigned count;

	assert_int_equal(
		codec_read_mitigations(body, sizeof(body), false, &bodies, &count, &err), 0);
	assert_int_equal(bodies->mid, 7);
	assert_int_equal(bodies->status, 9);
	mitigation_bodies_free(bodies, count);
}

static void heartbeats_and_redirects(void **)
{
	static const uint8_t hb_with_scope[] = {0xa1, 1, 0xa1, 2, 0x80};
	static const uint8_t bad_record[] = {0xa1, 0x18, 0x2e, 0xa2, 0x19, 0x80, 0x05, 0x61, 'x',
		0x19, 0x80, 0x06, 0x81, 0x61, 'y'};
	struct redirect_body redirect;
	bool status;

	assert_int_equal(
		codec_read_heartbeat(hb_with_scope, sizeof(hb_with_scope), &status, &err), -EINVAL);
	assert_int_equal(
		codec_read_redirect(bad_record, sizeof(bad_record), &redirect, &err), -EINVAL);
	assert_text_has(err.text, "entry 1 is no address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_document),
		cmocka_unit_test(keys),
		cmocka_unit_test(depth_and_numbers),
		cmocka_unit_test(forms),
		cmocka_unit_test(attributes),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(decimals),
		cmocka_unit_test(unknown_in_a_reply),
		cmocka_unit_test(heartbeats_and_redirects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
