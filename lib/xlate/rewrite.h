// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Addresses and ports in packets, and the checksums over them (RFC 1624).

#include "net/burst.h"
#include "net/csum.h"
#include "net/hdr.h"

#include <string.h>

#define UDP_CHECKSUM  6
#define TCP_CHECKSUM  16
#define ICMP_CHECKSUM 2
#define DCCP_CHECKSUM 6
#define ICMP_ID       4

// Overwrite a field and add what that changes in the sum over the bytes it stands in.
static inline void rewrite32(void *field, uint32_t value, uint32_t *change)
{
	uint32_t old;

	memcpy(&old, field, sizeof(old));
	memcpy(field, &value, sizeof(value));
	*change += csum_change32(old, value);
}

static inline void rewrite16(void *field, uint16_t value, uint32_t *change)
{
	uint16_t old;

	memcpy(&old, field, sizeof(old));
	memcpy(field, &value, sizeof(value));
	*change += csum_change16(old, value);
}

// Writes an address and a port into packet i, at these offsets of the IP and transport headers, and
// mends the checksums. An ICMP query has its identifier where others have a port.
static inline void rewrite_packet(struct burst *b, unsigned i, unsigned address_at,
	unsigned port_at, rte_be32_t address, rte_be16_t port, uint8_t ttl_step)
{
	uint8_t *ip = b->ip[i], *l4 = ip + b->ihl[i];
	rte_be32_t old_address;
	rte_be16_t old_port, sum;
	uint32_t change, change_l4;

	memcpy(&old_address, ip + address_at, 4);
	memcpy(ip + address_at, &address, 4);
	change = csum_change32(old_address, address);
	memcpy(&sum, ip + 10, 2);
	// the time to live is the low byte of its word: less one is as much as plus 0xfffe
	sum = csum_apply(sum, change + csum_change16(ttl_step, 0));
	memcpy(ip + 10, &sum, 2);
	ip[8] = (uint8_t)(ip[8] - ttl_step);

	if (b->l4[i] == L4_ICMP)
		port_at = ICMP_ID;
	memcpy(&old_port, l4 + port_at, 2);
	memcpy(l4 + port_at, &port, 2);
	change_l4 = csum_change16(old_port, port);
	switch (b->l4[i]) {
	case L4_UDP:
		memcpy(&sum, l4 + UDP_CHECKSUM, 2);
		sum = csum_apply_udp(sum, change + change_l4);
		memcpy(l4 + UDP_CHECKSUM, &sum, 2);
		break;
	case L4_TCP:
		memcpy(&sum, l4 + TCP_CHECKSUM, 2);
		sum = csum_apply(sum, change + change_l4);
		memcpy(l4 + TCP_CHECKSUM, &sum, 2);
		break;
	case L4_DCCP: // however little of the data it covers, it covers the header (RFC 4340 section 9)
		memcpy(&sum, l4 + DCCP_CHECKSUM, 2);
		sum = csum_apply(sum, change + change_l4);
		memcpy(l4 + DCCP_CHECKSUM, &sum, 2);
		break;
	default: // ICMP has no pseudo-header
		memcpy(&sum, l4 + ICMP_CHECKSUM, 2);
		sum = csum_apply(sum, change_l4);
		memcpy(l4 + ICMP_CHECKSUM, &sum, 2);
		break;
	}
}

// What has no transport header that depends on it, like a fragment other than the first, has the address alone
// to change.
static inline void rewrite_address(
	struct burst *b, unsigned i, unsigned address_at, rte_be32_t address, uint8_t ttl_step)
{
	uint8_t *ip = b->ip[i];
	uint32_t change = csum_change16(ttl_step, 0);
	uint16_t sum;

	rewrite32(ip + address_at, address, &change);
	memcpy(&sum, ip + 10, sizeof(sum));
	sum = csum_apply(sum, change);
	memcpy(ip + 10, &sum, sizeof(sum));
	ip[8] = (uint8_t)(ip[8] - ttl_step);
}

// Changes the source or destination of the packet that the ICMP error i quotes, at these offsets of its IP and
// transport headers, and the checksums over it. What is quoted bare has no port.
void rewrite_quoted(struct burst *b, unsigned i, const struct quoted *q, unsigned address_at,
	unsigned port_at, rte_be32_t address, rte_be16_t port);
