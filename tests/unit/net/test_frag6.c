// SPDX-License-Identifier: BSD-3-Clause

// IPv6 fragments: what they say, and cutting packets.

#include "net/frag6.h"
#include "net/hdr6.h"

#include "support/world.h"
#include "unit.h"

#include <rte_ip.h>

#define ID RTE_BE32(0x01020304)

static bool reads(uint16_t word, uint32_t size, struct frag *f)
{
	uint8_t header[IPV6_FRAGMENT] = {17, 0, (uint8_t)(word >> 8), (uint8_t)word, 1, 2, 3, 4};

	return frag6_read(header, size, f);
}

static void headers(void **state)
{
	struct frag f;

	(void)state;
	assert_true(reads(0x0001, 16, &f));
	assert_true(f.from == 0 && f.to == 16 && !f.last);
	assert_true(reads(0x0018, 1, &f));
	assert_true(f.from == 24 && f.to == 25 && f.last);
	// all there is (RFC 6946)
	assert_true(reads(0x0000, 1000, &f));
	assert_true(f.from == 0 && f.to == 1000 && f.last);
	assert_false(reads(0x0001, 0, &f));  // no data
	assert_false(reads(0x0001, 15, &f)); // no multiple of eight, and not the last
	assert_true(reads(0xfff8, 7, &f));   // the largest datagram there is, and one byte more
	assert_false(reads(0xfff8, 8, &f));
}

static struct rte_mempool *pool;

// An IPv6 packet behind an Ethernet header, with data that tells its place, in segments of `segment` bytes of
// which the first has the headers besides; a Fragment header if `word` is not 0xffff.
static struct rte_mbuf *packet(unsigned data, unsigned segment, uint16_t word)
{
	unsigned more = word == 0xffff ? 0 : IPV6_FRAGMENT, at = 0;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *ip = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(54 + more)) + 14;
	struct rte_ipv6_hdr *h = (struct rte_ipv6_hdr *)ip;

	*h = (struct rte_ipv6_hdr){.vtc_flow = RTE_BE32(0x6ab12345),
		.payload_len = rte_cpu_to_be_16((uint16_t)(more + data)),
		.proto = more ? 44 : 4,
		.hop_limits = 64,
		.src_addr = {0x20, 1},
		.dst_addr = {0x20, 2}};
	if (more)
		memcpy(ip + 40, (uint8_t[]){4, 0, (uint8_t)(word >> 8), (uint8_t)word, 9, 8, 7, 6},
			IPV6_FRAGMENT);
	while (at < data) {
		struct rte_mbuf *s = rte_pktmbuf_alloc(pool);
		unsigned size = RTE_MIN(segment, data - at);
		uint8_t *p = (uint8_t *)rte_pktmbuf_append(s, (uint16_t)size);

		for (unsigned i = 0; i < size; i++, at++)
			p[i] = (uint8_t)(at * 7 + at / 256);
		rte_pktmbuf_chain(m, s);
	}
	return m;
}

// Cuts a packet and puts it together again: sizes, offsets, flags, data.
static void cut_and_join(unsigned data, unsigned segment, uint16_t mtu, uint16_t word)
{
	struct rte_mbuf *m = packet(data, segment, word), *piece[64];
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);
	unsigned n = frag6_split(pool, m, ip, mtu, ID, piece, 64);
	unsigned at = 0, offset = word == 0xffff ? 0 : word & 0xfff8;
	bool more = word != 0xffff && word & 1;

	assert_int_not_equal(n, 0);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = rte_pktmbuf_mtod(piece[i], uint8_t *);
		unsigned payload = p[4] << 8 | p[5], size = payload - IPV6_FRAGMENT;
		unsigned there = p[42] << 8 | p[43];

		assert_true(40 + payload <= mtu);
		assert_int_equal(40 + payload, rte_pktmbuf_pkt_len(piece[i]));
		assert_memory_equal(p, ip, 4);
		assert_memory_equal(p + 7, ip + 7, 33);
		assert_int_equal(p[6], 44);
		assert_int_equal(p[40], 4);
		assert_memory_equal(p + 44, word == 0xffff ? "\1\2\3\4" : "\x9\x8\x7\x6", 4);
		assert_int_equal(there & 0xfff8, offset + at);
		assert_int_equal(there & 1, i + 1 < n || more);
		assert_true(i + 1 == n || size % 8 == 0);
		for (unsigned k = 0; k < size; k++, at++)
			assert_int_equal(p[48 + k], (uint8_t)(at * 7 + at / 256));
	}
	assert_int_equal(at, data);
	rte_pktmbuf_free_bulk(piece, n);
	rte_pktmbuf_free(m);
}

static void cuts(void **state)
{
	(void)state;
	cut_and_join(1500, 1500, 1500, 0xffff);
	cut_and_join(1500, 1500, 1280, 0xffff);
	cut_and_join(1464, 1464, 1280, 0xffff);
	cut_and_join(1232, 1232, 1280, 0xffff);
	cut_and_join(1233, 1233, 1280, 0xffff);
	// from a chain, and more than a buffer takes
	cut_and_join(9000, 2000, 1500, 0xffff);
	cut_and_join(9000, 700, 9000, 0xffff);
	// fragments are cut again: the last of a datagram, and one from its middle
	cut_and_join(1480, 1480, 1280, 0x0640);
	cut_and_join(1480, 1480, 1280, 0x0641);
}

static void cut_without_room(void **state)
{
	struct rte_mbuf *m = packet(9000, 2000, 0xffff), *piece[8], *taken[64];
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);
	unsigned before = rte_mempool_avail_count(pool), n = 0;

	(void)state;
	assert_int_equal(frag6_split(pool, m, ip, 1280, ID, piece, 7), 0);
	assert_int_equal(rte_mempool_avail_count(pool), before);
	while (rte_mempool_avail_count(pool) > 7)
		taken[n++] = rte_pktmbuf_alloc(pool);
	assert_int_equal(frag6_split(pool, m, ip, 1280, ID, piece, 8), 0);
	assert_int_equal(rte_mempool_avail_count(pool), 7);
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
		cmocka_unit_test(headers),
		cmocka_unit_test(cuts),
		cmocka_unit_test(cut_without_room),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
