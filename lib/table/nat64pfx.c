// SPDX-License-Identifier: BSD-3-Clause

#include "table/nat64pfx.h"

#include "base/bits.h"

#include <stddef.h>

struct network {
	uint32_t address; // host order
	uint8_t len;
};

bool nat64pfx_is_global(rte_be32_t address)
{
	static const struct network special[] = {
		{0x00000000, 8},  // "this network"
		{0x0a000000, 8},  // private use
		{0x64400000, 10}, // shared address space
		{0x7f000000, 8},  // loopback
		{0xa9fe0000, 16}, // link local
		{0xac100000, 12}, // private use
		{0xc0000000, 24}, // IETF protocol assignments
		{0xc0586300, 24}, // 6to4 relays
		{0xc0a80000, 16}, // private use
		{0xc6120000, 15}, // benchmarking
		{0xe0000000, 3},  // multicast, reserved, broadcast
	};
	uint32_t host = rte_be_to_cpu_32(address);

	for (unsigned i = 0; i < ARRAY_LEN(special); i++) {
		if (!((host ^ special[i].address) >> (32 - special[i].len)))
			return false;
	}
	return true;
}

const struct nat64_prefix *nat64_prefix_of(
	const struct nat64_prefix *prefixes, unsigned count, rte_be32_t address)
{
	const struct nat64_prefix *best = NULL;
	uint32_t best_mask = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct nat64_prefix *p = &prefixes[i];

		if (!p->networks && !best)
			best = p;
		for (unsigned k = 0; k < p->networks; k++) {
			const struct nat64_network *n = &p->network[k];
			uint32_t mask = rte_be_to_cpu_32(n->mask);

			if ((address & n->mask) != n->address || (best_mask && mask <= best_mask))
				continue;
			best = p;
			best_mask = mask;
		}
	}
	return best;
}

bool nat64_prefix_read(const struct nat64_prefix *prefixes, unsigned count,
	const uint8_t destination[16], rte_be32_t *address)
{
	for (unsigned i = 0; i < count; i++) {
		const struct nat64_prefix *p = &prefixes[i];

		if (!nat64pfx_has(&p->prefix, destination))
			continue;
		if (!nat64_prefix_extract(p, destination, address))
			return false;
		return (count == 1 && !p->networks) ||
			nat64_prefix_of(prefixes, count, *address) == p;
	}
	return false;
}
