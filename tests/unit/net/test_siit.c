// SPDX-License-Identifier: BSD-3-Clause

// IP/ICMP translation (RFC 7915): the tables of types, codes, pointers and MTUs, headers, fragments, quoted packets
// and what is behind them; and a million random packets there and back, all sums computed anew.

#include "base/bits.h"
#include "net/csum.h"
#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/siit.h"
#include "net/siit_icmp.h"

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#define ROOM 1400

static struct rte_mempool *pool;
static struct burst burst;
static struct burst *const b = &burst;

static const struct siit6 to6 = {
	.src = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 198, 51, 100, 7},
	.dst = {0x20, 1, 0x0d, 0xb8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
	.quoted_src = {0x20, 1, 0x0d, 0xb8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
	.quoted_dst = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 198, 51, 100, 9},
	.mtu4 = 1500,
	.mtu6 = 1500,
	.sum_udp = true,
};

static const struct siit4 to4 = {
	.src = RTE_BE32(0xc6336407),
	.dst = RTE_BE32(0xf0000001),
	.quoted_src = RTE_BE32(0xf0000001),
	.quoted_dst = RTE_BE32(0xc6336409),
	.mtu4 = 1500,
	.mtu6 = 1500,
};

static const struct tuple udp = {
	L4_UDP, RTE_BE32(0xc6336407), RTE_BE32(0xcb007101), RTE_BE16(53), RTE_BE16(4000)};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// The sum over an upper header of `length` bytes and its pseudo-header in IPv6, 0xffff if it is right.
static unsigned sum6(const uint8_t *ip6, const uint8_t *upper, unsigned length, unsigned protocol)
{
	uint64_t sum = length + protocol;

	for (unsigned i = 0; i < 32; i += 2)
		sum += get16(ip6 + 8 + i);
	for (unsigned i = 0; i < length; i++)
		sum += i & 1 ? upper[i] : (unsigned)upper[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned)sum;
}

static void receive(const uint8_t *packet, unsigned length)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	memset(rte_pktmbuf_append(m, 14), 0xee, 14);
	memcpy(rte_pktmbuf_append(m, (uint16_t)length), packet, length);
	b->n = 1;
	b->live = 1;
	b->v6 = packet[0] >> 4 == 6;
	b->mbuf[0] = m;
	b->ip[0] = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);
	b->room[0] = (uint16_t)length;
	if (b->v6)
		hdr6_read(b, 1);
	else
		hdr_read(b, 1);
}

// Reads the fragments of an IPv4 datagram as those who know its ports do.
static void read_first(void)
{
	if (b->raw && !b->tails)
		hdr_read_first(b, 0);
	b->raw = 0;
}

static void done(void)
{
	rte_pktmbuf_free(b->mbuf[0]);
	b->mbuf[0] = NULL;
}

static void ends(enum verdict verdict)
{
	assert_int_equal(b->live, 0);
	assert_int_equal(b->verdict[0], verdict);
	done();
}

static void errors_to6(void **)
{
	static const struct {
		uint8_t type, code, pointer, type6, code6;
		uint32_t word;
	} rows[] = {
		{3, 0, 0, 1, 0, 0},
		{3, 1, 0, 1, 0, 0},
		{3, 2, 0, 4, 1, 6},
		{3, 3, 0, 1, 4, 0},
		{3, 5, 0, 1, 0, 0},
		{3, 6, 0, 1, 0, 0},
		{3, 7, 0, 1, 0, 0},
		{3, 8, 0, 1, 0, 0},
		{3, 9, 0, 1, 1, 0},
		{3, 10, 0, 1, 1, 0},
		{3, 11, 0, 1, 0, 0},
		{3, 12, 0, 1, 0, 0},
		{3, 13, 0, 1, 1, 0},
		{3, 15, 0, 1, 1, 0},
		{11, 0, 0, 3, 0, 0},
		{11, 1, 0, 3, 1, 0},
		{12, 0, 0, 4, 0, 0},
		{12, 0, 1, 4, 0, 1},
		{12, 0, 2, 4, 0, 4},
		{12, 2, 3, 4, 0, 4},
		{12, 0, 8, 4, 0, 7},
		{12, 0, 9, 4, 0, 6},
		{12, 0, 12, 4, 0, 8},
		{12, 0, 15, 4, 0, 8},
		{12, 2, 16, 4, 0, 24},
		{12, 0, 19, 4, 0, 24},
	};
	static const struct {
		uint8_t type, code, pointer;
	} none[] = {{3, 14, 0}, {3, 16, 0}, {12, 1, 0}, {12, 3, 0}, {12, 0, 4}, {12, 0, 7},
		{12, 0, 10}, {12, 0, 11}, {12, 0, 20}, {12, 0, 255}, {4, 0, 0}, {5, 0, 0},
		{0, 0, 0}, {8, 0, 0}, {9, 0, 0}, {10, 0, 0}, {13, 0, 0}, {18, 0, 0}, {40, 0, 0}};
	static const struct siit_mtu mtu = {1500, 1500, 1500};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct siit_error e = {rows[i].type, rows[i].code, rows[i].pointer};

		assert_true(siit_error_to6(&e, &mtu));
		assert_int_equal(e.type, rows[i].type6);
		assert_int_equal(e.code, rows[i].code6);
		assert_int_equal(e.word, rows[i].word);
	}
	for (unsigned i = 0; i < ARRAY_LEN(none); i++)
		assert_false(siit_error_to6(
			&(struct siit_error){none[i].type, none[i].code, none[i].pointer}, &mtu));
}

static void errors_to4(void **)
{
	static const struct {
		uint8_t type, code;
		uint32_t pointer;
		uint8_t type4, code4, word;
	} rows[] = {
		{1, 0, 0, 3, 1, 0},
		{1, 1, 0, 3, 10, 0},
		{1, 2, 0, 3, 1, 0},
		{1, 3, 0, 3, 1, 0},
		{1, 4, 0, 3, 3, 0},
		{3, 0, 0, 11, 0, 0},
		{3, 1, 0, 11, 1, 0},
		{4, 1, 6, 3, 2, 0},
		{4, 0, 0, 12, 0, 0},
		{4, 0, 1, 12, 0, 1},
		{4, 0, 4, 12, 0, 2},
		{4, 0, 5, 12, 0, 2},
		{4, 0, 6, 12, 0, 9},
		{4, 0, 7, 12, 0, 8},
		{4, 0, 8, 12, 0, 12},
		{4, 0, 23, 12, 0, 12},
		{4, 0, 24, 12, 0, 16},
		{4, 0, 39, 12, 0, 16},
	};
	static const struct {
		uint8_t type, code;
		uint32_t pointer;
	} none[] = {{1, 5, 0}, {1, 6, 0}, {1, 7, 0}, {4, 2, 0}, {4, 3, 0}, {4, 0, 2}, {4, 0, 3},
		{4, 0, 40}, {4, 0, UINT32_MAX}, {5, 0, 0}, {100, 0, 0}, {127, 0, 0}, {128, 0, 0},
		{130, 0, 0}, {133, 0, 0}, {135, 0, 0}, {137, 0, 0}};
	static const struct siit_mtu mtu = {1500, 1500, 1500};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct siit_error e = {rows[i].type, rows[i].code, rows[i].pointer};

		assert_true(siit_error_to4(&e, &mtu));
		assert_int_equal(e.type, rows[i].type4);
		assert_int_equal(e.code, rows[i].code4);
		assert_int_equal(e.word, rows[i].word);
	}
	for (unsigned i = 0; i < ARRAY_LEN(none); i++)
		assert_false(siit_error_to4(
			&(struct siit_error){none[i].type, none[i].code, none[i].pointer}, &mtu));
}

static uint32_t mtu6(uint32_t told, uint16_t hop4, uint16_t hop6, uint16_t quoted)
{
	struct siit_error e = {3, 4, told};

	assert_true(siit_error_to6(&e, &(struct siit_mtu){hop4, hop6, quoted}));
	assert_int_equal(e.type, 2);
	assert_int_equal(e.code, 0);
	return e.word;
}

static uint32_t mtu4(uint32_t told, uint16_t hop4, uint16_t hop6)
{
	struct siit_error e = {2, 0, told};

	assert_true(siit_error_to4(&e, &(struct siit_mtu){hop4, hop6, 0}));
	assert_int_equal(e.type, 3);
	assert_int_equal(e.code, 4);
	return e.word;
}

// RFC 7915 sections 4.2 and 5.2, RFC 1191 section 7.1
static void mtus(void **)
{
	assert_int_equal(mtu6(1400, 1500, 1500, 1500), 1420);
	assert_int_equal(mtu6(576, 1500, 1500, 1500), 1280);
	assert_int_equal(mtu6(1500, 1500, 1500, 1500), 1500);
	assert_int_equal(mtu6(1500, 1400, 9000, 1500), 1420);
	assert_int_equal(mtu6(1500, 9000, 1300, 1500), 1300);
	assert_int_equal(mtu6(UINT16_MAX, UINT16_MAX, 9000, 1500), 9000);
	assert_int_equal(mtu6(0, 1500, 1500, 1500), 1492);
	assert_int_equal(mtu6(0, 1500, 1500, 1492), 1280);
	assert_int_equal(mtu6(0, 9000, 9000, 9000), 8166);
	assert_int_equal(mtu6(0, 1500, 1500, 68), 1280);
	assert_int_equal(mtu4(1280, 1500, 1500), 1260);
	assert_int_equal(mtu4(1480, 1500, 1500), 1460);
	assert_int_equal(mtu4(9000, 1500, 1500), 1480);
	assert_int_equal(mtu4(9000, 1400, 1500), 1400);
	assert_int_equal(mtu4(UINT32_MAX, 1500, 1500), 1480);
	// nothing in IPv6 is that small
	assert_int_equal(mtu4(0, 1500, 1500), 1260);
}

static void header_to6(void **)
{
	uint8_t ip[128] = {0};
	const uint8_t *out;

	packet_make(ip, 100, &udp, 0, 63);
	ip[1] = 0xb9;
	packet_mend(ip, 100);
	receive(ip, 128);
	assert_true(siit_to_ipv6(b, 0, &to6));
	out = b->ip[0];
	assert_int_equal(b->v6, 1);
	assert_int_equal(b->length[0], 120);
	assert_int_equal(b->ihl[0], 40);
	assert_int_equal(get32(out), 0x6b900000);
	assert_int_equal(get16(out + 4), 80);
	assert_int_equal(out[6], 17);
	assert_int_equal(out[7], 63);
	assert_memory_equal(out + 8, to6.src, 16);
	assert_memory_equal(out + 24, to6.dst, 16);
	assert_int_equal(sum6(out, out + 40, 80, 17), 0xffff);
	assert_ptr_equal(rte_pktmbuf_mtod(b->mbuf[0], uint8_t *), out);
	done();
}

// Options are left behind, and what is no fragment has no Fragment header (RFC 7915 section 4).
static void options_to6(void **)
{
	uint8_t ip[128] = {0};

	packet_make(ip, 100, &udp, 0, 63);
	memmove(ip + 24, ip + 20, 80);
	memset(ip + 20, 1, 4);
	ip[0] = 0x46;
	ip[6] = 0;
	put16(ip + 2, 104);
	packet_mend(ip, 104);
	receive(ip, 104);
	assert_int_equal(siit_growth(b, 0), 16);
	assert_true(siit_to_ipv6(b, 0, &to6));
	assert_int_equal(b->length[0], 120);
	assert_int_equal(sum6(b->ip[0], b->ip[0] + 40, 80, 17), 0xffff);
	done();
}

static void fragments_to6(void **)
{
	uint8_t ip[128] = {0};
	const uint8_t *out;

	packet_make(ip, 100, &udp, 0, 63);
	put16(ip + 4, 0xabcd);
	put16(ip + 6, 0x2000);
	packet_mend(ip, 100);
	receive(ip, 100);
	read_first();
	assert_int_equal(siit_growth(b, 0), 28);
	assert_true(siit_to_ipv6(b, 0, &to6));
	out = b->ip[0];
	assert_int_equal(b->length[0], 128);
	assert_int_equal(get16(out + 4), 88);
	assert_int_equal(out[6], 44);
	assert_int_equal(get32(out + 40), 17u << 24 | 1);
	assert_int_equal(get32(out + 44), 0xabcd);
	done();
	put16(ip + 6, 0x00b9);
	packet_mend(ip, 100);
	receive(ip, 100);
	read_first();
	assert_true(siit_to_ipv6(b, 0, &to6));
	assert_int_equal(get32(b->ip[0] + 40), 17u << 24 | 0xb9 << 3);
	assert_memory_equal(b->ip[0] + 48, ip + 20, 80);
	done();
	// fragments of ICMP messages are not translated
	ip[9] = PROTOCOL_ICMP;
	ip[10] = ip[11] = 0;
	put16(ip + 10, ~packet_sum(ip) & 0xffffu);
	receive(ip, 100);
	read_first();
	assert_false(siit_to_ipv6(b, 0, &to6));
	ends(V_FRAGMENT_ICMP);
}

// RFC 7915 section 4.5, RFC 6146 section 3.4
static void udp_without_checksum(void **)
{
	struct siit6 strict = to6;
	uint8_t ip[128] = {0};

	strict.sum_udp = false;
	packet_make(ip, 101, &udp, 0, 63);
	ip[26] = ip[27] = 0;
	receive(ip, 128);
	assert_true(siit_to_ipv6(b, 0, &to6));
	assert_int_equal(sum6(b->ip[0], b->ip[0] + 40, 81, 17), 0xffff);
	done();
	receive(ip, 101);
	assert_false(siit_to_ipv6(b, 0, &strict));
	ends(V_UDP_CHECKSUM);
	ip[25] = 200;
	receive(ip, 101);
	assert_false(siit_to_ipv6(b, 0, &to6));
	ends(V_UDP_CHECKSUM);
	ip[25] = 81;
	put16(ip + 6, 0x2000);
	ip[10] = ip[11] = 0;
	put16(ip + 10, ~packet_sum(ip) & 0xffffu);
	receive(ip, 101);
	read_first();
	assert_false(siit_to_ipv6(b, 0, &to6));
	ends(V_UDP_CHECKSUM);
}

static void no_headroom(void **)
{
	uint8_t ip[64] = {0};

	packet_make(ip, 64, &udp, 0, 63);
	receive(ip, 64);
	b->mbuf[0]->data_off = 0;
	b->ip[0] = rte_pktmbuf_mtod_offset(b->mbuf[0], uint8_t *, 14);
	memcpy(b->ip[0], ip, 64);
	assert_false(siit_to_ipv6(b, 0, &to6));
	ends(V_BUFFER);
}

static unsigned make6(
	uint8_t *ip6, unsigned chain, unsigned first, unsigned protocol, unsigned size)
{
	memset(ip6, 0, 40);
	ip6[0] = 0x60;
	put16(ip6 + 4, chain + size);
	ip6[6] = (uint8_t)(chain ? first : protocol);
	ip6[7] = 63;
	memcpy(ip6 + 8, to6.dst, 16);
	memcpy(ip6 + 24, to6.src, 16);
	return 40 + chain + size;
}

// Extension headers are skipped, each of eight bytes here (RFC 7915 section 5.1).
static void chain_to4(void **)
{
	static const uint8_t chain[24] = {43, [8] = 60, [16] = 17};
	uint8_t ip6[256] = {0};
	unsigned length = make6(ip6, 24, 0, 17, 60);

	memcpy(ip6 + 40, chain, sizeof(chain));
	put16(ip6 + 64, 4000);
	put16(ip6 + 66, 53);
	put16(ip6 + 68, 60);
	put16(ip6 + 70, 0x1234);
	receive(ip6, length);
	assert_true(siit_to_ipv4(b, 0, &to4));
	assert_int_equal(b->length[0], 80);
	assert_int_equal(b->ihl[0], 20);
	assert_int_equal(b->ip[0][9], 17);
	assert_int_equal(b->src[0], to4.src);
	assert_memory_equal(b->ip[0] + 28, ip6 + 72, 52);
	assert_int_equal(packet_sum(b->ip[0]), 0xffff);
	done();
}

// RFC 7915 section 5.1: what could have been fragmented on an IPv4 path may be, and nothing larger.
static void dont_fragment(void **)
{
	for (unsigned size = 1239; size <= 1242; size++) {
		uint8_t ip6[1400] = {0};
		unsigned length = make6(ip6, 0, 0, 17, size);

		put16(ip6 + 44, size);
		put16(ip6 + 40, 1);
		put16(ip6 + 42, 1);
		receive(ip6, length);
		assert_true(siit_to_ipv4(b, 0, &to4));
		assert_int_equal(get16(b->ip[0] + 6), size + 20 <= 1260 ? 0 : 0x4000);
		done();
	}
}

static void fragments_to4(void **)
{
	uint8_t ip6[256] = {0};
	unsigned length = make6(ip6, 8, 44, 17, 64);

	ip6[40] = 17;
	put16(ip6 + 42, 0x05c9);
	put16(ip6 + 44, 0x9999);
	put16(ip6 + 46, 0xabcd);
	receive(ip6, length);
	assert_true(siit_to_ipv4(b, 0, &to4));
	assert_int_equal(b->length[0], 84);
	assert_int_equal(get16(b->ip[0] + 4), 0xabcd);
	assert_int_equal(get16(b->ip[0] + 6), 0x2000 | 0x05c8 / 8);
	assert_memory_equal(b->ip[0] + 20, ip6 + 48, 64);
	done();
	ip6[40] = 58;
	receive(ip6, length);
	assert_false(siit_to_ipv4(b, 0, &to4));
	ends(V_FRAGMENT_ICMP);
	// one more extension header behind it (section 5.1.1)
	ip6[40] = 60;
	receive(ip6, length);
	assert_false(siit_to_ipv4(b, 0, &to4));
	ends(V_HEADER_CHAIN);
	ip6[40] = 60;
	put16(ip6 + 42, 1);
	ip6[48] = 17;
	ip6[49] = 0;
	receive(ip6, length);
	assert_false(siit_to_ipv4(b, 0, &to4));
	ends(V_HEADER_CHAIN);
}

// RFC 7915 sections 4.5 and 5.5: whatever it is, but for what the other family calls otherwise.
static void other_protocols(void **)
{
	uint8_t ip[64] = {0}, ip6[128] = {0};

	for (unsigned protocol = 0; protocol < 256; protocol++) {
		bool passes = protocol != 0 && protocol != 2 && protocol != 43 && protocol != 44 &&
			protocol != 51 && protocol != 58 && protocol != 60;
		unsigned length;

		if (protocol == 1 || protocol == 6 || protocol == 17 || protocol == 33)
			continue;
		packet_make(ip, 64, &udp, 0, 63);
		ip[9] = (uint8_t)protocol;
		ip[10] = ip[11] = 0;
		put16(ip + 10, ~packet_sum(ip) & 0xffffu);
		receive(ip, 64);
		assert_int_equal(siit_to_ipv6(b, 0, &to6), passes);
		if (passes) {
			assert_int_equal(b->ip[0][6], protocol);
			assert_memory_equal(b->ip[0] + 40, ip + 20, 44);
		}
		done();
		// in IPv6 some are extension headers
		if (!passes || protocol == 135 || protocol == 139 || protocol == 140)
			continue;
		length = make6(ip6, 0, 0, protocol, 44);
		receive(ip6, length);
		assert_true(siit_to_ipv4(b, 0, &to4));
		assert_int_equal(b->ip[0][9], protocol);
		assert_memory_equal(b->ip[0] + 20, ip6 + 40, 44);
		done();
	}
	// ICMP in IPv6, and AH
	receive(ip6, make6(ip6, 0, 0, 1, 44));
	assert_false(siit_to_ipv4(b, 0, &to4));
	ends(V_PROTOCOL);
	ip6[40] = 17;
	ip6[41] = 1;
	receive(ip6, make6(ip6, 12, 51, 17, 44));
	assert_false(siit_to_ipv4(b, 0, &to4));
	ends(V_PROTOCOL);
}

// An ICMP error about a packet from the host, with as much of it quoted, and these extensions behind that.
static unsigned make_error(uint8_t *ip, const struct tuple *flow, unsigned size, unsigned quoted,
	unsigned extensions, uint8_t type, uint8_t code)
{
	uint8_t inner[ROOM] = {0};
	unsigned length;

	for (unsigned i = 28; i < size; i++)
		inner[i] = (uint8_t)(i * 7);
	packet_make(inner, (uint16_t)size, flow, flow->l4 == L4_ICMP ? 8 : 2, 60);
	memset(inner + size, 0, sizeof(inner) - size);
	length = packet_make_error(ip, to4.src, to4.dst, type, code, inner, (uint16_t)quoted);
	if (!extensions)
		return length;
	memset(ip + length, 0x2e, extensions);
	ip[25] = (uint8_t)(quoted / 4);
	length += extensions;
	put16(ip + 2, length);
	packet_mend(ip, (uint16_t)length);
	return length;
}

static const struct tuple sent[] = {
	{L4_UDP, RTE_BE32(0xf0000001), RTE_BE32(0xc6336409), RTE_BE16(5000), RTE_BE16(53)},
	{L4_TCP, RTE_BE32(0xf0000001), RTE_BE32(0xc6336409), RTE_BE16(5000), RTE_BE16(80)},
	{L4_ICMP, RTE_BE32(0xf0000001), RTE_BE32(0xc6336409), RTE_BE16(77), RTE_BE16(77)},
};

static unsigned protocol6(enum l4 l4)
{
	return l4 == L4_ICMP ? 58 : l4_protocol(l4);
}

static uint64_t receive_error(const uint8_t *ip, unsigned length)
{
	receive(ip, length);
	// sources of the box's own are not read from the wire
	b->live = b->icmp_error = 1;
	b->ihl[0] = 20;
	b->length[0] = (uint16_t)length;
	return b->live;
}

// What is quoted is translated once, and is what the host sent; back again it is what it was.
static void quotes(void **)
{
	for (unsigned k = 0; k < ARRAY_LEN(sent); k++) {
		for (unsigned quoted = 28; quoted <= 100; quoted++) {
			uint8_t ip[ROOM] = {0};
			unsigned length = make_error(ip, &sent[k], 100, quoted, 0, 3, 1), size;
			const uint8_t *out, *inner;

			receive_error(ip, length);
			assert_true(siit_to_ipv6(b, 0, &to6));
			out = b->ip[0];
			inner = out + 48;
			size = b->length[0];
			assert_int_equal(size, length + 40);
			assert_int_equal(get16(out + 4), size - 40);
			assert_int_equal(sum6(out, out + 40, size - 40, 58), 0xffff);
			assert_int_equal(get32(out + 40) >> 16, 0x0100);
			assert_int_equal(get16(inner + 4), 80);
			assert_int_equal(inner[6], protocol6(sent[k].l4));
			assert_int_equal(inner[7], 60);
			assert_memory_equal(inner + 8, to6.quoted_src, 16);
			assert_memory_equal(inner + 24, to6.quoted_dst, 16);
			if (quoted == 100)
				assert_int_equal(sum6(inner, inner + 40, 80, inner[6]), 0xffff);
			hdr6_read(b, 1);
			assert_int_equal(b->live & b->icmp_error, 1);
			assert_true(siit_to_ipv4(b, 0, &to4));
			assert_int_equal(b->length[0], length);
			assert_int_equal(packet_sum(b->ip[0]), 0xffff);
			assert_int_equal(packet_sum_l4(b->ip[0], (uint16_t)length), 0xffff);
			// the identification and DF of the quoted packet are lost on the way
			assert_memory_equal(b->ip[0] + 48, ip + 48, length - 48);
			assert_memory_equal(b->ip[0] + 40, ip + 40, 8);
			done();
		}
	}
}

// RFC 4884: the quote is padded to what the other side counts in, and the length says so.
static void extensions(void **)
{
	for (unsigned quoted = 128; quoted <= 160; quoted += 4) {
		uint8_t ip[ROOM] = {0};
		unsigned length = make_error(ip, &sent[0], 400, quoted, 16, 11, 0);
		unsigned padded = (quoted + 20 + 7) & ~7u;
		const uint8_t *icmp;

		receive_error(ip, length);
		assert_true(siit_to_ipv6(b, 0, &to6));
		icmp = b->ip[0] + 40;
		assert_int_equal(icmp[4], padded / 8);
		assert_int_equal(b->length[0], 48 + padded + 16);
		assert_memory_equal(icmp + 8 + padded, ip + 28 + quoted, 16);
		assert_memory_equal(icmp + 8 + 48, ip + 56, quoted - 28);
		for (unsigned i = quoted + 20; i < padded; i++)
			assert_int_equal(icmp[8 + i], 0);
		hdr6_read(b, 1);
		assert_true(siit_to_ipv4(b, 0, &to4));
		icmp = b->ip[0] + 20;
		assert_int_equal(icmp[5], (padded - 20) / 4);
		assert_memory_equal(icmp + 8 + padded - 20, ip + 28 + quoted, 16);
		assert_int_equal(packet_sum_l4(b->ip[0], b->length[0]), 0xffff);
		done();
	}
}

// An error that would not fit 1280 bytes loses its extensions, or its end; one that says it is parted and is not
// is one long quote.
static void long_errors(void **)
{
	uint8_t ip[ROOM] = {0};
	unsigned length = make_error(ip, &sent[0], 1300, 1020, 220, 11, 0);

	receive_error(ip, length);
	assert_true(siit_to_ipv6(b, 0, &to6));
	assert_int_equal(b->ip[0][44], 0);
	assert_int_equal(b->length[0], 48 + 1020 + 20);
	done();
	length = make_error(ip, &sent[0], 1300, 1300, 0, 3, 3);
	receive_error(ip, length);
	assert_true(siit_to_ipv6(b, 0, &to6));
	assert_int_equal(b->length[0], 1280);
	assert_int_equal(sum6(b->ip[0], b->ip[0] + 40, 1240, 58), 0xffff);
	done();
	// packet too big has no room to say where extensions begin
	length = make_error(ip, &sent[0], 400, 128, 16, 3, 4);
	receive_error(ip, length);
	assert_true(siit_to_ipv6(b, 0, &to6));
	assert_int_equal(b->length[0], 48 + 148);
	assert_int_equal(get32(b->ip[0] + 44), 1280);
	done();
	length = make_error(ip, &sent[0], 400, 200, 0, 11, 0);
	ip[25] = 255;
	packet_mend(ip, (uint16_t)length);
	receive_error(ip, length);
	assert_true(siit_to_ipv6(b, 0, &to6));
	assert_int_equal(b->length[0], 48 + 220);
	done();
}

static void broken_errors(void **)
{
	uint8_t ip[ROOM] = {0}, inner[ROOM] = {0};
	struct siit_quoted q;
	unsigned length;

	// an error about an error
	length = packet_make_error(inner, to4.dst, to4.src, 3, 1, ip, 28);
	length = packet_make_error(ip, to4.src, to4.dst, 3, 1, inner, (uint16_t)length);
	receive_error(ip, length);
	assert_false(siit_quoted4(b, 0, &q));
	assert_false(siit_to_ipv6(b, 0, &to6));
	ends(V_ICMP_QUOTE);
	// cut short at each byte
	length = make_error(ip, &sent[0], 100, 28, 0, 3, 1);
	for (unsigned cut = 28; cut < length; cut++) {
		receive_error(ip, cut);
		assert_false(siit_to_ipv6(b, 0, &to6));
		ends(V_ICMP_QUOTE);
	}
	receive_error(ip, length);
	assert_true(siit_quoted4(b, 0, &q));
	assert_memory_equal(q.src, ip + 40, 4);
	assert_memory_equal(q.dst, ip + 44, 4);
	assert_true(siit_to_ipv6(b, 0, &to6));
	hdr6_read(b, 1);
	assert_true(siit_quoted6(b, 0, &q));
	assert_memory_equal(q.src, to6.quoted_src, 16);
	assert_memory_equal(q.dst, to6.quoted_dst, 16);
	for (unsigned cut = 48; cut < 48 + 48; cut++) {
		b->live = 1;
		b->length[0] = (uint16_t)cut;
		assert_false(siit_to_ipv4(b, 0, &to4));
		assert_int_equal(b->verdict[0], V_ICMP_QUOTE);
	}
	done();
}

// Numbers that are the same in each run.
static uint32_t next(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static unsigned make_random(uint8_t *ip, enum l4 *kind)
{
	struct tuple t = udp;
	unsigned length;

	*kind = next() % 3;
	t.l4 = *kind;
	t.src_port = t.dst_port = (rte_be16_t)(next() | 0x0101);
	length = packet_least(t.l4) + (next() % 8 ? next() % 60 : next() % 1200);
	for (unsigned i = 0; i < length; i += 4) {
		uint32_t word = next();

		memcpy(ip + i, &word, 4);
	}
	packet_make(ip, (uint16_t)length, &t,
		*kind == L4_ICMP ? (next() & 1 ? 8 : 0) : (uint8_t)next(), (uint8_t)next());
	ip[1] = (uint8_t)next();
	put16(ip + 4, next());
	ip[6] = next() & 1 ? 0x40 : 0;
	packet_mend(ip, (uint16_t)length);
	return length;
}

static void a_million_packets(void **)
{
	for (unsigned n = 0; n < 1000000; n++) {
		uint8_t ip[ROOM];
		enum l4 kind;
		unsigned length = make_random(ip, &kind), upper = length - 20;
		struct siit4 back = to4;
		rte_be16_t src_port, dst_port;
		const uint8_t *out;

		back.dst = udp.dst;
		receive(ip, length);
		assert_int_equal(b->live, 1);
		src_port = b->src_port[0];
		dst_port = b->dst_port[0];
		assert_true(siit_to_ipv6(b, 0, &to6));
		out = b->ip[0];
		if (sum6(out, out + 40, upper, protocol6(kind)) != 0xffff ||
			b->length[0] != length + 20)
			fail_msg("packet %u to IPv6", n);
		hdr6_read(b, 1);
		assert_int_equal(b->live, 1);
		assert_int_equal(b->src_port[0], src_port);
		assert_int_equal(b->dst_port[0], dst_port);
		assert_true(siit_to_ipv4(b, 0, &back));
		out = b->ip[0];
		if (packet_sum(out) != 0xffff || packet_sum_l4(out, (uint16_t)length) != 0xffff ||
			memcmp(out + 20, ip + 20, upper) || out[1] != ip[1] || out[8] != ip[8] ||
			memcmp(out + 12, ip + 12, 8))
			fail_msg("packet %u back", n);
		done();
	}
}

int main(int, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_to6),
		cmocka_unit_test(errors_to4),
		cmocka_unit_test(mtus),
		cmocka_unit_test(header_to6),
		cmocka_unit_test(options_to6),
		cmocka_unit_test(fragments_to6),
		cmocka_unit_test(udp_without_checksum),
		cmocka_unit_test(no_headroom),
		cmocka_unit_test(chain_to4),
		cmocka_unit_test(dont_fragment),
		cmocka_unit_test(fragments_to4),
		cmocka_unit_test(other_protocols),
		cmocka_unit_test(quotes),
		cmocka_unit_test(extensions),
		cmocka_unit_test(long_errors),
		cmocka_unit_test(broken_errors),
		cmocka_unit_test(a_million_packets),
	};

	world_eal(argv[0], false, 64);
	pool = rte_pktmbuf_pool_create(
		"siit", 63, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
