// SPDX-License-Identifier: BSD-3-Clause

#include "dots/exchange.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/rand.h"
#include "dots/pending.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// how long a message ID stays in use (RFC 7252 section 4.8.2, default parameters)
#define EXCHANGE_LIFETIME (247 * CLOCK_SECOND)
#define NON_LIFETIME      (145 * CLOCK_SECOND)

// header, token, ETag, Observe, Content-Format, Max-Age, Block2 and marker of an answer
#define ANSWER_OVERHEAD 48

static void signal_send(
	struct exchange *x, uint8_t code, const struct message *about, const char *text);

size_t exchange_room(const struct exchange *x)
{
	size_t room = transport_room(x->transport);

	room = room > ANSWER_OVERHEAD ? room - ANSWER_OVERHEAD : 0;
	return room < REPLY_BODY_ROOM ? room : REPLY_BODY_ROOM;
}

void reply_refuse(struct reply *reply, unsigned code, const char *format, ...)
{
	char text[sizeof(((struct err *)0)->text)];
	size_t length;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	length = strlen(text);
	if (length > reply->room)
		length = reply->room;
	// a text may quote the request, and a diagnostic payload is UTF-8
	for (size_t i = 0; i < length; i++) {
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	}
	memcpy(reply->body, text, length);
	reply->message = message_make((uint8_t)COAP_RESPONSE_CODE(code));
	reply->message.payload = (struct slice){reply->body, length};
}

struct exchange *exchange_new(struct evloop *loop, struct transport *transport,
	const struct exchange_events *events, void *ctx)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x || rand_seed(&x->random) < 0) {
		free(x);
		return NULL;
	}
	x->loop = loop;
	x->transport = transport;
	x->events = events;
	x->ctx = ctx;
	x->kind = transport_kind(transport);
	// defaults of RFC 9132 section 4.5
	x->timing = (struct exchange_timing){2000, 150, 3};
	x->next_id = (uint16_t)rand_u32(&x->random);
	x->next_token = rand_u32(&x->random);
	if (x->kind == TRANSPORT_TLS)
		signal_send(x, COAP_SIGNALING_CSM, NULL, NULL);
	return x;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	pending_clear(x);
	recent_clear(&x->recent);
	free(x);
}

void exchange_set_timing(struct exchange *x, const struct exchange_timing *timing)
{
	x->timing = *timing;
}

bool exchange_ready(const struct exchange *x)
{
	return x->kind == TRANSPORT_DTLS || x->csm_seen;
}

// Builds a message in `out` and sends it. -EMSGSIZE means that it was not built.
static int send_message(struct exchange *x, const struct message *message, uint8_t *out,
	size_t room, size_t *length)
{
	int built;

	*length = 0;
	if (room > transport_room(x->transport))
		room = transport_room(x->transport);
	built = message_build(message, x->kind, out, room);
	if (built < 0)
		return built;
	*length = (size_t)built;
	return transport_send(x->transport, out, *length);
}

// ACK or RST for a message, which its duplicates will get again.
static void send_empty(struct exchange *x, uint8_t type, uint16_t id, struct seen *seen)
{
	struct message m = message_make(COAP_EMPTY_CODE);
	uint8_t out[4];
	size_t length;

	m.type = type;
	m.id = id;
	if (send_message(x, &m, out, sizeof(out), &length) != -EMSGSIZE && seen)
		recent_answer(&x->recent, seen, out, length);
}

static void signal_send(
	struct exchange *x, uint8_t code, const struct message *about, const char *text)
{
	struct message m = message_make(code);
	uint8_t out[256];
	size_t length;

	if (code == COAP_SIGNALING_CSM)
		m.max_message_size = MESSAGE_MAX;
	if (about) {
		m.token_length = about->token_length;
		memcpy(m.token, about->token, m.token_length);
	}
	if (text)
		m.payload = (struct slice){(const uint8_t *)text, strlen(text)};
	send_message(x, &m, out, sizeof(out), &length);
}

// ------------------------------------------------------------------ answering

static void answer_request(struct exchange *x, const struct message *request, struct seen *seen)
{
	struct reply reply;
	uint8_t out[REPLY_BODY_ROOM + ANSWER_OVERHEAD];
	struct err why;
	size_t length;
	int rc;

	reply.message = message_make(0);
	reply.room = exchange_room(x);
	if (request->bad_option == COAP_OPTION_PROXY_URI ||
		request->bad_option == COAP_OPTION_PROXY_SCHEME)
		reply_refuse(&reply, 505, "this is no proxy"); // RFC 7252 section 5.10.2
	else if (request->bad_option)
		reply_refuse(&reply, 402, "option %u is not understood, or not here",
			request->bad_option); // RFC 7252 section 5.4.1
	else
		x->events->request(x->ctx, request, &reply);
	if (!reply.message.code)
		return;
	if (request->type == COAP_MESSAGE_CON) {
		reply.message.type = COAP_MESSAGE_ACK;
		reply.message.id = request->id;
	} else {
		reply.message.type = COAP_MESSAGE_NON;
		reply.message.id = x->next_id++;
	}
	reply.message.token_length = request->token_length;
	memcpy(reply.message.token, request->token, request->token_length);
	rc = send_message(x, &reply.message, out, sizeof(out), &length);
	if (rc != -EMSGSIZE && seen && reply.message.type == COAP_MESSAGE_ACK)
		recent_answer(&x->recent, seen, out, length);
	if (rc == -EAGAIN && x->kind == TRANSPORT_TLS) {
		// nothing is repeated on a stream, so an answer that is not taken is lost for good
		err_set(&why, "the peer does not read its answers");
		x->events->ended(x->ctx, &why);
	}
}

int exchange_notify(
	struct exchange *x, const uint8_t *token, uint8_t token_length, struct message *message)
{
	struct notified *n = &x->notified[x->notifications++ % ARRAY_LEN(x->notified)];
	uint8_t out[REPLY_BODY_ROOM + ANSWER_OVERHEAD];
	size_t length;

	message->type = COAP_MESSAGE_NON;
	message->id = x->next_id++;
	message->token_length = token_length;
	memcpy(message->token, token, token_length);
	n->id = message->id;
	n->token_length = token_length;
	memcpy(n->token, token, token_length);
	return send_message(x, message, out, sizeof(out), &length);
}

// ------------------------------------------------------------------ receiving

static void peer_reset(struct exchange *x, uint16_t id)
{
	unsigned kept = min_u32(x->notifications, ARRAY_LEN(x->notified));
	struct pending *p = pending_by_id(x, id);

	if (p && !p->observing) {
		pending_end(p, ANSWER_RESET, NULL);
		return;
	}
	for (unsigned i = 0; i < kept; i++) {
		struct notified *n = &x->notified[i];

		if (n->id == id && n->token_length) {
			x->events->reset(x->ctx, n->token, n->token_length);
			return;
		}
	}
}

static void peer_ack(struct exchange *x, const struct message *m)
{
	struct pending *p = pending_by_id(x, m->id);

	if (!p || !p->confirmable || p->observing)
		return;
	if (m->code == COAP_EMPTY_CODE) {
		pending_acked(p);
		return;
	}
	if (code_is_response(m->code) && !m->bad_option && p->token_length == m->token_length &&
		!memcmp(p->token, m->token, m->token_length))
		pending_answered(p, m);
}

// A response in a message of its own: to a NON, separate, a notification, or on a stream.
static void peer_response(struct exchange *x, const struct message *m, struct seen *seen)
{
	struct pending *p = pending_by_token(x, m->token, m->token_length);
	bool con = m->type == COAP_MESSAGE_CON && x->kind == TRANSPORT_DTLS;

	if (!p || !p->sends || m->bad_option) {
		// an unknown notification is rejected so that it stops (RFC 7641 section 3.6)
		if (x->kind == TRANSPORT_DTLS && (con || m->observe != MESSAGE_ABSENT))
			send_empty(x, COAP_MESSAGE_RST, m->id, seen);
		return;
	}
	if (con)
		send_empty(x, COAP_MESSAGE_ACK, m->id, seen);
	pending_answered(p, m);
}

static void receive_datagram(struct exchange *x, const struct message *m)
{
	bool con = m->type == COAP_MESSAGE_CON;
	uint64_t now = clock_now();
	struct seen *seen;

	if (m->type == COAP_MESSAGE_RST) {
		if (m->code == COAP_EMPTY_CODE)
			peer_reset(x, m->id);
		return;
	}
	if (m->type == COAP_MESSAGE_ACK) {
		peer_ack(x, m);
		return;
	}
	if (m->code == COAP_EMPTY_CODE) {
		if (con)
			send_empty(
				x, COAP_MESSAGE_RST, m->id, NULL); // a ping (RFC 7252 section 4.3)
		return;
	}
	seen = recent_find(&x->recent, m->id, now);
	if (seen) {
		if (seen->answer)
			transport_send(x->transport, seen->answer, seen->length);
		return;
	}
	seen = recent_add(&x->recent, m->id, now + (con ? EXCHANGE_LIFETIME : NON_LIFETIME), now);
	if (code_is_request(m->code))
		answer_request(x, m, seen);
	else if (code_is_response(m->code))
		peer_response(x, m, seen);
	else if (con)
		send_empty(x, COAP_MESSAGE_RST, m->id, seen); // a reserved class
}

// Ends an association whose peer breaks the protocol (RFC 8323 section 5.6).
static void abort_stream(struct exchange *x, const char *reason)
{
	struct err why;

	signal_send(x, COAP_SIGNALING_ABORT, NULL, reason);
	err_set(&why, "%s", reason);
	x->events->ended(x->ctx, &why);
}

static void receive_signal(struct exchange *x, const struct message *m)
{
	struct err why;

	if (m->bad_option) {
		abort_stream(x, "a critical option of a signalling message is unknown");
		return;
	}
	switch (m->code) {
	case COAP_SIGNALING_CSM:
		if (m->max_message_size != MESSAGE_ABSENT)
			transport_set_room(x->transport, (size_t)m->max_message_size);
		if (!x->csm_seen) {
			x->csm_seen = true;
			x->events->ready(x->ctx);
		}
		break;
	case COAP_SIGNALING_PING:
		signal_send(x, COAP_SIGNALING_PONG, m, NULL);
		break;
	case COAP_SIGNALING_RELEASE:
		err_set(&why, "released by the peer");
		x->events->ended(x->ctx, &why);
		break;
	case COAP_SIGNALING_ABORT:
		err_set(&why, "aborted by the peer: %.*s",
			(int)(m->payload.length < 200 ? m->payload.length : 200),
			m->payload.length ? (const char *)m->payload.data : "");
		x->events->ended(x->ctx, &why);
		break;
	default: // Pong, and what is not defined yet
		break;
	}
}

static void receive_frame(struct exchange *x, const struct message *m)
{
	if (code_is_signal(m->code) && (x->csm_seen || m->code == COAP_SIGNALING_CSM))
		receive_signal(x, m);
	else if (!x->csm_seen)
		abort_stream(x, "the first message is no CSM"); // RFC 8323 section 5.3
	else if (code_is_request(m->code))
		answer_request(x, m, NULL);
	else if (code_is_response(m->code))
		peer_response(x, m, NULL);
}

void exchange_receive(struct exchange *x, const uint8_t *data, size_t length)
{
	struct message m;

	if (message_parse(&m, x->kind, data, length) < 0) {
		// silence over DTLS (RFC 7252 section 4.2 lets us choose); a stream is beyond repair
		if (x->kind == TRANSPORT_TLS)
			abort_stream(x, "malformed message");
		return;
	}
	if (x->kind == TRANSPORT_DTLS)
		receive_datagram(x, &m);
	else
		receive_frame(x, &m);
}
