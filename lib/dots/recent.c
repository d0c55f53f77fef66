// SPDX-License-Identifier: BSD-3-Clause

#include "dots/recent.h"

#include <stdlib.h>
#include <string.h>

static void drop_oldest(struct recent *recent)
{
	struct seen *seen = recent->oldest;

	recent->oldest = seen->next;
	if (!recent->oldest)
		recent->newest = NULL;
	recent->count--;
	recent->bytes -= seen->length;
	free(seen->answer);
	free(seen);
}

struct seen *recent_find(const struct recent *recent, uint16_t id, uint64_t now)
{
	for (struct seen *seen = recent->oldest; seen; seen = seen->next) {
		if (seen->id == id && seen->until > now)
			return seen;
	}
	return NULL;
}

struct seen *recent_add(struct recent *recent, uint16_t id, uint64_t until, uint64_t now)
{
	struct seen *seen;

	while (recent->oldest && (recent->oldest->until <= now || recent->count >= RECENT_ENTRIES))
		drop_oldest(recent);
	seen = calloc(1, sizeof(*seen));
	if (!seen)
		return NULL;
	seen->id = id;
	seen->until = until;
	if (recent->newest)
		recent->newest->next = seen;
	else
		recent->oldest = seen;
	recent->newest = seen;
	recent->count++;
	return seen;
}

void recent_answer(struct recent *recent, struct seen *seen, const uint8_t *data, size_t length)
{
	if (length > RECENT_BYTES)
		return;
	// ends before it reaches `seen`, which is the newest and holds nothing yet
	while (recent->bytes + length > RECENT_BYTES)
		drop_oldest(recent);
	seen->answer = malloc(length);
	if (!seen->answer)
		return;
	memcpy(seen->answer, data, length);
	seen->length = length;
	recent->bytes += length;
}

void recent_clear(struct recent *recent)
{
	while (recent->oldest)
		drop_oldest(recent);
}
