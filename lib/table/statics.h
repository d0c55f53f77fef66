// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Static mappings (RFC 8512 mapping-entry of type static): a range of inside ports stands for an equally
// long range of outside ports, or a whole inside address for a whole outside one. Mappings made from one by
// the first packet keep its ports. The table is built with the snapshot and never changes.
//
// An inside host that has no IPv4 address of its own, behind NAT64 (RFC 6146 section 3.3) or a B4 of DS-Lite (RFC
// 8513), has a number in the table instead: its mappings are from a place in 240.0.0.0/4, where no packet is from.
// Sessions know such hosts by aliases (session/alias.h), which are other numbers.

#include "base/ipaddr.h"

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct static_mapping {
	uint32_t index; // of the configuration
	uint8_t policy;
	uint8_t protocol;  // IANA number; 0: all, and all ports
	bool both;         // of an entry for TCP and UDP, which stands here once for each
	rte_be32_t inside; // or static_place() of the host
	rte_be32_t outside;
	uint16_t inside_lower; // host order
	uint16_t outside_lower;
	uint16_t ports; // how many, less one
};

struct static_host {
	uint8_t prefix
		[16]; // by which it is known: its address, or its B4's, or what stays of a B4's that moves
	uint8_t address[16]; // as it is configured
	rte_be32_t inner;    // behind a B4: the host's own address; else 0
	uint16_t instance;   // number of the NAT instance, as in subscriber keys
	uint8_t policy;      // slot
	uint8_t aftr; // behind a B4: of the AFTRs of the box, the one that it is behind until it says
	uint8_t bits; // of the address that tell its worker
};

// Entries of one protocol and address do not overlap, on either side, and an address with an entry for all
// protocols has no other.
struct static_table {
	unsigned count;
	struct static_mapping *by_inside;  // ascending by inside address, protocol and port
	struct static_mapping *by_outside; // ascending by outside address, protocol and port
	uint32_t hosts;
	struct static_host *host; // number 0 is nobody; the others in order, and each once
};

// Brings both lists, which hold the same entries, into their order.
void static_table_sort(struct static_table *table);

// Brings so many hosts from number 1 on into their order, and takes out those that stand twice. Their numbers are
// not to change any more when mappings have them.
void static_hosts_sort(struct static_table *table, uint32_t hosts);

// The number of a host, or 0: no static mapping is of it.
uint32_t static_host_number(const struct static_table *table, uint16_t instance,
	const uint8_t prefix[16], rte_be32_t inner);

// What mappings of the host with that number are from.
static inline rte_be32_t static_place(uint32_t number)
{
	return rte_cpu_to_be_32(0xf0000000 | number);
}

// The host that a mapping is of; NULL: one that has an IPv4 address, `inside`.
static inline const struct static_host *static_host_of(
	const struct static_table *table, const struct static_mapping *m)
{
	uint32_t place = rte_be_to_cpu_32(m->inside);

	return place >> 28 == 0xf ? &table->host[place & 0x0fffffff] : NULL;
}

// The inside address of a mapping as its host has it; behind a B4, its own.
static inline struct ipaddr static_inside(
	const struct static_table *table, const struct static_mapping *m)
{
	const struct static_host *host = static_host_of(table, m);

	if (host && !host->inner)
		return ipaddr_v6(host->address);
	return ipaddr_v4(host ? host->inner : m->inside);
}

// The static mapping that covers an inside or outside address and port (host order), or NULL.
const struct static_mapping *static_by_inside(
	const struct static_table *table, rte_be32_t inside, uint8_t protocol, uint16_t port);
const struct static_mapping *static_by_outside(
	const struct static_table *table, rte_be32_t outside, uint8_t protocol, uint16_t port);
