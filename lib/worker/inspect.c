// SPDX-License-Identifier: BSD-3-Clause

// Copies of what mitigations inspect. They go to the control thread, which has time to look at them: so many
// a second, of a pool of their own, so that no flood takes the buffers that packets need. What is too much
// is not copied, and counted.

#include "base/clock.h"
#include "net/hdr6.h"
#include "table/snapshot.h"
#include "worker/stages.h"
#include "xlate/dslite.h"
#include "xlate/nat64.h"

#include <string.h>

#define PROTOCOL_AT 9 // in an IPv4 header

void inspect_refill(struct worker *w, uint32_t ticks)
{
	uint64_t most = w->snapshot ? w->snapshot->copy_rate : 0;
	uint64_t tokens = w->copy_tokens + ticks * (most / TICKS_A_SECOND + 1);

	w->copy_tokens = tokens > most ? (uint32_t)most : (uint32_t)tokens;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

// The same number for packets of one flow towards the target.
static uint32_t flow_of(const struct burst *b, unsigned i)
{
	uint64_t ports = (uint64_t)b->src_port[i] << 16 | b->dst_port[i];
	uint64_t to[2];

	if (!(b->v6 & bit(i)))
		return (uint32_t)mix(ports | (uint64_t)b->ip[i][PROTOCOL_AT] << 32, b->dst[i]);
	memcpy(to, b->ip[i] + IPV6_DESTINATION, sizeof(to));
	return (uint32_t)mix(mix(ports | (uint64_t)b->protocol[i] << 32, to[0]), to[1]);
}

// Whether the control thread may be told of one more.
static bool may_tell(const struct worker *w)
{
	return w->copy_tokens && channel_room(&w->channel) > CHANNEL_MESSAGES / 2;
}

static struct msg make(const struct worker *w, const struct burst *b, unsigned i, uint32_t slot)
{
	return (struct msg){
		.type = MSG_COPY,
		.worker = (uint16_t)w->number,
		.copy = {.slot = slot, .flow = flow_of(b, i), .length = b->length[i]},
	};
}

void inspect_flow(struct worker *w, const struct burst *b, unsigned i, uint32_t slot)
{
	struct msg msg = make(w, b, i, slot);

	if (!may_tell(w))
		return;
	w->copy_tokens--;
	channel_say(&w->channel, &msg);
}

// Gives the copy of a packet from an alias the address that its host has: whoever looks at it knows no other.
static void name_host(
	const struct worker *w, const struct burst *b, unsigned i, struct rte_mbuf *copy)
{
	struct burst one = {.n = 1, .live = 1, .ihl = {b->ihl[i]}, .l4 = {b->l4[i]}};

	one.mbuf[0] = copy;
	one.ip[0] = rte_pktmbuf_mtod(copy, uint8_t *);
	one.room[0] = rte_pktmbuf_data_len(copy);
	one.length[0] = b->length[i];
	one.src[0] = b->src[i];
	one.dst[0] = b->dst[i];
	one.flags[0] = b->flags[i];
	one.fragments = b->fragments >> i & 1;
	one.tails = b->tails >> i & 1;
	if (alias_at(&w->nat.aliases, b->src[i])->b4)
		dslite_restore(&w->nat, &one, 0);
	else if (nat64_restore(&w->nat, &one, 0))
		rte_pktmbuf_adj(copy, (uint16_t)(one.ip[0] - rte_pktmbuf_mtod(copy, uint8_t *)));
}

// Whether packet i is from an alias, and of a kind that can become what it was: an error that is about another packet
// names hosts twice.
static bool is_from_alias(const struct burst *b, unsigned i)
{
	return !(b->v6 & bit(i)) && alias_is(b->src[i]) && !(b->icmp_error & bit(i));
}

void inspect(struct worker *w, const struct burst *b, unsigned i, uint32_t slot)
{
	struct rte_mempool *pool = w->dataplane->copies;
	uint32_t offset = (uint32_t)(b->ip[i] - rte_pktmbuf_mtod(b->mbuf[i], uint8_t *));
	uint32_t room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	struct msg msg = make(w, b, i, slot);

	if (may_tell(w))
		msg.copy.mbuf = rte_pktmbuf_copy(
			b->mbuf[i], pool, offset, b->length[i] < room ? b->length[i] : room);
	if (!msg.copy.mbuf) {
		stat_add(&w->stats.copies_missed, 1);
		return;
	}
	if (is_from_alias(b, i))
		name_host(w, b, i, msg.copy.mbuf);
	w->copy_tokens--;
	// there was room a moment ago, and only this worker fills it
	channel_say(&w->channel, &msg);
	stat_add(&w->stats.copies, 1);
}
