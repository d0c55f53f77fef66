// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the types, codes, pointers and MTUs of ICMP become in ICMPv6 and back (RFC 7915 sections 4.2 and 5.2).

#include <stdbool.h>
#include <stdint.h>

// The first eight bytes of an ICMP or ICMPv6 error without its checksum, in host order.
struct siit_error {
	uint8_t type;
	uint8_t code;
	uint32_t word; // pointer or MTU; 0 for others
};

// The MTUs of the next hops on both sides, and what the quoted packet says of its length.
struct siit_mtu {
	uint16_t mtu4;
	uint16_t mtu6;
	uint16_t quoted; // bytes
};

// Turn an error into its counterpart. Return false if it has none.
bool siit_error_to6(struct siit_error *error, const struct siit_mtu *mtu);
bool siit_error_to4(struct siit_error *error, const struct siit_mtu *mtu);
