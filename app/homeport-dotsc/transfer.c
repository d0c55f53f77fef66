// SPDX-License-Identifier: BSD-3-Clause

// Answers that come in blocks (RFC 7959 section 2.4): the rest of what the first block announces is
// fetched one by one under its ETag, and then the answer is delivered whole.

#include "base/clock.h"

#include "client.h"

#include <stdlib.h>
#include <string.h>

// what a server may make us keep
#define BODY_MAX (1024 * 1024)

#define BLOCK_MORE   8
#define BLOCK_NUM(b) ((uint32_t)(b) >> 4)
#define BLOCK_SZX(b) ((unsigned)(b)&7)

struct transfer {
	struct question *question;
	struct answer answer; // that the first block was,
	struct message message;
	uint8_t etag[MESSAGE_TOKEN_MAX];
	size_t etag_length;
	uint8_t *body; // as far as it has come
	size_t length;
	uint8_t token[MESSAGE_TOKEN_MAX]; // of the question for the next block
	uint8_t token_length;
};

bool transfer_is_wanted(const struct answer *answer)
{
	const struct message *m = answer->message;

	return m && m->block2 != MESSAGE_ABSENT && (m->block2 & BLOCK_MORE) &&
		!BLOCK_NUM(m->block2) && m->etag.length <= MESSAGE_TOKEN_MAX;
}

void transfer_end(struct question *question)
{
	struct transfer *t = question->transfer;

	if (!t)
		return;
	exchange_forget(question->peer->exchange, t->token, t->token_length);
	transfer_free(question);
}

void transfer_free(struct question *question)
{
	if (!question->transfer)
		return;
	free(question->transfer->body);
	free(question->transfer);
	question->transfer = NULL;
}

static void ask_for(struct transfer *t, int32_t block2);

static bool append(struct transfer *t, const struct slice *block)
{
	uint8_t *larger = t->length + block->length <= BODY_MAX
		? realloc(t->body, t->length + block->length + 1)
		: NULL;

	if (!larger)
		return false;
	t->body = larger;
	if (block->length)
		memcpy(t->body + t->length, block->data, block->length);
	t->length += block->length;
	return true;
}

// Delivers what there is: all, or an answer that says why not.
static void deliver(struct transfer *t, const struct answer *last)
{
	struct question *question = t->question;
	struct answer answer = t->answer;

	question->transfer = NULL;
	t->message.payload = (struct slice){t->body, t->length};
	t->message.block2 = MESSAGE_ABSENT;
	answer.message = &t->message;
	answer.received = clock_now();
	question_answered(question, last ? last : &answer);
	free(t->body);
	free(t);
}

static void on_block(void *ctx, const struct answer *answer)
{
	struct transfer *t = ctx;
	const struct message *m = answer->message;
	bool next = m && m->code == COAP_RESPONSE_CODE(205) && m->block2 != MESSAGE_ABSENT &&
		(size_t)BLOCK_NUM(m->block2) << (4 + BLOCK_SZX(m->block2)) == t->length &&
		m->etag.length == t->etag_length && !memcmp(m->etag.data, t->etag, t->etag_length);

	if (!next || !append(t, &m->payload))
		deliver(t, answer);
	else if (m->block2 & BLOCK_MORE)
		ask_for(t, (int32_t)((BLOCK_NUM(m->block2) + 1) << 4 | BLOCK_SZX(m->block2)));
	else
		deliver(t, NULL);
}

static void ask_for(struct transfer *t, int32_t block2)
{
	struct message m = message_make(COAP_REQUEST_GET);
	struct call call = {
		.timeout_ns = t->question->peer->client->options.timeout_s * CLOCK_SECOND,
		.fn = on_block,
		.ctx = t,
	};
	struct answer none = {.kind = ANSWER_NONE};
	char segments[600];

	question_path(t->question, &m, segments, sizeof(segments));
	m.block2 = block2;
	m.etag = (struct slice){t->etag, t->etag_length};
	if (exchange_call(t->question->peer->exchange, &m, &call) < 0) {
		deliver(t, &none);
		return;
	}
	t->token_length = m.token_length;
	memcpy(t->token, m.token, m.token_length);
}

bool transfer_begin(struct question *question, const struct answer *answer)
{
	const struct message *m = answer->message;
	struct transfer *t;

	transfer_end(question); // a later notification replaces one that is still on its way
	t = calloc(1, sizeof(*t));
	if (!t || !append(t, &m->payload)) {
		free(t);
		return false;
	}
	t->question = question;
	t->answer = *answer;
	t->message = *m;
	t->etag_length = m->etag.length;
	if (m->etag.length)
		memcpy(t->etag, m->etag.data, m->etag.length);
	question->transfer = t;
	ask_for(t, (int32_t)(1 << 4 | BLOCK_SZX(m->block2)));
	return true;
}
