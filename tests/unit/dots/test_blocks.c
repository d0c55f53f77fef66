// SPDX-License-Identifier: BSD-3-Clause

// Lists that do not fit one message (RFC 7959; RFC 9132 section 4.4.2).

#include "base/clock.h"
#include "dots/codec.h"

#include "unit.h"
#include "upstream.h"

#include <stdio.h>
#include <string.h>

#define LIST "mitigate/cuid=" CUID
#define MANY 50

static uint8_t whole[8192];
static size_t length;
static uint8_t etag[8];
static size_t etag_length;

static int many_mitigations(void **state)
{
	struct dots_upstream config;

	world_setup(state);
	config = upstream_config(&one);
	upstream_connect(&one, &config);
	for (unsigned i = 0; i < MANY; i++) {
		struct attack attack = {"203.0.113.7/32", 1500, NULL, 3600, 0};
		char target[32];

		snprintf(target, sizeof(target), "198.51.100.%u/32", i + 1);
		attack.target = target;
		assert_int_equal(mitigate(&one, CUID, i, attack), 201);
	}
	length = 0;
	return 0;
}

// Asks for a block of 16 << szx bytes, under the ETag of the first, and adds it to the whole.
static unsigned block(unsigned number, unsigned szx)
{
	struct message m = message_make(COAP_REQUEST_GET);
	unsigned code;

	m.block2 = (int32_t)(number << 4 | szx);
	if (number)
		m.etag = (struct slice){etag, etag_length};
	code = ask_with(&one, &m, LIST, NULL, 0);
	if (code != 205)
		return code;
	assert_int_equal(one.reply.block2 >> 4, number);
	assert_true(one.reply.etag.length > 0);
	if (!number) {
		etag_length = one.reply.etag.length;
		memcpy(etag, one.etag, etag_length);
	}
	assert_int_equal(one.reply.etag.length, etag_length);
	assert_memory_equal(one.etag, etag, etag_length);
	memcpy(whole + length, one.body, one.reply.payload.length);
	length += one.reply.payload.length;
	return code;
}

static void expect_whole(unsigned mitigations)
{
	struct mitigation_body *bodies;
	struct err err;
	unsigned count;

	assert_int_equal(codec_read_mitigations(whole, length, false, &bodies, &count, &err), 0);
	assert_int_equal(count, mitigations);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(bodies[i].mid, i);
	mitigation_bodies_free(bodies, count);
}

// SZ-02: a GET that asks for no block gets the first, which says how much there is, and an ETag
static void a_long_list(void **)
{
	assert_int_equal(ask(&one, COAP_REQUEST_GET, LIST, NULL, 0), 205);
	assert_int_equal(one.reply.block2, 0 << 4 | 8 | 6);
	assert_int_equal(one.reply.payload.length, 1024);
	assert_true(one.reply.size2 > 2 * 1024);
	etag_length = one.reply.etag.length;
	memcpy(etag, one.etag, etag_length);
	memcpy(whole, one.body, 1024);
	length = 1024;
	for (unsigned i = 1; one.reply.block2 & 8; i++)
		assert_int_equal(block(i, 6), 205);
	expect_whole(MANY);
}

// A client may want smaller blocks
static void smaller_blocks(void **)
{
	assert_int_equal(block(0, 4), 205);
	assert_int_equal(one.reply.payload.length, 256);
	for (unsigned i = 1; one.reply.block2 & 8; i++)
		assert_int_equal(block(i, 4), 205);
	expect_whole(MANY);
}

// All blocks are of the state that the first was of, whatever happens meanwhile
static void a_list_that_changes(void **)
{
	assert_int_equal(block(0, 6), 205);
	for (unsigned i = 0; i < 20; i++) {
		char path[64];

		snprintf(path, sizeof(path), LIST "/mid=%u", i);
		acl_hit(acl, 0, i, 1000);
		assert_int_equal(ask(&one, COAP_REQUEST_DELETE, path, NULL, 0), 202);
	}
	pass(5);
	one.reply.block2 = 8;
	for (unsigned i = 1; one.reply.block2 & 8; i++)
		assert_int_equal(block(i, 6), 205);
	expect_whole(MANY);
	// who begins anew gets the new state under a new ETag
	length = 0;
	assert_int_equal(ask(&one, COAP_REQUEST_GET, LIST, NULL, 0), 205);
	assert_memory_not_equal(one.etag, etag, etag_length);
}

// A state is kept for a minute after it was asked for last
static void a_list_that_is_forgotten(void **)
{
	assert_int_equal(block(0, 6), 205);
	pass(59);
	assert_int_equal(block(1, 6), 205);
	pass(59);
	assert_int_equal(block(2, 6), 205);
	pass(61);
	assert_int_equal(block(3, 6), 400);
	assert_true(says(&one, "begin anew"));
}

static void blocks_that_are_none(void **)
{
	static const int32_t wrong[] = {7, 0x16, 0x17, 0xfff6};

	for (unsigned i = 0; i < 4; i++) {
		struct message m = message_make(COAP_REQUEST_GET);

		m.block2 = wrong[i];
		assert_int_equal(ask_with(&one, &m, LIST, NULL, 0), 400);
		assert_true(says(&one, "Block2"));
	}
	assert_int_equal(block(0, 6), 205);
	assert_int_equal(block(20, 6), 400);
	etag[0] ^= 1;
	assert_int_equal(block(1, 6), 400);
	// another resource has no blocks of this one
	struct message m = message_make(COAP_REQUEST_GET);

	m.block2 = 0x16;
	assert_int_equal(ask_with(&one, &m, "mitigate/cuid=" CUID "/mid=1", NULL, 0), 400);
}

// An answer that fits goes whole, also to a client that offers blocks
static void a_short_answer(void **)
{
	struct message m = message_make(COAP_REQUEST_GET);

	m.block2 = 6;
	assert_int_equal(ask_with(&one, &m, LIST "/mid=1", NULL, 0), 205);
	assert_int_equal(one.reply.block2, MESSAGE_ABSENT);
	assert_int_equal(answered(&one)->mid, 1);
}

// A notification that does not fit brings its first block (RFC 7959 section 2.6)
static void an_observed_list(void **)
{
	struct message m = message_make(COAP_REQUEST_GET);

	m.observe = 0;
	assert_int_equal(ask_with(&one, &m, LIST, NULL, 0), 205);
	assert_true(one.reply.observe != MESSAGE_ABSENT);
	pass(6);
	assert_int_equal(one.notifications, 1);
	assert_int_equal(one.reply.block2, 8 | 6);
	assert_int_equal(one.reply.type, COAP_MESSAGE_NON);
	etag_length = one.reply.etag.length;
	memcpy(etag, one.etag, etag_length);
	memcpy(whole, one.body, 1024);
	length = 1024;
	for (unsigned i = 1; one.reply.block2 & 8; i++)
		assert_int_equal(block(i, 6), 205);
	expect_whole(MANY);
}

// What was kept goes with the session
static void another_session(void **)
{
	assert_int_equal(block(0, 6), 205);
	fake_cut(one.transport, "cable cut");
	settle();
	assert_int_equal(block(1, 6), 400);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, many_mitigations, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_long_list),
		CASE(smaller_blocks),
		CASE(a_list_that_changes),
		CASE(a_list_that_is_forgotten),
		CASE(blocks_that_are_none),
		CASE(a_short_answer),
		CASE(an_observed_list),
		CASE(another_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
