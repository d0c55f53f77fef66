// SPDX-License-Identifier: BSD-3-Clause

#include "table/nat64pfx.h"

#include "base/bits.h"

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
