// SPDX-License-Identifier: BSD-3-Clause

// One CoAP message: what is taken apart, what is refused, and that options we do not understand are
// told apart by what they ask of us (RFC 7252 section 5.4).

#include "base/bits.h"
#include "dots/message.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

static int parse(struct message *m, const char *bytes, size_t length)
{
	return message_parse(m, TRANSPORT_DTLS, (const uint8_t *)bytes, length);
}

#define PARSE(m, bytes) parse(m, bytes, sizeof(bytes) - 1)

static void malformed_datagrams(void **)
{
	struct message m;

	assert_int_equal(parse(&m, "", 0), -EBADMSG);
	assert_int_equal(PARSE(&m, "\x50\x01\x00"), -EBADMSG);
	assert_int_equal(PARSE(&m, "\x90\x01\x00\x01"), -EBADMSG);          // version 2
	assert_int_equal(PARSE(&m, "\x59\x01\x00\x01ttttttttt"), -EBADMSG); // token of 9
	assert_int_equal(PARSE(&m, "\x54\x01\x00\x01tt"), -EBADMSG);        // token cut
	assert_int_equal(PARSE(&m, "\x50\x00\x00\x01x"), -EBADMSG);         // Empty with more
	assert_int_equal(PARSE(&m, "\x41\x00\x00\x01t"), -EBADMSG);         // Empty with token
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xff"), -EBADMSG);      // no payload
	assert_int_equal(PARSE(&m,
				 "\x50\x01\x00\x01\xb5"
				 "abc"),
		-EBADMSG);                                             // option cut
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xf0"), -EBADMSG); // reserved nibble
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xbf"), -EBADMSG);
	// option numbers that run over 65535, in one step and in two
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xe0\xff\xff"), -EBADMSG);
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xe0\xfe\xf3"), -EBADMSG);
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xe0\x80\x00\xe0\x80\x00"), -EBADMSG);
}

// Signalling codes exist on streams alone; one datagram of them crashed libcoap's session layer.
static void signals_over_udp_are_refused(void **)
{
	struct message m;
	uint8_t datagram[] = {0x50, 0xe5, 0, 1};

	for (unsigned detail = 0; detail < 32; detail++) {
		datagram[1] = (uint8_t)(7 << 5 | detail);
		assert_int_equal(
			message_parse(&m, TRANSPORT_DTLS, datagram, sizeof(datagram)), -EBADMSG);
	}
}

static void options_by_number(void **)
{
	struct message m;

	// an unknown elective option is passed over, an unknown critical one is remembered
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xe1\x06\xe3y"), 0); // 2032
	assert_int_equal(m.bad_option, 0);
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xe1\x06\xe4y"), 0); // 2033
	assert_int_equal(m.bad_option, 2033);
	// Block1 is not understood: a mitigation request is one message (RFC 9132 section 7.3)
	assert_int_equal(PARSE(&m, "\x50\x03\x00\x01\xd1\x0e\x08"), 0);
	assert_int_equal(m.bad_option, COAP_OPTION_BLOCK1);
	assert_int_equal(PARSE(&m, "\x50\x03\x00\x01\xd0\x0e"), 0); // and empty
	assert_int_equal(m.bad_option, COAP_OPTION_BLOCK1);
	// a forbidden length makes an option one that is not understood: Accept of 3 bytes is critical,
	// Content-Format of 3 and Hop-Limit of none are not
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xd3\x04zzz"), 0);
	assert_int_equal(m.bad_option, COAP_OPTION_ACCEPT);
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xc3zzz\x40"), 0);
	assert_int_equal(m.bad_option, 0);
	assert_int_equal(m.content_format, MESSAGE_ABSENT);
	assert_int_equal(m.hop_limit, MESSAGE_ABSENT);
	// so does a second one of what may stand once
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xd1\x04\x01\x01\x02"), 0);
	assert_int_equal(m.bad_option, COAP_OPTION_ACCEPT);
	assert_int_equal(PARSE(&m, "\x50\x01\x00\x01\xc1\x01\x01\x02"), 0);
	assert_int_equal(m.content_format, 1);
	assert_int_equal(m.bad_option, 0);
}

static void too_many_path_segments_are_noticed(void **)
{
	uint8_t datagram[4 + 20] = {0x50, 1, 0, 1, 0xb1, 'a'};
	struct message m;

	for (unsigned i = 6; i + 1 < sizeof(datagram); i += 2)
		memcpy(datagram + i,
			"\x01"
			"a",
			2);
	assert_int_equal(message_parse(&m, TRANSPORT_DTLS, datagram, sizeof(datagram)), 0);
	assert_int_equal(m.path_count, MESSAGE_PATH_MAX + 1);
	m.path_count = 0;
	for (unsigned i = 0; i < MESSAGE_PATH_MAX + 2; i++)
		message_add_path(&m, "a");
	assert_int_equal(message_build(&m, TRANSPORT_DTLS, datagram, sizeof(datagram)), -EMSGSIZE);
}

static void every_option_goes_out_as_it_came(void **)
{
	struct message m = message_make(COAP_REQUEST_PUT), again;
	uint8_t out[512];

	m.type = COAP_MESSAGE_CON;
	m.id = 0xfffe;
	m.token_length = 8;
	memcpy(m.token, "12345678", 8);
	m.if_match = true;
	m.etag = (struct slice){(const uint8_t *)"etag", 4};
	m.observe = 0xffffff;
	message_add_path(&m, ".well-known");
	message_add_path(&m, "");
	m.content_format = 271;
	m.max_age = 0xffffffff;
	m.hop_limit = 255;
	m.accept = 0;
	m.block2 = 0x16;
	m.size2 = 70000;
	m.payload = (struct slice){(const uint8_t *)"body", 4};
	for (enum transport_kind kind = TRANSPORT_DTLS; kind <= TRANSPORT_TLS; kind++) {
		int length = message_build(&m, kind, out, sizeof(out));

		assert_true(length > 0);
		assert_int_equal(message_parse(&again, kind, out, (size_t)length), 0);
		assert_true(again.if_match && again.if_match_empty);
		assert_memory_equal(again.etag.data, "etag", again.etag.length);
		assert_int_equal(again.observe, 0xffffff);
		assert_int_equal(again.path_count, 2);
		assert_true(slice_is(&again.path[0], ".well-known"));
		assert_int_equal(again.path[1].length, 0);
		assert_int_equal(again.content_format, 271);
		assert_int_equal(again.max_age, 0xffffffff);
		assert_int_equal(again.hop_limit, 255);
		assert_int_equal(again.accept, 0);
		assert_int_equal(again.block2, 0x16);
		assert_int_equal(again.size2, 70000);
		assert_memory_equal(again.token, "12345678", 8);
		assert_memory_equal(again.payload.data, "body", 4);
		if (kind == TRANSPORT_DTLS)
			assert_int_equal(again.id, 0xfffe);
	}
}

// The four forms of the length header at their edges (RFC 8323 section 3.2), and that a frame which
// is a byte short or long is none.
static void frames_of_each_length(void **)
{
	static const size_t payload[] = {0, 11, 12, 13, 267, 268, 269, 65530 - 269};
	static uint8_t body[70000], out[70010];
	struct message m = message_make(COAP_RESPONSE_CODE(205)), again;

	for (unsigned i = 0; i < ARRAY_LEN(payload); i++) {
		int length;

		m.payload = (struct slice){body, payload[i]};
		length = message_build(&m, TRANSPORT_TLS, out, sizeof(out));
		assert_true(length > (int)payload[i]);
		assert_int_equal(message_parse(&again, TRANSPORT_TLS, out, (size_t)length), 0);
		assert_int_equal(again.payload.length, payload[i]);
		assert_int_equal(
			message_parse(&again, TRANSPORT_TLS, out, (size_t)length - 1), -EBADMSG);
		assert_int_equal(
			message_parse(&again, TRANSPORT_TLS, out, (size_t)length + 1), -EBADMSG);
	}
	// longer than anybody may send us
	m.payload = (struct slice){body, MESSAGE_MAX - 5};
	assert_int_equal(message_build(&m, TRANSPORT_TLS, out, sizeof(out)), MESSAGE_MAX);
	assert_int_equal(message_parse(&again, TRANSPORT_TLS, out, MESSAGE_MAX), 0);
	m.payload.length++;
	assert_int_equal(message_build(&m, TRANSPORT_TLS, out, sizeof(out)), -EMSGSIZE);
}

static void signal_options(void **)
{
	struct message m;
	const char csm[] = "\x30\xe1\x22\x04\x80"; // Max-Message-Size 1152
	const char critical[] = "\x20\xe1\x31\x00";

	assert_int_equal(message_parse(&m, TRANSPORT_TLS, (const uint8_t *)csm, 5), 0);
	assert_int_equal(m.max_message_size, 1152);
	assert_int_equal(message_parse(&m, TRANSPORT_TLS, (const uint8_t *)critical, 4), 0);
	assert_int_equal(m.bad_option, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_datagrams),
		cmocka_unit_test(signals_over_udp_are_refused),
		cmocka_unit_test(options_by_number),
		cmocka_unit_test(too_many_path_segments_are_noticed),
		cmocka_unit_test(every_option_goes_out_as_it_came),
		cmocka_unit_test(frames_of_each_length),
		cmocka_unit_test(signal_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
