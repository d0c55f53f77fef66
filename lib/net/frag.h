// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv4 fragments (RFC 791 section 3.2): what a fragment says about itself, which parts of a datagram have
// been seen, and cutting a packet in pieces. Who keeps fragments, and for how long, is the caller's affair.

#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

// The part of a datagram's payload that a fragment carries, in bytes from its start.
struct frag {
	uint16_t from;
	uint16_t to; // behind its last byte
	bool last;
};

// Reads the fragment whose header of `ihl` bytes is at `ip`; `length` is its total length. Returns false
// if none can be like that: without data, reaching beyond 65535 bytes, or, before the last, no multiple
// of eight.
bool frag_read(const uint8_t *ip, unsigned ihl, uint16_t length, struct frag *frag);

#define FRAG_SPANS 8

// What has been seen of a datagram: spans that neither overlap nor touch, ascending.
struct frag_seen {
	uint16_t end; // of the datagram; 0: its last fragment has not come yet
	uint8_t spans;
	struct {
		uint16_t from;
		uint16_t to;
	} span[FRAG_SPANS];
};

enum frag_result {
	FRAG_NEW,
	FRAG_DUPLICATE, // nothing but what has been seen: to drop, the datagram is none the worse
	FRAG_OVERLAP, // contradicts what has been seen: the datagram is not to be trusted (RFC 5722)
	FRAG_SCATTERED, // more gaps than spans can tell
};

// Takes note of a fragment.
enum frag_result frag_add(struct frag_seen *seen, const struct frag *frag);

static inline bool frag_is_whole(const struct frag_seen *seen)
{
	return seen->end && seen->spans == 1 && !seen->span[0].from &&
		seen->span[0].to == seen->end;
}

// Cuts the IPv4 packet at `ip` of an mbuf into pieces of at most `mtu` bytes, at least 68, that fit one
// buffer of the pool each, and writes them in order. The packet may be a fragment itself; it stays as it
// was. Returns how many pieces there are, or 0 if there is no buffer or more than `room` would be needed.
unsigned frag_split(struct rte_mempool *pool, const struct rte_mbuf *mbuf, const uint8_t *ip,
	uint16_t mtu, struct rte_mbuf **piece, unsigned room);
