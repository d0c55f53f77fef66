// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IPv6 fragments (RFC 8200 section 4.5): what a fragment says about itself, and cutting a packet in pieces.

#include "net/frag.h"

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

// Reads the fragment whose Fragment header is at `header`; `size` bytes of its datagram follow. Returns false
// if none can be like that, as frag_read() does. One that is its whole datagram (RFC 6946) is from 0 on and
// the last.
bool frag6_read(const uint8_t *header, uint32_t size, struct frag *frag);

// Cuts the IPv6 packet at `ip6` of an mbuf, which the box has made itself, into fragments of at most `mtu`
// bytes, at least 1280, that fit one buffer of the pool each, and writes them in order. The packet has no
// extension headers but perhaps a Fragment header: then its fragments keep that identification, else they
// have `id`. It stays as it was. Returns how many pieces there are, or 0 if there is no buffer or more than
// `room` would be needed.
unsigned frag6_split(struct rte_mempool *pool, const struct rte_mbuf *mbuf, const uint8_t *ip6,
	uint16_t mtu, rte_be32_t id, struct rte_mbuf **piece, unsigned room);
