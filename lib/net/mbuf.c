// SPDX-License-Identifier: BSD-3-Clause

#include "net/mbuf.h"

#include "base/bits.h"

#include <string.h>

void mbuf_cut_off(struct rte_mbuf *mbuf, uint32_t length)
{
	struct rte_mbuf *last = mbuf;
	uint32_t there = mbuf->data_len;

	mbuf->pkt_len = length;
	mbuf->nb_segs = 1;
	for (; there < length; there += last->data_len) {
		last = last->next;
		mbuf->nb_segs++;
	}
	last->data_len = (uint16_t)(last->data_len - (there - length));
	rte_pktmbuf_free(last->next);
	last->next = NULL;
}

// The rest of a chain without its first segment, which is freed; NULL if there is none.
static struct rte_mbuf *behind(struct rte_mbuf *mbuf)
{
	struct rte_mbuf *next = mbuf->next;

	if (next) {
		next->pkt_len = mbuf->pkt_len - mbuf->data_len;
		next->nb_segs = (uint16_t)(mbuf->nb_segs - 1);
	}
	rte_pktmbuf_free_seg(mbuf);
	return next;
}

void mbuf_append(struct rte_mbuf *mbuf, struct rte_mbuf *tail)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(mbuf);

	while (tail) {
		uint16_t size = (uint16_t)min_u32(rte_pktmbuf_tailroom(last), tail->data_len);

		memcpy(rte_pktmbuf_append(mbuf, size), rte_pktmbuf_mtod(tail, const void *), size);
		if (size == tail->data_len) {
			tail = behind(tail);
			continue;
		}
		rte_pktmbuf_adj(tail, size);
		rte_pktmbuf_chain(mbuf, tail);
		return;
	}
}
