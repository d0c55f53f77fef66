// SPDX-License-Identifier: BSD-3-Clause

#include "story.h"

#include "base/clock.h"

#include "fuzz.h"

#include <string.h>

#define MESSAGE_OPS 0x40
#define SECONDS     600

static unsigned passed; // seconds, in this story

// ------------------------------------------------------------------ the association

int transport_send(struct transport *t, const uint8_t *data, size_t length)
{
	struct message m;

	FUZZ_CHECK(length <= t->room);
	// whatever we say must be CoAP
	FUZZ_CHECK(message_parse(&m, t->kind, data, length) == 0);
	memcpy(t->sent, data, length);
	t->length = length;
	return 0;
}

size_t transport_room(const struct transport *t)
{
	return t->room;
}

void transport_set_room(struct transport *t, size_t length)
{
	if (t->kind == TRANSPORT_TLS)
		t->room = length < MESSAGE_MAX ? length : MESSAGE_MAX;
}

enum transport_kind transport_kind(const struct transport *t)
{
	return t->kind;
}

const struct transport_peer *transport_peer(const struct transport *t)
{
	return &t->peer;
}

void transport_close(struct transport *t)
{
	if (t)
		t->closed = true;
}

void story_connect(struct transport *t, enum transport_kind kind)
{
	*t = (struct transport){.kind = kind, .room = kind == TRANSPORT_DTLS ? 1201 : 1152};
}

// ------------------------------------------------------------------ the story

static const struct story_op *find(const struct story *story, uint8_t op)
{
	unsigned i = story->ops;

	while (story->op[i - 1].first > op)
		i--;
	return &story->op[i - 1];
}

void story_tell(const struct story *story, const uint8_t *data, size_t size)
{
	const uint8_t *last = NULL;
	size_t last_length = 0;

	passed = 0;
	while (size && !story->over()) {
		uint8_t op = data[0], arg[STORY_ARGS] = {0};
		size_t taken;

		for (unsigned i = 0; i < STORY_ARGS && i + 1 < size; i++)
			arg[i] = data[1 + i];
		if (op < MESSAGE_OPS) {
			taken = size < 2 ? size : 2;
			last = data + taken;
			last_length = arg[0] < size - taken ? arg[0] : size - taken;
			taken += last_length;
			story->receive(last, last_length);
		} else {
			const struct story_op *what = find(story, op);

			taken = what->takes < size ? what->takes : size;
			if (what->fn)
				what->fn(op, arg);
			else if (last)
				story->receive(last, last_length);
		}
		data += taken;
		size -= taken;
	}
}

bool story_answer(struct transport *t, const uint8_t arg[STORY_ARGS], struct message *asked,
	struct message *answer)
{
	if (!t->length || message_parse(asked, t->kind, t->sent, t->length) < 0)
		return false;
	*answer = message_make(arg[1]);
	answer->type = arg[0] & 3;
	answer->id = asked->id;
	if (answer->code) {
		answer->token_length = asked->token_length;
		memcpy(answer->token, asked->token, asked->token_length);
		answer->observe = arg[2] ? arg[2] : MESSAGE_ABSENT;
	}
	return true;
}

void story_pass(struct evloop *loop, unsigned seconds)
{
	if (passed + seconds > SECONDS)
		return;
	passed += seconds;
	clock_advance(seconds * CLOCK_SECOND);
	evloop_turn(loop, 0);
}
