// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The asking side of an exchange: requests that wait for their answers and observations that wait
// for the next. Shared by exchange.c, which hears the peer, and pending.c, which asks it; nobody
// else includes this.

#include "base/rand.h"
#include "dots/exchange.h"
#include "dots/recent.h"

// A request that waits for its answer, or an observation that waits for the next.
struct pending {
	struct pending *next;
	struct exchange *exchange;
	struct call call;
	struct timer timer;
	uint64_t deadline;
	uint64_t interval; // to the next transmission; 0: none is due
	uint64_t first_sent;
	uint64_t last_sent;
	unsigned sends;
	unsigned retransmits_left; // of a CON
	uint32_t observed;         // the newest Observe value, and when it came
	uint64_t observed_at;
	bool confirmable;
	bool acked;     // empty ACK: a separate response will follow (RFC 7252 section 5.2.2)
	bool observing; // registered
	bool wants_observe;
	uint16_t id;
	uint8_t token[MESSAGE_TOKEN_MAX];
	uint8_t token_length;
	size_t length;
	uint8_t bytes[]; // the request as sent
};

struct notified {
	uint16_t id;
	uint8_t token_length;
	uint8_t token[MESSAGE_TOKEN_MAX];
};

struct exchange {
	struct evloop *loop;
	struct transport *transport;
	const struct exchange_events *events;
	void *ctx;
	enum transport_kind kind;
	struct exchange_timing timing;
	struct rand random;
	struct pending *pending; // oldest first
	unsigned pendings;
	struct recent recent;
	struct notified notified[32]; // a ring
	unsigned notifications;
	uint16_t next_id;
	uint32_t next_token;
	bool csm_seen;
};

// The request with this token, or that went out under this message ID; NULL if there is none.
struct pending *pending_by_token(struct exchange *x, const uint8_t *token, uint8_t length);
struct pending *pending_by_id(struct exchange *x, uint16_t id);

// A response has come. The request ends unless it goes on as an observation.
void pending_answered(struct pending *p, const struct message *m);

// An empty ACK has come: no more repetitions, the response will follow (RFC 7252 section 5.2.2).
void pending_acked(struct pending *p);

// Ends a request and tells its caller.
void pending_end(struct pending *p, enum answer_kind kind, const struct message *message);

void pending_clear(struct exchange *x);
