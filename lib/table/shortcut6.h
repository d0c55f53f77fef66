// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The few IPv6 prefixes that services of the box take, beside the FIB. They are long, so that it takes a search in the
// FIB many steps to get to their ends, and all traffic from subscribers without IPv4 goes to them. A prefix with a
// longer route within it is none of these: there the FIB alone knows.

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SHORTCUT6_MAX  8
#define SHORTCUT6_NONE UINT32_MAX

struct shortcut6 {
	uint64_t prefix[2]; // as its bytes lie in memory
	uint64_t mask[2];
	uint32_t nexthop;
	uint8_t len;
};

struct shortcut6_list {
	unsigned count;
	struct shortcut6 entry[SHORTCUT6_MAX];
};

// The next hop of an address in the order of the wire, or SHORTCUT6_NONE: ask the FIB.
static inline uint32_t shortcut6_find(const struct shortcut6_list *list, const uint8_t address[16])
{
	uint64_t word[2];

	memcpy(word, address, sizeof(word));
	for (unsigned i = 0; i < list->count; i++) {
		const struct shortcut6 *s = &list->entry[i];

		if (!(((word[0] ^ s->prefix[0]) & s->mask[0]) |
			    ((word[1] ^ s->prefix[1]) & s->mask[1])))
			return s->nexthop;
	}
	return SHORTCUT6_NONE;
}

// Builder: notes that a route has been entered: `is_service` says whether it leads to a service, and `is_last` that no
// longer one within it has been entered before.
void shortcut6_note(struct shortcut6_list *list, const uint8_t address[16], unsigned len,
	uint32_t nexthop, bool is_service, bool is_last);
