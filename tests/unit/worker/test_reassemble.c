// SPDX-License-Identifier: BSD-3-Clause

// Fragments of tunnel packets (RFC 6333 section 5.3): put together from pieces of every size and in every order,
// bounded, and none the wiser for what strangers send.

#include "base/clock.h"
#include "net/frag6.h"
#include "net/hdr6.h"

#include "support/world.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#define NOW    1000
#define LENGTH 9000 // of the largest packet, without its IPv6 header

static struct world *world;
static struct worker *worker;
static unsigned buffers;

// A packet of the same bytes whatever it is cut in.
static uint8_t byte_at(unsigned at)
{
	return (uint8_t)(at * 7 + at / 256);
}

struct cut {
	unsigned from;
	unsigned size;
	bool more;
	uint8_t source; // the last byte of the first half of the address
	uint8_t protocol;
	uint32_t id;
	unsigned options; // bytes of destination options before the Fragment header
	unsigned padding; // behind the packet
};

static struct rte_mbuf *fragment(struct cut cut)
{
	uint8_t ip[IPV6_MIN + 8 + IPV6_FRAGMENT + LENGTH + 64] = {0x60};
	unsigned headers = IPV6_MIN + cut.options, length = cut.options + IPV6_FRAGMENT + cut.size;
	unsigned word = cut.from | cut.more;

	memcpy(ip + 4,
		(uint8_t[]){(uint8_t)(length >> 8), (uint8_t)length, cut.options ? 60 : 44, 64}, 4);
	memcpy(ip + IPV6_SOURCE, "\x20\x01\x0d\xb8\0\0\0", 7);
	ip[IPV6_SOURCE + 6] = cut.source;
	memcpy(ip + IPV6_DESTINATION, "\x20\x01\x0d\xb8\xff", 5);
	if (cut.options)
		memcpy(ip + IPV6_MIN, (uint8_t[]){44, 0, 1, 4}, 4);
	memcpy(ip + headers,
		(uint8_t[]){cut.protocol, 0, (uint8_t)(word >> 8), (uint8_t)word,
			(uint8_t)(cut.id >> 8), (uint8_t)cut.id},
		6);
	for (unsigned i = 0; i < cut.size; i++)
		ip[headers + IPV6_FRAGMENT + i] = byte_at(cut.from + i);
	return world_frame(world, WORLD_INSIDE, ip,
		(uint16_t)(headers + IPV6_FRAGMENT + cut.size + cut.padding));
}

// What makes of a fragment a packet that is ours to put together, its headers read.
static void take_in(struct rte_mbuf *m)
{
	struct burst *b = &worker->burst;

	b->n = 1;
	b->live = b->v6 = 1;
	b->mbuf[0] = m;
	b->ip[0] = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);
	b->room[0] = (uint16_t)(rte_pktmbuf_data_len(m) - 14);
	b->iface[0] = WORLD_INSIDE;
	hdr6_read(b, 1);
	assert_int_equal(b->fragments & b->live, 1);
	reassemble(worker, b, 1);
	if (b->mbuf[0]) {
		worker->stats.verdict[b->verdict[0]]++;
		rte_pktmbuf_free(b->mbuf[0]);
	}
}

static const struct cut base = {.protocol = 4, .source = 1, .id = 1};

static void take_part(struct cut like, unsigned from, unsigned size, bool more)
{
	like.from = from;
	like.size = size;
	like.more = more;
	take_in(fragment(like));
}

static unsigned dropped(enum verdict verdict)
{
	return (unsigned)worker->stats.verdict[verdict];
}

// Takes the packet that is whole and looks at all of it.
static void is_whole(unsigned size, unsigned options)
{
	struct rte_mbuf *m = fragment_pop(&worker->again);
	const struct handover *h;
	uint8_t buffer[IPV6_MIN + LENGTH + 8];
	const uint8_t *ip;

	assert_non_null(m);
	h = handover_of(m);
	assert_int_equal(h->kind, HANDOVER_RECEIVED);
	assert_int_equal(h->iface, WORLD_INSIDE);
	assert_int_equal(rte_mbuf_check(m, 1, &(const char *){NULL}), 0);
	assert_int_equal(rte_pktmbuf_pkt_len(m), h->ip_offset + IPV6_MIN + options + size);
	// what fits one buffer is in one
	if (size <= 1800)
		assert_int_equal(m->nb_segs, 1);
	ip = rte_pktmbuf_read(m, h->ip_offset, IPV6_MIN + options + size, buffer);
	assert_int_equal(ip[0], 0x60);
	assert_int_equal(ip[4] << 8 | ip[5], options + size);
	assert_int_equal(ip[6], options ? 60 : 4);
	if (options)
		assert_int_equal(ip[IPV6_MIN], 4);
	for (unsigned i = 0; i < size; i++)
		assert_int_equal(ip[IPV6_MIN + options + i], byte_at(i));
	rte_pktmbuf_free(m);
	assert_null(fragment_pop(&worker->again));
	assert_int_equal(worker->tunnelled.used, 0);
	assert_int_equal(worker->tunnelled.waiting, 0);
}

static int start(void **state)
{
	struct world_setup setup = world_setup();

	(void)state;
	world = world_new(&setup, NOW);
	worker = world->dataplane.worker[0];
	worker->now = NOW;
	memcpy(world->snapshot->iface[WORLD_INSIDE].addr6, "\x20\x01\x0d\xb8", 4);
	world->snapshot->iface[WORLD_INSIDE].has_addr6 = true;
	buffers = rte_mempool_avail_count(world->mbufs);
	return 0;
}

static int end(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	world_pass(world, NOW + 61 * TICKS_A_SECOND);
	while ((m = world_sent(world, 0, WORLD_INSIDE)))
		rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_avail_count(world->mbufs), buffers);
	world_free(world);
	return 0;
}

// Takes all parts of a packet, cut after every `step` bytes, in an order.
static void take_parts(unsigned size, unsigned step, const unsigned *order, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned from = order[i] * step;

		assert_null(worker->again.first);
		take_part(base, from, RTE_MIN(step, size - from), from + step < size);
	}
	is_whole(size, 0);
}

static void every_order(unsigned *order, unsigned n, unsigned at, unsigned size, unsigned step)
{
	if (at == n) {
		take_parts(size, step, order, n);
		return;
	}
	for (unsigned i = at; i < n; i++) {
		unsigned swap = order[at];

		order[at] = order[i];
		order[i] = swap;
		every_order(order, n, at + 1, size, step);
		order[i] = order[at];
		order[at] = swap;
	}
}

static void orders(void **state)
{
	unsigned order[] = {0, 1, 2, 3, 4};

	(void)state;
	every_order(order, 2, 0, 1500, 1232);
	every_order(order, 2, 0, 16, 8);
	every_order(order, 3, 0, 1500, 512);
	every_order(order, 5, 0, 5 * 16 - 3, 16);
	every_order(order, 3, 0, 4000, 1400);
	every_order(order, 5, 0, 9000, 1808);
}

// Every size of packet and pieces, shuffled.
static void sizes(void **state)
{
	unsigned order[64];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 3000; round++) {
		unsigned size = 16 + (unsigned)rand() % (round % 10 ? 1984 : LENGTH - 16);
		unsigned step = RTE_MIN((8 + (unsigned)rand() % (size - 8)) & ~7u, 1800u), n;

		// no more gaps than can be told
		while ((n = (size + step - 1) / step) > 16)
			step += 8;
		for (unsigned i = 0; i < n; i++) {
			unsigned k = (unsigned)rand() % (i + 1);

			order[i] = order[k];
			order[k] = i;
		}
		if (n > 1)
			take_parts(size, step, order, n);
	}
}

// What a frame was padded with is no part, and unfragmentable headers stay (RFC 8200 section 4.5).
static void odd_frames(void **state)
{
	struct cut with = base;

	(void)state;
	with.padding = 30;
	take_part(with, 16, 4, false);
	take_part(with, 0, 16, true);
	is_whole(20, 0);
	with.options = 8;
	take_part(with, 0, 16, true);
	take_part(with, 16, 4, false);
	is_whole(20, 8);
}

static void duplicates(void **state)
{
	(void)state;
	take_part(base, 0, 16, true);
	take_part(base, 0, 16, true);
	take_part(base, 32, 4, false);
	take_part(base, 32, 4, false);
	assert_int_equal(dropped(V_FRAGMENT_DUPLICATE), 2);
	take_part(base, 16, 16, true);
	is_whole(36, 0);
	assert_int_equal(dropped(V_REASSEMBLED), 2);
}

// RFC 5722: all of the packet is dropped, what comes of it later too.
static void overlap(unsigned from, unsigned size, bool more)
{
	unsigned broken = dropped(V_FRAGMENT_BROKEN);

	take_part(base, 0, 32, true);
	take_part(base, 48, 16, true);
	take_part(base, from, size, more);
	assert_int_equal(dropped(V_FRAGMENT_BROKEN), broken + 3);
	assert_int_equal(worker->tunnelled.waiting, 0);
	take_part(base, 32, 16, true);
	take_part(base, 64, 8, false);
	assert_int_equal(dropped(V_FRAGMENT_BROKEN), broken + 5);
	assert_null(worker->again.first);
	worker->now += 61 * TICKS_A_SECOND;
	world_pass(world, worker->now);
	assert_int_equal(worker->tunnelled.used, 0);
}

static void overlaps(void **state)
{
	(void)state;
	overlap(24, 16, true);
	overlap(24, 32, true);
	overlap(8, 8, true); // of what is there a part alone
	overlap(0, 16, true);
	overlap(32, 8, false); // an end before what is behind it
	overlap(8, 200, false);
}

static void malformed(void **state)
{
	(void)state;
	take_part(base, 8, 12, true);                    // no multiple of eight
	take_part(base, 65528, 7, false);                // beyond what an IPv6 packet can hold
	assert_int_equal(dropped(V_FRAGMENT_HEADER), 0); // their senders are told
	assert_int_equal(worker->stats.icmp_errors_sent, 2);
	for (unsigned i = 0; i < 2; i++) {
		struct rte_mbuf *m = world_sent(world, 0, WORLD_INSIDE);
		const uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);

		assert_int_equal(ip[IPV6_MIN], 4); // RFC 8200 section 4.5: at Payload Length
		assert_int_equal(ip[IPV6_MIN + 1], 0);
		assert_int_equal(ip[IPV6_MIN + 7], IPV6_LENGTH);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(worker->tunnelled.used, 0);
}

// The same identification is another packet's with another source or protocol.
static void keys(void **state)
{
	struct cut other_source = base, other_protocol = base, other_id = base;

	(void)state;
	other_source.source = 2;
	other_protocol.protocol = 41;
	other_id.id = 2;
	take_part(base, 0, 16, true);
	take_part(other_source, 16, 4, false);
	take_part(other_protocol, 16, 4, false);
	take_part(other_id, 16, 4, false);
	assert_null(worker->again.first);
	assert_int_equal(worker->tunnelled.used, 4);
	take_part(other_id, 0, 16, true);
	rte_pktmbuf_free(fragment_pop(&worker->again));
	take_part(base, 16, 4, false);
	rte_pktmbuf_free(fragment_pop(&worker->again));
	assert_int_equal(worker->tunnelled.used, 2);
	worker->now += 61 * TICKS_A_SECOND;
	world_pass(world, worker->now);
}

// RFC 8200 section 4.5: sixty seconds, and who sent the first fragment is told.
static void timeout(void **state)
{
	struct rte_mbuf *m;
	const uint8_t *ip;

	(void)state;
	take_part(base, 0, 16, true);
	take_part((struct cut){.protocol = 4, .id = 2, .source = 1}, 16, 16, true);
	world_pass(world, NOW + 59 * TICKS_A_SECOND);
	assert_int_equal(worker->tunnelled.used, 2);
	world_pass(world, NOW + 61 * TICKS_A_SECOND);
	assert_int_equal(worker->tunnelled.used, 0);
	assert_int_equal(dropped(V_FRAGMENT_TIMEOUT), 1);
	m = world_sent(world, 0, WORLD_INSIDE);
	assert_non_null(m);
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);
	assert_int_equal(ip[IPV6_MIN] << 8 | ip[IPV6_MIN + 1], 0x0301);
	rte_pktmbuf_free(m);
	assert_null(world_sent(world, 0, WORLD_INSIDE));
}

// Several fragments of a packet whose first never came end once each.
static void timeout_of_many(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 5; n++)
		take_part(base, 16 * n, 16, true);
	world_pass(world, NOW + 61 * TICKS_A_SECOND);
	assert_int_equal(dropped(V_FRAGMENT_TIMEOUT), 5);
	assert_int_equal(worker->tunnelled.used, 0);
	assert_null(world_sent(world, 0, WORLD_INSIDE));
}

static void limits(void **state)
{
	struct cut cut = base;

	(void)state;
	// of one packet: as many gaps as can be told, and fragments as may be
	for (unsigned n = 0; n <= FRAG_SPANS; n++)
		take_part(cut, 32 * n, 16, true);
	assert_int_equal(dropped(V_FRAGMENT_LIMIT), 1);
	assert_int_equal(dropped(V_FRAGMENT_BROKEN), FRAG_SPANS);
	cut.id = 2;
	for (unsigned n = 0; n <= 64; n++)
		take_part(cut, 8 * n, 8, true);
	assert_int_equal(dropped(V_FRAGMENT_LIMIT), 2);
	assert_int_equal(dropped(V_FRAGMENT_BROKEN), FRAG_SPANS + 64);
	// of one source: both packets from before are still remembered
	for (unsigned n = 0; n < 20; n++) {
		cut.id = 100 + n;
		take_part(cut, 0, 16, true);
	}
	assert_int_equal(dropped(V_FRAGMENT_LIMIT), 2 + 6);
	assert_int_equal(worker->tunnelled.used, 16);
	// which is a network, whatever the host in it calls itself
	cut.source = 2;
	take_part(cut, 0, 16, true);
	assert_int_equal(worker->tunnelled.used, 17);
}

// One source that sends first fragments alone wears its own share out; another's packets arrive.
static void flood(void **state)
{
	struct cut flood = base, other = base;

	(void)state;
	other.source = 2;
	for (unsigned n = 0; n < 1000; n++) {
		flood.id = n;
		take_part(flood, 0, 16, true);
		if (n % 100)
			continue;
		other.id = n;
		take_part(other, 0, 1232, true);
		flood.id = 1000 + n;
		take_part(flood, 16, 16, true);
		take_part(other, 1232, 268, false);
		rte_pktmbuf_free(fragment_pop(&worker->again));
	}
	assert_int_equal(dropped(V_REASSEMBLED), 10);
	assert_int_equal(worker->tunnelled.used, 16);
}

// From many sources: the oldest packets make room, and no more buffers are taken than may be.
static void flood_of_many(void **state)
{
	struct cut cut = base;

	(void)state;
	for (unsigned n = 0; n < 1000; n++) {
		cut.source = (uint8_t)n;
		cut.id = n;
		for (unsigned k = 0; k < 6; k++)
			take_part(cut, 16 * k, 16, true);
		assert_true(worker->tunnelled.waiting <= 256);
		assert_true(worker->tunnelled.used <= 64);
	}
	assert_true(dropped(V_FRAGMENT_MEMORY) > 0);
	take_part(cut, 96, 4, false);
	rte_pktmbuf_free(fragment_pop(&worker->again));
	assert_int_equal(dropped(V_REASSEMBLED), 6);
}

static int once(void **state)
{
	(void)state;
	world_eal("test", false, 256);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(orders, start, end),
		cmocka_unit_test_setup_teardown(sizes, start, end),
		cmocka_unit_test_setup_teardown(odd_frames, start, end),
		cmocka_unit_test_setup_teardown(duplicates, start, end),
		cmocka_unit_test_setup_teardown(overlaps, start, end),
		cmocka_unit_test_setup_teardown(malformed, start, end),
		cmocka_unit_test_setup_teardown(keys, start, end),
		cmocka_unit_test_setup_teardown(timeout, start, end),
		cmocka_unit_test_setup_teardown(timeout_of_many, start, end),
		cmocka_unit_test_setup_teardown(limits, start, end),
		cmocka_unit_test_setup_teardown(flood, start, end),
		cmocka_unit_test_setup_teardown(flood_of_many, start, end),
	};

	return cmocka_run_group_tests(tests, once, NULL);
}
