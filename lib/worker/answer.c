// SPDX-License-Identifier: BSD-3-Clause

// What is answered though it opens nothing: a TCP SYN from outside that no mapping lets in, after a while
// (RFC 5382 REQ-4), likewise a Listen or Sync of DCCP (RFC 5597 REQ-4), and a TCP segment of a connection that
// nobody knows, if the policy says so (RFC 5382 section 5). All share the rate limit of ICMP errors.

#include "net/hdr.h"
#include "net/icmp.h"
#include "net/reset.h"
#include "worker/stages.h"

#define DUE_A_TURN 64

static const struct nat_policy *policy_for(
	const struct worker *w, const struct burst *b, unsigned i, bool outward)
{
	int slot = outward ? nat_policy_for(&w->nat, b->src[i])
			   : w->snapshot->nexthop[b->route[i]].policy;

	return slot < 0 ? NULL : w->snapshot->policy[slot];
}

static void count_drop(struct worker *w, unsigned iface)
{
	stat_add(&w->stats.iface[iface].rx_drops, 1);
}

static void hold(struct worker *w, struct burst *b, unsigned i, uint32_t ticks)
{
	struct held entry = {
		.key =
			{
				.outside = b->dst[i],
				.remote = b->src[i],
				.outside_port = b->dst_port[i],
				.remote_port = b->src_port[i],
				.l4 = b->l4[i],
			},
		.iface = b->iface[i],
		.ip_offset = (uint16_t)(b->ip[i] - rte_pktmbuf_mtod(b->mbuf[i], uint8_t *)),
		.due = w->now + ticks,
		.mbuf = b->mbuf[i],
	};

	// a SYN sent again does not begin the time again
	if (held_find(&w->held, &entry.key))
		return;
	if (!held_add(&w->held, &entry)) {
		stat_add(&w->stats.syns_not_held, 1);
		return;
	}
	stat_add(&w->stats.syns_held, 1);
	stat_add(&w->stats.verdict[b->verdict[i]], 1);
	b->mbuf[i] = NULL;
}

static void reset(struct worker *w, struct burst *b, unsigned i, bool outward)
{
	if (!w->icmp_tokens)
		return;
	if (outward)
		dstnat_undo(w, b, i);
	if (!reset_make(b->mbuf[i], b->ip[i], b->ihl[i]))
		return;
	w->icmp_tokens--;
	stat_add(&w->stats.resets_sent, 1);
	count_drop(w, b->iface[i]);
	transmit_frame(w, b->iface[i], b->mbuf[i], b->verdict[i]);
	b->mbuf[i] = NULL;
}

// Whether a packet from outside may be one half of a simultaneous open.
static bool is_half(const struct burst *b, unsigned i)
{
	if (b->l4[i] == L4_TCP)
		return tcp_is_opener(b->flags[i]);
	return b->flags[i] == DCCP_LISTEN || b->flags[i] == DCCP_SYNC;
}

void answer_dropped(struct worker *w, struct burst *b, uint64_t mask, bool outward)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nat_policy *policy;
		uint8_t verdict = b->verdict[i];

		if (!b->mbuf[i] || (b->l4[i] != L4_TCP && b->l4[i] != L4_DCCP))
			continue;
		if (verdict != V_NO_MAPPING && verdict != V_FILTERED && verdict != V_NOT_SYN)
			continue;
		policy = policy_for(w, b, i, outward);
		if (!policy || !policy->protocol[b->l4[i]])
			continue;
		if (is_half(b, i)) {
			if (!outward && policy->answer_syns)
				hold(w, b, i, policy->timers.tcp_in_syn);
		} else if (b->l4[i] == L4_TCP && verdict != V_FILTERED && policy->reset_strays) {
			reset(w, b, i, outward);
		}
	}
}

void answer_match(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		struct held_key key = {
			.outside = b->src[i],
			.remote = b->dst[i],
			.outside_port = b->src_port[i],
			.remote_port = b->dst_port[i],
			.l4 = b->l4[i],
		};
		uint32_t number;

		number = nat_may_open(b->l4[i], b->flags[i]) ? held_find(&w->held, &key) : 0;
		if (number) {
			struct held entry = held_remove(&w->held, number);

			count_drop(w, entry.iface);
			rte_pktmbuf_free(entry.mbuf);
		}
	}
}

// Tells the sender of one packet that nobody is there (RFC 5382 REQ-4).
static void answer(struct worker *w, const struct held *entry)
{
	struct burst *b = &w->burst;

	b->n = 1;
	b->live = 1;
	b->mbuf[0] = entry->mbuf;
	b->ip[0] = rte_pktmbuf_mtod_offset(entry->mbuf, uint8_t *, entry->ip_offset);
	b->room[0] = (uint16_t)(rte_pktmbuf_data_len(entry->mbuf) - entry->ip_offset);
	b->iface[0] = entry->iface;
	hdr_read(b, 1);
	// it was counted when it came
	classify_refuse(w, b, 0, V_COUNT, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0);
	if (!b->mbuf[0])
		return;
	count_drop(w, entry->iface);
	rte_pktmbuf_free(b->mbuf[0]);
}

unsigned answer_due(struct worker *w)
{
	struct held due[DUE_A_TURN];
	unsigned count = held_take_due(&w->held, w->now, due, DUE_A_TURN);

	for (unsigned i = 0; i < count; i++)
		answer(w, &due[i]);
	return count;
}
