// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// ICMP errors that the box itself sends (RFC 792, RFC 1812 section 4.3): a received packet is turned,
// in its own buffer, into the error about it.

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

enum icmp_code {
	ICMP_NET_UNREACHABLE = 0,
	ICMP_HOST_UNREACHABLE = 1,
	ICMP_PORT_UNREACHABLE = 3,
	ICMP_FRAGMENTATION_NEEDED = 4,
	ICMP_SOURCE_ROUTE_FAILED = 5,
};

#define ICMP_ERROR_ADDED (20 + 8) // bytes before what an error quotes

struct icmp_error {
	uint8_t type;
	uint8_t code;
	uint16_t mtu;      // of the next hop, with ICMP_FRAGMENTATION_NEEDED; else 0
	rte_be32_t source; // of the error
};

// Writes the headers of an error at `at`, addressed to the source of the IPv4 packet that it quotes, of which
// `quote` bytes stand behind them. As much is quoted as fits 576 bytes. Returns the length of the error.
uint16_t icmp_error_write(uint8_t *at, const struct icmp_error *error, uint32_t quote);

// Turns the packet whose IPv4 header is at `ip` inside mbuf into an error about it, addressed to its
// source and to the station that sent the frame. As much is quoted as fits 576 bytes (RFC 1812
// section 4.3.2.3) and lies in the first segment. Returns the length of the error, or 0, with the packet as it was,
// if the frame was not addressed to this station alone or there is no headroom. The caller has made sure that
// it is no ICMP error itself (RFC 1122 section 3.2.2).
uint16_t icmp_error_make(struct rte_mbuf *mbuf, uint8_t *ip, const struct icmp_error *error);
