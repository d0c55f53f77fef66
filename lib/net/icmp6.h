// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// ICMPv6 errors that the box itself sends (RFC 4443): a received packet is turned, in its own buffer, into the
// error about it.

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

enum icmp6_code {
	ICMP6_NO_ROUTE = 0,
	ICMP6_PROHIBITED = 1,
	ICMP6_BEYOND_SCOPE = 2,
	ICMP6_ADDRESS_UNREACHABLE = 3,
	ICMP6_PORT_UNREACHABLE = 4,
	ICMP6_POLICY = 5,    // source address failed ingress or egress policy
	ICMP6_BAD_FIELD = 0, // of a parameter problem
	ICMP6_BAD_CHAIN = 3, // first fragment without all headers (RFC 7112)
	ICMP6_HOP_LIMIT = 0, // of time exceeded
	ICMP6_REASSEMBLY_TIME = 1,
};

struct icmp6_error {
	uint8_t type;
	uint8_t code;
	uint32_t
		word; // MTU of the next hop, or the place that a parameter problem points to; else 0
	const uint8_t *source; // of the error
};

// Turns the packet whose IPv6 header is at `ip` inside mbuf into an error about it, addressed to its source and
// to the station that sent the frame. As much is quoted as fits 1280 bytes (RFC 4443 section 2.4c) and lies in
// the first segment. Returns the length of the error, or 0, with the packet as it was, if the frame was not
// addressed to this station alone or there is no headroom. The caller has made sure that one may be sent (RFC
// 4443 section 2.4e).
uint16_t icmp6_error_make(struct rte_mbuf *mbuf, uint8_t *ip, const struct icmp6_error *error);
