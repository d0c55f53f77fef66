// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One CoAP message as a plain structure, read from and written to a datagram (RFC 7252 section 3)
// or a frame on a TLS stream (RFC 8323 section 3.2). libcoap is the codec of the options; the header
// is read and written here.
//
// Nothing is allocated or copied: texts and payload point into the bytes the message was read from,
// or that its maker handed in, and live as long as those.

#include "dots/frame.h"
#include "dots/transport.h"

#include <coap3/coap.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_TOKEN_MAX 8
#define MESSAGE_PATH_MAX  8         // Uri-Path segments; DOTS needs six
#define MESSAGE_ABSENT    -1        // of an option with a number
#define MESSAGE_MAX       FRAME_MAX // bytes of the largest message taken or sent

struct slice {
	const uint8_t *data;
	size_t length;
};

struct message {
	uint8_t type; // COAP_MESSAGE_CON and so on; on a stream always COAP_MESSAGE_NON
	uint8_t code; // COAP_RESPONSE_CODE(405) and the like
	uint16_t id;  // 0 on a stream
	uint8_t token[MESSAGE_TOKEN_MAX];
	uint8_t token_length;

	struct slice path[MESSAGE_PATH_MAX];
	unsigned path_count; // may say MESSAGE_PATH_MAX + 1: more than were kept
	bool if_match;       // present,
	bool if_match_empty; // and without an ETag: "whichever there is"
	struct slice etag;   // length 0: absent
	int32_t observe;     // this and what follows may be MESSAGE_ABSENT
	int32_t content_format;
	int32_t accept;
	int32_t hop_limit;
	int32_t block2; // NUM << 4 | M << 3 | SZX (RFC 7959 section 2.2)
	int64_t size2;
	int64_t max_age;
	int64_t max_message_size; // of a CSM

	// the first critical option that is unknown, of a forbidden length, or given once too often
	// (RFC 7252 sections 5.4.1, 5.4.3, 5.4.5); 0: none
	uint16_t bad_option;
	struct slice payload;
};

// An empty message with this code and no option.
struct message message_make(uint8_t code);

// Reads one whole message. Returns -EBADMSG if it is not CoAP of that framing; over DTLS that
// includes the signalling codes of class 7, which exist on streams alone.
int message_parse(
	struct message *message, enum transport_kind kind, const uint8_t *data, size_t length);

// Writes the message into `room` bytes. Returns its length, or -EMSGSIZE.
int message_build(
	const struct message *message, enum transport_kind kind, uint8_t *out, size_t room);

static inline bool code_is_request(uint8_t code)
{
	return code != 0 && COAP_RESPONSE_CLASS(code) == 0;
}

static inline bool code_is_response(uint8_t code)
{
	return COAP_RESPONSE_CLASS(code) == 2 || COAP_RESPONSE_CLASS(code) == 4 ||
		COAP_RESPONSE_CLASS(code) == 5;
}

static inline bool code_is_signal(uint8_t code)
{
	return COAP_RESPONSE_CLASS(code) == 7;
}

// Whether a slice holds exactly this text.
bool slice_is(const struct slice *slice, const char *text);

// Adds one Uri-Path segment; the text must outlive the message. More than MESSAGE_PATH_MAX are left
// out and make message_build() fail.
void message_add_path(struct message *message, const char *segment);

// "4.05" for a code, into out, which holds 5 bytes.
const char *code_format(uint8_t code, char *out);
