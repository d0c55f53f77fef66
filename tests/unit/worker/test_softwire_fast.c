// SPDX-License-Identifier: BSD-3-Clause

// The short way of lw4o6 and MAP-E packets (worker/softwire_fast.c) does what the long one does, which packets in two
// segments always go: random ones, right and wrong, are sent both ways, and what comes of them is compared to the byte.

#include "base/rand.h"
#include "net/csum.h"
#include "net/hdr6.h"
#include "worker/softwire.h"

#include "support/services.h"
#include "unit.h"

#include <rte_ip.h>

#include <stdlib.h>
#include <string.h>

#define ROUNDS   2000
#define BINDINGS 32
#define RULES    4
#define ROOM     256
#define DATA                                                                                       \
	64 // bytes behind the transport header, at most, besides those that the first segment leaves
#define HEADERS (14 + 20 + 20)

static const uint8_t relay[2][16] = {
	{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 1},
	{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 2},
};

struct packet {
	uint8_t ip[ROOM];
	uint16_t length;
	uint8_t iface;
};

// What came of a burst.
struct outcome {
	uint64_t verdict[V_COUNT];
	struct softwire_stats stats[1 + RULES];
	unsigned frames[2];
	uint8_t frame[2][BURST_MAX][ROOM];
	uint16_t length[2][BURST_MAX];
};

static struct world *world;
static struct rand random_;
static struct map_rule rule[RULES];
static unsigned left[2]; // frames, by interface

static struct binding_entry binding(unsigned n)
{
	struct binding_entry e = {
		.ipv4 = rte_cpu_to_be_32(RTE_IPV4(198u, 51, 100, 0) + n / 4),
		.psid = (uint16_t)(n % 4),
		.geometry = {.offset = 2, .length = 2},
		.b4 = {0x20, 0x01, 0x0d, 0xb8, 0x01, [7] = (uint8_t)n, [15] = 1},
	};

	return e;
}

static int setup(void **)
{
	struct world_setup setup = world_setup();
	struct binding_table *table;

	setup.mbufs = 4095;
	world = world_new(&setup, 1000);
	world6_add(world, 1500);
	table = services_add_bindings(world, SERVICES_BR, "198.51.100.0/24", BINDINGS);
	for (unsigned i = 0; i < BINDINGS; i++) {
		struct binding_entry e = binding(i);

		assert_int_equal(binding_add(table, &e), 0);
	}
	for (unsigned i = 0; i < RULES; i++)
		rule[i] = (struct map_rule){
			.prefix6 = {0x20, 0x01, 0x0d, 0xb8, 0x02, (uint8_t)i},
			.prefix4 = RTE_IPV4(203u, 0, 116, 0) + (i << 8),
			.len6 = 48,
			.len4 = 24,
			.ea = 16,
			.geometry = {.offset = 6, .length = 8},
		};
	services_add_rules(world, SERVICES_MAP_BR, rule, RULES, 0, "2001:db8:200::/40");
	rand_seed_fixed(&random_, 6);
	return 0;
}

static int teardown(void **)
{
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), 0);
	world_free(world);
	return 0;
}

static uint32_t any(uint32_t n)
{
	return rand_below(&random_, n);
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v & 0xffff);
}

static void sum_header(uint8_t *ip)
{
	uint16_t sum;

	put16(ip + 10, 0);
	sum = (uint16_t)~csum_fold(csum_sum(ip, IPV4_MIN));
	memcpy(ip + 10, &sum, sizeof(sum));
}

// An IPv4 packet at `ip` between a subscriber and a host outside. Returns its length.
static uint16_t make_inner(uint8_t *ip, bool outward, uint32_t inside, uint16_t port)
{
	uint32_t remote = RTE_IPV4(93u, 184, 216, 0) + any(256);
	uint8_t protocol = (uint8_t)(any(2) ? PROTOCOL_UDP : PROTOCOL_TCP);
	uint16_t length = (uint16_t)(IPV4_MIN + 20 + 1 + any(DATA));

	memset(ip, 0, length);
	ip[0] = 0x45;
	ip[1] = (uint8_t)(any(4) ? 0 : any(256));
	put16(ip + 2, length);
	put16(ip + 6, any(2) ? 0x4000 : 0);
	ip[8] = (uint8_t)(any(8) ? 64 : any(3));
	ip[9] = protocol;
	put32(ip + 12, outward ? inside : remote);
	put32(ip + 16, outward ? remote : inside);
	put16(ip + 20, outward ? port : 443);
	put16(ip + 22, outward ? 443 : port);
	if (protocol == PROTOCOL_TCP)
		ip[32] = 0x50;
	else
		put16(ip + 24, length - IPV4_MIN);
	for (unsigned i = 40; i < length; i++)
		ip[i] = (uint8_t)any(256);
	sum_header(ip);
	return length;
}

// Of somebody who has a binding, or is under a rule.
static struct packet make(void)
{
	struct packet p = {0};
	uint8_t host[16];
	uint32_t inside;
	uint16_t port = (uint16_t)any(65536);
	bool outward = any(2), bound = any(2);

	if (bound) {
		struct binding_entry e = binding(any(BINDINGS));

		inside = rte_be_to_cpu_32(e.ipv4);
		if (any(8))
			port = (uint16_t)(psid_range_first(e.geometry, e.psid, any(3)) + any(4096));
		memcpy(host, e.b4, sizeof(host));
	} else {
		const struct map_rule *r = &rule[any(RULES)];

		inside = r->prefix4 | any(256);
		if (any(8))
			port |= 1024;
		map_address(r, inside, psid_of_port(r->geometry, port), host);
	}
	p.iface = outward ? WORLD_INSIDE : WORLD_OUTSIDE;
	if (!outward) {
		p.length = make_inner(p.ip, false, inside, port);
		return p;
	}
	p.length = make_inner(p.ip + TUNNEL_HEADER, true, inside, port);
	put32(p.ip, 6u << 28 | (uint32_t)p.ip[TUNNEL_HEADER + 1] << 20 | any(1 << 20));
	put16(p.ip + IPV6_LENGTH, p.length);
	p.ip[IPV6_NEXT] = PROTOCOL_IPV4;
	p.ip[IPV6_HOP_LIMIT] = 64;
	memcpy(p.ip + IPV6_SOURCE, host, sizeof(host));
	memcpy(p.ip + IPV6_DESTINATION, relay[!bound], sizeof(relay[0]));
	p.length = (uint16_t)(p.length + TUNNEL_HEADER);
	return p;
}

// Spoils what a header says, with a right checksum or not.
static void spoil(struct packet *p)
{
	unsigned outer = p->iface == WORLD_INSIDE ? TUNNEL_HEADER : 0;
	unsigned at = any(outer + 44);

	// another version is another kind of frame
	if (!at)
		return;
	if (any(2))
		p->ip[at] = (uint8_t)any(256);
	else
		p->ip[at] ^= (uint8_t)(1u << any(8));
	// options would begin to be in the second segment
	if (at == outer)
		p->ip[at] = 0x55;
	// fragments are remembered, so that the second of two would not be the same
	put16(p->ip + outer + 6, p->ip[outer + 6] << 8 & 0xc000);
	if (outer && p->ip[IPV6_NEXT] == PROTOCOL_FRAGMENT)
		p->ip[IPV6_NEXT] = PROTOCOL_IPV4;
	if (any(4))
		sum_header(p->ip + outer);
}

static struct rte_mbuf *frame(const struct packet *p, bool split)
{
	unsigned first = p->iface == WORLD_INSIDE ? HEADERS + TUNNEL_HEADER : HEADERS;
	uint16_t rest = (uint16_t)(14 + p->length - first);
	struct rte_mbuf *m = world_frame(world, p->iface, p->ip, p->length), *tail;

	if (!split)
		return m;
	tail = rte_pktmbuf_alloc(world->mbufs);
	assert_non_null(tail);
	memcpy(rte_pktmbuf_append(tail, rest), p->ip + p->length - rest, rest);
	rte_pktmbuf_trim(m, rest);
	assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
	return m;
}

static void carry(const struct packet *packet, unsigned n, unsigned iface, bool split)
{
	struct worker *w = world->dataplane.worker[0];

	w->icmp_tokens = 1000;
	w->burst.n = 0;
	for (unsigned i = 0; i < n; i++) {
		if (packet[i].iface == iface)
			w->burst.mbuf[w->burst.n++] = frame(&packet[i], split);
	}
	pipeline_run(w, &w->burst, iface);
}

static struct outcome *outcome_of(const struct packet *packet, unsigned n, bool split)
{
	struct outcome *o = calloc(1, sizeof(*o)), before = {0};
	struct rte_mbuf *m;

	assert_non_null(o);
	for (unsigned k = 0; k < world->snapshot->softwires; k++)
		before.stats[k] = world->snapshot->softwire[k].state->stats[0];
	for (unsigned v = 0; v < V_COUNT; v++)
		before.verdict[v] = world_verdicts(world, (enum verdict)v);
	for (unsigned iface = 0; iface < 2; iface++)
		carry(packet, n, iface, split);
	for (unsigned iface = 0; iface < 2; iface++) {
		while ((m = world_sent(world, 0, iface))) {
			unsigned at = o->frames[iface]++;
			uint8_t buffer[ROOM];
			const void *bytes;

			assert_in_range(rte_pktmbuf_pkt_len(m), 1, ROOM);
			bytes = rte_pktmbuf_read(m, 0, rte_pktmbuf_pkt_len(m), buffer);
			o->length[iface][at] = (uint16_t)rte_pktmbuf_pkt_len(m);
			memcpy(o->frame[iface][at], bytes, o->length[iface][at]);
			rte_pktmbuf_free(m);
			left[iface]++;
		}
	}
	// each counter on its own: what a worker measures besides is not compared
	for (unsigned k = 0; k < world->snapshot->softwires; k++) {
		const uint64_t *was = (const uint64_t *)&before.stats[k].rcvd_ipv4;
		const uint64_t *is =
			(const uint64_t *)&world->snapshot->softwire[k].state->stats[0].rcvd_ipv4;
		uint64_t *more = (uint64_t *)&o->stats[k].rcvd_ipv4;

		for (unsigned c = 0; c < offsetof(struct softwire_stats, icmp4_tokens) / 8; c++)
			more[c] = is[c] - was[c];
	}
	for (unsigned v = 0; v < V_COUNT; v++)
		o->verdict[v] = world_verdicts(world, (enum verdict)v) - before.verdict[v];
	return o;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, ROOM);
}

static bool is_error(const uint8_t *frame)
{
	return (frame[14] >> 4 == 6 && frame[14 + IPV6_NEXT] == PROTOCOL_ICMPV6) ||
		(frame[14] >> 4 == 4 && frame[14 + 9] == PROTOCOL_ICMP);
}

// What leaves may do so in another order, and errors quote no more than the first segment.
static void settle(struct outcome *o)
{
	for (unsigned iface = 0; iface < 2; iface++) {
		for (unsigned i = 0; i < o->frames[iface]; i++) {
			if (is_error(o->frame[iface][i]) ||
				(o->frame[iface][i][14 + IPV6_NEXT] == PROTOCOL_IPV4 &&
					o->frame[iface][i][14 + IPV6_MIN + 9] == PROTOCOL_ICMP))
				memset(o->frame[iface][i], 0, ROOM);
		}
		qsort(o->frame[iface], o->frames[iface], ROOM, compare);
	}
}

static void assert_alike(const struct packet *packet, unsigned n)
{
	struct outcome *one = outcome_of(packet, n, false), *two = outcome_of(packet, n, true);

	settle(one);
	settle(two);
	for (unsigned v = 0; v < V_COUNT; v++) {
		if (one->verdict[v] != two->verdict[v])
			fail_msg("%s: %lu whole, %lu in two", verdict_info[v].name,
				(unsigned long)one->verdict[v], (unsigned long)two->verdict[v]);
	}
	for (unsigned iface = 0; iface < 2; iface++) {
		assert_int_equal(one->frames[iface], two->frames[iface]);
		assert_memory_equal(
			one->frame[iface], two->frame[iface], sizeof(one->frame[iface]));
	}
	for (unsigned k = 0; k < 1 + RULES; k++)
		assert_memory_equal(&one->stats[k], &two->stats[k],
			offsetof(struct softwire_stats, out_icmpv4_error));
	free(one);
	free(two);
}

static void right_and_wrong(void **)
{
	struct packet packet[BURST_MAX / 2];

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n = 1 + any(BURST_MAX / 2);

		for (unsigned i = 0; i < n; i++) {
			packet[i] = make();
			if (!any(3))
				spoil(&packet[i]);
		}
		assert_alike(packet, n);
	}
	assert_true(left[WORLD_INSIDE] > 2 * ROUNDS);
	assert_true(left[WORLD_OUTSIDE] > 2 * ROUNDS);
}

// Somebody's ACL rules are looked at, whatever else is not.
static void marked(void **)
{
	struct softwire *softwires = world->snapshot->softwire;
	struct binding_entry e = binding(5);
	struct packet packet[BURST_MAX / 2];

	assert_int_equal(binding_mark(softwires[0].state->bindings, e.b4, true), 1);
	atomic_store(&softwires[1].state->marked, true);
	for (unsigned round = 0; round < ROUNDS / 10; round++) {
		for (unsigned i = 0; i < BURST_MAX / 2; i++)
			packet[i] = make();
		assert_alike(packet, BURST_MAX / 2);
	}
	binding_mark(softwires[0].state->bindings, e.b4, false);
	atomic_store(&softwires[1].state->marked, false);
}

// Of a table whose addresses are divided in two ways.
static void divided_differently(void **)
{
	struct binding_entry e = {.ipv4 = RTE_BE32(RTE_IPV4(198u, 51, 100, 200)),
		.b4 = {0x20, 0x01, 0x0d, 0xb8, 0x01, [15] = 9}};
	struct packet packet[BURST_MAX / 2];

	assert_int_equal(binding_add(world->snapshot->softwire[0].state->bindings, &e), 0);
	for (unsigned round = 0; round < ROUNDS / 10; round++) {
		for (unsigned i = 0; i < BURST_MAX / 2; i++)
			packet[i] = make();
		assert_alike(packet, BURST_MAX / 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_and_wrong),
		cmocka_unit_test(marked),
		cmocka_unit_test(divided_differently),
	};

	world_eal("test_softwire_fast", false, 128);
	return cmocka_run_group_tests(tests, setup, teardown);
}
