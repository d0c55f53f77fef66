// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What an IP header says in either family (RFC 7915 sections 4.1 and 5.1): read from the one, written in the other.
// Addresses are in the order of the wire; everything else is in host order.

#include "net/verdict.h"

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stdint.h>

#define SIIT_ALWAYS_FITS 1260 // no IPv6 link would have fragmented it (RFC 7915 section 5.1)

struct siit_header {
	uint8_t protocol; // of IPv6, so ICMPv6
	uint8_t class;
	uint8_t hops;
	bool is_fragment;
	bool more;
	uint16_t offset; // in units of eight bytes
	uint32_t id;
	uint16_t payload; // bytes that it says follow
	uint16_t size;    // bytes of it, with extension headers or options
	uint16_t sum;     // of its addresses
};

// Reads the IPv4 header at `ip`, whose length has been checked. Returns false if its protocol is not translated.
bool siit_read4(const uint8_t *ip, struct siit_header *h);

// Reads the IPv6 header at `ip`, of which `room` bytes are here. Returns V_COUNT, or why it is not translated.
enum verdict siit_read6(const uint8_t *ip, uint32_t room, struct siit_header *h);

// Writes an IPv4 header of 20 bytes. `id` is the identification of what is no fragment.
void siit_write4(
	uint8_t *ip, const struct siit_header *h, rte_be32_t src, rte_be32_t dst, rte_be16_t id);

// Bytes that siit_write6() writes: an IPv6 header, and behind it a fragment header if there has to be one.
unsigned siit_size6(const struct siit_header *h);
void siit_write6(
	uint8_t *ip, const struct siit_header *h, const uint8_t src[16], const uint8_t dst[16]);

// The sum of two addresses, as csum_apply() and its like take it.
uint16_t siit_sum4(rte_be32_t src, rte_be32_t dst);
uint16_t siit_sum6(const uint8_t src[16], const uint8_t dst[16]);
