// SPDX-License-Identifier: BSD-3-Clause

// The way of a packet, from received burst to transmit queue: the table of contents of the packet tower.

#include "net/hdr.h"
#include "net/icmp.h"
#include "worker/softwire.h"
#include "xlate/xlate.h"

#include <string.h>

// Tells the senders of those of the mask that were refused a mapping or session. Host unreachable is a soft
// error, which ends no connection (RFC 6888 REQ-11b).
static void tell_refused(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask & ~b->live; bit_take(&todo, &i);) {
		if (b->mbuf[i] && verdict_is_refusal(b->verdict[i]))
			classify_refuse(
				w, b, i, b->verdict[i], ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE, 0);
	}
}

// What goes on to an outside address is found there by what it looks like outside: an ICMP query has one
// identifier for both ends, which is the sender's outside now.
static void note_identifiers(struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (b->l4[i] == L4_ICMP)
			b->dst_port[i] = b->src_port[i];
	}
}

// From inside: whose is it, may it pass, is it the first of its kind, then change the source.
// Returns those that go on to an outside address.
static uint64_t go_out(struct worker *w, struct burst *b, struct ways ways, enum verdict out)
{
	uint64_t plain = ways.out & ~b->icmp_error;
	uint64_t errors = ways.out & b->icmp_error;
	uint64_t found = nat44_find_out(&w->nat, b, plain, w->now);
	uint64_t redirected, first, pass, ended;
	unsigned i;

	for (uint64_t todo = errors; bit_take(&todo, &i);) {
		if (nat44_error_find_out(&w->nat, b, i))
			found |= bit(i);
	}
	redirected = filter(w, b, found & b->marked, plain & ~found);
	found &= b->live;
	first = plain & b->live & ~found;
	if (unlikely(first))
		found |= nat44_open(&w->nat, b, classify_first(w, b, first), w->now);
	pass = nat44_track(&w->nat, b, found & ~errors, true, w->now) | (found & errors);
	ended = plain & ~b->live;
	if (unlikely(ended)) {
		tell_refused(w, b, plain);
		// a reset is an IPv4 packet, which is nothing for others than IPv4 hosts
		if (out == V_NAT44_OUT)
			answer_dropped(w, b, ended & ~b->fragments, true);
	}
	pass = classify_size(w, b, pass & ~ways.hairpin, 0) | (pass & ways.hairpin);
	nat44_translate_out(&w->nat, b, pass & ~errors);
	for (uint64_t todo = pass & errors; bit_take(&todo, &i);)
		nat44_error_translate_out(&w->nat, b, i);
	if (unlikely(w->held.used))
		answer_match(w, b, pass & ~errors);
	if (pass & b->loose)
		identify(w, b, pass & b->loose);
	transmit(w, b, pass & ~(ways.hairpin | redirected), out);
	if (unlikely(redirected))
		transmit(w, b, pass & redirected, V_REDIRECTED);
	if (unlikely(pass & ways.hairpin))
		note_identifiers(b, pass & ways.hairpin & ~errors);
	return pass & ways.hairpin;
}

// To an outside address: whose is it, then change the destination. Packets of `hairpin` come from
// inside, or from the box about some that do, have had their hop counted, and count as `verdict`.
static void go_in(
	struct worker *w, struct burst *b, uint64_t in, uint64_t hairpin, enum verdict verdict)
{
	uint64_t errors = in & b->icmp_error;
	uint64_t pass = nat44_find_in(&w->nat, b, in & ~errors, w->now);
	uint64_t ended;
	unsigned i;

	for (uint64_t todo = errors; bit_take(&todo, &i);) {
		if (nat44_error_find_in(&w->nat, b, i))
			pass |= bit(i);
	}
	pass = nat44_track(&w->nat, b, pass & ~errors, false, w->now) | (pass & errors);
	// what came by an interface of both realms, of which nat44_fast() takes none
	if (w->nat.aliases.used && !hairpin)
		pass &= ~aliased_fast_in(w, b, pass);
	pass = classify_inside(w, b, pass);
	pass = classify_size(w, b, pass, hairpin);
	nat44_translate_in(&w->nat, b, pass & ~errors, hairpin);
	for (uint64_t todo = pass & errors; bit_take(&todo, &i);)
		nat44_error_translate_in(&w->nat, b, i, hairpin & bit(i));
	if (unlikely(w->snapshot->dstnat.count))
		dstnat_in(w, b, pass);
	if (unlikely(pass & b->aliased)) {
		carry_aliased(w, b, pass & b->aliased, hairpin, verdict);
		pass &= ~b->aliased;
	}
	transmit(w, b, pass & ~hairpin, V_NAT44_IN);
	transmit(w, b, pass & hairpin, verdict);
	ended = in & ~(b->live | b->fragments | errors | hairpin);
	if (unlikely(ended))
		answer_dropped(w, b, ended, false);
}

// What is not translated: the subscriber's mitigations hold all the same.
static void pass_through(struct worker *w, struct burst *b, uint64_t pass)
{
	uint64_t redirected = filter(w, b, 0, pass);

	pass = classify_size(w, b, pass & b->live, 0);
	hdr_hop(b, pass);
	dstnat_in(w, b, pass);
	transmit(w, b, pass & ~redirected, V_PASS_THROUGH);
	if (unlikely(redirected))
		transmit(w, b, pass & redirected, V_REDIRECTED);
}

void carry_across(
	struct worker *w, struct burst *b, uint64_t mask, enum verdict verdict, bool may_steer)
{
	uint64_t softwired = softwire_hops(w, b, mask);
	struct ways ways = {.in = mask & ~softwired};

	// a border relay keeps nothing, so any worker will do
	if (softwired)
		softwire_in(w, b, softwired, softwired,
			verdict == V_NAT44_HAIRPIN ? V_SOFTWIRE_HAIRPIN : verdict);
	if (ways.in & (b->portless | b->icmp_error)) {
		ways = portless_sort(w, b, ways);
		portless_forward(w, b, 0, ways.whole_in, verdict);
	}
	if (may_steer)
		ways.in = steer_hairpin(w, b, ways.in, verdict);
	if (ways.in)
		go_in(w, b, ways.in, ways.in, verdict);
}

static void forward(struct worker *w, struct burst *b, struct ways ways, enum verdict out)
{
	uint64_t hairpin = 0;

	if (ways.out)
		hairpin = go_out(w, b, ways, out);
	if (ways.in)
		go_in(w, b, ways.in, 0, V_NAT44_IN);
	if (unlikely(hairpin))
		carry_across(w, b, hairpin, V_NAT44_HAIRPIN, true);
	if (unlikely(ways.routed)) {
		ways.routed = classify_size(w, b, ways.routed, 0);
		hdr_hop(b, ways.routed);
		dstnat_in(w, b, ways.routed);
		transmit(w, b, ways.routed, V_ROUTED);
	}
	if (unlikely(ways.pass))
		pass_through(w, b, ways.pass);
	if (ways.softwire)
		ways.softwire &= ~softwire_fast_in(w, b, ways.softwire);
	if (ways.softwire)
		softwire_in(w, b, ways.softwire, 0, V_SOFTWIRE_IN);
	if (unlikely(ways.whole_out | ways.whole_in))
		portless_forward(w, b, ways.whole_out, ways.whole_in, V_NAT44_IN);
}

// Counts and frees what was ended; what left the burst otherwise has no mbuf any more.
static void finish(struct worker *w, struct burst *b)
{
	struct rte_mbuf *dead[BURST_MAX];
	unsigned n = 0, i;

	for (uint64_t todo = bits_below(b->n) & ~b->live; bit_take(&todo, &i);) {
		if (!b->mbuf[i])
			continue;
		dead[n++] = b->mbuf[i];
		stat_add(&w->stats.verdict[b->verdict[i]], 1);
		if (verdict_info[b->verdict[i]].kind == DROP)
			stat_add(&w->stats.iface[b->iface[i]].rx_drops, 1);
	}
	if (n)
		rte_pktmbuf_free_bulk(dead, n);
}

void carry4(struct worker *w, struct burst *b, uint64_t mask, enum verdict out, bool may_steer)
{
	struct ways ways = classify(w, b, mask);

	if (unlikely((ways.out | ways.in) & (b->portless | b->icmp_error)))
		ways = portless_sort(w, b, ways);
	if (may_steer && w->dataplane->workers > 1)
		ways = steer(w, b, ways);
	if (unlikely(b->raw))
		ways = defrag(w, b, ways);
	forward(w, b, ways, out);
}

// What began its way before, here or on another worker.
struct resumed {
	uint64_t received;
	uint64_t received6;
	uint64_t gathered;
	uint64_t entered; // gathered, from aliases
	uint64_t hairpin;
	uint64_t tunnelled;
	uint64_t gathered6;
};

static rte_be32_t source_of(const uint8_t *ip)
{
	rte_be32_t source;

	memcpy(&source, ip + 12, sizeof(source));
	return source;
}

// Takes what has been found out about packet i.
static void take_over(struct worker *w, struct burst *b, unsigned i, struct resumed *r)
{
	const struct handover *h = handover_of(b->mbuf[i]);

	b->ip[i] = rte_pktmbuf_mtod_offset(b->mbuf[i], uint8_t *, h->ip_offset);
	b->room[i] = (uint16_t)(rte_pktmbuf_data_len(b->mbuf[i]) - h->ip_offset);
	b->iface[i] = h->iface;
	switch ((enum handover_kind)h->kind) {
	case HANDOVER_RECEIVED:
		// frames of another version than they say have been ended before
		if (b->ip[i][0] >> 4 == 6)
			r->received6 |= bit(i);
		else
			r->received |= bit(i);
		break;
	case HANDOVER_GATHERED:
		if (b->ip[i][0] >> 4 == 6)
			r->gathered6 |= bit(i);
		else if (alias_is(source_of(b->ip[i])))
			r->entered |= bit(i);
		else
			r->gathered |= bit(i);
		break;
	case HANDOVER_HAIRPIN:
		b->verdict[i] = h->verdict;
		r->hairpin |= bit(i);
		break;
	case HANDOVER_TUNNELLED:
		r->tunnelled |= bit(i);
		break;
	case HANDOVER_TRANSMIT:
		transmit_frame(w, h->iface, b->mbuf[i], h->verdict);
		b->mbuf[i] = NULL;
		b->live &= ~bit(i);
		break;
	}
}

// Goes on with what began its way across; of those that are to count as the same, all together.
static void resume_across(struct worker *w, struct burst *b, uint64_t mask, bool may_steer)
{
	unsigned i, k;

	while (bit_take(&mask, &i)) {
		enum verdict verdict = b->verdict[i];
		uint64_t same = bit(i);

		for (uint64_t todo = mask; bit_take(&todo, &k);)
			same |= (uint64_t)(b->verdict[k] == verdict) << k;
		mask &= ~same;
		carry_across(w, b, same, verdict, may_steer);
	}
}

static void resume(struct worker *w, struct burst *b, bool may_steer)
{
	struct resumed r = {0};

	b->live = bits_below(b->n);
	for (unsigned i = 0; i < b->n; i++)
		take_over(w, b, i, &r);
	b->v6 = r.received6 | r.gathered6;
	b->tunnelled = b->mapped = 0;
	r.received &= ~nat44_fast(w, b, r.received);
	hdr_read(b, r.received | r.gathered | r.hairpin | r.tunnelled);
	defrag_recall(b, r.gathered | r.hairpin | r.tunnelled);
	carry4(w, b, (r.received | r.gathered) & b->live, V_NAT44_OUT, may_steer);
	if (r.hairpin)
		resume_across(w, b, classify_outside(w, b, r.hairpin & b->live), may_steer);
	if (r.tunnelled & b->live)
		softwire_resume(w, b, r.tunnelled & b->live);
	if (r.received6)
		carry6(w, b, r.received6, may_steer);
	if (r.gathered6)
		carry_gathered6(w, b, r.gathered6);
	if (r.entered)
		carry_entered(w, b, r.entered);
	finish(w, b);
}

// Fragments that know their datagram's ports now begin again, each as a packet of its owner, and so do
// errors about packets that could not be hairpinned.
static void resume_again(struct worker *w, struct burst *b)
{
	while (w->again.first) {
		for (b->n = 0; b->n < BURST_MAX && w->again.first; b->n++)
			b->mbuf[b->n] = fragment_pop(&w->again);
		resume(w, b, true);
	}
}

void pipeline_run(struct worker *w, struct burst *b, unsigned port)
{
	struct received received;

	b->live = bits_below(b->n);
	stat_add(&w->stats.received, b->n);
	b->tunnelled = b->mapped = 0;
	received = link_receive(w, b, port);
	received.ipv4 &= ~nat44_fast(w, b, received.ipv4);
	hdr_read(b, received.ipv4);
	if (received.ipv4)
		carry4(w, b, received.ipv4 & b->live, V_NAT44_OUT, true);
	if (received.ipv6)
		carry6(w, b, received.ipv6, true);
	finish(w, b);
	if (unlikely(w->again.first != NULL))
		resume_again(w, b);
}

void pipeline_resume(struct worker *w, struct burst *b)
{
	resume(w, b, false);
	if (unlikely(w->again.first != NULL))
		resume_again(w, b);
}
