// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A peer over an association that is no more than memory, and a story of what it does, told by the
// bytes of an input: what the fuzzers of both ends of a session have in common.

#include "base/evloop.h"
#include "dots/message.h"
#include "dots/transport.h"

#define STORY_ARGS 5

// Stands for the association that is up; the end at test sends into it.
struct transport {
	enum transport_kind kind;
	size_t room;
	uint8_t sent[MESSAGE_MAX]; // last
	size_t length;
	bool closed;
	struct transport_peer peer;
};

// A new association.
void story_connect(struct transport *t, enum transport_kind kind);

// A byte of the input below 0x40 and a length after it are a message, which follows. What others mean
// stands in a table, sorted by `first`.
struct story_op {
	uint8_t first; // of the bytes that mean it, up to the next op's
	uint8_t takes; // bytes, that one included
	// Missing arguments are 0. NULL: the last message comes again.
	void (*fn)(uint8_t op, const uint8_t arg[STORY_ARGS]);
};

struct story {
	const struct story_op *op;
	unsigned ops;
	void (*receive)(const uint8_t *data, size_t length);
	bool (*over)(void);
};

void story_tell(const struct story *story, const uint8_t *data, size_t size);

// Begins an answer to what was sent last: type, code, Observe by arg[0] to arg[2]. False if there was
// nothing that could be answered. `asked` points into t->sent.
bool story_answer(struct transport *t, const uint8_t arg[STORY_ARGS], struct message *asked,
	struct message *answer);

// Lets time pass; of a whole story no more than ten minutes, so that millions of them fit the clock.
void story_pass(struct evloop *loop, unsigned seconds);
