// SPDX-License-Identifier: BSD-3-Clause

// Fragments of tunnel packets. What was fragmented after encapsulation is put together before decapsulation
// (RFC 6333 section 5.3, RFC 2473 section 7.2): all fragments of a packet wait for the last of them, and
// then it begins its way again as if it had come whole. Whoever calls has made sure that all of them come to
// this worker, and that their source may use the tunnel: nobody else fills the table.

#include "net/frag6.h"
#include "net/hdr6.h"
#include "net/icmp6.h"
#include "net/mbuf.h"
#include "worker/softwire.h"

#include <string.h>

// A fragment that waits.
struct part {
	struct rte_mbuf *mbuf;
	uint16_t at;   // of its Fragment header, in bytes from the IPv6 header
	uint16_t size; // of its part of the packet
	struct frag frag;
};

static uint8_t *ip_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, handover_of(m)->ip_offset);
}

// Reads the fragment at `ip`, of which `room` bytes are in the first segment; its headers are well formed.
// Returns false if no fragment can be like that.
static bool read_part(const uint8_t *ip, uint32_t room, struct part *part)
{
	uint32_t length = IPV6_MIN + (uint32_t)(ip[IPV6_LENGTH] << 8 | ip[IPV6_LENGTH + 1]);
	struct hdr6_chain chain;

	hdr6_follow(ip, room, &chain);
	part->at = chain.fragment;
	part->size = (uint16_t)(length - chain.fragment - IPV6_FRAGMENT);
	return frag6_read(ip + chain.fragment, part->size, &part->frag) &&
		part->frag.to <= UINT16_MAX - IPV6_MIN;
}

static struct datagram_key key_of(const uint8_t *ip, const uint8_t *fragment)
{
	struct datagram_key key = {.protocol = fragment[0]};

	memcpy(key.src, ip + IPV6_SOURCE, sizeof(key.src));
	memcpy(key.dst, ip + IPV6_DESTINATION, sizeof(key.dst));
	memcpy(&key.id, fragment + 4, sizeof(key.id));
	return key;
}

// Takes the Fragment header at `at` out of the headers of a first fragment, so that `size` bytes follow them.
static void strip(struct rte_mbuf *m, uint16_t at, uint32_t size)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *ip = ip_of(m);
	uint16_t payload = rte_cpu_to_be_16((uint16_t)(at - IPV6_MIN + size));
	uint8_t *next = ip + IPV6_NEXT;

	for (uint32_t header = IPV6_MIN; header < at; header += (ip[header + 1] + 1u) * 8)
		next = ip + header;
	*next = ip[at];
	memcpy(ip + IPV6_LENGTH, &payload, sizeof(payload));
	memmove(frame + IPV6_FRAGMENT, frame, handover_of(m)->ip_offset + at);
	rte_pktmbuf_adj(m, IPV6_FRAGMENT);
}

// Reads what waits in a datagram of which all is there, in the order of its parts. Returns how many there are.
static unsigned read_all(struct fragment_list list, struct part *part)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	for (; (m = fragment_pop(&list)); n++) {
		struct part p = {.mbuf = m};
		unsigned k = n;

		read_part(ip_of(m), (uint32_t)(rte_pktmbuf_data_len(m) - handover_of(m)->ip_offset),
			&p);
		for (; k && part[k - 1].frag.from > p.frag.from; k--)
			part[k] = part[k - 1];
		part[k] = p;
	}
	return n;
}

// Puts the parts of a whole packet together: in one segment as far as there is room, the rest behind.
static struct rte_mbuf *join(struct worker *w, const struct part *part, unsigned n)
{
	struct rte_mbuf *head = part[0].mbuf;
	uint32_t headers = (uint32_t)handover_of(head)->ip_offset + part[0].at + IPV6_FRAGMENT;

	mbuf_cut(head, headers + part[0].size);
	strip(head, part[0].at, part[n - 1].frag.to);
	for (unsigned k = 1; k < n; k++) {
		struct rte_mbuf *m = part[k].mbuf;

		headers = (uint32_t)handover_of(m)->ip_offset + part[k].at + IPV6_FRAGMENT;
		mbuf_cut(m, headers + part[k].size);
		rte_pktmbuf_adj(m, (uint16_t)headers);
		mbuf_append(head, m);
		stat_add(&w->stats.verdict[V_REASSEMBLED], 1);
	}
	return head;
}

// The packet with all fragments of a datagram begins its way again.
static void send_on(struct worker *w, uint32_t number)
{
	struct datagram_table *t = &w->tunnelled;
	struct part part[UINT8_MAX];
	unsigned n = read_all(datagram_take(t, number), part);
	uint32_t bytes = 0;

	datagram_remove(t, number);
	for (unsigned k = 0; k < n; k++)
		bytes += part[k].at + IPV6_FRAGMENT + part[k].size;
	softwire_count_reassembled(w, ip_of(part[0].mbuf) + IPV6_DESTINATION, n, bytes);
	fragment_push(&w->again, join(w, part, n));
}

// Whether a fragment with the same part waits already.
static bool is_twice(const struct datagram *d, const struct frag *frag)
{
	for (struct rte_mbuf *m = d->list.first; m; m = handover_of(m)->next) {
		struct part p;

		read_part(ip_of(m), (uint32_t)(rte_pktmbuf_data_len(m) - handover_of(m)->ip_offset),
			&p);
		if (p.frag.from == frag->from && p.frag.to == frag->to)
			return true;
	}
	return false;
}

// Makes the datagram that fragment i is the first to arrive of. Returns 0, having ended it, if it may not.
static uint32_t begin(struct worker *w, struct burst *b, unsigned i, const struct datagram_key *key)
{
	struct datagram_table *t = &w->tunnelled;

	if (datagram_is_source_full(t, key)) {
		burst_end(b, i, V_FRAGMENT_LIMIT);
		return 0;
	}
	if (t->used == t->size.datagrams)
		datagram_give_up(w, t, t->oldest, V_FRAGMENT_MEMORY);
	return datagram_add(t, key, 0, w->now + w->dataplane->reassembly_ticks);
}

// Puts a fragment where it belongs in its datagram, or ends it.
static void fit_in(
	struct worker *w, struct burst *b, unsigned i, uint32_t number, const struct frag *frag)
{
	struct datagram_table *t = &w->tunnelled;
	struct datagram *d = &t->datagram[number];
	enum frag_result result;

	if (d->state == DATAGRAM_BROKEN) {
		burst_end(b, i, V_FRAGMENT_BROKEN);
		return;
	}
	result = frag_add(&d->seen, frag);
	if (result == FRAG_DUPLICATE && is_twice(d, frag)) {
		burst_end(b, i, V_FRAGMENT_DUPLICATE);
		return;
	}
	if (result == FRAG_SCATTERED ||
		(result == FRAG_NEW && ++d->fragments > t->size.fragments_each)) {
		burst_end(b, i, V_FRAGMENT_LIMIT);
	} else if (result != FRAG_NEW) {
		// two that overlap may be meant to deceive whoever looks at one alone (RFC 5722)
		burst_end(b, i, V_FRAGMENT_BROKEN);
	} else {
		fragment_hold(w, t, number, b, i, HANDOVER_RECEIVED);
		if (b->mbuf[i])
			datagram_spoil(w, t, number);
		else if (frag_is_whole(&d->seen))
			send_on(w, number);
		return;
	}
	datagram_spoil(w, t, number);
}

static void gather(struct worker *w, struct burst *b, unsigned i)
{
	const uint8_t *ip = b->ip[i];
	struct datagram_key key;
	struct part part;
	uint32_t number;

	if (!read_part(ip, b->room[i], &part)) {
		classify6_refuse(w, b, i, V_FRAGMENT_HEADER, ICMP6_PARAMETER_PROBLEM,
			ICMP6_BAD_FIELD, IPV6_LENGTH);
		return;
	}
	key = key_of(ip, ip + part.at);
	number = datagram_find(&w->tunnelled, &key);
	if (!number)
		number = begin(w, b, i, &key);
	if (number)
		fit_in(w, b, i, number, &part.frag);
}

void reassemble(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		gather(w, b, i);
}

// Ends a fragment whose time is up. The sender of a first one is told (RFC 8200 section 4.5).
static void give_up(struct worker *w, struct rte_mbuf *m)
{
	struct burst *b = &w->burst;

	b->n = 1;
	b->live = b->v6 = 1;
	b->mbuf[0] = m;
	b->ip[0] = ip_of(m);
	b->room[0] = (uint16_t)(rte_pktmbuf_data_len(m) - handover_of(m)->ip_offset);
	b->iface[0] = handover_of(m)->iface;
	hdr6_read(b, 1);
	if (b->tails)
		burst_end(b, 0, V_FRAGMENT_TIMEOUT);
	else
		classify6_refuse(
			w, b, 0, V_FRAGMENT_TIMEOUT, ICMP6_TIME_EXCEEDED, ICMP6_REASSEMBLY_TIME, 0);
	if (!b->mbuf[0])
		return;
	// it is in no list any more, though it still says what came after it
	handover_of(m)->next = NULL;
	fragments_drop(w, (struct fragment_list){m, m}, V_FRAGMENT_TIMEOUT);
}

unsigned reassemble_expire(struct worker *w, uint32_t now, unsigned budget)
{
	struct datagram_table *t = &w->tunnelled;
	unsigned n;

	for (n = 0; n < budget; n++) {
		uint32_t number = datagram_due(t, now);
		struct fragment_list list;
		struct rte_mbuf *m;

		if (!number)
			break;
		list = datagram_take(t, number);
		datagram_remove(t, number);
		while ((m = fragment_pop(&list)))
			give_up(w, m);
	}
	return n;
}

void reassemble_forget(struct worker *w)
{
	while (w->tunnelled.oldest)
		datagram_give_up(w, &w->tunnelled, w->tunnelled.oldest, V_FRAGMENT_TIMEOUT);
}
