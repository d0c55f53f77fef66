// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The name of a subscriber, the same in the session tables, the ACL and the resolver: the inside
// address (NAT44) or prefix (NAT64, DS-Lite: the B4's) of one NAT instance. It never holds an
// outside address or port: those move from one subscriber to the next.

#include "base/ipaddr.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct subkey {
	uint8_t addr[16];  // network byte order; IPv4 in the first four; all other bits zero
	uint8_t family;    // 4 or 6
	uint8_t len;       // prefix length: 32 for an IPv4 host
	uint16_t instance; // number of the NAT instance in the configuration's order
};

// In the place of an instance's number: a subscriber whose IPv6 packets pass as they are, and one at the end of an
// A+P softwire, who has a share of an IPv4 address.
#define SUBKEY_NATIVE   0xfffe
#define SUBKEY_SOFTWIRE 0xfffd

static_assert(sizeof(struct subkey) == 20, "compared and hashed as 20 bytes without padding");

static inline struct subkey subkey_v4(uint32_t be32, uint16_t instance)
{
	struct subkey key = {.family = 4, .len = 32, .instance = instance};

	memcpy(key.addr, &be32, 4);
	return key;
}

static inline bool subkey_equal(const struct subkey *a, const struct subkey *b)
{
	return !memcmp(a, b, sizeof(*a));
}

// The address or prefix without its instance, and with one.
static inline struct ipprefix subkey_prefix(const struct subkey *key)
{
	struct ipaddr addr = {.family = key->family};

	memcpy(addr.bytes, key->addr, sizeof(addr.bytes));
	return ipprefix_make(&addr, key->len);
}

static inline struct subkey subkey_of(const struct ipprefix *prefix, uint16_t instance)
{
	struct subkey key = {
		.family = prefix->addr.family, .len = prefix->len, .instance = instance};

	memcpy(key.addr, prefix->addr.bytes, sizeof(key.addr));
	return key;
}
