// SPDX-License-Identifier: BSD-3-Clause

// Ordinary packets from one family to the other at one stroke (net/siit_plain.h): each becomes what translation without
// state (net/siit.h, RFC 7915) and address, port and hop of a NAT between make of it in two steps.

#include "base/bits.h"
#include "base/rand.h"
#include "net/siit.h"
#include "net/siit_plain.h"
#include "xlate/rewrite.h"

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#define ROUNDS 100000

#define OUTSIDE RTE_BE32(0xcb007107)
#define REMOTE  RTE_BE32(0xc6336409)
#define ALIAS   RTE_BE32(0xf0000001)

static const uint8_t host[16] = {0x20, 1, 0x0d, 0xb8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const uint8_t remote[16] = {0, 0x64, 0xff, 0x9b, [12] = 0xc6, 0x33, 0x64, 0x09};

static struct rte_mempool *pool;
static struct rand random_;
static struct burst burst;
static struct burst *const b = &burst;

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint8_t *checksum_of(uint8_t *l4, enum l4 kind)
{
	return l4 + (kind == L4_TCP ? TCP_CHECKSUM : UDP_CHECKSUM);
}

// An IPv4 packet to the outside address.
static void make4(uint8_t *ip, enum l4 kind, uint16_t length)
{
	const struct tuple t = {kind, REMOTE, OUTSIDE, (rte_be16_t)rand_u32(&random_) | 1,
		(rte_be16_t)rand_u32(&random_) | 1};

	for (unsigned i = 20; i < length; i++)
		ip[i] = (uint8_t)rand_u32(&random_);
	packet_make(ip, length, &t, 0x10, (uint8_t)(2 + rand_below(&random_, 254)));
}

// An IPv6 packet from the host.
static void make6(uint8_t *ip, enum l4 kind, uint16_t length)
{
	make4(ip + SIIT_GROWTH, kind, (uint16_t)(length - SIIT_GROWTH));
	memset(ip, 0, 8);
	ip[0] = 0x60;
	put16(ip + IPV6_LENGTH, length - IPV6_MIN);
	ip[IPV6_NEXT] = l4_protocol(kind);
	ip[IPV6_HOP_LIMIT] = (uint8_t)(2 + rand_below(&random_, 254));
	memcpy(ip + IPV6_SOURCE, host, 16);
	memcpy(ip + IPV6_DESTINATION, remote, 16);
}

// Reads a packet in two steps; it begins at b->ip[0].
static void receive(const uint8_t *ip, uint16_t length)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(rte_pktmbuf_append(m, RTE_ETHER_HDR_LEN));
	b->n = 1;
	b->live = 1;
	b->v6 = ip[0] >> 4 == 6;
	b->mbuf[0] = m;
	b->ip[0] = (uint8_t *)rte_pktmbuf_append(m, length);
	b->room[0] = length;
	memcpy(b->ip[0], ip, length);
	if (b->v6)
		hdr6_read(b, 1);
	else
		hdr_read(b, 1);
	assert_int_equal(b->live, 1);
}

static void assert_is(const uint8_t *ip, uint16_t length)
{
	assert_memory_equal(ip, b->ip[0], length);
	rte_pktmbuf_free(b->mbuf[0]);
}

static void check_to4(const uint8_t *ip6, uint16_t length)
{
	const struct siit4 to = {.src = ALIAS, .dst = REMOTE, .id = RTE_BE16(0x1234)};
	const rte_be16_t port = RTE_BE16(0x4321);
	uint8_t copy[PACKET_MAX];

	receive(ip6, length);
	assert_true(siit_to_ipv4(b, 0, &to));
	rewrite_packet(b, 0, IPV4_SOURCE, 0, OUTSIDE, port, 1);
	memcpy(copy, ip6, length);
	assert_is(siit_plain_to4(copy, OUTSIDE, REMOTE, port, to.id),
		(uint16_t)(length - SIIT_GROWTH));
}

static void check_to6(const uint8_t *ip4, uint16_t length)
{
	const rte_be16_t port = RTE_BE16(0x4321);
	uint8_t room[SIIT_GROWTH + PACKET_MAX], *copy = room + SIIT_GROWTH;
	struct siit6 to = {.sum_udp = true};

	memcpy(to.src, remote, 16);
	memcpy(to.dst, host, 16);
	receive(ip4, length);
	rewrite_packet(b, 0, IPV4_DESTINATION, 2, ALIAS, port, 1);
	assert_true(siit_to_ipv6(b, 0, &to));
	memcpy(copy, ip4, length);
	assert_is(siit_plain_to6(copy, remote, host, port), (uint16_t)(length + SIIT_GROWTH));
}

static void random_packets(void **)
{
	uint8_t ip[PACKET_MAX];

	for (unsigned i = 0; i < ROUNDS; i++) {
		enum l4 kind = i & 1 ? L4_TCP : L4_UDP;
		uint16_t length = (uint16_t)(packet_least(kind) + rand_below(&random_, 64));

		make6(ip, kind, (uint16_t)(length + SIIT_GROWTH));
		check_to4(ip, (uint16_t)(length + SIIT_GROWTH));
		make4(ip, kind, length);
		ip[6] = i & 2 ? 0x40 : 0;
		packet_mend(ip, length);
		check_to6(ip, length);
	}
}

// RFC 7915 sections 4.1 and 5.1: copied, the congestion mark too.
static void classes(void **)
{
	uint8_t ip[PACKET_MAX];

	for (unsigned class = 0; class < 256; class ++) {
		make6(ip, L4_UDP, 80);
		// with some of a flow label behind it
		put16(ip, 0x6000 | class << 4 | 0x0f);
		check_to4(ip, 80);
		assert_int_equal(siit_plain_to4(ip, OUTSIDE, REMOTE, 1, 0)[1], class);
		make4(ip, L4_TCP, 60);
		ip[1] = (uint8_t) class;
		packet_mend(ip, 60);
		check_to6(ip, 60);
	}
}

// RFC 7915 section 5.1: what no IPv6 link would have fragmented may be, and has an identification.
static void dont_fragment(void **)
{
	uint8_t ip[PACKET_MAX];

	for (uint16_t length = 1258; length <= 1263; length++) {
		bool loose = length <= 1260;
		const uint8_t *out;

		make6(ip, L4_TCP, (uint16_t)(length + SIIT_GROWTH));
		assert_int_equal(siit_is_loose(length + SIIT_GROWTH), loose);
		check_to4(ip, (uint16_t)(length + SIIT_GROWTH));
		out = siit_plain_to4(ip, OUTSIDE, REMOTE, 1, RTE_BE16(0x1234));
		assert_int_equal(out[4] << 8 | out[5], loose ? 0x1234 : 0);
		assert_int_equal(out[6] << 8 | out[7], loose ? 0 : 0x4000);
		assert_int_equal(packet_sum(out), 0xffff);
	}
}

// Whatever the checksum is; of UDP, none stays none, and one that comes to 0 is sent as all ones (RFC 768).
static void checksums(void **)
{
	uint8_t ip6[PACKET_MAX], ip4[PACKET_MAX];
	unsigned none = 0, ones = 0;

	for (unsigned kind = 0; kind < 2; kind++) {
		enum l4 l4 = kind ? L4_TCP : L4_UDP;

		make6(ip6, l4, 80);
		make4(ip4, l4, 60);
		for (unsigned sum = 0; sum < 65536; sum++) {
			uint8_t copy[PACKET_MAX], *out;
			unsigned is;

			put16(checksum_of(ip6 + IPV6_MIN, l4), sum);
			check_to4(ip6, 80);
			put16(checksum_of(ip4 + IPV4_MIN, l4), sum);
			if (l4 == L4_TCP || sum)
				check_to6(ip4, 60);
			if (l4 == L4_TCP)
				continue;
			memcpy(copy, ip6, 80);
			out = checksum_of(
				siit_plain_to4(copy, OUTSIDE, REMOTE, 1, 0) + IPV4_MIN, l4);
			is = host16(out);
			assert_int_equal(is == 0, sum == 0);
			none += is == 0;
			ones += is == 0xffff;
		}
	}
	assert_int_equal(none, 1);
	assert_int_equal(ones, 1);
}

int main(int, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_packets),
		cmocka_unit_test(classes),
		cmocka_unit_test(dont_fragment),
		cmocka_unit_test(checksums),
	};

	world_eal(argv[0], false, 64);
	rand_seed_fixed(&random_, 7915);
	pool = rte_pktmbuf_pool_create(
		"siit", 63, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
