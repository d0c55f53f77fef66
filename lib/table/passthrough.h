// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Destinations that an instance leaves untranslated (RFC 6888 REQ-6; RFC 8512 nat-pass-through). Built
// with the snapshot, never changed. There are few, and only packets whose route says that there may be one
// (REALM_ASK) look here.

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stdint.h>

struct pass_through {
	uint16_t instance; // number of the instance, as in subscriber keys
	rte_be16_t port;   // 0: all ports, and protocols without ports
	rte_be32_t address;
	rte_be32_t mask;
};

struct pass_through_list {
	unsigned count;
	struct pass_through *entry;
};

// Whether traffic between subscribers of an instance and a remote end is left as it is. `port` is the
// remote one, 0 where the protocol has none.
static inline bool pass_through_has(
	const struct pass_through_list *list, uint16_t instance, rte_be32_t remote, rte_be16_t port)
{
	for (unsigned i = 0; i < list->count; i++) {
		const struct pass_through *p = &list->entry[i];

		if (p->instance == instance && (remote & p->mask) == p->address &&
			(!p->port || p->port == port))
			return true;
	}
	return false;
}
