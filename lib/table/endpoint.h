// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// An address, protocol and port as one number, in the order in which tables of the configuration are sorted:
// what covers several of them, up to whole addresses and prefixes, is a range of numbers.

#include <rte_byteorder.h>

#include <stdint.h>

#define ENDPOINT_PORTS     0xffffu   // added to the first endpoint of a protocol: its last
#define ENDPOINT_PROTOCOLS 0xffffffu // to that of an address
#define ENDPOINT_ADDRESS   24        // bits below the address

// `port` is in host order.
static inline uint64_t endpoint_make(rte_be32_t address, uint8_t protocol, uint16_t port)
{
	return (uint64_t)rte_be_to_cpu_32(address) << ENDPOINT_ADDRESS | (uint64_t)protocol << 16 |
		port;
}

static inline rte_be32_t endpoint_address(uint64_t endpoint)
{
	return rte_cpu_to_be_32((uint32_t)(endpoint >> ENDPOINT_ADDRESS));
}

static inline uint8_t endpoint_protocol(uint64_t endpoint)
{
	return (uint8_t)(endpoint >> 16);
}

static inline rte_be16_t endpoint_port(uint64_t endpoint)
{
	return rte_cpu_to_be_16((uint16_t)endpoint);
}
