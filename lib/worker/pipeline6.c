// SPDX-License-Identifier: BSD-3-Clause

// The way of an IPv6 packet. Native ones pass as they are, by route; what services take goes their ways.

#include "net/hdr6.h"
#include "worker/stages.h"

void carry6(struct worker *w, struct burst *b, uint64_t mask)
{
	struct ways6 ways;
	uint64_t native;

	hdr6_read(b, mask);
	ways = classify6(w, b, mask & b->live);
	native = classify6_size(w, b, ways.out | ways.in);
	hdr6_hop(b, native);
	transmit(w, b, native, V_ROUTED6);
}
