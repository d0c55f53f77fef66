// SPDX-License-Identifier: BSD-3-Clause

// IPv6 headers: where a chain of extension headers leads, what a burst is told of a packet, and what ends one.

#include "net/hdr6.h"

#include "support/packet6.h"
#include "support/world.h"
#include "unit.h"

#define SRC "2001:db8:100::1"
#define DST "2001:db8:f000::1"

// A packet with these bytes behind the IPv6 header, and how they are followed.
static bool follow(const void *bytes, unsigned length, uint8_t protocol, struct hdr6_chain *chain)
{
	uint8_t ip[512];
	uint16_t total = packet6_make(ip, SRC, DST, protocol, bytes, (uint16_t)length);

	return hdr6_follow(ip, total, chain);
}

#define FOLLOW(protocol, bytes, chain) follow(bytes, sizeof(bytes) - 1, protocol, chain)

#define EIGHT "\0\0\0\0\0\0"
#define UDP   "\3\350\7\320\0\10\0\0"

static void chains(void **)
{
	struct hdr6_chain c;

	assert_true(FOLLOW(17, UDP, &c));
	assert_true(c.upper == 40 && c.protocol == 17 && !c.fragment && c.first && c.last);
	// hop-by-hop and destination options, the second of 16 bytes
	assert_true(FOLLOW(0, "\x3c\0" EIGHT "\x11\1" EIGHT EIGHT "\0\0" UDP, &c));
	assert_true(c.upper == 64 && c.protocol == 17);
	// authentication: its length counts words of four bytes, and not the first two
	assert_true(FOLLOW(51, "\x11\2" EIGHT EIGHT "\0\0" UDP, &c));
	assert_true(c.upper == 56 && c.protocol == 17);
	// mobility, HIP and Shim6 look the same
	assert_true(FOLLOW(135, "\x3b\0" EIGHT, &c));
	assert_true(c.upper == 48 && c.protocol == 59);
	assert_true(FOLLOW(139, "\x8c\0" EIGHT "\x3b\0" EIGHT, &c));
	assert_true(c.upper == 56 && c.protocol == 59);
	// what is encrypted, unknown or nothing ends a chain
	assert_true(FOLLOW(50, "", &c));
	assert_true(c.upper == 40 && c.protocol == 50);
	assert_true(FOLLOW(253, "\0", &c));
	assert_true(c.upper == 40 && c.protocol == 253);
}

static void fragments(void **)
{
	struct hdr6_chain c;

	assert_true(FOLLOW(44, "\x11\0\0\1\0\0\0\7" UDP, &c));
	assert_true(c.fragment == 40 && c.first && !c.last && c.upper == 48 && c.protocol == 17);
	assert_true(FOLLOW(44, "\x11\0\0\0\0\0\0\7" UDP, &c)); // whole (RFC 6946)
	assert_true(c.fragment == 40 && c.first && c.last && c.upper == 48);
	assert_true(FOLLOW(44, "\x11\0\0\x10\0\0\0\7" UDP, &c));
	assert_true(c.fragment == 40 && !c.first && c.last && c.upper == 48);
	// what follows a later fragment's header is its data, whatever it looks like
	assert_true(FOLLOW(44, "\x3c\0\0\x11\0\0\0\7\x11\0" EIGHT, &c));
	assert_true(!c.first && !c.last && c.upper == 48 && c.protocol == 60);
	// the three bits between offset and flag mean nothing
	assert_true(FOLLOW(44, "\x11\0\0\6\0\0\0\7" UDP, &c));
	assert_true(c.first && c.last);
}

static void routes(void **)
{
	struct hdr6_chain c;

	assert_true(FOLLOW(43, "\x11\0\0\1\0\0\0\0" UDP, &c));
	assert_int_equal(c.routing, 40);
	assert_true(FOLLOW(43, "\x11\0\0\0\0\0\0\0" UDP, &c)); // at its end
	assert_int_equal(c.routing, 0);
}

static void broken_chains(void **)
{
	struct hdr6_chain c;

	assert_false(FOLLOW(0, "\x11\0\0\0\0\0\0", &c)); // seven bytes
	assert_false(FOLLOW(60, "\x11\1" EIGHT, &c));    // says 16 bytes
	assert_false(
		FOLLOW(60, "\0\0" EIGHT "\x11\0" EIGHT, &c)); // hop-by-hop options behind others
	assert_false(FOLLOW(0, "\0\0" EIGHT "\x11\0" EIGHT, &c));       // twice
	assert_false(FOLLOW(44, "\x3c\0\0\1\0\0\0\7\x11\3" EIGHT, &c)); // in a first fragment
	assert_int_equal(c.fragment, 40);
	assert_false(FOLLOW(51, "\x11\xff" EIGHT, &c));
}

static struct rte_mempool *pool;
static struct burst burst;

// Reads one packet as the burst's first, of which `there` bytes lie in the first segment.
static struct burst *read_part(const uint8_t *ip, uint16_t length, uint16_t there)
{
	struct burst *b = &burst;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *more;

	assert_non_null(m);
	memset(b, 0, sizeof(*b));
	memcpy(rte_pktmbuf_append(m, there), ip, there);
	if (there < length) {
		more = rte_pktmbuf_alloc(pool);
		assert_non_null(more);
		memcpy(rte_pktmbuf_append(more, (uint16_t)(length - there)), ip + there,
			(size_t)(length - there));
		assert_int_equal(rte_pktmbuf_chain(m, more), 0);
	}
	b->n = 1;
	b->live = b->v6 = 1;
	b->mbuf[0] = m;
	b->ip[0] = rte_pktmbuf_mtod(m, uint8_t *);
	b->room[0] = there;
	hdr6_read(b, 1);
	return b;
}

static struct burst *read_packet(const uint8_t *ip, uint16_t length)
{
	return read_part(ip, length, length);
}

static void done(void)
{
	rte_pktmbuf_free(burst.mbuf[0]);
}

static void expect_end(const uint8_t *ip, uint16_t length, enum verdict verdict)
{
	struct burst *b = read_packet(ip, length);

	assert_int_equal(b->live, 0);
	assert_int_equal(b->verdict[0], verdict);
	done();
}

static void what_a_burst_knows(void **)
{
	static const uint8_t tcp[20] = {0, 1, 0, 2, [12] = 0x50, 0x12};
	static const uint8_t dccp[16] = {0, 1, 0, 2, [8] = 4};
	static const uint8_t echo[8] = {128, 0, 0, 0, 0x12, 0x34};
	static const uint8_t error[48] = {1, 4};
	uint8_t ip[512];
	struct burst *b;

	b = read_packet(ip, packet6_udp(ip, SRC, DST, 1000, 2000, 5));
	assert_int_equal(b->live, 1);
	assert_true(b->l4[0] == L4_UDP && b->protocol[0] == 17 && b->ihl[0] == 40);
	assert_true(b->length[0] == 53 && b->src_port[0] == RTE_BE16(1000) &&
		b->dst_port[0] == RTE_BE16(2000));
	assert_false(b->stateful | b->fragments | b->raw | b->portless | b->options | b->loose);
	done();
	b = read_packet(ip, packet6_make(ip, SRC, DST, 6, tcp, sizeof(tcp)));
	assert_true(b->l4[0] == L4_TCP && b->flags[0] == 0x12 && b->syn == 1 && b->stateful == 1);
	done();
	b = read_packet(ip, packet6_make(ip, SRC, DST, 33, dccp, sizeof(dccp)));
	assert_true(b->l4[0] == L4_DCCP && b->flags[0] == 3 && b->slotless == 1);
	done();
	b = read_packet(ip, packet6_make(ip, SRC, DST, 58, echo, sizeof(echo)));
	assert_true(b->l4[0] == L4_ICMP && b->flags[0] == 128 && !b->icmp_error);
	assert_true(b->src_port[0] == RTE_BE16(0x1234) && b->dst_port[0] == RTE_BE16(0x1234));
	done();
	b = read_packet(ip, packet6_make(ip, SRC, DST, 58, error, sizeof(error)));
	assert_true(b->icmp_error == 1 && !b->src_port[0]);
	done();
	// ICMP without v6 is nothing here
	b = read_packet(ip, packet6_make(ip, SRC, DST, 1, echo, sizeof(echo)));
	assert_true(b->l4[0] == L4_COUNT && b->portless == 1 && b->protocol[0] == 1);
	done();
}

static void fragments_of_a_burst(void **)
{
	uint8_t ip[512];
	struct burst *b;

	b = read_packet(ip, packet6_make(ip, SRC, DST, 44, "\x11\0\0\1\0\0\0\7" UDP, 16));
	assert_true(b->fragments == 1 && !b->tails && !b->raw && b->loose == 1);
	assert_int_equal(b->dst_port[0], RTE_BE16(2000));
	done();
	b = read_packet(ip, packet6_make(ip, SRC, DST, 44, "\x11\0\0\x10\0\0\0\7" UDP, 16));
	assert_true(b->fragments == 1 && b->tails == 1 && b->raw == 1 && b->l4[0] == L4_UDP);
	assert_int_equal(b->dst_port[0], 0);
	done();
	b = read_packet(ip, packet6_make(ip, SRC, DST, 44, "\x11\0\0\0\0\0\0\7" UDP, 16));
	assert_false(b->fragments | b->tails | b->raw | b->loose);
	done();
	// a first one has all headers (RFC 7112)
	expect_end(ip, packet6_make(ip, SRC, DST, 44, "\x11\0\0\1\0\0\0\7\0\1\0\2\0\0", 14),
		V_FRAGMENT_HEADER);
	expect_end(ip, packet6_make(ip, SRC, DST, 44, "\x3c\0\0\1\0\0\0\7\x11\1\0\0\0\0\0\0", 16),
		V_FRAGMENT_HEADER);
}

static void lengths(void **)
{
	uint8_t ip[512], shorter[512];
	uint16_t length = packet6_udp(ip, SRC, DST, 1, 2, 100);
	struct burst *b;

	expect_end(ip, 39, V_FRAME_SHORT);
	expect_end(ip, (uint16_t)(length - 1), V_IP_HEADER);
	// what is behind the packet is not the packet's
	memset(ip + length, 0xff, 20);
	b = read_packet(ip, (uint16_t)(length + 20));
	assert_true(b->live == 1 && b->length[0] == length);
	done();
	// in two segments, the headers in the first
	b = read_part(ip, length, 60);
	assert_true(b->live == 1 && b->length[0] == length);
	done();
	b = read_part(ip, length, 44);
	assert_true(!b->live && b->verdict[0] == V_L4_SHORT);
	done();
	memcpy(shorter, ip, length);
	shorter[0] = 0x45;
	expect_end(shorter, length, V_IP_HEADER);
	shorter[0] = 0x60;
	shorter[4] = shorter[5] = 0;
	expect_end(shorter, length, V_L4_SHORT);
	// 256 bytes of headers
	memset(shorter + 40, 0, 216);
	expect_end(shorter, packet6_make(shorter, SRC, DST, 60, (uint8_t[216]){17, 26}, 216),
		V_HEADER_CHAIN);
	expect_end(shorter, packet6_make(shorter, SRC, DST, 60, (uint8_t[16]){17, 3}, 16),
		V_HEADER_CHAIN);
}

static void addresses(void **)
{
	static const struct {
		const char *src, *dst;
		enum verdict verdict;
	} bad[] = {
		{"::", DST, V_IP_SOURCE},
		{"::1", DST, V_IP_SOURCE},
		{"::ffff:1.2.3.4", DST, V_IP_SOURCE},
		{"ff02::1", DST, V_IP_SOURCE},
		{SRC, "::", V_IP_DESTINATION},
		{SRC, "::1", V_IP_DESTINATION},
		{SRC, "::ffff:1.2.3.4", V_IP_DESTINATION},
		{SRC, "ff02::1", V_MULTICAST},
	};
	static const char *const good[] = {
		"::2", "::1.2.3.4", "64:ff9b::1.2.3.4", "fe80::1", "::fffe:1.2.3.4"};
	uint8_t ip[512];

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		expect_end(ip, packet6_udp(ip, bad[i].src, bad[i].dst, 1, 2, 0), bad[i].verdict);
	for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(read_packet(ip, packet6_udp(ip, good[i], DST, 1, 2, 0))->live, 1);
		done();
	}
	packet6_udp(ip, "fe80::1", "fec0::1", 1, 2, 0);
	assert_true(hdr6_is_link_local(ip + IPV6_SOURCE));
	assert_false(hdr6_is_link_local(ip + IPV6_DESTINATION));
}

static void icmp_checksums(void **)
{
	uint8_t ip[512], echo[60] = {128, 0, 0, 0, 1, 2};
	uint16_t length, sum;
	struct burst *b;

	length = packet6_make(ip, SRC, DST, 58, echo, sizeof(echo));
	sum = (uint16_t)~packet6_sum(ip, 40, 58);
	ip[42] = (uint8_t)(sum >> 8);
	ip[43] = (uint8_t)sum;
	for (uint16_t there = 48; there <= length; there += 7) {
		b = read_part(ip, length, there);
		assert_true(hdr6_icmp_is_right(b, 0));
		done();
	}
	ip[99] ^= 1;
	b = read_part(ip, length, 70);
	assert_false(hdr6_icmp_is_right(b, 0));
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains),
		cmocka_unit_test(fragments),
		cmocka_unit_test(routes),
		cmocka_unit_test(broken_chains),
		cmocka_unit_test(what_a_burst_knows),
		cmocka_unit_test(fragments_of_a_burst),
		cmocka_unit_test(lengths),
		cmocka_unit_test(addresses),
		cmocka_unit_test(icmp_checksums),
	};

	world_eal("test", false, 64);
	pool = rte_pktmbuf_pool_create(
		"packets", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
