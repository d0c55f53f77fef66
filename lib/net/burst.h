// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A burst of packets as a struct of arrays. A packet keeps its index from receive to transmit. Each
// stage of the pipeline is a function over the burst; which packets it works on is said by a bit
// mask. A packet that meets its end is struck from `live` with a verdict, once.
//
// Addresses and ports are in network byte order as they stand in the packet after any change made
// to it. For an ICMP query the identifier stands in both ports. A fragment has the ports of its
// datagram, once they are known.
//
// Packets of both IP versions stand in one burst. Everything about headers holds for both, but the
// addresses of IPv6 packets are read where they lie.

#include "base/bits.h"
#include "net/l4.h"
#include "net/verdict.h"

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <stdint.h>

#define BURST_MAX 64

struct burst {
	unsigned n;
	uint64_t live;       // no verdict yet
	uint64_t v6;         // IPv6 now
	uint64_t icmp_error; // translated by what they quote (RFC 5508 section 4)
	uint64_t stateful;   // TCP, ICMP queries, DCCP: more than a timer to keep
	uint64_t fragments;  // of datagrams that are not here as a whole
	uint64_t tails;      // of those, all but the first: without a transport header
	uint64_t raw;        // of those, whose ports are not known yet
	uint64_t loose;      // not atomic (RFC 6864): their identification means something
	uint64_t syn;        // TCP segments with SYN
	uint64_t options;    // with options in the IPv4 header
	uint64_t slotless;   // a protocol without slots in port blocks (net/l4.h)
	uint64_t portless;   // a protocol that has no ports (L4_COUNT)
	uint64_t marked;     // the mapping or subscriber found says to ask the ACL
	uint64_t stale;      // the mapping found was not seen in this tick
	uint64_t aliased;    // to the alias of an inside host, whose own form they will have
	uint64_t big;        // larger than the MTU of the interface they leave by
	uint64_t tunnelled;  // IPv4, from a softwire whose IPv6 header is right before theirs
	uint64_t mapped;     // IPv4, translated from a MAP-T subscriber
	struct rte_mbuf *mbuf[BURST_MAX];
	uint8_t *ip[BURST_MAX];     // IP header
	uint16_t room[BURST_MAX];   // bytes from there to the end of the first segment
	uint16_t length[BURST_MAX]; // of the IP datagram
	rte_be32_t src[BURST_MAX];  // of IPv4 alone
	rte_be32_t dst[BURST_MAX];
	rte_be16_t src_port[BURST_MAX];
	rte_be16_t dst_port[BURST_MAX];
	uint32_t route[BURST_MAX];   // number of the nexthop
	uint32_t mapping[BURST_MAX]; // number in the BIB; 0: none yet
	rte_be16_t id[BURST_MAX];    // of a fragment: what its datagram is to have outside
	uint8_t ihl[BURST_MAX];      // bytes of IP header, IPv6 extension headers among them
	uint8_t l4[BURST_MAX];       // enum l4, ICMPv6 as ICMP; L4_COUNT: some other protocol
	uint8_t protocol[BURST_MAX]; // of IPv6 alone: what is behind its extension headers
	// Of TCP; for ICMP its type; for DCCP that and one; for fragments of UDP whether it has no checksum
	uint8_t flags[BURST_MAX];
	uint8_t iface[BURST_MAX]; // that it came in by
	uint8_t verdict[BURST_MAX];
};

// Forgets what was read from the headers of the mask, before others are read.
static inline void burst_unread(struct burst *b, uint64_t mask)
{
	b->icmp_error &= ~mask;
	b->stateful &= ~mask;
	b->slotless &= ~mask;
	b->portless &= ~mask;
	b->fragments &= ~mask;
	b->tails &= ~mask;
	b->raw &= ~mask;
	b->loose &= ~mask;
	b->syn &= ~mask;
	b->options &= ~mask;
}

// Gives packet i its verdict and strikes it from what is live.
static inline void burst_end(struct burst *b, unsigned i, enum verdict verdict)
{
	b->verdict[i] = (uint8_t)verdict;
	b->live &= ~bit(i);
}
