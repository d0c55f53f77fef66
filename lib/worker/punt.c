// SPDX-License-Identifier: BSD-3-Clause

// Packets to the box's own addresses that workers do not answer themselves. They go to the control thread,
// which hands them to the kernel's stack (lib/host): as many a second from each interface as the
// configuration allows, and never so many that the ring has no room for what matters more.
//
// Homes that are expected from an address or prefix have a share of their own, and of the ring's room too. So a
// flood from addresses that are made up keeps no home out, however strong it is (RFC 9066 section 8).

#include "base/clock.h"
#include "net/hdr6.h"
#include "worker/stages.h"

void punt_refill(struct worker *w, uint32_t ticks)
{
	uint32_t most = w->dataplane->host_rate;
	uint64_t more = (uint64_t)ticks * (most / TICKS_A_SECOND + 1);

	for (unsigned who = 0; who < PUNT_CLASSES; who++) {
		for (unsigned i = 0; i < SNAPSHOT_MAX_IFACES; i++) {
			uint64_t tokens = w->punt_tokens[who][i] + more;

			w->punt_tokens[who][i] = tokens > most ? most : (uint32_t)tokens;
		}
	}
}

static enum punt_class sender_of(const struct worker *w, const struct burst *b, unsigned i)
{
	struct ipaddr source =
		b->v6 & bit(i) ? ipaddr_v6(b->ip[i] + IPV6_SOURCE) : ipaddr_v4(b->src[i]);

	return snapshot_has_home(w->snapshot, &source) ? PUNT_HOME : PUNT_STRANGER;
}

static bool ring_has_room(struct worker *w, enum punt_class who)
{
	unsigned kept = who == PUNT_HOME ? CHANNEL_MESSAGES / 4 : CHANNEL_MESSAGES / 2;

	return channel_room(&w->channel) > kept;
}

void punt(struct worker *w, struct burst *b, unsigned i)
{
	unsigned iface = b->iface[i];
	enum punt_class who = sender_of(w, b, i);
	uint32_t *tokens = &w->punt_tokens[who][iface];
	struct msg msg = {
		.type = MSG_PUNT,
		.worker = (uint16_t)w->number,
		.punt = {.mbuf = b->mbuf[i], .iface = (uint8_t)iface},
	};

	if (!w->snapshot->iface[iface].host_device[0]) {
		burst_end(b, i, V_LOCAL);
		return;
	}
	// the packet without its frame header, which means nothing to the kernel
	rte_pktmbuf_adj(b->mbuf[i], (uint16_t)(b->ip[i] - rte_pktmbuf_mtod(b->mbuf[i], uint8_t *)));
	if (!*tokens || !ring_has_room(w, who) || !channel_say(&w->channel, &msg)) {
		burst_end(b, i, V_PUNT_LIMIT);
		return;
	}
	--*tokens;
	burst_end(b, i, V_PUNTED);
	stat_add(&w->stats.verdict[V_PUNTED], 1);
	b->mbuf[i] = NULL;
}
