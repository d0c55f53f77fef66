// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The ends of DS-Lite softwires (RFC 6333) in the configuration.

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stdint.h>

#define AFTR_INNERS 16 // ranges of addresses
#define AFTR_MAX    64 // ends
#define AFTR_NONE   UINT8_MAX

struct aftr_inner {
	rte_be32_t address;
	rte_be32_t mask;
};

struct aftr {
	uint8_t address[16];
	rte_be32_t icmp_source; // of errors to the hosts behind B4s
	uint16_t instance;      // number of the NAT instance behind it
	uint16_t mtu;           // of softwires; 0: that of their way
	uint8_t hop_limit;
	bool uniform;    // whether the DSCP is copied
	bool despite_df; // what is too large goes in fragments, whatever it says
	uint8_t inners;
	struct aftr_inner inner[AFTR_INNERS]; // addresses that hosts behind B4s may have
};

static inline bool aftr_takes(const struct aftr *aftr, rte_be32_t inner)
{
	for (unsigned i = 0; i < aftr->inners; i++) {
		if ((inner & aftr->inner[i].mask) == aftr->inner[i].address)
			return true;
	}
	return false;
}
