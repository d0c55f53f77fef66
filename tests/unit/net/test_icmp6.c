// SPDX-License-Identifier: BSD-3-Clause

// ICMPv6 errors that the box makes of the packets they are about.

#include "net/hdr6.h"
#include "net/icmp6.h"

#include "support/packet6.h"
#include "support/world.h"
#include "unit.h"

#include <rte_ether.h>

#include <arpa/inet.h>

#define SRC "2001:db8:100::1"
#define DST "2001:db8:f000::1"
#define BOX "2001:db8:2::1"

static struct rte_mempool *pool;

// A frame of `l2` bytes of header around a packet; the box's station is 2:0:0:0:0:1.
static struct rte_mbuf *frame(const uint8_t *ip, uint16_t length, unsigned l2, bool group)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(l2 + length));

	assert_non_null(at);
	memset(at, 0x77, l2);
	memcpy(at, group ? "\x33\x33\0\0\0\1\2\0\0\0\0\2" : "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	memcpy(at + l2, ip, length);
	return m;
}

static bool make(struct rte_mbuf *m, unsigned l2, uint8_t type, uint8_t code, uint32_t word)
{
	uint8_t source[16];

	inet_pton(AF_INET6, BOX, source);
	return icmp6_error_make(m, rte_pktmbuf_mtod_offset(m, uint8_t *, l2),
		&(struct icmp6_error){type, code, word, source});
}

static void expect(const struct rte_mbuf *m, unsigned l2, const uint8_t *quoted, unsigned quote)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *), *ip = at + l2;
	uint8_t addresses[32];

	assert_memory_equal(at, "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
	assert_int_equal(rte_pktmbuf_pkt_len(m), l2 + 48 + quote);
	assert_int_equal(rte_pktmbuf_data_len(m), rte_pktmbuf_pkt_len(m));
	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(ip[0], 0x60);
	assert_int_equal(ip[4] << 8 | ip[5], 8 + quote);
	assert_true(ip[6] == 58 && ip[7] == 64);
	inet_pton(AF_INET6, BOX, addresses);
	inet_pton(AF_INET6, SRC, addresses + 16);
	assert_memory_equal(ip + 8, addresses, 32);
	assert_int_equal(packet6_sum(ip, 40, 58), 0xffff);
	assert_memory_equal(ip + 48, quoted, quote);
}

// RFC 4443 section 2.4c: as much as fits 1280 bytes.
static void quotes(void **)
{
	static const unsigned data[] = {0, 1, 1183, 1184, 1185, 1400};
	uint8_t ip[2048];

	for (unsigned i = 0; i < ARRAY_LEN(data); i++) {
		uint16_t length = packet6_udp(ip, SRC, DST, 1, 2, (uint16_t)data[i]);
		unsigned l2 = i & 1 ? 18 : 14;
		struct rte_mbuf *m = frame(ip, length, l2, false);

		assert_true(make(m, l2, ICMP6_TOO_BIG, 0, 1400));
		expect(m, l2, ip, length < 1232 ? length : 1232);
		assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, l2 + 40), "\2\0", 2);
		assert_memory_equal(
			rte_pktmbuf_mtod_offset(m, uint8_t *, l2 + 44), "\0\0\x05\x78", 4);
		rte_pktmbuf_free(m);
	}
}

// What is behind the packet in its frame is not quoted, and of a long packet the first segment alone.
static void segments(void **)
{
	uint8_t ip[2048];
	uint16_t length = packet6_udp(ip, SRC, DST, 1, 2, 100);
	struct rte_mbuf *m = frame(ip, length, 14, false), *more;

	memset(rte_pktmbuf_append(m, 20), 0xff, 20);
	assert_true(make(m, 14, ICMP6_TIME_EXCEEDED, 0, 0));
	expect(m, 14, ip, length);
	rte_pktmbuf_free(m);
	m = frame(ip, 60, 14, false);
	more = rte_pktmbuf_alloc(pool);
	memcpy(rte_pktmbuf_append(more, (uint16_t)(length - 60)), ip + 60, (size_t)(length - 60));
	assert_int_equal(rte_pktmbuf_chain(m, more), 0);
	assert_true(make(m, 14, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, 0));
	expect(m, 14, ip, 60);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

// Nothing is made, and nothing changed, of a frame for a group, nor without headroom.
static void none(void **)
{
	uint8_t ip[2048], before[256];
	uint16_t length = packet6_udp(ip, SRC, DST, 1, 2, 100);
	struct rte_mbuf *m = frame(ip, length, 14, true);

	memcpy(before, rte_pktmbuf_mtod(m, void *), 14u + length);
	assert_false(make(m, 14, ICMP6_TIME_EXCEEDED, 0, 0));
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), before, 14u + length);
	rte_pktmbuf_free(m);
	m = rte_pktmbuf_alloc(pool);
	m->data_off = 47;
	memcpy(rte_pktmbuf_append(m, (uint16_t)(14 + length)), before, 14u + length);
	rte_pktmbuf_mtod(m, uint8_t *)[0] = 2;
	assert_false(make(m, 14, ICMP6_TIME_EXCEEDED, 0, 0));
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 14), ip, length);
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes),
		cmocka_unit_test(segments),
		cmocka_unit_test(none),
	};

	world_eal("test", false, 64);
	pool = rte_pktmbuf_pool_create(
		"packets", 15, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
