// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv6 packets for tests, put together from their parts, and judged by sums computed anew over all their bytes, by
// code that shares nothing with lib/net/csum.h.

#include <stdint.h>

// Writes an IPv6 header between two addresses, and a payload of the protocol behind it. Hop limit 64. Returns the
// length of the packet.
uint16_t packet6_make(uint8_t *ip, const char *src, const char *dst, uint8_t protocol,
	const void *payload, uint16_t length);

// Writes one with UDP, or another protocol that begins with ports, and so many bytes of data, with a right
// checksum. Ports in host order.
uint16_t packet6_udp(uint8_t *ip, const char *src, const char *dst, uint16_t src_port,
	uint16_t dst_port, uint16_t data);

// The sum over what is `at` bytes behind the IPv6 header's start and the pseudo-header of that protocol; 0xffff if
// it is right.
uint16_t packet6_sum(const uint8_t *ip, unsigned at, uint8_t protocol);
