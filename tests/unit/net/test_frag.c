// SPDX-License-Identifier: BSD-3-Clause

// Fragments: what they say, in which orders they may come, and cutting packets.

#include "net/csum.h"
#include "net/frag.h"

#include "support/world.h"
#include "unit.h"

#include <rte_ip.h>

#define PARTS 5

// The fragments of one datagram of 5 * 16 - 3 bytes.
static struct frag part(unsigned n)
{
	return (struct frag){.from = (uint16_t)(16 * n),
		.to = (uint16_t)(n == PARTS - 1 ? 16 * PARTS - 3 : 16 * (n + 1)),
		.last = n == PARTS - 1};
}

// Calls fn with every order of the numbers 0 to n-1.
static void every_order(unsigned *order, unsigned n, unsigned at, void (*fn)(const unsigned *))
{
	if (at == n) {
		fn(order);
		return;
	}
	for (unsigned i = at; i < n; i++) {
		unsigned swap = order[at];

		order[at] = order[i];
		order[i] = swap;
		every_order(order, n, at + 1, fn);
		order[i] = order[at];
		order[at] = swap;
	}
}

static void add_in_order(const unsigned *order)
{
	struct frag_seen seen = {0};

	for (unsigned i = 0; i < PARTS; i++) {
		struct frag f = part(order[i]);

		assert_false(frag_is_whole(&seen));
		assert_int_equal(frag_add(&seen, &f), FRAG_NEW);
		assert_int_equal(frag_add(&seen, &f), FRAG_DUPLICATE);
	}
	assert_true(frag_is_whole(&seen));
	assert_int_equal(seen.end, 16 * PARTS - 3);
}

static void orders(void **state)
{
	unsigned order[PARTS] = {0, 1, 2, 3, 4};

	(void)state;
	every_order(order, PARTS, 0, add_in_order);
}

// Two spans against a third that lies in each possible way to them (RFC 5722).
static void overlaps(void **state)
{
	static const struct {
		struct frag frag;
		enum frag_result result;
	} cases[] = {
		{{0, 16, false}, FRAG_NEW},
		{{0, 24, false}, FRAG_OVERLAP},
		{{16, 32, false}, FRAG_DUPLICATE},
		{{24, 32, false}, FRAG_DUPLICATE},
		{{16, 40, false}, FRAG_OVERLAP},
		{{24, 40, false}, FRAG_OVERLAP},
		{{8, 40, false}, FRAG_OVERLAP},
		{{32, 48, false}, FRAG_NEW},
		{{32, 56, false}, FRAG_OVERLAP},
		{{0, 80, false}, FRAG_OVERLAP},
		{{64, 72, false}, FRAG_NEW},
		// an end in what has been seen, before it, and where it may be
		{{48, 64, true}, FRAG_OVERLAP},
		{{56, 60, true}, FRAG_OVERLAP},
		{{32, 40, true}, FRAG_OVERLAP},
		{{64, 70, true}, FRAG_NEW},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frag_seen seen = {.spans = 2, .span = {{16, 32}, {48, 64}}};
		struct frag_seen before = seen;

		assert_int_equal(frag_add(&seen, &cases[i].frag), cases[i].result);
		if (cases[i].result != FRAG_NEW)
			assert_memory_equal(&seen, &before, sizeof(seen));
	}
}

static void behind_the_end(void **state)
{
	struct frag_seen seen = {0};
	struct frag last = {.from = 64, .to = 70, .last = true};
	struct frag other = {.from = 80, .to = 90, .last = true};
	struct frag behind = {.from = 72, .to = 80};

	(void)state;
	assert_int_equal(frag_add(&seen, &last), FRAG_NEW);
	assert_int_equal(frag_add(&seen, &last), FRAG_DUPLICATE);
	assert_int_equal(frag_add(&seen, &other), FRAG_OVERLAP);
	assert_int_equal(frag_add(&seen, &behind), FRAG_OVERLAP);
	assert_int_equal(seen.end, 70);
}

static void scattered(void **state)
{
	struct frag_seen seen = {0};
	struct frag f = {0};

	(void)state;
	for (unsigned i = 0; i < FRAG_SPANS; i++) {
		f = (struct frag){.from = (uint16_t)(16 * i), .to = (uint16_t)(16 * i + 8)};
		assert_int_equal(frag_add(&seen, &f), FRAG_NEW);
	}
	f = (struct frag){.from = 16 * FRAG_SPANS, .to = 16 * FRAG_SPANS + 8};
	assert_int_equal(frag_add(&seen, &f), FRAG_SCATTERED);
	// one that fills a gap is welcome, and makes room
	f = (struct frag){.from = 8, .to = 16};
	assert_int_equal(frag_add(&seen, &f), FRAG_NEW);
	f = (struct frag){.from = 16 * FRAG_SPANS, .to = 16 * FRAG_SPANS + 8};
	assert_int_equal(frag_add(&seen, &f), FRAG_NEW);
}

static bool reads(uint16_t offset_and_flags, unsigned ihl, uint16_t length, struct frag *f)
{
	uint8_t ip[60] = {0};

	((struct rte_ipv4_hdr *)ip)->fragment_offset = rte_cpu_to_be_16(offset_and_flags);
	return frag_read(ip, ihl, length, f);
}

static void headers(void **state)
{
	struct frag f;

	(void)state;
	assert_true(reads(0x2000, 20, 36, &f));
	assert_true(f.from == 0 && f.to == 16 && !f.last);
	assert_true(reads(0x0003, 60, 61, &f));
	assert_true(f.from == 24 && f.to == 25 && f.last);
	assert_false(reads(0x2000, 20, 20, &f)); // no data
	assert_false(reads(0x2000, 20, 35, &f)); // no multiple of eight, and not the last
	assert_true(reads(0x0001, 20, 35, &f));
	// the largest datagram there is, and one byte more
	assert_true(reads(0x1ff0, 20, 20 + 65515 - 65408, &f));
	assert_false(reads(0x1ff0, 20, 20 + 65516 - 65408, &f));
	assert_false(reads(0x3fff, 20, 1500, &f));
}

static struct rte_mempool *pool;

static struct rte_mbuf *packet(unsigned options, unsigned data, uint16_t offset_and_flags)
{
	unsigned ihl = 20 + options, length = ihl + data;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *ip = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(14 + length)) + 14;
	struct rte_ipv4_hdr *h = (struct rte_ipv4_hdr *)ip;

	*h = (struct rte_ipv4_hdr){.version_ihl = (uint8_t)(0x40 | ihl / 4),
		.total_length = rte_cpu_to_be_16((uint16_t)length),
		.packet_id = RTE_BE16(0x1234),
		.fragment_offset = rte_cpu_to_be_16(offset_and_flags),
		.time_to_live = 17,
		.next_proto_id = 17};
	for (unsigned i = 0; i < data; i++)
		ip[ihl + i] = (uint8_t)(i * 7 + i / 256);
	return m;
}

// Cuts a packet and puts it together again: sizes, offsets, flags, checksums, data.
static void cut_and_join(unsigned data, uint16_t mtu, uint16_t word)
{
	struct rte_mbuf *m = packet(0, data, word), *piece[64];
	const uint8_t *whole = rte_pktmbuf_mtod_offset(m, uint8_t *, 34);
	unsigned n = frag_split(pool, m, whole - 20, mtu, piece, 64);
	unsigned at = 0;

	assert_int_not_equal(n, 0);
	for (unsigned i = 0; i < n; i++) {
		const struct rte_ipv4_hdr *h = rte_pktmbuf_mtod(piece[i], struct rte_ipv4_hdr *);
		uint16_t length = rte_be_to_cpu_16(h->total_length);
		uint16_t there = rte_be_to_cpu_16(h->fragment_offset);

		assert_true(length <= mtu && length == rte_pktmbuf_pkt_len(piece[i]));
		assert_int_equal(csum_fold(csum_sum(h, 20)), 0xffff);
		assert_int_equal(h->packet_id, RTE_BE16(0x1234));
		assert_int_equal(h->time_to_live, 17);
		assert_int_equal(there & 0x1fff, (word & 0x1fff) + at / 8);
		assert_int_equal(there & 0x2000, i + 1 < n ? 0x2000 : word & 0x2000);
		assert_memory_equal(h + 1, whole + at, length - 20);
		at += length - 20;
	}
	assert_int_equal(at, data);
	rte_pktmbuf_free_bulk(piece, n);
	rte_pktmbuf_free(m);
}

static void cuts(void **state)
{
	(void)state;
	cut_and_join(1480, 576, 0);
	cut_and_join(1480, 1500, 0);
	cut_and_join(1481, 1280, 0);
	cut_and_join(1480, 68, 0);
	// a fragment is cut again: the last of a datagram, and one from its middle
	cut_and_join(1480, 576, 0x0064);
	cut_and_join(1480, 576, 0x2064);
}

static void cut_options(void **state)
{
	// record route is not copied, NOP is not, security is (RFC 791 section 3.1)
	static const uint8_t options[16] = {7, 7, 4, 1, 2, 3, 4, 1, 130, 6, 9, 9, 9, 9, 0, 0};
	struct rte_mbuf *m = packet(16, 100, 0), *piece[8];
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);
	const uint8_t *first, *second;
	unsigned n;

	(void)state;
	memcpy(ip + 20, options, sizeof(options));
	n = frag_split(pool, m, ip, 100, piece, 8);
	assert_int_equal(n, 2);
	first = rte_pktmbuf_mtod(piece[0], uint8_t *);
	second = rte_pktmbuf_mtod(piece[1], uint8_t *);
	assert_int_equal(first[0], 0x49);
	assert_memory_equal(first + 20, options, 16);
	assert_int_equal(rte_pktmbuf_data_len(piece[0]), 36 + 64);
	assert_int_equal(second[0], 0x47);
	assert_memory_equal(second + 20, "\x82\x06\x09\x09\x09\x09\x00\x00", 8);
	assert_int_equal(rte_pktmbuf_data_len(piece[1]), 28 + 36);
	assert_int_equal(csum_fold(csum_sum(second, 28)), 0xffff);
	rte_pktmbuf_free_bulk(piece, n);
	rte_pktmbuf_free(m);
}

static void cut_without_room(void **state)
{
	struct rte_mbuf *m = packet(0, 1000, 0), *piece[8], *taken[64];
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);
	unsigned before = rte_mempool_avail_count(pool), n = 0;

	(void)state;
	assert_int_equal(frag_split(pool, m, ip, 100, piece, 8), 0);
	assert_int_equal(rte_mempool_avail_count(pool), before);
	while (rte_mempool_avail_count(pool) > 3)
		taken[n++] = rte_pktmbuf_alloc(pool);
	assert_int_equal(frag_split(pool, m, ip, 276, piece, 8), 0);
	assert_int_equal(rte_mempool_avail_count(pool), 3);
	rte_pktmbuf_free_bulk(taken, n);
	rte_pktmbuf_free(m);
}

static int start(void **state)
{
	(void)state;
	world_eal("test", false, 64);
	pool = rte_pktmbuf_pool_create(
		"packets", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(behind_the_end),
		cmocka_unit_test(scattered),
		cmocka_unit_test(headers),
		cmocka_unit_test(cuts),
		cmocka_unit_test(cut_options),
		cmocka_unit_test(cut_without_room),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
