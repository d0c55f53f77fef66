// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The message layer of one association: requests and their answers (RFC 7252 sections 4 and 5.2-5.3),
// notifications (RFC 7641), and on a TLS stream the signalling messages (RFC 8323 section 5).
//
// It is symmetrical, since both ends of a DOTS association ask and answer. Every table is bounded:
// calls by EXCHANGE_CALLS (one more is refused), message IDs seen by recent.h (the oldest is
// forgotten), notifications that a reset can still cancel by the last 32.
//
// A non-confirmable request is repeated under a new message ID until it is answered, once in 3 s,
// which is the pace without a round-trip estimate (RFC 9132 section 4.4); the receiver drops
// duplicates of one message ID, so a repetition under the old one could not be answered.

#include "base/err.h"
#include "base/evloop.h"
#include "dots/message.h"

#include <stdbool.h>
#include <stdint.h>

#define EXCHANGE_CALLS  64
#define EXCHANGE_PACE   (3 * CLOCK_SECOND)
#define REPLY_BODY_ROOM (16 * 1024)

struct exchange;

// What a handler answers. Type, message ID and token are the layer's affair.
struct reply {
	struct message message; // code 0: nothing is answered
	size_t room;            // bytes of `body` that still fit the peer's message
	uint8_t body[REPLY_BODY_ROOM];
};

// Answers with an error code, as in 405, and the reason as diagnostic payload (RFC 7252 section
// 5.5.2; RFC 9132 section 3 wants one in every 4.xx and 5.xx).
void reply_refuse(struct reply *reply, unsigned code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// None of these, and no call's `fn`, may free the exchange, but for `ended`.
struct exchange_events {
	// Answer this request now.
	void (*request)(void *ctx, const struct message *request, struct reply *reply);
	// The peer rejected a notification that went out under this token: stop notifying.
	void (*reset)(void *ctx, const uint8_t *token, uint8_t token_length);
	// exchange_ready() has become true. Streams only, where it is not from the start.
	void (*ready)(void *ctx);
	// The peer said goodbye, broke the protocol or does not read; the owner closes the transport
	// and may free the exchange here. Streams only.
	void (*ended)(void *ctx, const struct err *why);
};

enum answer_kind {
	ANSWER_REPLY,
	ANSWER_NOTIFICATION, // a later state of what was observed
	ANSWER_RESET,        // the peer rejected the message
	ANSWER_NONE,         // nothing came in time
};

struct answer {
	enum answer_kind kind;
	const struct message *message; // NULL for ANSWER_RESET and ANSWER_NONE
	uint64_t first_sent;           // readings of clock_now()
	uint64_t last_sent;
	uint64_t received;
	unsigned sends;
};

// How to send a request and who hears the answer. `fn` is called once, or for an observation once
// for the reply and once for each notification that is newer than the one before.
struct call {
	uint64_t timeout_ns; // ANSWER_NONE after this; a CON also ends with its last retransmission
	bool once;           // a NON that is not repeated
	void (*fn)(void *ctx, const struct answer *answer);
	void *ctx;
};

// Times of RFC 7252 section 4.8, as negotiated in the session configuration of DOTS.
struct exchange_timing {
	uint32_t ack_timeout_ms;
	uint32_t ack_random_factor; // in hundredths, at least 100
	uint16_t max_retransmit;
};

// `transport` must be up and is not freed here. Sends the CSM on a stream. Returns NULL if memory
// runs out.
struct exchange *exchange_new(struct evloop *loop, struct transport *transport,
	const struct exchange_events *events, void *ctx);

// Forgets all calls, whose `fn` will not be called. NULL is allowed.
void exchange_free(struct exchange *exchange);

void exchange_set_timing(struct exchange *exchange, const struct exchange_timing *timing);

// One message from the transport.
void exchange_receive(struct exchange *exchange, const uint8_t *data, size_t length);

// Whether the peer has shown that it speaks CoAP: at once over DTLS, by its CSM on a stream, where
// TLS 1.3 calls the dialling side connected before the peer has judged its certificate.
bool exchange_ready(const struct exchange *exchange);

// Sends a request. A token is chosen unless the message brings one, which then replaces the call
// that has it. Returns 0, -ENOBUFS if EXCHANGE_CALLS are waiting, -EMSGSIZE if the message does not
// fit, or another -errno; then `fn` is not called.
int exchange_call(struct exchange *exchange, struct message *message, const struct call *call);

// Ends a call without calling its `fn`: for an observation the next notification is then rejected.
void exchange_forget(struct exchange *exchange, const uint8_t *token, uint8_t token_length);

// Sends a notification under an observer's token, always NON (RFC 9132 section 4.4.2.1).
// Returns 0 or -errno.
int exchange_notify(struct exchange *exchange, const uint8_t *token, uint8_t token_length,
	struct message *message);

// Bytes of payload that fit the peer's message with the options of an answer.
size_t exchange_room(const struct exchange *exchange);
