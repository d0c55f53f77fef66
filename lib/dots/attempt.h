// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One attempt at an association with an upstream: one transport to one address. It dials, and is
// ready once the peer is verified and has shown that it speaks CoAP. The attempt that wins a race
// (race.h) goes on as the association of the session.

#include "dots/exchange.h"

struct attempt;

struct attempt_events {
	void (*ready)(struct attempt *attempt);
	// Answer this request now; none comes before `ready`.
	void (*request)(
		struct attempt *attempt, const struct message *request, struct reply *reply);
	void (*reset)(struct attempt *attempt, const uint8_t *token, uint8_t token_length);
	void (*heard)(struct attempt *attempt); // something has come
	// It failed, or the association ended. The attempt is freed on return.
	void (*ended)(struct attempt *attempt, const struct err *why);
};

struct attempt {
	struct attempt *next; // of its owner's list
	struct evloop *loop;
	const struct attempt_events *events; // the owner may change these two
	void *ctx;
	enum transport_kind kind;
	struct ipaddr addr;
	struct transport *transport;
	struct exchange *exchange; // exists while the transport is up
	struct timer csm;          // while the peer's is awaited
	bool ready;
};

// Begins. `ready` or `ended` follows, never from inside the call. Returns NULL with the reason in
// err if not even that is possible.
struct attempt *attempt_start(struct evloop *loop, struct credentials *credentials,
	enum transport_kind kind, const struct dial *dial, const struct attempt_events *events,
	void *ctx, struct err *err);

// Ends it in good order and frees it, without an event. Not from inside `request`. NULL is allowed.
void attempt_close(struct attempt *attempt);

// "DTLS" or "TLS".
const char *attempt_kind_name(enum transport_kind kind);
