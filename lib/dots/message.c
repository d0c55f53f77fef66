// SPDX-License-Identifier: BSD-3-Clause

#include "dots/message.h"

#include "base/bits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PAYLOAD_MARKER 0xff

// What DOTS understands, with the lengths of RFC 7252 table 4, RFC 7641, RFC 7959 and RFC 8768.
static const struct option {
	uint16_t number;
	uint16_t min;
	uint16_t max;
	bool repeatable;
} options[] = {
	{COAP_OPTION_IF_MATCH, 0, 8, true},
	{COAP_OPTION_URI_HOST, 1, 255, false},
	{COAP_OPTION_ETAG, 1, 8, true},
	{COAP_OPTION_OBSERVE, 0, 3, false},
	{COAP_OPTION_URI_PORT, 0, 2, false},
	{COAP_OPTION_URI_PATH, 0, 255, true},
	{COAP_OPTION_CONTENT_FORMAT, 0, 2, false},
	{COAP_OPTION_MAXAGE, 0, 4, false},
	{COAP_OPTION_URI_QUERY, 0, 255, true},
	{COAP_OPTION_HOP_LIMIT, 1, 1, false},
	{COAP_OPTION_ACCEPT, 0, 2, false},
	{COAP_OPTION_BLOCK2, 0, 3, false},
	{COAP_OPTION_SIZE2, 0, 4, false},
};

struct message message_make(uint8_t code)
{
	return (struct message){
		.type = COAP_MESSAGE_NON,
		.code = code,
		.observe = MESSAGE_ABSENT,
		.content_format = MESSAGE_ABSENT,
		.accept = MESSAGE_ABSENT,
		.hop_limit = MESSAGE_ABSENT,
		.block2 = MESSAGE_ABSENT,
		.size2 = MESSAGE_ABSENT,
		.max_age = MESSAGE_ABSENT,
		.max_message_size = MESSAGE_ABSENT,
	};
}

bool slice_is(const struct slice *slice, const char *text)
{
	return slice->length == strlen(text) && !memcmp(slice->data, text, slice->length);
}

const char *code_format(uint8_t code, char *out)
{
	snprintf(out, 5, "%u.%02u", (unsigned)code >> 5, (unsigned)code & 0x1f);
	return out;
}

void message_add_path(struct message *message, const char *segment)
{
	if (message->path_count < MESSAGE_PATH_MAX) {
		message->path[message->path_count] =
			(struct slice){(const uint8_t *)segment, strlen(segment)};
	}
	message->path_count++;
}

static uint32_t read_uint(const struct slice *value)
{
	uint32_t v = 0;

	for (size_t i = 0; i < value->length; i++)
		v = v << 8 | value->data[i];
	return v;
}

static const struct option *option_find(uint32_t number)
{
	for (unsigned i = 0; i < ARRAY_LEN(options); i++) {
		if (options[i].number == number)
			return &options[i];
	}
	return NULL;
}

static void take_option(struct message *m, uint16_t number, const struct slice *value)
{
	switch (number) {
	case COAP_OPTION_IF_MATCH:
		m->if_match_empty = value->length == 0;
		m->if_match = true;
		break;
	case COAP_OPTION_ETAG:
		m->etag = *value;
		break;
	case COAP_OPTION_OBSERVE:
		m->observe = (int32_t)read_uint(value);
		break;
	case COAP_OPTION_URI_PATH:
		if (m->path_count < MESSAGE_PATH_MAX)
			m->path[m->path_count++] = *value;
		else
			m->path_count = MESSAGE_PATH_MAX + 1;
		break;
	case COAP_OPTION_CONTENT_FORMAT:
		m->content_format = (int32_t)read_uint(value);
		break;
	case COAP_OPTION_MAXAGE:
		m->max_age = read_uint(value);
		break;
	case COAP_OPTION_HOP_LIMIT:
		m->hop_limit = (int32_t)read_uint(value);
		break;
	case COAP_OPTION_ACCEPT:
		m->accept = (int32_t)read_uint(value);
		break;
	case COAP_OPTION_BLOCK2:
		m->block2 = (int32_t)read_uint(value);
		break;
	case COAP_OPTION_SIZE2:
		m->size2 = read_uint(value);
		break;
	}
}

// An odd number is a critical option (RFC 7252 section 5.4.6).
static void reject_option(struct message *m, uint32_t number)
{
	if (number % 2 && !m->bad_option)
		m->bad_option = (uint16_t)number;
}

// The options of class 7 have numbers of their own; all that are defined are elective
// (RFC 8323 section 5.2).
static void take_signal_option(struct message *m, uint32_t number, const struct slice *value)
{
	if (m->code == COAP_SIGNALING_CSM && number == COAP_SIGNALING_OPTION_MAX_MESSAGE_SIZE &&
		value->length <= 4)
		m->max_message_size = read_uint(value);
	else
		reject_option(m, number);
}

// Reads the options up to the payload marker. Returns the bytes used, or -EBADMSG.
static ssize_t parse_options(struct message *m, const uint8_t *data, size_t length)
{
	uint32_t number = 0;
	size_t at = 0;

	while (at < length && data[at] != PAYLOAD_MARKER) {
		coap_option_t raw;
		size_t used = coap_opt_parse(data + at, length - at, &raw);
		const struct option *known;
		struct slice value;

		// each delta and length has one encoding only; a delta that ran over is found here too
		if (!used || used != coap_opt_encode_size(raw.delta, raw.length))
			return -EBADMSG;
		number += raw.delta;
		if (number > COAP_MAX_OPT)
			return -EBADMSG;
		at += used;
		value = (struct slice){raw.value, raw.length};
		if (code_is_signal(m->code)) {
			take_signal_option(m, number, &value);
			continue;
		}
		known = option_find(number);
		if (!known || value.length < known->min || value.length > known->max ||
			(raw.delta == 0 && at != used && !known->repeatable))
			reject_option(m, number);
		else
			take_option(m, (uint16_t)number, &value);
	}
	return (ssize_t)at;
}

// Token, options and payload: what both framings have in common.
static int parse_rest(struct message *m, const uint8_t *data, size_t length)
{
	ssize_t used;

	if (m->token_length > MESSAGE_TOKEN_MAX || m->token_length > length)
		return -EBADMSG;
	memcpy(m->token, data, m->token_length);
	data += m->token_length;
	length -= m->token_length;
	used = parse_options(m, data, length);
	if (used < 0)
		return -EBADMSG;
	if ((size_t)used == length)
		return 0;
	// a marker that no payload follows is an error (RFC 7252 section 3)
	if ((size_t)used + 1 == length)
		return -EBADMSG;
	m->payload = (struct slice){data + used + 1, length - (size_t)used - 1};
	return 0;
}

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// |Ver| T |  TKL  |      Code     |          Message ID           |
static int parse_datagram(struct message *m, const uint8_t *data, size_t length)
{
	if (length < 4 || data[0] >> 6 != 1)
		return -EBADMSG;
	m->type = data[0] >> 4 & 3;
	m->token_length = data[0] & 0xf;
	m->code = data[1];
	m->id = (uint16_t)(data[2] << 8 | data[3]);
	if (code_is_signal(m->code))
		return -EBADMSG;
	// an Empty message is these four bytes and no more (RFC 7252 section 4.1)
	if (m->code == COAP_EMPTY_CODE && length != 4)
		return -EBADMSG;
	return parse_rest(m, data + 4, length - 4);
}

// |  Len  |  TKL  | extended length, 0 to 4 bytes | Code | Token, options, payload
//
// Len counts options, marker and payload; 13, 14 and 15 announce 1, 2 and 4 bytes more, which
// hold the length less 13, 269 and 65805 (RFC 8323 section 3.2).
static int parse_frame(struct message *m, const uint8_t *data, size_t length)
{
	int whole = frame_length(data, length);
	size_t head;

	if (whole <= 0 || (size_t)whole != length)
		return -EBADMSG;
	head = data[0] >> 4 < 13 ? 2 : 2 + ((size_t)1 << ((data[0] >> 4) - 13));
	m->type = COAP_MESSAGE_NON;
	m->token_length = data[0] & 0xf;
	m->code = data[head - 1];
	return parse_rest(m, data + head, length - head);
}

int message_parse(
	struct message *message, enum transport_kind kind, const uint8_t *data, size_t length)
{
	*message = message_make(0);
	return kind == TRANSPORT_DTLS ? parse_datagram(message, data, length)
				      : parse_frame(message, data, length);
}

// What is being written; `used` past `room` means it did not fit.
struct builder {
	uint8_t *out;
	size_t room;
	size_t used;
	uint16_t number; // of the last option
};

static void put_bytes(struct builder *b, const void *data, size_t length)
{
	if (b->used + length <= b->room && length)
		memcpy(b->out + b->used, data, length);
	b->used += length;
}

static void put_option(struct builder *b, uint16_t number, const void *data, size_t length)
{
	uint16_t delta = number - b->number;
	size_t size = coap_opt_encode_size(delta, length);

	if (b->used + size <= b->room)
		coap_opt_encode(b->out + b->used, b->room - b->used, delta, data, length);
	b->used += size;
	b->number = number;
}

// Shortest form: no leading zeros, and no byte at all for 0 (RFC 7252 section 3.2).
static void put_uint(struct builder *b, uint16_t number, int64_t value)
{
	uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
		(uint8_t)value};
	size_t skip = 0;

	if (value == MESSAGE_ABSENT)
		return;
	while (skip < sizeof(bytes) && !bytes[skip])
		skip++;
	put_option(b, number, bytes + skip, sizeof(bytes) - skip);
}

// Each option's delta is counted from the one before, so they go out by number.
static void put_options(struct builder *b, const struct message *m)
{
	if (code_is_signal(m->code)) {
		put_uint(b, COAP_SIGNALING_OPTION_MAX_MESSAGE_SIZE, m->max_message_size);
		return;
	}
	if (m->if_match)
		put_option(b, COAP_OPTION_IF_MATCH, "", 0);
	if (m->etag.length)
		put_option(b, COAP_OPTION_ETAG, m->etag.data, m->etag.length);
	put_uint(b, COAP_OPTION_OBSERVE, m->observe);
	for (unsigned i = 0; i < m->path_count; i++)
		put_option(b, COAP_OPTION_URI_PATH, m->path[i].data, m->path[i].length);
	put_uint(b, COAP_OPTION_CONTENT_FORMAT, m->content_format);
	put_uint(b, COAP_OPTION_MAXAGE, m->max_age);
	put_uint(b, COAP_OPTION_HOP_LIMIT, m->hop_limit);
	put_uint(b, COAP_OPTION_ACCEPT, m->accept);
	put_uint(b, COAP_OPTION_BLOCK2, m->block2);
	put_uint(b, COAP_OPTION_SIZE2, m->size2);
}

static void put_rest(struct builder *b, const struct message *m)
{
	put_options(b, m);
	if (m->payload.length) {
		put_bytes(b, "\xff", 1);
		put_bytes(b, m->payload.data, m->payload.length);
	}
}

// A message that fits FRAME_MAX needs no more than two bytes of extended length.
static void put_frame_head(struct builder *b, const struct message *m, size_t rest)
{
	uint8_t head[3] = {(uint8_t)(rest << 4 | m->token_length)};
	size_t used = 1;

	if (rest >= 269) {
		head[0] = (uint8_t)(14 << 4 | m->token_length);
		head[used++] = (uint8_t)((rest - 269) >> 8);
		head[used++] = (uint8_t)(rest - 269);
	} else if (rest >= 13) {
		head[0] = (uint8_t)(13 << 4 | m->token_length);
		head[used++] = (uint8_t)(rest - 13);
	}
	put_bytes(b, head, used);
	put_bytes(b, &m->code, 1);
}

int message_build(
	const struct message *message, enum transport_kind kind, uint8_t *out, size_t room)
{
	struct builder b = {.out = out, .room = room < MESSAGE_MAX ? room : MESSAGE_MAX};

	if (message->path_count > MESSAGE_PATH_MAX)
		return -EMSGSIZE;
	if (kind == TRANSPORT_DTLS) {
		uint8_t head[4] = {(uint8_t)(1 << 6 | message->type << 4 | message->token_length),
			message->code, (uint8_t)(message->id >> 8), (uint8_t)message->id};

		put_bytes(&b, head, sizeof(head));
	} else {
		struct builder measure = {0};

		put_rest(&measure, message);
		put_frame_head(&b, message, measure.used);
	}
	put_bytes(&b, message->token, message->token_length);
	put_rest(&b, message);
	return b.used <= b.room ? (int)b.used : -EMSGSIZE;
}
