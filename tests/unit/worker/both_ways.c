// SPDX-License-Identifier: BSD-3-Clause

#include "both_ways.h"

#include "net/hdr6.h"
#include "net/tunnel.h"

#include "support/packet6.h"
#include "unit.h"

#include <stdlib.h>

#define ETHER  14
#define FRAMES 256

struct frame {
	uint8_t iface;
	uint8_t verdict; // that it counts as
	uint16_t length;
	uint8_t bytes[];
};

struct outcome {
	struct worker_stats stats;
	struct softwire_stats *softwire;
	unsigned softwires;
	uint64_t flows; // a digest
	unsigned frames;
	struct frame *frame[FRAMES];
};

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void sum_header(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, ~packet_sum(ip) & 0xffffu);
}

// Where the checksum of a transport header stands.
static uint8_t *sum_of(uint8_t *l4, uint8_t protocol)
{
	return l4 + (protocol == PROTOCOL_TCP ? 16 : 6);
}

void both_ways_make4(struct rand *random, uint8_t *ip, uint16_t length, const struct tuple *tuple,
	uint8_t tcp_flags)
{
	for (unsigned i = 20; i < length; i++)
		ip[i] = (uint8_t)rand_u32(random);
	packet_make(ip, length, tuple, tcp_flags, 64);
}

void both_ways_make6(struct rand *random, uint8_t *ip, uint16_t length, uint8_t protocol,
	const uint8_t src[16], const uint8_t dst[16])
{
	uint32_t first = rte_cpu_to_be_32(6u << 28 | rand_below(random, 1 << 20));

	memcpy(ip, &first, sizeof(first));
	put16(ip + IPV6_LENGTH, length);
	ip[IPV6_NEXT] = protocol;
	ip[IPV6_HOP_LIMIT] = 64;
	memcpy(ip + IPV6_SOURCE, src, 16);
	memcpy(ip + IPV6_DESTINATION, dst, 16);
}

void both_ways_wrap(
	struct rand *random, struct packet *packet, const uint8_t src[16], const uint8_t dst[16])
{
	const uint8_t *inner = packet->ip + TUNNEL_HEADER;
	uint16_t length = (uint16_t)(inner[2] << 8 | inner[3]);

	both_ways_make6(random, packet->ip, length, PROTOCOL_IPV4, src, dst);
	packet->length = (uint16_t)(TUNNEL_HEADER + length);
	packet->headers = TUNNEL_HEADER + 40;
	packet->ipv4 = TUNNEL_HEADER;
}

void both_ways_become6(
	struct rand *random, struct packet *p, const uint8_t src[16], const uint8_t dst[16])
{
	const uint8_t *inner = p->ip + TUNNEL_HEADER;
	uint16_t length = (uint16_t)((inner[2] << 8 | inner[3]) - IPV4_MIN);
	uint8_t protocol = inner[9];

	memmove(p->ip + IPV6_MIN, inner + IPV4_MIN, length);
	both_ways_make6(random, p->ip, length, protocol, src, dst);
	put16(sum_of(p->ip + IPV6_MIN, protocol), 0);
	put16(sum_of(p->ip + IPV6_MIN, protocol),
		~packet6_sum(p->ip, IPV6_MIN, protocol) & 0xffffu);
	p->length = (uint16_t)(IPV6_MIN + length);
	p->headers = IPV6_MIN + 20;
	p->ipv4 = NO_IPV4;
}

static uint8_t vary_hops(struct rand *random)
{
	return (uint8_t)(rand_below(random, 8) ? 64 : rand_below(random, 3));
}

static void vary4(struct rand *random, uint8_t *ip, uint8_t class)
{
	ip[1] = class;
	ip[8] = vary_hops(random);
	put16(ip + 4, rand_below(random, 65536));
	put16(ip + 6, rand_below(random, 2) ? 0x4000 : 0);
	sum_header(ip);
}

static void vary6(struct rand *random, uint8_t *ip, uint8_t class)
{
	ip[0] = (uint8_t)(0x60 | class >> 4);
	ip[1] = (uint8_t)(class << 4 | (ip[1] & 0x0f));
	ip[IPV6_HOP_LIMIT] = vary_hops(random);
}

static void vary_checksum(struct rand *random, uint8_t *l4, uint8_t protocol)
{
	uint8_t *sum = sum_of(l4, protocol);

	if (!rand_below(random, 8))
		put16(sum, 0);
	if (!rand_below(random, 8))
		put16(sum, rand_below(random, 65536));
}

void both_ways_vary(struct rand *random, struct packet *p)
{
	uint8_t class = (uint8_t)(rand_below(random, 4) ? 0 : rand_u32(random));
	uint8_t *ip = p->ip;

	if (p->ipv4 != NO_IPV4) {
		ip += p->ipv4;
		vary4(random, ip, class);
		vary_checksum(random, ip + 20, ip[9]);
	} else {
		vary_checksum(random, ip + IPV6_MIN, ip[IPV6_NEXT]);
	}
	// a tunnel may have another one than what is in it
	if (p->ipv4)
		vary6(random, p->ip, (uint8_t)(rand_below(random, 16) ? class : rand_u32(random)));
}

static void spoil(struct rand *random, uint8_t *ip, unsigned at)
{
	switch (rand_below(random, at > 1 ? 3 : 2)) {
	case 0:
		ip[at] = (uint8_t)rand_u32(random);
		break;
	case 1:
		ip[at] ^= (uint8_t)(1u << rand_below(random, 8));
		break;
	default:
		memset(ip + (at & ~1u), 0, 2);
		break;
	}
}

void both_ways_spoil(struct rand *random, struct packet *p)
{
	unsigned at = rand_below(random, p->headers + 4u);
	uint8_t *ip = p->ip + p->ipv4, first = *ip;
	uint8_t *l4 = p->ipv4 == NO_IPV4 ? p->ip + IPV6_MIN : ip + (first & 0x0f) * 4;
	uint8_t data_offset = l4[12];

	// another version is another kind of frame
	if (!at)
		return;
	spoil(random, p->ip, at);
	// what more headers there are may be in the second segment
	if (p->ipv4 && hdr6_is_extension(p->ip[IPV6_NEXT]))
		p->ip[IPV6_NEXT] = PROTOCOL_IPV4;
	if (l4[12] > data_offset)
		l4[12] = data_offset;
	if (p->ipv4 == NO_IPV4)
		return;
	if (ip[0] != first)
		ip[0] = 0x55;
	// fragments are remembered, so that the second of two would not be the same
	put16(ip + 6, ip[6] << 8 & 0xc000);
	if (rand_below(random, 4))
		sum_header(ip);
}

void both_ways_fragment(struct rand *random, struct packet *p)
{
	uint8_t *ip = p->ip + p->ipv4;

	put16(ip + 6, rand_below(random, 2) ? 0x2000 : rand_below(random, 0x2000));
	sum_header(ip);
}

void both_ways_add_options(struct packet *p)
{
	uint8_t *ip = p->ip + p->ipv4, *options = ip + IPV4_MIN;
	uint16_t behind = (uint16_t)(p->length - p->ipv4 - IPV4_MIN);

	memmove(options + 4, options, behind);
	memset(options, 1, 4);
	ip[0]++;
	put16(ip + 2, IPV4_MIN + 4u + behind);
	sum_header(ip);
	if (p->ipv4)
		put16(p->ip + IPV6_LENGTH, IPV4_MIN + 4u + behind);
	p->length = (uint16_t)(p->length + 4);
	p->headers = (uint8_t)(p->headers + 4);
}

// The device that a packet comes by.
static unsigned port_of(const struct world *world, const struct packet *p)
{
	const uint8_t *others = world->snapshot->iface_of[!p->iface];

	return others[BOTH_WAYS_VLAN] == p->iface ? !p->iface : p->iface;
}

static void add_tag(struct rte_mbuf *m)
{
	static const uint8_t tag[] = {0x81, 0, 0, BOTH_WAYS_VLAN};
	uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(m, sizeof(tag));

	assert_non_null(frame);
	memmove(frame, frame + sizeof(tag), 12);
	memcpy(frame + 12, tag, sizeof(tag));
}

static struct rte_mbuf *frame_of(struct world *world, const struct packet *p, bool split)
{
	struct rte_mbuf *m = world_frame(world, p->iface, p->ip, p->length), *tail;
	uint16_t rest = (uint16_t)(p->length - p->headers);

	if (port_of(world, p) != p->iface)
		add_tag(m);
	if (!split)
		return m;
	tail = rte_pktmbuf_alloc(world->mbufs);
	assert_non_null(tail);
	memcpy(rte_pktmbuf_append(tail, rest), p->ip + p->headers, rest);
	rte_pktmbuf_trim(m, rest);
	assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
	return m;
}

static void carry(
	struct world *world, const struct packet *packet, unsigned n, unsigned port, bool split)
{
	struct worker *w = world->dataplane.worker[0];

	w->icmp_tokens = 1000;
	w->tunnel_id = 1;
	w->burst.n = 0;
	for (unsigned i = 0; i < n; i++) {
		if (port_of(world, &packet[i]) == port)
			w->burst.mbuf[w->burst.n++] = frame_of(world, &packet[i], split);
	}
	if (w->burst.n)
		pipeline_run(w, &w->burst, port);
}

static void take_frames(struct world *world, unsigned iface, struct outcome *o)
{
	const struct transmit *t = &world->dataplane.worker[0]->transmit[iface];

	while (t->n) {
		uint8_t verdict = t->verdict[0], buffer[PACKET_MAX + 128];
		struct rte_mbuf *m = world_sent(world, 0, iface);
		uint16_t length = (uint16_t)rte_pktmbuf_pkt_len(m);
		struct frame *f = malloc(sizeof(*f) + length);

		assert_non_null(f);
		assert_in_range(length, ETHER, sizeof(buffer));
		assert_true(o->frames < FRAMES);
		*f = (struct frame){(uint8_t)iface, verdict, length};
		memcpy(f->bytes, rte_pktmbuf_read(m, 0, length, buffer), length);
		o->frame[o->frames++] = f;
		rte_pktmbuf_free(m);
	}
}

static void digest(uint64_t *d, uint64_t v)
{
	*d = (*d ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	*d ^= *d >> 32;
}

static uint64_t flows_of(const struct nat *nat)
{
	uint64_t d = nat->aliases.used;

	for (uint32_t i = 1; i < nat->bib.fresh; i++) {
		const struct mapping *m = &nat->bib.mapping[i];

		if (!mapping_in_use(m))
			continue;
		digest(&d, (uint64_t)m->inside << 32 | m->outside);
		digest(&d, (uint64_t)m->seen << 32 | m->flags);
	}
	for (uint32_t i = 1; i < nat->sessions.fresh; i++) {
		const struct session *s = &nat->sessions.session[i];

		if (!s->mapping)
			continue;
		digest(&d, (uint64_t)s->remote << 32 | s->mapping);
		digest(&d, (uint64_t)s->seen << 32 | s->state);
	}
	return d;
}

// All of these counters are of 64 bits.
static void subtract(void *counters, const void *before, size_t size)
{
	uint64_t *is = counters;
	const uint64_t *was = before;

	for (size_t i = 0; i < size / sizeof(*is); i++)
		is[i] -= was[i];
}

// What a worker measures of softwires besides is not compared, and errors are of other lengths.
#define SOFTWIRE_COUNTED offsetof(struct softwire_stats, out_icmpv4_error)

static void note_softwires(const struct world *world, struct outcome *o)
{
	o->softwires = world->snapshot->softwires;
	o->softwire = calloc(o->softwires + 1, sizeof(*o->softwire));
	assert_non_null(o->softwire);
	for (unsigned k = 0; k < o->softwires; k++)
		o->softwire[k] = world->snapshot->softwire[k].state->stats[0];
}

struct outcome *both_ways_carry(
	struct world *world, const struct packet *packet, unsigned n, bool split)
{
	const struct worker *w = world->dataplane.worker[0];
	struct outcome *o = calloc(1, sizeof(*o)), before;

	assert_non_null(o);
	note_softwires(world, &before);
	before.stats = w->stats;
	for (unsigned port = 0; port < 2; port++) {
		carry(world, packet, n, port, split);
		for (unsigned out = 0; out < 2; out++)
			take_frames(world, out, o);
	}
	note_softwires(world, o);
	for (unsigned k = 0; k < o->softwires; k++)
		subtract(&o->softwire[k], &before.softwire[k], SOFTWIRE_COUNTED);
	free(before.softwire);
	o->stats = w->stats;
	subtract(&o->stats, &before.stats, sizeof(o->stats));
	o->flows = flows_of(&w->nat);
	return o;
}

bool both_ways_is_short(struct world *world, const struct packet *p, short_way *way)
{
	struct worker *w = world->dataplane.worker[0];
	struct burst *b = &w->burst;
	struct received received;
	struct rte_mbuf *m;
	uint64_t taken;

	b->mbuf[0] = world_frame(world, p->iface, p->ip, p->length);
	b->n = 1;
	b->live = 1;
	b->tunnelled = b->mapped = 0;
	received = link_receive(w, b, p->iface);
	taken = way(w, b, received.ipv4 | received.ipv6);
	m = taken ? world_sent(world, 0, !p->iface) : b->mbuf[0];
	assert_non_null(m);
	rte_pktmbuf_free(m);
	return taken;
}

void outcome_free(struct outcome *o)
{
	for (unsigned i = 0; i < o->frames; i++)
		free(o->frame[i]);
	free(o->softwire);
	free(o);
}

unsigned outcome_frames(const struct outcome *o, unsigned iface)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o->frames; i++)
		n += o->frame[i]->iface == iface;
	return n;
}

// An answer has the tag of what it answers.
static bool is_error(const struct frame *frame)
{
	const uint8_t *ip = frame->bytes + (frame->bytes[12] == 0x81 ? ETHER + 4 : ETHER);

	if (ip[0] >> 4 == 4)
		return ip[9] == PROTOCOL_ICMP;
	return ip[IPV6_NEXT] == PROTOCOL_ICMPV6 ||
		(ip[IPV6_NEXT] == PROTOCOL_IPV4 && ip[IPV6_MIN + 9] == PROTOCOL_ICMP);
}

static int compare(const void *a, const void *b)
{
	const struct frame *f = *(struct frame *const *)a, *g = *(struct frame *const *)b;

	int order = memcmp(f, g, sizeof(*f));

	return order ? order : memcmp(f->bytes, g->bytes, f->length);
}

// What leaves may do so in another order, and errors quote no more than the first segment.
static void settle(struct outcome *o)
{
	for (unsigned i = 0; i < o->frames; i++) {
		if (is_error(o->frame[i]))
			o->frame[i]->length = 0;
	}
	qsort(o->frame, o->frames, sizeof(struct frame *), compare);
}

void assert_alike(struct outcome *whole, struct outcome *split)
{
	settle(whole);
	settle(split);
	for (unsigned v = 0; v < V_COUNT; v++) {
		if (whole->stats.verdict[v] != split->stats.verdict[v])
			fail_msg("%s: %lu whole, %lu in two", verdict_info[v].name,
				(unsigned long)whole->stats.verdict[v],
				(unsigned long)split->stats.verdict[v]);
	}
	assert_memory_equal(&whole->stats, &split->stats, sizeof(whole->stats));
	assert_int_equal(whole->frames, split->frames);
	for (unsigned i = 0; i < whole->frames; i++) {
		const struct frame *f = whole->frame[i], *g = split->frame[i];

		assert_int_equal(f->length, g->length);
		assert_memory_equal(f, g, sizeof(*f) + f->length);
	}
	for (unsigned k = 0; k < whole->softwires; k++)
		assert_memory_equal(&whole->softwire[k], &split->softwire[k], SOFTWIRE_COUNTED);
	assert_true(whole->flows == split->flows);
}
