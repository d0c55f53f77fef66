// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv4-embedded IPv6 addresses (RFC 6052 section 2.2): a prefix of one of six lengths, then the IPv4 address,
// bent around bits 64 to 71, which are zero, then a suffix that is zero on writing and ignored on reading.
//
//	 0        32      40      48      56      64      72      80      88      96     104             127
//	 | /32     |     v4 (32)                  |  u   | suffix                                          |
//	 | /40             | v4 (24)              |  u   |  (8)  | suffix                                  |
//	 | /48                     | v4 (16)      |  u   |     (16)      | suffix                          |
//	 | /56                             | (8)  |  u   |         v4 (24)       | suffix                  |
//	 | /64                                    |  u   |             v4 (32)           | suffix          |
//	 | /96                                                            |            v4 (32)             |

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NAT64PFX_U 8 // the byte of bits 64 to 71

struct nat64pfx {
	uint8_t bytes[16]; // zero behind the prefix
	uint8_t len;       // 32, 40, 48, 56, 64 or 96
};

static inline bool nat64pfx_is_length(unsigned len)
{
	return len == 96 || (len >= 32 && len <= 64 && !(len % 8));
}

// Whether an address is in the prefix.
static inline bool nat64pfx_has(const struct nat64pfx *prefix, const uint8_t address[16])
{
	uint64_t high[2];
	uint32_t middle[2];

	memcpy(&high[0], prefix->bytes, sizeof(high[0]));
	memcpy(&high[1], address, sizeof(high[1]));
	memcpy(&middle[0], prefix->bytes + 8, sizeof(middle[0]));
	memcpy(&middle[1], address + 8, sizeof(middle[1]));
	if (prefix->len == 96)
		return high[0] == high[1] && middle[0] == middle[1];
	return !(rte_be_to_cpu_64(high[0] ^ high[1]) >> (64 - prefix->len));
}

// The IPv4 address in an address of a prefix of that length.
static inline rte_be32_t nat64pfx_extract(const uint8_t address[16], unsigned len)
{
	unsigned at = len / 8, before = len < 64 ? NAT64PFX_U - at : 0;
	uint8_t v4[4];
	rte_be32_t out;

	if (len == 96) {
		memcpy(&out, address + 12, sizeof(out));
		return out;
	}
	for (unsigned i = 0; i < sizeof(v4); i++)
		v4[i] = address[at + i + (i >= before)];
	memcpy(&out, v4, sizeof(out));
	return out;
}

// Writes the address that stands for an IPv4 address.
static inline void nat64pfx_embed(
	const struct nat64pfx *prefix, rte_be32_t address, uint8_t out[16])
{
	unsigned at = prefix->len / 8, before = prefix->len < 64 ? NAT64PFX_U - at : 0;
	uint8_t v4[4];

	memcpy(out, prefix->bytes, sizeof(prefix->bytes));
	if (prefix->len == 96) {
		memcpy(out + 12, &address, sizeof(address));
		return;
	}
	memcpy(v4, &address, sizeof(v4));
	for (unsigned i = 0; i < sizeof(v4); i++)
		out[at + i + (i >= before)] = v4[i];
}

// Writes the network that stands for an IPv4 network of `bits` bits. Returns its length.
static inline unsigned nat64pfx_network(
	const struct nat64pfx *prefix, rte_be32_t address, unsigned bits, uint8_t out[16])
{
	unsigned before = prefix->len <= 64 ? 64u - prefix->len : bits;

	nat64pfx_embed(prefix, address, out);
	return prefix->len + bits + (bits > before ? 8 : 0);
}

// Whether it is 64:ff9b::/96, which stands for global addresses alone (RFC 6052 section 3.1).
static inline bool nat64pfx_is_well_known(const struct nat64pfx *prefix)
{
	static const uint8_t well_known[12] = {0, 0x64, 0xff, 0x9b};

	return prefix->len == 96 && !memcmp(prefix->bytes, well_known, sizeof(well_known));
}

// Whether an IPv4 address is one that packets in the internet have (RFC 6890). Networks for documentation count
// as if they were, or no example could be tried out.
bool nat64pfx_is_global(rte_be32_t address);

struct nat64_network {
	rte_be32_t address;
	rte_be32_t mask;
};

// One prefix of a policy (RFC 8512 nat64-prefixes), and which IPv4 destinations it is for (RFC 7050 section 5.1).
struct nat64_prefix {
	struct nat64pfx prefix;
	bool well_known;
	unsigned networks; // 0: for all that no other is for
	struct nat64_network *network;
};

// The prefix that an IPv4 address is seen behind: that with the longest network that has it. NULL: none.
const struct nat64_prefix *nat64_prefix_of(
	const struct nat64_prefix *prefixes, unsigned count, rte_be32_t address);

// The same, for the sake of one prefix that is for all.
static inline const struct nat64_prefix *nat64_prefix_for(
	const struct nat64_prefix *prefixes, unsigned count, rte_be32_t address)
{
	return count == 1 && !prefixes->networks ? prefixes
						 : nat64_prefix_of(prefixes, count, address);
}

// The IPv4 address in an IPv6 destination under a prefix. Returns false if it is not to be there (RFC 6052 section 3.1).
static inline bool nat64_prefix_extract(
	const struct nat64_prefix *p, const uint8_t destination[16], rte_be32_t *address)
{
	*address = nat64pfx_extract(destination, p->prefix.len);
	return !p->well_known || nat64pfx_is_global(*address);
}

// Reads the IPv4 address in an IPv6 destination. Returns false if no packet to that address is translated: it is in
// none of the prefixes, or in another than the one that it is seen behind, or is not to be there.
bool nat64_prefix_read(const struct nat64_prefix *prefixes, unsigned count,
	const uint8_t destination[16], rte_be32_t *address);
