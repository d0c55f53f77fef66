// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What travels with a packet from worker to worker, and with one that waits, in the private area of its
// mbuf.

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <stdint.h>

enum handover_kind {
	HANDOVER_RECEIVED, // as received on `iface`; its IP header is at `ip_offset`
	HANDOVER_GATHERED, // a fragment as received, and what its datagram's first one has told
	HANDOVER_HAIRPIN, // from inside, as seen from outside; to an outside address, to count as `verdict`
	HANDOVER_TUNNELLED, // as GATHERED; came by a softwire, whose header stands before its own
	HANDOVER_TRANSMIT,  // a finished frame, to leave by `iface` and count as `verdict`
};

struct handover {
	struct rte_mbuf *next; // of a list that it waits in
	uint8_t kind;
	uint8_t iface;
	uint8_t verdict;
	uint8_t flags; // of TCP or ICMP, as in a burst
	uint16_t ip_offset;
	rte_be16_t src_port;
	rte_be16_t dst_port;
	rte_be16_t id; // as in a burst
};

static inline struct handover *handover_of(struct rte_mbuf *mbuf)
{
	return rte_mbuf_to_priv(mbuf);
}
