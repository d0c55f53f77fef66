// SPDX-License-Identifier: BSD-3-Clause

#include "dots/blocks.h"

#include "base/bits.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

// Block2 is NUM << 4 | M << 3 | SZX, and a block has 16 << SZX bytes (RFC 7959 section 2.2)
#define SZX_MAX      6
#define BLOCK_MORE   8
#define BLOCK_NUM(b) ((uint32_t)(b) >> 4)
#define BLOCK_SZX(b) ((unsigned)(b)&7)

static uint32_t fnv(uint32_t hash, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ data[i]) * 0x01000193u;
	return hash;
}

#define FNV_START 0x811c9dc5u

uint32_t blocks_path(const struct message *request)
{
	uint32_t hash = FNV_START;

	for (unsigned i = 0; i < request->path_count && i < MESSAGE_PATH_MAX; i++)
		hash = fnv(fnv(hash, request->path[i].data, request->path[i].length),
			(const uint8_t *)"/", 1);
	return hash;
}

void blocks_clear(struct blocks *blocks)
{
	for (unsigned i = 0; i < BLOCKS_KEPT; i++)
		free(blocks->kept[i].body);
	*blocks = (struct blocks){0};
}

// The largest block that is asked for and fits.
static unsigned size_exponent(int32_t block2, size_t room)
{
	unsigned szx = block2 == MESSAGE_ABSENT ? SZX_MAX : BLOCK_SZX(block2);

	while (szx > 0 && (size_t)16 << szx > room)
		szx--;
	return szx;
}

// Makes `message` one block of a kept answer.
static void give(struct blocks *blocks, unsigned kept, uint32_t number, unsigned szx,
	struct message *message)
{
	size_t size = (size_t)16 << szx, at = number * size;
	size_t length = blocks->kept[kept].length;
	bool more = length - at > size;

	message->content_format = COAP_MEDIATYPE_APPLICATION_DOTS_CBOR;
	message->etag = (struct slice){blocks->kept[kept].etag, sizeof(blocks->kept[kept].etag)};
	message->block2 = (int32_t)(number << 4 | (more ? BLOCK_MORE : 0) | szx);
	if (!number)
		message->size2 = (int64_t)length;
	message->payload = (struct slice){blocks->kept[kept].body + at, more ? size : length - at};
	blocks->kept[kept].at = clock_now();
}

// Keeps an answer in the place of the one that has not been asked for for longest.
static unsigned keep(struct blocks *blocks, uint32_t path, uint8_t *body, size_t length)
{
	uint32_t hash = fnv(FNV_START, body, length);
	unsigned oldest = 0;

	for (unsigned i = 1; i < BLOCKS_KEPT; i++) {
		if (blocks->kept[i].at < blocks->kept[oldest].at)
			oldest = i;
	}
	free(blocks->kept[oldest].body);
	blocks->kept[oldest].body = body;
	blocks->kept[oldest].length = length;
	blocks->kept[oldest].path = path;
	memcpy(blocks->kept[oldest].etag, &hash, sizeof(hash));
	return oldest;
}

void blocks_answer(struct blocks *blocks, const struct message *request, uint8_t *body,
	size_t length, struct reply *reply)
{
	unsigned szx = size_exponent(request->block2, reply->room);

	reply->message = message_make(COAP_RESPONSE_CODE(205));
	if (length <= reply->room &&
		(request->block2 == MESSAGE_ABSENT || length <= (size_t)16 << szx)) {
		memcpy(reply->body, body, length);
		free(body);
		reply->message.content_format = COAP_MEDIATYPE_APPLICATION_DOTS_CBOR;
		reply->message.payload = (struct slice){reply->body, length};
		return;
	}
	give(blocks, keep(blocks, blocks_path(request), body, length), 0, szx, &reply->message);
}

void blocks_notify(struct blocks *blocks, uint32_t path, size_t room, uint8_t *body, size_t length,
	struct message *message)
{
	give(blocks, keep(blocks, path, body, length), 0, size_exponent(MESSAGE_ABSENT, room),
		message);
}

// The answer whose blocks a request goes on with: by its ETag, or else the last of this path.
static int find(const struct blocks *blocks, const struct message *request)
{
	uint32_t path = blocks_path(request);
	int found = -1;

	for (int i = 0; i < BLOCKS_KEPT; i++) {
		if (!blocks->kept[i].body || blocks->kept[i].path != path ||
			clock_now() - blocks->kept[i].at > BLOCKS_TIME)
			continue;
		if (request->etag.length &&
			(request->etag.length != sizeof(blocks->kept[i].etag) ||
				memcmp(request->etag.data, blocks->kept[i].etag,
					sizeof(blocks->kept[i].etag)) != 0))
			continue;
		if (found < 0 || blocks->kept[i].at >= blocks->kept[found].at)
			found = i;
	}
	return found;
}

bool blocks_go_on(struct blocks *blocks, const struct message *m, struct reply *reply)
{
	int kept;

	if (m->block2 == MESSAGE_ABSENT)
		return false;
	if (BLOCK_SZX(m->block2) > SZX_MAX) {
		reply_refuse(reply, 400, "Block2: a size exponent of 7 is not for this transport");
		return true;
	}
	if (!BLOCK_NUM(m->block2) || m->code != COAP_REQUEST_GET)
		return false;
	kept = find(blocks, m);
	if (kept < 0 ||
		(size_t)BLOCK_NUM(m->block2) << (4 + BLOCK_SZX(m->block2)) >=
			blocks->kept[kept].length) {
		reply_refuse(reply, 400, "Block2: there is no such block, begin anew");
		return true;
	}
	if ((size_t)16 << BLOCK_SZX(m->block2) > reply->room) {
		reply_refuse(reply, 400, "Block2: a block of this size does not fit a message");
		return true;
	}
	reply->message = message_make(COAP_RESPONSE_CODE(205));
	give(blocks, (unsigned)kept, BLOCK_NUM(m->block2), BLOCK_SZX(m->block2), &reply->message);
	return true;
}
