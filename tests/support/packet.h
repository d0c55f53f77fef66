// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv4 packets for tests: made from a tuple, and judged by sums computed anew over all their bytes, by code
// that shares nothing with lib/net/csum.h.

#include "net/l4.h"

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 1500

struct tuple {
	enum l4 l4;
	rte_be32_t src;
	rte_be32_t dst;
	rte_be16_t src_port; // ICMP: the identifier, in both
	rte_be16_t dst_port;
};

// The least bytes of a packet without data.
unsigned packet_least(enum l4 l4);

// Writes a packet of `length` bytes with right checksums around whatever stands in its data. `flags` are
// TCP's, or the type of an ICMP query.
void packet_make(
	uint8_t *ip, uint16_t length, const struct tuple *tuple, uint8_t flags, uint8_t ttl);

// Writes an ICMP error about `quoted`, from src to dst, with right checksums. Returns its length.
uint16_t packet_make_error(uint8_t *ip, rte_be32_t src, rte_be32_t dst, uint8_t type, uint8_t code,
	const uint8_t *quoted, uint16_t quoted_length);

// Makes the checksums of a packet right.
void packet_mend(uint8_t *ip, uint16_t length);

struct tuple packet_tuple(const uint8_t *ip);

// The one's complement sum over the IPv4 header, 0xffff if it is right.
uint16_t packet_sum(const uint8_t *ip);

// The sum over transport and pseudo-header of a packet that is no fragment, 0xffff if it is right.
uint16_t packet_sum_l4(const uint8_t *ip, uint16_t length);
