// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Destinations that subscribers write to by another name (RFC 8512 dst-nat; with their own translation it is
// the Twice NAT of RFC 2663 section 4.3). A range of inside endpoints stands for an equally long range of
// outside ones. Both ways it is a function of the endpoint alone: nothing is kept, any worker can do it, and
// a destination outside has one name inside. The table is built with the snapshot and never changes.

#include "table/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

#define DSTNAT_ANY_POLICY UINT8_MAX

struct dstnat {
	uint64_t inside;  // first endpoint (table/endpoint.h) that subscribers write to
	uint64_t outside; // and what it is outside
	uint64_t more;    // how many follow it
	uint32_t index;   // of the mapping-entry
	uint16_t instance;
	uint8_t policy; // slot, of a dst-ip-address-pool; else DSTNAT_ANY_POLICY
	bool both;      // of an entry for TCP and UDP, which stands here once for each
};

// Ranges of one instance do not overlap, on either side.
struct dstnat_table {
	unsigned count;
	struct dstnat *by_inside;  // ascending by instance and inside endpoint
	struct dstnat *by_outside; // ascending by instance and outside endpoint
	uint64_t outsides[4];      // see dstnat_may_have()
};

// Adds an entry, for which there is room in both lists.
void dstnat_add(struct dstnat_table *table, const struct dstnat *entry);

// Brings both lists into their order.
void dstnat_table_sort(struct dstnat_table *table);

// A cheap look, to be asked before dstnat_to_inside(): false says no for certain.
static inline bool dstnat_may_have(const struct dstnat_table *table, rte_be32_t outside)
{
	uint8_t last = (uint8_t)(rte_be_to_cpu_32(outside) & 0xff);

	return table->outsides[last / 64] >> (last % 64) & 1;
}

// What an endpoint that subscribers of a policy, of a slot, write to is outside, and back. The same
// endpoint: no entry has it.
uint64_t dstnat_to_outside(
	const struct dstnat_table *table, uint16_t instance, uint8_t policy, uint64_t inside);
uint64_t dstnat_to_inside(
	const struct dstnat_table *table, uint16_t instance, uint8_t policy, uint64_t outside);
