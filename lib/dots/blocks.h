// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Answers that do not fit one message, in blocks (RFC 7959 section 2.4; RFC 9132 section 4.4.2). The
// first block of an answer brings an ETag made from its bytes, and the whole is kept for a while, so
// that the blocks a client fetches one by one are of one and the same state.

#include "dots/exchange.h"

#define BLOCKS_KEPT 4
#define BLOCKS_TIME (60 * CLOCK_SECOND)

struct blocks {
	struct {
		uint8_t *body; // NULL: free
		size_t length;
		uint8_t etag[4];
		uint32_t path; // a hash of what was asked for
		uint64_t at;   // reading of clock_now() it was asked for last
	} kept[BLOCKS_KEPT];
};

// Takes over `body`, which is to be freed, and makes it the 2.05 to a GET, or its first block.
void blocks_answer(struct blocks *blocks, const struct message *request, uint8_t *body,
	size_t length, struct reply *reply);

// The same for a notification: `message` gets the body or its first block, which is valid until the
// next call. `path` is blocks_path() of the request that registered the observer.
void blocks_notify(struct blocks *blocks, uint32_t path, size_t room, uint8_t *body, size_t length,
	struct message *message);

// Whether a request is for a further block, and has been answered.
bool blocks_go_on(struct blocks *blocks, const struct message *request, struct reply *reply);

uint32_t blocks_path(const struct message *request);

void blocks_clear(struct blocks *blocks);
