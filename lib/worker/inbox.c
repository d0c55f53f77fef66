// SPDX-License-Identifier: BSD-3-Clause

// What the control thread asks of a worker. Each request is done at once; lists are cut into slices by
// the asker's room for rows.

#include "session/moves.h"
#include "table/snapshot.h"
#include "worker/stages.h"

#define MESSAGES_A_TURN 16

static void answer(struct worker *w, const struct msg *request, uint32_t count, uint32_t cursor)
{
	struct msg msg = {
		.type = MSG_ANSWER,
		.worker = (uint16_t)w->number,
		.sequence = request->sequence,
		.answer = {.count = count, .cursor = cursor},
	};

	// the asker has one request out and times out; a full ring only makes it ask again
	channel_say(&w->channel, &msg);
}

static void do_walk(struct worker *w, const struct msg *msg)
{
	uint32_t cursor = msg->walk.cursor, count = 0;

	switch (msg->walk.table) {
	case WALK_MAPPINGS:
		count = nat_walk_mappings(&w->nat, &cursor, msg->walk.room, msg->walk.rows, w->now);
		break;
	case WALK_SUBSCRIBERS:
		count = nat_walk_subscribers(&w->nat, &cursor, msg->walk.room, msg->walk.rows);
		break;
	}
	answer(w, msg, count, cursor);
}

static void do_find(struct worker *w, const struct msg *msg)
{
	const struct nexthop *nh = snapshot_route(w->snapshot, rte_be_to_cpu_32(msg->find.outside));
	enum l4 l4 = l4_of(msg->find.protocol);
	uint32_t mapping = 0;

	if ((nh->kind == NEXTHOP_POOL || nh->kind == NEXTHOP_STATIC) && l4 != L4_COUNT)
		mapping = nat_find_outside(
			&w->nat, nh, l4, msg->find.outside, rte_cpu_to_be_16(msg->find.port));
	if (mapping)
		nat_mapping_row(&w->nat, mapping, w->now, msg->find.row);
	answer(w, msg, mapping ? 1 : 0, 0);
}

static void do_transmit(struct worker *w, const struct msg *msg)
{
	struct rte_mbuf *mbuf = msg->transmit.mbuf;

	transmit_ip(w, msg->transmit.iface, mbuf, rte_pktmbuf_mtod(mbuf, uint8_t *),
		msg->transmit.mac, msg->transmit.ethertype, msg->transmit.verdict);
}

static void do_message(struct worker *w, const struct msg *msg)
{
	switch ((enum msg_type)msg->type) {
	case MSG_MARK:
		nat_mark(&w->nat, &msg->mark.subscriber, msg->mark.marked);
		break;
	case MSG_WALK:
		do_walk(w, msg);
		break;
	case MSG_FIND:
		do_find(w, msg);
		break;
	case MSG_FIND_ICMP:
		answer(w, msg,
			nat_find_icmp(&w->nat, msg->find_icmp.outside, msg->find_icmp.target,
				msg->find_icmp.mask, msg->find_icmp.room,
				msg->find_icmp.subscribers),
			0);
		break;
	case MSG_TRANSMIT:
		do_transmit(w, msg);
		break;
	case MSG_BLOCKS_GIVE:
		stat_add(&w->stats.blocks_given, moves_give(&w->nat, &msg->blocks, w->now));
		break;
	case MSG_BLOCKS_TAKE:
		stat_add(&w->stats.blocks_taken, moves_take(&w->nat, &msg->blocks));
		break;
	case MSG_ANSWER:
	case MSG_BLOCK:
	case MSG_BLOCKS_WANTED:
	case MSG_BLOCKS_GIVEN:
	case MSG_NEIGHBOUR_WANTED:
	case MSG_NEIGHBOUR_SEEN:
	case MSG_B4_CHANGE:
	case MSG_PUNT:
	case MSG_COPY:
		break; // never sent this way
	}
}

unsigned inbox_run(struct worker *w)
{
	struct msg msgs[MESSAGES_A_TURN];
	unsigned n = channel_take(&w->channel, msgs, MESSAGES_A_TURN);

	for (unsigned i = 0; i < n; i++)
		do_message(w, &msgs[i]);
	return n;
}
