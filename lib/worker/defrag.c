// SPDX-License-Identifier: BSD-3-Clause

// Fragments. Those of a datagram meet on one worker (steer.c); as soon as the first of them has told the
// ports, all begin their way again as packets that know where they belong, and everything that follows
// treats them like others: owners, mitigations, mappings. They are not put together: RFC 4787 REQ-14 wants
// them received out of order, not reassembled.

#include "base/clock.h"
#include "net/frag6.h"
#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/ipid.h"
#include "net/tunnel.h"
#include "worker/stages.h"

#include <string.h>

// What a fragment of somebody without a policy is subject to; later stages say what becomes of it.
static const struct fragment_rules no_policy = {
	.behavior = FRAGMENTS_OUT_OF_ORDER, .limit = UINT32_MAX, .ticks = 2 * TICKS_A_SECOND};

static unsigned slot_of(const struct worker *w, const struct burst *b, unsigned i, bool outward)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
	int slot = -1;

	if (b->v6 & bit(i))
		return SNAPSHOT_MAX_POLICIES;
	if (outward)
		slot = nat_policy_for(&w->nat, b->src[i]);
	else if (nh->kind == NEXTHOP_POOL || nh->kind == NEXTHOP_STATIC)
		slot = nh->policy;
	return slot < 0 ? SNAPSHOT_MAX_POLICIES : (unsigned)slot;
}

static const struct fragment_rules *rules_of(const struct worker *w, unsigned slot)
{
	return slot < SNAPSHOT_MAX_POLICIES ? &w->snapshot->policy[slot]->fragments : &no_policy;
}

static struct datagram_key key_of(const struct burst *b, unsigned i, bool outward)
{
	struct datagram_key key = {
		.src = {b->src[i]},
		.dst = {b->dst[i]},
		.protocol = b->ip[i][9],
		.outward = outward,
	};

	memcpy(&key.id, b->ip[i] + 4, sizeof(rte_be16_t));
	if (b->tunnelled & bit(i)) {
		uint64_t other[2];

		memcpy(other, b->ip[i] - TUNNEL_HEADER + IPV6_SOURCE, sizeof(other));
		key.src[1] = other[0] * UINT64_C(0x9e3779b97f4a7c15) ^ other[1];
	}
	return key;
}

// Which datagram an IPv6 fragment is of, and where. Returns false if no fragment can be like that.
static bool read_part6(
	const struct burst *b, unsigned i, struct datagram_key *key, struct frag *frag)
{
	const uint8_t *ip = b->ip[i], *header;
	struct hdr6_chain chain;

	// as before, when its headers were read
	hdr6_follow(ip, b->room[i], &chain);
	header = ip + chain.fragment;
	*key = (struct datagram_key){.protocol = header[0], .outward = true};
	memcpy(key->src, ip + IPV6_SOURCE, sizeof(key->src));
	memcpy(key->dst, ip + IPV6_DESTINATION, sizeof(key->dst));
	memcpy(&key->id, header + 4, sizeof(key->id));
	return frag6_read(header, b->length[i] - chain.fragment - IPV6_FRAGMENT, frag);
}

static bool read_part(const struct burst *b, unsigned i, bool outward, struct datagram_key *key,
	struct frag *frag)
{
	if (b->v6 & bit(i))
		return read_part6(b, i, key, frag);
	*key = key_of(b, i, outward);
	return frag_read(b->ip[i], b->ihl[i], b->length[i], frag);
}

static enum handover_kind kind_of(const struct burst *b, unsigned i)
{
	return b->tunnelled & bit(i) ? HANDOVER_TUNNELLED : HANDOVER_GATHERED;
}

static void let_wait(struct worker *w, struct burst *b, unsigned i, uint32_t number, uint32_t limit)
{
	struct datagram_table *t = &w->datagrams;

	if (t->of_policy[t->datagram[number].policy] >= limit)
		burst_end(b, i, V_FRAGMENT_LIMIT);
	else
		fragment_hold(w, t, number, b, i, kind_of(b, i));
}

static void send_on(struct worker *w, const struct datagram *d, struct rte_mbuf *m)
{
	struct handover *h = handover_of(m);

	h->src_port = d->src_port;
	h->dst_port = d->dst_port;
	h->flags = d->flags;
	h->id = d->id;
	fragment_push(&w->again, m);
}

// The first fragment tells what its datagram is. Returns false, having ended it, if it does not. That of an IPv6
// datagram, which keeps its identification, has been read before.
static bool learn(struct worker *w, struct burst *b, unsigned i, struct datagram *d)
{
	bool v6 = b->v6 & bit(i);

	if (!v6 && !hdr_read_first(b, i))
		return false;
	d->state = DATAGRAM_KNOWN;
	d->src_port = b->src_port[i];
	d->dst_port = b->dst_port[i];
	d->flags = b->flags[i];
	d->id = v6 ? 0 : ipid_fragmented(&w->ids, b->dst[i], d->key.protocol);
	return true;
}

// Makes the datagram that fragment i is the first to arrive of. Returns 0, having ended it, if it may not.
static uint32_t begin(struct worker *w, struct burst *b, unsigned i, const struct datagram_key *key,
	unsigned slot, const struct frag *frag)
{
	const struct fragment_rules *rules = rules_of(w, slot);
	struct datagram_table *t = &w->datagrams;

	if (rules->behavior == FRAGMENTS_IN_ORDER && frag->from) {
		burst_end(b, i, V_FRAGMENT_ORDER);
		return 0;
	}
	if (datagram_is_source_full(t, key)) {
		burst_end(b, i, V_FRAGMENT_LIMIT);
		return 0;
	}
	if (t->used == t->size.datagrams)
		datagram_give_up(w, t, t->oldest, V_FRAGMENT_MEMORY);
	return datagram_add(t, key, (uint8_t)slot, w->now + rules->ticks);
}

// Puts a fragment where it belongs in its datagram. Returns false, having ended it, if there is no such
// place.
static bool fit_in(
	struct worker *w, struct burst *b, unsigned i, uint32_t number, const struct frag *frag)
{
	struct datagram *d = &w->datagrams.datagram[number];
	enum frag_result result;

	if (d->state == DATAGRAM_BROKEN) {
		burst_end(b, i, V_FRAGMENT_BROKEN);
		return false;
	}
	result = frag_add(&d->seen, frag);
	if (result == FRAG_DUPLICATE) {
		burst_end(b, i, V_FRAGMENT_DUPLICATE);
		return false;
	}
	if (result == FRAG_OVERLAP)
		burst_end(b, i, V_FRAGMENT_BROKEN);
	else if (result == FRAG_SCATTERED || ++d->fragments > w->datagrams.size.fragments_each)
		burst_end(b, i, V_FRAGMENT_LIMIT);
	else if (frag->from || learn(w, b, i, d))
		return true;
	datagram_spoil(w, &w->datagrams, number);
	return false;
}

static void gather(struct worker *w, struct burst *b, unsigned i, bool outward)
{
	struct datagram_table *t = &w->datagrams;
	struct datagram_key key;
	unsigned slot = slot_of(w, b, i, outward);
	const struct fragment_rules *rules = rules_of(w, slot);
	uint32_t number;
	struct datagram *d;
	struct frag frag;

	if (rules->behavior == FRAGMENTS_DROP) {
		burst_end(b, i, V_FRAGMENT);
		return;
	}
	if (!read_part(b, i, outward, &key, &frag)) {
		burst_end(b, i, V_FRAGMENT_HEADER);
		return;
	}
	number = datagram_find(t, &key);
	if (!number)
		number = begin(w, b, i, &key, slot, &frag);
	if (!number || !fit_in(w, b, i, number, &frag))
		return;
	d = &t->datagram[number];
	if (d->state == DATAGRAM_WAITING) {
		let_wait(w, b, i, number, rules->limit);
		return;
	}
	send_on(w, d, fragment_take_out(b, i, kind_of(b, i)));
	if (d->waiting) {
		struct fragment_list list = datagram_take(t, number);
		struct rte_mbuf *m;

		while ((m = fragment_pop(&list)))
			send_on(w, d, m);
	}
	if (frag_is_whole(&d->seen))
		datagram_remove(t, number);
}

struct ways defrag(struct worker *w, struct burst *b, struct ways ways)
{
	unsigned i;

	for (uint64_t todo = (ways.out | ways.in | ways.softwire) & b->raw; bit_take(&todo, &i);)
		gather(w, b, i, ways.out & bit(i));
	ways.out &= b->live;
	ways.hairpin &= b->live;
	ways.in &= b->live;
	ways.softwire &= b->live;
	return ways;
}

void defrag_tunnelled(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		gather(w, b, i, true);
}

void defrag6(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		gather(w, b, i, true);
}

void defrag_recall(struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask & b->fragments; bit_take(&todo, &i);) {
		const struct handover *h = handover_of(b->mbuf[i]);

		b->src_port[i] = h->src_port;
		b->dst_port[i] = h->dst_port;
		b->flags[i] = h->flags;
		b->id[i] = h->id;
	}
	b->raw &= ~mask;
}

unsigned defrag_expire(struct worker *w, uint32_t now, unsigned budget)
{
	unsigned n;

	for (n = 0; n < budget; n++) {
		uint32_t number = datagram_due(&w->datagrams, now);

		if (!number)
			break;
		datagram_give_up(w, &w->datagrams, number, V_FRAGMENT_TIMEOUT);
	}
	return n;
}

void defrag_forget(struct worker *w)
{
	while (w->datagrams.oldest)
		datagram_give_up(w, &w->datagrams, w->datagrams.oldest, V_FRAGMENT_TIMEOUT);
	fragments_drop(w, w->again, V_FRAGMENT_TIMEOUT);
}
