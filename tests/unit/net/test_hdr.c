// SPDX-License-Identifier: BSD-3-Clause

// IPv4 headers: what a burst is told of a packet, what ends one, and what is read of a packet that an ICMP error
// quotes.

#include "net/hdr.h"

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#define SRC RTE_BE32(0x64400007)
#define DST RTE_BE32(0xc6120009)

static struct rte_mempool *pool;
static struct burst burst;

static const struct tuple udp = {L4_UDP, SRC, DST, RTE_BE16(1000), RTE_BE16(2000)};
static const struct tuple tcp = {L4_TCP, SRC, DST, RTE_BE16(1000), RTE_BE16(80)};
static const struct tuple echo = {L4_ICMP, SRC, DST, RTE_BE16(0x1234), RTE_BE16(0x1234)};
static const struct tuple dccp = {L4_DCCP, SRC, DST, RTE_BE16(5), RTE_BE16(6)};

// A frame of `frame` bytes as the burst's first packet, of which `there` lie in the first segment.
static struct burst *place(const uint8_t *ip, uint16_t frame, uint16_t there)
{
	struct burst *b = &burst;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *more;

	assert_non_null(m);
	memset(b, 0, sizeof(*b));
	memcpy(rte_pktmbuf_append(m, there), ip, there);
	if (there < frame) {
		more = rte_pktmbuf_alloc(pool);
		assert_non_null(more);
		memcpy(rte_pktmbuf_append(more, (uint16_t)(frame - there)), ip + there,
			(size_t)(frame - there));
		assert_int_equal(rte_pktmbuf_chain(m, more), 0);
	}
	b->n = 1;
	b->live = 1;
	b->mbuf[0] = m;
	b->ip[0] = rte_pktmbuf_mtod(m, uint8_t *);
	b->room[0] = there;
	return b;
}

static void done(void)
{
	rte_pktmbuf_free(burst.mbuf[0]);
}

static struct burst *read_part(const uint8_t *ip, uint16_t frame, uint16_t there)
{
	struct burst *b = place(ip, frame, there);

	hdr_read(b, 1);
	return b;
}

static struct burst *read_packet(const uint8_t *ip, uint16_t frame)
{
	return read_part(ip, frame, frame);
}

static void expect_end(const uint8_t *ip, uint16_t frame, enum verdict verdict)
{
	struct burst *b = read_packet(ip, frame);

	assert_int_equal(b->live, 0);
	assert_int_equal(b->verdict[0], verdict);
	done();
}

static void set16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

// Makes the checksum of a header right again, and leaves all behind it.
static void mend_header(uint8_t *ip)
{
	set16(ip + 10, 0);
	set16(ip + 10, (uint16_t)~packet_sum(ip));
}

// Puts `size` bytes of options into a packet without any. Returns its length.
static uint16_t put_options(uint8_t *ip, uint16_t length, const void *options, unsigned size)
{
	memmove(ip + IPV4_MIN + size, ip + IPV4_MIN, (size_t)(length - IPV4_MIN));
	memcpy(ip + IPV4_MIN, options, size);
	ip[0] = (uint8_t)(0x45 + size / 4);
	set16(ip + 2, (uint16_t)(length + size));
	mend_header(ip);
	return (uint16_t)(length + size);
}

static void what_a_burst_knows(void **)
{
	uint8_t ip[PACKET_MAX] = {0};
	struct burst *b;

	packet_make(ip, 60, &udp, 0, 64);
	b = read_packet(ip, 64); // padded
	assert_true(b->live == 1 && b->l4[0] == L4_UDP && b->ihl[0] == 20 && b->length[0] == 60);
	assert_true(b->src[0] == SRC && b->dst[0] == DST);
	assert_true(b->src_port[0] == RTE_BE16(1000) && b->dst_port[0] == RTE_BE16(2000));
	assert_false(b->stateful | b->slotless | b->portless | b->fragments | b->options | b->syn);
	done();
	packet_make(ip, 60, &tcp, 0x12, 64);
	b = read_packet(ip, 60);
	assert_true(b->live == 1 && b->l4[0] == L4_TCP && b->flags[0] == 0x12);
	assert_true(b->stateful == 1 && b->syn == 1);
	done();
	packet_make(ip, 60, &tcp, 0x10, 64);
	assert_int_equal(read_packet(ip, 60)->syn, 0);
	done();
	packet_make(ip, 60, &echo, ICMP_ECHO, 64);
	b = read_packet(ip, 60);
	assert_true(b->live == 1 && b->l4[0] == L4_ICMP && b->flags[0] == ICMP_ECHO);
	assert_true(b->src_port[0] == RTE_BE16(0x1234) && b->dst_port[0] == RTE_BE16(0x1234));
	assert_true(b->stateful == 1 && !b->icmp_error);
	done();
	packet_make(ip, 60, &dccp, 0, 64);
	ip[28] = 3 << 1;
	b = read_packet(ip, 60);
	assert_true(b->live == 1 && b->l4[0] == L4_DCCP && b->flags[0] == 4);
	assert_true(b->stateful == 1 && b->slotless == 1 && b->dst_port[0] == RTE_BE16(6));
	done();
	ip[9] = 50;
	mend_header(ip);
	b = read_packet(ip, 60);
	assert_true(b->live == 1 && b->l4[0] == L4_COUNT && b->portless == 1 && !b->stateful);
	done();
}

// What was read before is forgotten.
static void reads_anew(void **)
{
	uint8_t ip[PACKET_MAX] = {0};
	struct burst *b;

	packet_make(ip, 60, &udp, 0, 64);
	b = place(ip, 60, 60);
	b->stateful = b->slotless = b->portless = b->icmp_error = b->syn = b->tails = b->raw = 3;
	b->fragments = b->options = b->loose = 3;
	hdr_read(b, 1);
	assert_false(b->stateful | b->slotless | b->portless | b->icmp_error | b->syn | b->tails);
	assert_false(b->raw | b->fragments | b->options | (b->loose & 2));
	b->stateful = 3;
	hdr_read_own(b, 1);
	assert_int_equal(b->stateful, 2);
	done();
}

static void lengths(void **)
{
	static const struct tuple *const tuples[] = {&udp, &tcp, &echo, &dccp};
	static const uint16_t header[] = {8, 20, 8, 12};
	uint8_t ip[PACKET_MAX] = {0};

	for (unsigned i = 0; i < ARRAY_LEN(tuples); i++) {
		uint16_t least = (uint16_t)(IPV4_MIN + header[i]);

		packet_make(ip, 60, tuples[i], tuples[i]->l4 == L4_ICMP ? ICMP_ECHO : 2, 64);
		set16(ip + 2, least);
		mend_header(ip);
		assert_int_equal(read_packet(ip, 60)->live, 1);
		done();
		// what lies behind the datagram is none of it
		set16(ip + 2, (uint16_t)(least - 1));
		mend_header(ip);
		expect_end(ip, 60, V_L4_SHORT);
	}
	packet_make(ip, 60, &udp, 0, 64);
	expect_end(ip, 59, V_IP_HEADER);
	expect_end(ip, 19, V_FRAME_SHORT);
	expect_end(ip, 0, V_FRAME_SHORT);
	set16(ip + 2, 19);
	mend_header(ip);
	expect_end(ip, 60, V_IP_HEADER);
	// in two segments, as long as the headers are in the first
	packet_make(ip, 60, &udp, 0, 64);
	assert_int_equal(read_part(ip, 60, 28)->live, 1);
	assert_int_equal(burst.length[0], 60);
	done();
	assert_int_equal(read_part(ip, 60, 27)->live, 0);
	assert_int_equal(burst.verdict[0], V_L4_SHORT);
	done();
	assert_int_equal(read_part(ip, 59, 28)->verdict[0], V_IP_HEADER);
	done();
}

static void broken_headers(void **)
{
	uint8_t ip[PACKET_MAX] = {0};

	packet_make(ip, 60, &udp, 0, 64);
	ip[8]--;
	expect_end(ip, 60, V_IP_CHECKSUM);
	packet_make(ip, 60, &udp, 0, 64);
	ip[0] = 0x55;
	mend_header(ip);
	expect_end(ip, 60, V_IP_HEADER);
	ip[0] = 0x44;
	expect_end(ip, 60, V_IP_HEADER);
	packet_make(ip, 60, &udp, 0, 64);
	set16(ip + 20, 0);
	expect_end(ip, 60, V_PORT_ZERO);
	packet_make(ip, 60, &udp, 0, 64);
	set16(ip + 22, 0);
	expect_end(ip, 60, V_PORT_ZERO);
}

static void options(void **)
{
	uint8_t ip[PACKET_MAX] = {0};
	struct burst *b;

	packet_make(ip, 60, &udp, 0, 64);
	assert_int_equal(put_options(ip, 60, "\1\1\1\0", 4), 64);
	b = read_packet(ip, 64);
	assert_true(b->live == 1 && b->ihl[0] == 24 && b->options == 1);
	assert_true(b->src_port[0] == RTE_BE16(1000) && b->dst_port[0] == RTE_BE16(2000));
	done();
	// the checksum is over them, and they are in the frame and in the datagram
	ip[22] ^= 1;
	expect_end(ip, 64, V_IP_CHECKSUM);
	ip[22] ^= 1;
	expect_end(ip, 23, V_IP_HEADER);
	set16(ip + 2, 23);
	mend_header(ip);
	expect_end(ip, 64, V_IP_HEADER);
}

static bool routes(const char *options, unsigned size)
{
	uint8_t ip[60] = {0x45};

	memcpy(ip + IPV4_MIN, options, size);
	return hdr_has_source_route(ip, IPV4_MIN + size);
}

#define ROUTES(options) routes(options, sizeof(options) - 1)

// RFC 791 section 3.1.
static void source_routes(void **)
{
	assert_true(ROUTES("\x83\7\4\1\2\3\4\0"));
	assert_true(ROUTES("\x89\7\4\1\2\3\4\0"));
	assert_true(ROUTES("\1\1\x44\4\5\0\1\x83\7\4\1\2\3\4\0\0")); // behind others
	assert_false(ROUTES("\x83\7\x8\1\2\3\4\0"));                 // at its end
	assert_true(ROUTES("\x83\7\x7\1\2\3\4\0"));
	assert_false(ROUTES("\x7\7\4\1\2\3\4\0"));            // records a route
	assert_false(ROUTES("\0\x83\7\4\1\2\3\4"));           // behind the end of the options
	assert_false(ROUTES("\1\1\1\x83"));                   // without a length
	assert_false(ROUTES("\x44\0\x83\7\4\1\2\3\4\0\0\0")); // none that could be passed over
	assert_false(ROUTES("\x44\1\x83\7\4\1\2\3\4\0\0\0"));
	assert_false(ROUTES("\x83\xb\4\1\2\3\4\0")); // longer than all
}

// Sources and destinations that nobody has (RFC 1812 section 5.3.7, RFC 6890). What the box has made itself may
// have any source.
static void addresses(void **)
{
	static const struct {
		uint32_t address;
		bool source;
		enum verdict destination;
	} rows[] = {
		{0x00000000, false, V_IP_DESTINATION},
		{0x00ffffff, false, V_IP_DESTINATION},
		{0x01000000, true, V_NAT44_OUT},
		{0x7effffff, true, V_NAT44_OUT},
		{0x7f000001, false, V_IP_DESTINATION},
		{0x80000000, true, V_NAT44_OUT},
		{0xdfffffff, true, V_NAT44_OUT},
		{0xe0000001, false, V_MULTICAST},
		{0xf0000001, false, V_MULTICAST},
		{0xffffffff, false, V_MULTICAST},
	};
	uint8_t ip[PACKET_MAX] = {0};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct tuple t = udp;

		t.src = rte_cpu_to_be_32(rows[i].address);
		packet_make(ip, 60, &t, 0, 64);
		assert_int_equal(read_packet(ip, 60)->live, rows[i].source);
		assert_true(rows[i].source || burst.verdict[0] == V_IP_SOURCE);
		burst.live = 1;
		hdr_read_own(&burst, 1);
		assert_int_equal(burst.live, 1);
		done();
		t = udp;
		t.dst = rte_cpu_to_be_32(rows[i].address);
		packet_make(ip, 60, &t, 0, 64);
		assert_int_equal(read_packet(ip, 60)->live, rows[i].destination == V_NAT44_OUT);
		assert_true(burst.live || burst.verdict[0] == rows[i].destination);
		done();
	}
}

static struct burst *read_fragment(const struct tuple *tuple, uint16_t word)
{
	uint8_t ip[PACKET_MAX] = {0};

	packet_make(ip, 60, tuple, tuple->l4 == L4_ICMP ? ICMP_ECHO : 2, 64);
	set16(ip + 6, word);
	mend_header(ip);
	return read_packet(ip, 60);
}

static void fragments(void **)
{
	struct burst *b;

	b = read_fragment(&udp, 0x2000);
	assert_true(b->live == 1 && b->fragments == 1 && b->raw == 1 && !b->tails);
	assert_true(b->loose == 1 && !b->src_port[0] && !b->dst_port[0] && b->l4[0] == L4_UDP);
	assert_true(hdr_read_first(b, 0));
	assert_true(b->src_port[0] == RTE_BE16(1000) && b->dst_port[0] == RTE_BE16(2000));
	assert_false(b->flags[0]); // it has a checksum
	done();
	b = read_fragment(&udp, 0x2001);
	assert_true(b->fragments == 1 && b->raw == 1 && b->tails == 1 && !b->src_port[0]);
	done();
	b = read_fragment(&dccp, 0x1fff);
	assert_true(b->fragments == 1 && b->tails == 1 && b->stateful == 1 && b->slotless == 1);
	done();
	// whole: identification means something unless it may not be fragmented (RFC 6864)
	b = read_fragment(&udp, 0);
	assert_true(!b->fragments && b->loose == 1);
	done();
	b = read_fragment(&udp, 0x4000);
	assert_true(!b->fragments && !b->loose);
	done();
	b = read_fragment(&udp, 0x6000);
	assert_true(b->fragments == 1 && b->loose == 1);
	done();
}

// A first fragment has the whole transport header (RFC 1858, RFC 3128).
static void first_fragments(void **)
{
	static const struct tuple *const tuples[] = {&udp, &tcp, &echo, &dccp};
	static const uint16_t header[] = {8, 20, 8, 12};
	struct burst *b;

	for (unsigned i = 0; i < ARRAY_LEN(tuples); i++) {
		b = read_fragment(tuples[i], 0x2000);
		b->length[0] = (uint16_t)(IPV4_MIN + header[i]);
		assert_true(hdr_read_first(b, 0));
		b->length[0]--;
		assert_false(hdr_read_first(b, 0));
		assert_true(!b->live && b->verdict[0] == V_FRAGMENT_HEADER);
		done();
	}
	// TCP options count
	b = read_fragment(&tcp, 0x2000);
	b->ip[0][32] = 0xa0;
	assert_true(hdr_read_first(b, 0));
	b->ip[0][32] = 0xb0;
	assert_false(hdr_read_first(b, 0));
	done();
	b = read_fragment(&echo, 0x2000);
	b->ip[0][20] = ICMP_UNREACHABLE;
	assert_false(hdr_read_first(b, 0));
	assert_int_equal(b->verdict[0], V_FRAGMENT_HEADER);
	done();
}

static void icmp(void **)
{
	uint8_t ip[PACKET_MAX], quoted[60] = {0};
	uint16_t length;

	packet_make(quoted, sizeof(quoted), &udp, 0, 64);
	for (unsigned type = 0; type <= UINT8_MAX; type++) {
		bool error = type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
			type == ICMP_PARAMETER_PROBLEM;
		bool query = type == ICMP_ECHO || type == ICMP_ECHO_REPLY;

		length = packet_make_error(ip, DST, SRC, (uint8_t)type, 0, quoted, sizeof(quoted));
		assert_int_equal(read_packet(ip, length)->live, error || query);
		assert_int_equal(burst.icmp_error, error);
		assert_true(burst.live || burst.verdict[0] == V_ICMP_TYPE);
		done();
	}
	// the sum is over all segments, and that of a query is the hosts' affair
	length = packet_make_error(ip, DST, SRC, ICMP_UNREACHABLE, 3, quoted, sizeof(quoted));
	assert_int_equal(read_part(ip, length, 61)->icmp_error, 1);
	done();
	ip[length - 1] ^= 1;
	expect_end(ip, length, V_ICMP_CHECKSUM);
	packet_make(ip, 60, &echo, ICMP_ECHO, 64);
	ip[59] ^= 1;
	assert_int_equal(read_packet(ip, 60)->live, 1);
	done();
}

// An error about the first `length` bytes of a packet, and what is read of them.
static bool quote(const uint8_t *quoted, uint16_t length, struct quoted *q)
{
	uint8_t ip[PACKET_MAX] = {0};
	struct burst *b;
	bool can;

	b = read_packet(ip, packet_make_error(ip, DST, SRC, ICMP_UNREACHABLE, 3, quoted, length));
	assert_int_equal(b->icmp_error, 1);
	can = hdr_quoted(b, 0, q);
	assert_true(!can || (q->ip == b->ip[0] + 28 && q->l4 > q->ip));
	done();
	return can;
}

static void quotes(void **)
{
	static const struct tuple *const tuples[] = {&udp, &tcp, &echo, &dccp};
	uint8_t ip[PACKET_MAX] = {0};
	struct quoted q;

	for (unsigned i = 0; i < ARRAY_LEN(tuples); i++) {
		packet_make(ip, 60, tuples[i], tuples[i]->l4 == L4_ICMP ? ICMP_ECHO : 2, 64);
		// eight bytes behind the header must be there (RFC 792)
		for (uint16_t length = 0; length < 28; length++)
			assert_false(quote(ip, length, &q));
		for (uint16_t length = 28; length <= 60; length++) {
			assert_true(quote(ip, length, &q));
			assert_true(q.proto == tuples[i]->l4 && q.src == SRC && q.dst == DST);
			assert_int_equal(q.src_port, tuples[i]->src_port);
			assert_int_equal(q.dst_port, tuples[i]->dst_port);
			assert_int_equal(q.l4_length, length - 20);
		}
	}
	// as with options
	packet_make(ip, 60, &udp, 0, 64);
	put_options(ip, 60, "\1\1\1\0", 4);
	assert_false(quote(ip, 31, &q));
	assert_true(quote(ip, 32, &q));
	assert_true(q.l4_length == 8 && q.dst_port == RTE_BE16(2000));
}

static bool quote_with(const struct tuple *tuple, unsigned at, uint8_t value)
{
	uint8_t ip[PACKET_MAX] = {0};
	struct quoted q;

	packet_make(ip, 60, tuple, tuple->l4 == L4_ICMP ? ICMP_ECHO : 2, 64);
	ip[at] = value;
	if (at != 10)
		mend_header(ip);
	return quote(ip, 60, &q);
}

static void no_quotes(void **)
{
	assert_true(quote_with(&udp, 8, 1));
	assert_false(quote_with(&udp, 10, 0x5a)); // RFC 5508 REQ-3
	assert_false(quote_with(&udp, 0, 0x65));
	assert_false(quote_with(&udp, 0, 0x44));
	assert_false(quote_with(&udp, 9, 50));
	assert_true(quote_with(&udp, 6, 0x20)); // a first fragment
	assert_false(quote_with(&udp, 7, 1));
	assert_false(quote_with(&udp, 6, 0x10));
	assert_true(quote_with(&echo, 20, ICMP_ECHO_REPLY));
	assert_false(quote_with(&echo, 20, ICMP_UNREACHABLE)); // about an error
}

// A protocol without ports, in any fragment.
static void bare_quotes(void **)
{
	uint8_t ip[PACKET_MAX], quoted[60] = {0};
	struct quoted q;
	uint16_t length;

	for (unsigned i = 0; i < 3; i++) {
		packet_make(quoted, sizeof(quoted), &udp, 0, 64);
		quoted[9] = i < 2 ? 50 : 17;
		quoted[7] = (uint8_t)i;
		mend_header(quoted);
		length = packet_make_error(
			ip, DST, SRC, ICMP_TIME_EXCEEDED, 1, quoted, sizeof(quoted));
		assert_int_equal(hdr_quoted_bare(read_packet(ip, length), 0, &q), i < 2);
		assert_true(q.src == SRC && q.dst == DST && !q.src_port && !q.dst_port);
		done();
	}
}

// One hop less, with a right checksum whatever it was.
static void hop(void **)
{
	uint8_t ip[PACKET_MAX] = {0};

	for (unsigned id = 0; id <= UINT16_MAX; id++) {
		struct burst b = {.ip = {ip}};

		packet_make(ip, 28, &udp, 0, 2);
		set16(ip + 4, (uint16_t)id);
		mend_header(ip);
		hdr_hop(&b, 1);
		assert_int_equal(ip[8], 1);
		assert_int_equal(packet_sum(ip), 0xffff);
	}
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_burst_knows),
		cmocka_unit_test(reads_anew),
		cmocka_unit_test(lengths),
		cmocka_unit_test(broken_headers),
		cmocka_unit_test(options),
		cmocka_unit_test(source_routes),
		cmocka_unit_test(addresses),
		cmocka_unit_test(fragments),
		cmocka_unit_test(first_fragments),
		cmocka_unit_test(icmp),
		cmocka_unit_test(quotes),
		cmocka_unit_test(no_quotes),
		cmocka_unit_test(bare_quotes),
		cmocka_unit_test(hop),
	};

	world_eal(argv[0], false, 64);
	pool = rte_pktmbuf_pool_create(
		"packets", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return pool ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
