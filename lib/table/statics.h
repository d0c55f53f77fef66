// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Static mappings (RFC 8512 mapping-entry of type static): a range of inside ports stands for an equally
// long range of outside ports, or a whole inside address for a whole outside one. Mappings made from one by
// the first packet keep its ports. The table is built with the snapshot and never changes.

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stdint.h>

struct static_mapping {
	uint32_t index; // of the configuration
	uint8_t policy;
	uint8_t protocol; // IANA number; 0: all, and all ports
	bool both;        // of an entry for TCP and UDP, which stands here once for each
	rte_be32_t inside;
	rte_be32_t outside;
	uint16_t inside_lower; // host order
	uint16_t outside_lower;
	uint16_t ports; // how many, less one
};

// Entries of one protocol and address do not overlap, on either side, and an address with an entry for all
// protocols has no other.
struct static_table {
	unsigned count;
	struct static_mapping *by_inside;  // ascending by inside address, protocol and port
	struct static_mapping *by_outside; // ascending by outside address, protocol and port
};

// Brings both lists, which hold the same entries, into their order.
void static_table_sort(struct static_table *table);

// The static mapping that covers an inside or outside address and port (host order), or NULL.
const struct static_mapping *static_by_inside(
	const struct static_table *table, rte_be32_t inside, uint8_t protocol, uint16_t port);
const struct static_mapping *static_by_outside(
	const struct static_table *table, rte_be32_t outside, uint8_t protocol, uint16_t port);
