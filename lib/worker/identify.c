// SPDX-License-Identifier: BSD-3-Clause

// Identifications of what leaves from behind an outside address (RFC 6864 section 5.3.1).

#include "net/csum.h"
#include "net/ipid.h"
#include "worker/stages.h"

#include <rte_prefetch.h>

#include <string.h>

void identify(struct worker *w, struct burst *b, uint64_t mask)
{
	uint16_t *counter[BURST_MAX];
	unsigned i;

	for (uint64_t todo = mask & ~b->fragments; bit_take(&todo, &i);) {
		counter[i] = ipid_counter_whole(&w->ids, b->src[i], b->dst[i], b->ip[i][9]);
		rte_prefetch0(counter[i]);
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		uint8_t *ip = b->ip[i];
		rte_be16_t was, id = b->id[i];
		uint16_t sum;

		if (!(b->fragments & bit(i)))
			id = ipid_whole(&w->ids, counter[i]);
		memcpy(&was, ip + 4, sizeof(was));
		memcpy(&sum, ip + 10, sizeof(sum));
		memcpy(ip + 4, &id, sizeof(id));
		sum = csum_apply(sum, csum_change16(was, id));
		memcpy(ip + 10, &sum, sizeof(sum));
	}
}
