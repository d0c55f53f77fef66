// SPDX-License-Identifier: BSD-3-Clause

#include "table/shortcut6.h"

// Whether a route is within the prefix.
static bool has(const struct shortcut6 *s, const uint64_t word[2], unsigned len)
{
	return len >= s->len &&
		!(((word[0] ^ s->prefix[0]) & s->mask[0]) |
			((word[1] ^ s->prefix[1]) & s->mask[1]));
}

static struct shortcut6 shortcut(const uint64_t word[2], unsigned len, uint32_t nexthop)
{
	struct shortcut6 s = {.nexthop = nexthop, .len = (uint8_t)len};
	uint8_t mask[16] = {0};

	memset(mask, 0xff, len / 8);
	if (len % 8)
		mask[len / 8] = (uint8_t)(0xff00 >> len % 8);
	memcpy(s.mask, mask, sizeof(s.mask));
	s.prefix[0] = word[0] & s.mask[0];
	s.prefix[1] = word[1] & s.mask[1];
	return s;
}

void shortcut6_note(struct shortcut6_list *list, const uint8_t address[16], unsigned len,
	uint32_t nexthop, bool is_service, bool is_last)
{
	uint64_t word[2];
	unsigned kept = 0;

	memcpy(word, address, sizeof(word));
	for (unsigned i = 0; i < list->count; i++) {
		if (!has(&list->entry[i], word, len))
			list->entry[kept++] = list->entry[i];
	}
	list->count = kept;
	if (is_service && is_last && list->count < SHORTCUT6_MAX)
		list->entry[list->count++] = shortcut(word, len, nexthop);
}
