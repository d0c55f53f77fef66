// SPDX-License-Identifier: BSD-3-Clause

// Every row of tests/dots/vectors/index.json through the codec: valid bodies give the JSON they
// stand for and the bytes they came from, the others give their diagnostic, whole messages are read
// and built again.

#include "base/bits.h"
#include "dots/codec.h"
#include "dots/json.h"
#include "dots/message.h"
#include "dots/validate.h"

#include "unit.h"
#include "vectors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static json_t *rows;

static bool is_about(const json_t *row, const char *what)
{
	return strstr(json_object_iter_key(json_object_iter(json_object_get(row, "json"))), what);
}

// Reads a body into its structure and writes it again.
static int again(const json_t *row, const uint8_t *data, size_t length, bool request, uint8_t *out,
	size_t room, struct err *err)
{
	struct mitigation_body *bodies;
	struct redirect_body redirect;
	struct config_body config;
	bool hb_status;
	unsigned count;
	int rc;

	if (is_about(row, "heartbeat")) {
		rc = codec_read_heartbeat(data, length, &hb_status, err);
		return rc ? rc : codec_write_heartbeat(hb_status, out, room);
	}
	if (is_about(row, "redirected")) {
		rc = codec_read_redirect(data, length, &redirect, err);
		if (!rc) {
			rc = codec_write_redirect(&redirect, out, room);
			free(redirect.record);
		}
		return rc;
	}
	if (is_about(row, "signal-config")) {
		rc = codec_read_config(data, length, request, &config, err);
		return rc ? rc : codec_write_config(&config, out, room);
	}
	rc = codec_read_mitigations(data, length, request, &bodies, &count, err);
	if (rc)
		return rc;
	if (request)
		assert_int_equal(validate_request(bodies, bodies->attack_status != 0, err), 0);
	rc = codec_write_mitigations(bodies, count, out, room);
	// no room is noticed wherever it ends
	for (int less = 0; less < rc; less++)
		assert_int_equal(
			codec_write_mitigations(bodies, count, out, (size_t)less), -EMSGSIZE);
	rc = codec_write_mitigations(bodies, count, out, room);
	mitigation_bodies_free(bodies, count);
	return rc;
}

static void valid_bodies(void **)
{
	unsigned seen = 0;

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		bool request = !strcmp(vector_text(row, "kind"), "request");
		const char *sent_as = vector_text(row, "sent_as");
		uint8_t data[512], out[512], expected[512];
		size_t length, expected_length;
		struct err err = {""};
		json_t *json;
		int rc;

		if (!request && strcmp(vector_text(row, "kind"), "reply"))
			continue;
		length = vector_bytes(row, data, sizeof(data));
		json = json_from_body(data, length, &err);
		if (!json || !json_equal(json, json_object_get(row, "json")))
			fail_msg("%s: %s %s", vector_text(row, "name"), err.text,
				json_dumps(json, JSON_COMPACT));
		json_decref(json);
		expected_length = vector_bytes(
			sent_as ? vector_named(rows, sent_as) : row, expected, sizeof(expected));
		rc = again(row, data, length, request, out, sizeof(out), &err);
		if (rc < 0)
			fail_msg("%s: %s", vector_text(row, "name"), err.text);
		assert_int_equal(rc, expected_length);
		assert_memory_equal(out, expected, expected_length);
		seen++;
	}
	assert_int_equal(seen, 20);
}

// Whatever stands in the body, it is refused with a reason, and where one rule alone is broken the
// reason names it.
static void refused_bodies(void **)
{
	unsigned seen = 0;

	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *name = vector_text(row, "name"), *says = vector_text(row, "says");
		struct mitigation_body *bodies;
		struct redirect_body redirect;
		struct err err = {""};
		uint8_t data[512];
		unsigned count;
		size_t length;
		bool status;
		int rc;

		if (strcmp(vector_text(row, "kind"), "refused"))
			continue;
		length = vector_bytes(row, data, sizeof(data));
		if (!strncmp(name, "74", 2)) {
			rc = codec_read_heartbeat(data, length, &status, &err);
		} else if (!strncmp(name, "75", 2)) {
			rc = codec_read_redirect(data, length, &redirect, &err);
		} else {
			rc = codec_read_mitigations(data, length, true, &bodies, &count, &err);
			if (!rc)
				rc = validate_request(bodies, false, &err);
			mitigation_bodies_free(bodies, count);
		}
		if (rc != -EINVAL || !err.text[0])
			fail_msg("%s: %d %s", name, rc, err.text);
		if (says && !strstr(err.text, says))
			fail_msg("%s: '%s' does not say '%s'", name, err.text, says);
		seen++;
	}
	assert_int_equal(seen, 31 + 24);
}

static void whole_messages(void **)
{
	static const struct {
		const char *name;
		uint8_t code;
		uint8_t type;
		unsigned segments;
		int32_t observe;
		int32_t format;
	} expected[] = {
		{"c1-put-mitigate", 3, COAP_MESSAGE_NON, 5, MESSAGE_ABSENT, 271},
		{"c2-201", COAP_RESPONSE_CODE(201), COAP_MESSAGE_NON, 0, MESSAGE_ABSENT, 271},
		{"c3-409", COAP_RESPONSE_CODE(409), COAP_MESSAGE_NON, 0, MESSAGE_ABSENT, 271},
		{"c4-put-hb", 3, COAP_MESSAGE_NON, 3, MESSAGE_ABSENT, 271},
		{"c5-204-hb", COAP_RESPONSE_CODE(204), COAP_MESSAGE_NON, 0, MESSAGE_ABSENT, -1},
		{"c6-get-observe", 1, COAP_MESSAGE_NON, 5, 0, -1},
		{"c7-notify", COAP_RESPONSE_CODE(205), COAP_MESSAGE_NON, 0, 12, 271},
		{"c8-delete", 4, COAP_MESSAGE_NON, 5, MESSAGE_ABSENT, -1},
		{"c9-efficacy", 3, COAP_MESSAGE_NON, 5, MESSAGE_ABSENT, 271},
		{"c10-get-config", 1, COAP_MESSAGE_CON, 3, MESSAGE_ABSENT, -1},
		{"c11-put-redirect", 3, COAP_MESSAGE_NON, 5, MESSAGE_ABSENT, 271},
		{"c12-put-cdid-hop", 3, COAP_MESSAGE_NON, 6, MESSAGE_ABSENT, 271},
	};

	for (unsigned i = 0; i < ARRAY_LEN(expected); i++) {
		const json_t *row = vector_named(rows, expected[i].name);
		uint8_t data[512], out[512], frame[512];
		size_t length = vector_bytes(row, data, sizeof(data));
		struct message m, over_tls;
		int built;

		assert_int_equal(message_parse(&m, TRANSPORT_DTLS, data, length), 0);
		assert_int_equal(m.code, expected[i].code);
		assert_int_equal(m.type, expected[i].type);
		assert_int_equal(m.path_count, expected[i].segments);
		assert_int_equal(m.observe, expected[i].observe);
		assert_int_equal(m.content_format, expected[i].format);
		assert_int_equal(m.bad_option, 0);
		assert_int_equal(m.token_length, 4);
		assert_int_equal(m.if_match, !strcmp(expected[i].name, "c9-efficacy"));
		assert_int_equal(
			m.hop_limit, strcmp(expected[i].name, "c12-put-cdid-hop") ? -1 : 16);
		built = message_build(&m, TRANSPORT_DTLS, out, sizeof(out));
		assert_int_equal(built, length);
		assert_memory_equal(out, data, length);
		for (size_t less = 0; less < length; less++)
			assert_int_equal(message_build(&m, TRANSPORT_DTLS, out, less), -EMSGSIZE);
		// the same message on a stream
		built = message_build(&m, TRANSPORT_TLS, frame, sizeof(frame));
		assert_true(built > 0);
		assert_int_equal(message_parse(&over_tls, TRANSPORT_TLS, frame, (size_t)built), 0);
		assert_int_equal(over_tls.code, m.code);
		assert_int_equal(over_tls.payload.length, m.payload.length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_bodies),
		cmocka_unit_test(refused_bodies),
		cmocka_unit_test(whole_messages),
	};
	int failed;

	rows = vectors_load();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(rows);
	return failed;
}
