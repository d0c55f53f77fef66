// SPDX-License-Identifier: BSD-3-Clause

// Fragments that wait, whichever of the two tables they wait in (worker/datagram.h), and their end.

#include "worker/stages.h"

#define EVICT_MAX 4 // datagrams given up for one fragment

struct rte_mbuf *fragment_take_out(struct burst *b, unsigned i, enum handover_kind kind)
{
	struct rte_mbuf *m = b->mbuf[i];

	*handover_of(m) = (struct handover){
		.kind = (uint8_t)kind,
		.iface = b->iface[i],
		.ip_offset = (uint16_t)(b->ip[i] - rte_pktmbuf_mtod(m, uint8_t *)),
	};
	b->mbuf[i] = NULL;
	b->live &= ~bit(i);
	return m;
}

void fragments_drop(struct worker *w, struct fragment_list list, enum verdict verdict)
{
	struct rte_mbuf *m;

	while ((m = fragment_pop(&list))) {
		stat_add(&w->stats.verdict[verdict], 1);
		stat_add(&w->stats.iface[handover_of(m)->iface].rx_drops, 1);
		rte_pktmbuf_free(m);
	}
}

void datagram_give_up(
	struct worker *w, struct datagram_table *table, uint32_t number, enum verdict verdict)
{
	fragments_drop(w, datagram_take(table, number), verdict);
	datagram_remove(table, number);
}

void datagram_spoil(struct worker *w, struct datagram_table *table, uint32_t number)
{
	table->datagram[number].state = DATAGRAM_BROKEN;
	fragments_drop(w, datagram_take(table, number), V_FRAGMENT_BROKEN);
}

static bool is_full(const struct datagram_table *table, const struct rte_mbuf *mbuf)
{
	return table->waiting + mbuf->nb_segs > table->size.waiting;
}

void fragment_hold(struct worker *w, struct datagram_table *table, uint32_t number, struct burst *b,
	unsigned i, enum handover_kind kind)
{
	for (unsigned n = 0; n < EVICT_MAX && is_full(table, b->mbuf[i]); n++) {
		if (table->oldest == number)
			break;
		datagram_give_up(w, table, table->oldest, V_FRAGMENT_MEMORY);
	}
	if (is_full(table, b->mbuf[i]))
		burst_end(b, i, V_FRAGMENT_MEMORY);
	else
		datagram_hold(table, number, fragment_take_out(b, i, kind));
}
