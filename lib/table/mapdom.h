// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Mapping rules of MAP (RFC 7597 sections 5 and 6, RFC 7599): which IPv6 address stands for which IPv4
// address and ports. Everything follows from the rule; there is no state of a subscriber.
//
//	 |  len6 bits  |   ea bits    | 0 |   16   |       32       |  16   |
//	+-------------+--------------+---+--------+----------------+-------+
//	| rule prefix | EA: o bits   |   | zero   | IPv4           | PSID  |
//	+-------------+--------------+---+--------+----------------+-------+
//	'--- end-user prefix --------'   '------- interface id ------------'
//
//	EA = the IPv4 bits behind the rule's IPv4 prefix, then the PSID
//
// IPv4 addresses and ports are in host order here.

#include "table/psid.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAP_EA_MAX     48
#define MAP_ADDRESS_AT 80 // bits before the IPv4 address in the interface identifier

struct map_rule {
	uint8_t prefix6[16];
	uint32_t prefix4;
	uint8_t len6;
	uint8_t len4;
	uint8_t ea;
	struct psid_geometry geometry;
	uint16_t psid; // of everybody, where the EA bits hold none
};

// Bits of the EA that are part of the IPv4 address.
static inline unsigned map_address_bits(const struct map_rule *r)
{
	return r->ea < 32u - r->len4 ? r->ea : 32u - r->len4;
}

// Whether the EA bits hold the PSID.
static inline bool map_has_psid(const struct map_rule *r)
{
	return r->ea > 32u - r->len4;
}

// Bits of the end-user prefix.
static inline unsigned map_user_len(const struct map_rule *r)
{
	return r->len6 + r->ea;
}

// The PSID of a port; false if the port is nobody's.
static inline bool map_psid(const struct map_rule *r, uint16_t port, uint16_t *psid)
{
	*psid = psid_of_port(r->geometry, port);
	if (r->geometry.length && psid_is_reserved(r->geometry, port))
		return false;
	return map_has_psid(r) || *psid == r->psid;
}

static inline unsigned __int128 map_load128(const uint8_t bytes[16])
{
	uint64_t high, low;

	memcpy(&high, bytes, 8);
	memcpy(&low, bytes + 8, 8);
	return (unsigned __int128)__builtin_bswap64(high) << 64 | __builtin_bswap64(low);
}

static inline void map_store128(uint8_t bytes[16], unsigned __int128 value)
{
	uint64_t high = __builtin_bswap64((uint64_t)(value >> 64));
	uint64_t low = __builtin_bswap64((uint64_t)value);

	memcpy(bytes, &high, 8);
	memcpy(bytes + 8, &low, 8);
}

// The IPv6 address that a host with an IPv4 address of the rule and a PSID has with MAP-T: that of the subscriber,
// and of a subscriber who has a whole prefix the one that has the host's own IPv4 address in it, for a translated
// packet has no other place for that.
static inline void map_host_address(
	const struct map_rule *r, uint32_t ipv4, uint16_t psid, uint8_t address[16])
{
	unsigned suffix = 32 - r->len4, user = map_user_len(r);
	unsigned bits = map_address_bits(r);
	uint64_t ea = ipv4 & ((UINT64_C(1) << suffix) - 1);
	unsigned __int128 id = (unsigned __int128)ipv4 << 16 | psid;
	unsigned __int128 out = map_load128(r->prefix6);

	if (map_has_psid(r))
		ea = ea << r->geometry.length | psid;
	else
		ea >>= suffix - bits;
	if (r->ea)
		out |= (unsigned __int128)ea << (128 - user);
	// an end-user prefix longer than 64 bits overwrites what is in its way
	if (user > 64)
		id &= ((unsigned __int128)1 << (128 - user)) - 1;
	map_store128(address, out | id);
}

// Bits of the IPv4 address that are those of hosts in a subscriber's prefix.
static inline uint32_t map_host_bits(const struct map_rule *r)
{
	unsigned own = r->len4 + map_address_bits(r);

	return own < 32 ? UINT32_MAX >> own : 0;
}

// The IPv6 address of the subscriber who has an address of the rule and a PSID (RFC 7597 section 6). A
// subscriber who has a whole prefix has the first address of it in his own.
static inline void map_address(
	const struct map_rule *r, uint32_t ipv4, uint16_t psid, uint8_t address[16])
{
	map_host_address(r, ipv4 & ~map_host_bits(r), psid, address);
}

// What the EA bits of an address under the rule's prefix say: an IPv4 address, or the first of a prefix,
// and the PSID.
static inline void map_read(
	const struct map_rule *r, const uint8_t address[16], uint32_t *ipv4, uint16_t *psid)
{
	unsigned bits = map_address_bits(r), suffix = 32 - r->len4;
	uint64_t ea = 0;

	if (r->ea)
		ea = (uint64_t)(map_load128(address) >> (128 - map_user_len(r))) &
			((UINT64_C(1) << r->ea) - 1);
	*psid = r->psid;
	if (map_has_psid(r)) {
		*psid = (uint16_t)(ea & ((1u << r->geometry.length) - 1));
		ea >>= r->geometry.length;
	}
	*ipv4 = r->prefix4 | (uint32_t)(ea << (suffix - bits));
}

// Undoes map_host_address(). Returns false if it would make another address of what is read.
static inline bool map_read_host(
	const struct map_rule *r, const uint8_t address[16], uint32_t *ipv4, uint16_t *psid)
{
	unsigned user = map_user_len(r);
	unsigned __int128 bits = map_load128(address);
	unsigned __int128 behind = user < 128 ? ~(unsigned __int128)0 >> user : 0;

	map_read(r, address, ipv4, psid);
	*ipv4 |= (uint32_t)(bits >> 16) & map_host_bits(r);
	// the end-user prefix is made of what is read; the rest is zero, or the lower part of this
	return !((bits ^ ((unsigned __int128)*ipv4 << 16 | *psid)) & behind);
}

// Rules for finding by the longest IPv6 prefix.
struct mapdom;

// Makes one of rules with different prefixes and their numbers, which are below `numbers`. Returns NULL if memory runs
// out.
struct mapdom *mapdom_new(
	const struct map_rule *rule, const uint32_t *number, uint32_t rules, uint32_t numbers);
void mapdom_free(struct mapdom *dom);

// The number of the rule whose IPv6 prefix is the longest that has the address, or -1; before, what that reads first is
// prefetched.
void mapdom_prefetch6(const struct mapdom *dom, const uint8_t address[16]);
int mapdom_find6(const struct mapdom *dom, const uint8_t address[16]);

// Whether the IPv6 prefix of a rule has another rule's within it, so that not every address under it is its
// own.
bool mapdom_is_nested(const struct mapdom *dom, uint32_t number);
