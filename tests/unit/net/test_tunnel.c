// SPDX-License-Identifier: BSD-3-Clause

// IPv4 in IPv6 (RFC 2473): headers, lengths, traffic classes, congestion marks, errors from inside the tunnel.

#include "net/tunnel.h"

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#include <rte_ip.h>

static const uint8_t aftr[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
static const uint8_t b4[16] = {0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
static const struct tunnel_rules uniform = {.hop_limit = 64, .uniform = true};
static const struct tuple flow = {
	L4_UDP, RTE_BE32(0xc6336407), RTE_BE32(0x0a000001), RTE_BE16(53), RTE_BE16(4000)};

static struct rte_mempool *pool;

// A frame with an IPv4 packet of `length` bytes, `padding` bytes behind it, the first `first` bytes of all
// that in the first segment.
static struct rte_mbuf *frame_of(
	const uint8_t *ip, unsigned length, unsigned padding, unsigned first)
{
	uint8_t bytes[14 + 9000] = {0};
	unsigned all = 14 + length + padding, at = 0;
	struct rte_mbuf *head = NULL;

	memcpy(bytes + 14, ip, length);
	memset(bytes + 14 + length, 0xee, padding);
	while (at < all) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		unsigned size = RTE_MIN(all - at, at ? 1000 : 14 + first);

		memcpy(rte_pktmbuf_append(m, (uint16_t)size), bytes + at, size);
		at += size;
		if (head)
			rte_pktmbuf_chain(head, m);
		else
			head = m;
	}
	return head;
}

static uint8_t *ip_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, 14);
}

// A packet with this traffic class goes in; the outer header is as RFC 2473 has it.
static void goes_in(unsigned length, unsigned padding, unsigned first)
{
	uint8_t ip[9000] = {0}, out[9100];
	const uint8_t *all;
	struct rte_mbuf *m;
	uint8_t *outer;

	for (unsigned i = 28; i < length; i++)
		ip[i] = (uint8_t)i;
	packet_make(ip, (uint16_t)length, &flow, 0, 63);
	ip[1] = 0xba;
	packet_mend(ip, (uint16_t)length);
	m = frame_of(ip, length, padding, first);
	outer = tunnel_encapsulate(m, ip_of(m), aftr, b4, &uniform);
	assert_ptr_equal(outer, rte_pktmbuf_mtod(m, uint8_t *));
	assert_int_equal(rte_pktmbuf_pkt_len(m), 40 + length);
	assert_int_equal(rte_mbuf_check(m, 1, &(const char *){NULL}), 0);
	all = rte_pktmbuf_read(m, 0, 40 + length, out);
	assert_int_equal(all[0] << 8 | (all[1] & 0xf0), 0x6ba0);
	assert_int_equal(all[4] << 8 | all[5], length);
	assert_int_equal(all[6], 4);
	assert_int_equal(all[7], 64);
	assert_memory_equal(all + 8, aftr, 16);
	assert_memory_equal(all + 24, b4, 16);
	assert_memory_equal(all + 40, ip, length);
	rte_pktmbuf_free(m);
}

static void encapsulates(void **state)
{
	(void)state;
	goes_in(28, 0, 28);
	goes_in(1460, 0, 1460);
	// what a short frame was padded with stays here, in whichever segment it is
	goes_in(28, 18, 46);
	goes_in(28, 18, 28);
	goes_in(28, 18, 30);
	goes_in(4000, 0, 1200);
	goes_in(4000, 30, 1200);
	goes_in(3200, 30, 1200);
}

static uint8_t class_of(const uint8_t *ip6)
{
	return (uint8_t)(ip6[0] << 4 | ip6[1] >> 4);
}

// RFC 2983 section 3: with pipes the outer DSCP is the box's own; congestion marks are copied all the same.
static void pipes(void **state)
{
	static const struct tunnel_rules pipe = {.hop_limit = 9, .dscp = 10};
	uint8_t ip[28] = {0};

	(void)state;
	packet_make(ip, sizeof(ip), &flow, 0, 63);
	for (unsigned ecn = 0; ecn < 4; ecn++) {
		struct rte_mbuf *m;
		uint8_t *outer;

		ip[1] = (uint8_t)(46 << 2 | ecn);
		packet_mend(ip, sizeof(ip));
		m = frame_of(ip, sizeof(ip), 0, sizeof(ip));
		outer = tunnel_encapsulate(m, ip_of(m), aftr, b4, &pipe);
		assert_int_equal(class_of(outer), 10 << 2 | ecn);
		assert_int_equal(outer[7], 9);
		assert_memory_equal(outer + 40, ip, sizeof(ip));
		assert_int_equal(tunnel_decapsulate(outer, 40, 68, 68, false), TUNNEL_FINE);
		assert_memory_equal(outer + 40, ip, sizeof(ip));
		rte_pktmbuf_free(m);
	}
}

static uint32_t label_of(const struct tuple *t, uint16_t fragment)
{
	uint8_t ip[48] = {0};
	struct rte_mbuf *m;
	const uint8_t *outer;
	uint32_t label;

	packet_make(ip, sizeof(ip), t, 0, 63);
	ip[6] = (uint8_t)(fragment >> 8);
	ip[7] = (uint8_t)fragment;
	m = frame_of(ip, sizeof(ip), 0, sizeof(ip));
	outer = tunnel_encapsulate(m, ip_of(m), aftr, b4, &uniform);
	label = (outer[1] & 0x0fu) << 16 | (uint32_t)outer[2] << 8 | outer[3];
	rte_pktmbuf_free(m);
	return label;
}

// RFC 6438 section 3: one label a flow; all fragments of a datagram have the same.
static void labels(void **state)
{
	struct tuple other = flow, elsewhere = flow;
	uint32_t seen[16];

	(void)state;
	other.dst_port = RTE_BE16(4001);
	elsewhere.dst = RTE_BE32(0x0a000002);
	assert_int_equal(label_of(&flow, 0x4000), label_of(&flow, 0));
	assert_int_not_equal(label_of(&flow, 0), label_of(&other, 0));
	assert_int_not_equal(label_of(&flow, 0), label_of(&elsewhere, 0));
	assert_int_equal(label_of(&flow, 0x2000), label_of(&flow, 0x00b9));
	assert_int_equal(label_of(&flow, 0x2000), label_of(&other, 0x00b9));
	for (unsigned i = 0; i < 16; i++) {
		other.dst_port = rte_cpu_to_be_16((uint16_t)(1024 + i));
		seen[i] = label_of(&other, 0);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(seen[i], seen[k]);
	}
}

static void without_headroom(void **state)
{
	uint8_t ip[28] = {0};
	struct rte_mbuf *m;

	(void)state;
	packet_make(ip, sizeof(ip), &flow, 0, 63);
	m = frame_of(ip, sizeof(ip), 0, sizeof(ip));
	assert_null(tunnel_encapsulate(m, (uint8_t *)m->buf_addr + 57, aftr, b4, &uniform));
	rte_pktmbuf_free(m);
}

// A tunnel packet with an IPv4 packet of 28 bytes in it.
static void tunnel_packet(uint8_t *ip6, uint8_t outer_class, uint8_t inner_class)
{
	memset(ip6, 0, 40);
	ip6[0] = (uint8_t)(0x60 | outer_class >> 4);
	ip6[1] = (uint8_t)(outer_class << 4 | 0x0a);
	ip6[5] = 28;
	ip6[6] = 4;
	ip6[7] = 60;
	memcpy(ip6 + 8, b4, 16);
	memcpy(ip6 + 24, aftr, 16);
	packet_make(ip6 + 40, 28, &flow, 0, 63);
	ip6[41] = inner_class;
	packet_mend(ip6 + 40, 28);
}

// RFC 6040 section 4.2, figure 4, by inner and outer mark; 4: to drop.
static void congestion(void **state)
{
	static const uint8_t table[4][4] = {
		{0, 0, 0, 4}, // not capable
		{1, 1, 1, 3}, // ECT(1)
		{2, 1, 2, 3}, // ECT(0)
		{3, 3, 3, 3}, // CE
	};
	uint8_t ip6[68];

	(void)state;
	for (unsigned inner = 0; inner < 4; inner++) {
		for (unsigned outer = 0; outer < 4; outer++) {
			uint8_t expected = table[inner][outer];
			uint8_t to_inner = (uint8_t)(10 << 2 | inner);
			uint8_t to_outer = (uint8_t)(46 << 2 | outer);

			tunnel_packet(ip6, to_outer, to_inner);
			assert_int_equal(tunnel_decapsulate(ip6, 40, 68, 68, true),
				expected == 4 ? TUNNEL_CONGESTED : TUNNEL_FINE);
			if (expected == 4)
				continue;
			assert_int_equal(ip6[41], 46 << 2 | expected);
			assert_int_equal(packet_sum(ip6 + 40), 0xffff);
			tunnel_packet(ip6, to_outer, to_inner);
			assert_int_equal(tunnel_decapsulate(ip6, 40, 68, 68, false), TUNNEL_FINE);
			assert_int_equal(ip6[41], 10 << 2 | expected);
			assert_int_equal(packet_sum(ip6 + 40), 0xffff);
		}
	}
}

static void lengths(void **state)
{
	uint8_t ip6[76];

	(void)state;
	tunnel_packet(ip6, 0, 0);
	assert_int_equal(tunnel_decapsulate(ip6, 40, 68, 76, true), TUNNEL_FINE);
	// less in the first segment than the packet is long
	assert_int_equal(tunnel_decapsulate(ip6, 40, 68, 60, true), TUNNEL_FINE);
	assert_int_equal(tunnel_decapsulate(ip6, 40, 68, 59, true), TUNNEL_MALFORMED);
	assert_int_equal(tunnel_decapsulate(ip6, 40, 59, 76, true), TUNNEL_MALFORMED);
	// the inner packet says that it is longer than what is in the tunnel, whatever the frame has
	assert_int_equal(tunnel_decapsulate(ip6, 40, 67, 76, true), TUNNEL_MALFORMED);
	ip6[43] = 19;
	assert_int_equal(tunnel_decapsulate(ip6, 40, 68, 76, true), TUNNEL_MALFORMED);
	tunnel_packet(ip6, 0, 0);
	ip6[40] = 0x65;
	assert_int_equal(tunnel_decapsulate(ip6, 40, 68, 76, true), TUNNEL_MALFORMED);
	// behind destination options, as Linux has them (RFC 2473 section 4.1.1)
	tunnel_packet(ip6, 0x40, 0);
	memmove(ip6 + 48, ip6 + 40, 28);
	memcpy(ip6 + 40, (uint8_t[]){4, 0, 4, 1, 4, 1, 1, 0}, 8);
	assert_int_equal(tunnel_decapsulate(ip6, 48, 76, 76, true), TUNNEL_FINE);
	assert_int_equal(ip6[49], 0x40);
}

// An ICMPv6 error about a packet of 1000 bytes that the box tunnelled, in an mbuf behind 14 + 40 bytes of other
// headers.
struct relayed {
	uint8_t type;
	uint8_t code;
	uint32_t mtu;
	bool fragmented;
	bool may_fragment;
	uint16_t inner_fragment;
	uint8_t inner_icmp; // type of an ICMP message that was tunnelled
};

static struct rte_mbuf *error_of(const struct relayed *r, unsigned *at)
{
	uint8_t bytes[1200] = {r->type, r->code};
	uint8_t *ip6 = bytes + 8, *ip;
	struct tuple tuple = flow;
	struct rte_mbuf *m;
	uint16_t word = r->inner_fragment;

	bytes[6] = (uint8_t)(r->mtu >> 8);
	bytes[7] = (uint8_t)r->mtu;
	ip = ip6 + (r->fragmented ? 48 : 40);
	memcpy(ip6, (uint8_t[]){0x60, 0, 0, 0, 3, 0xe8, r->fragmented ? 44 : 4, 60}, 8);
	memcpy(ip6 + 8, aftr, 16);
	memcpy(ip6 + 24, b4, 16);
	if (r->fragmented)
		memcpy(ip6 + 40, (uint8_t[]){4, 0, 0, 1, 1, 2, 3, 4}, 8);
	if (r->inner_icmp != 255)
		tuple.l4 = L4_ICMP;
	packet_make(ip, 1000, &tuple, r->inner_icmp, 63);
	if (r->may_fragment || word)
		ip[6] = (uint8_t)(word >> 8), ip[7] = (uint8_t)word;
	packet_mend(ip, 1000);
	m = rte_pktmbuf_alloc(pool);
	rte_pktmbuf_append(m, 54);
	memcpy(rte_pktmbuf_append(m, sizeof(bytes)), bytes, sizeof(bytes));
	*at = (unsigned)(ip - bytes);
	return m;
}

// Relays it and expects an ICMPv4 error of this type, code and MTU, or with type 0: nothing.
static void relays(struct relayed r, uint8_t type, uint8_t code, unsigned mtu)
{
	unsigned at;
	struct rte_mbuf *m = error_of(&r, &at);
	uint8_t *icmp6 = rte_pktmbuf_mtod_offset(m, uint8_t *, 54), inner[576], *ip;
	struct tunnel_quote q;

	memcpy(inner, icmp6 + at, sizeof(inner));
	if (!tunnel_quoted(icmp6, 1200, &q) ||
		!(ip = tunnel_relay(m, icmp6, &q, RTE_BE32(0xc0000001)))) {
		assert_int_equal(type, 0);
		assert_int_equal(rte_pktmbuf_pkt_len(m), 54 + 1200);
		rte_pktmbuf_free(m);
		return;
	}
	assert_ptr_equal(ip, rte_pktmbuf_mtod(m, uint8_t *));
	assert_int_equal(rte_pktmbuf_pkt_len(m), 576);
	assert_int_equal(rte_pktmbuf_data_len(m), 576);
	assert_memory_equal(ip + 12, "\xc0\0\0\1", 4);
	assert_memory_equal(ip + 16, &flow.src, 4);
	assert_int_equal(ip[20], type);
	assert_int_equal(ip[21], code);
	assert_int_equal(ip[26] << 8 | ip[27], mtu);
	assert_int_equal(packet_sum(ip), 0xffff);
	assert_int_equal(packet_sum_l4(ip, 576), 0xffff);
	assert_memory_equal(ip + 28, inner, 548);
	rte_pktmbuf_free(m);
}

// RFC 2473 section 8.3.
static void errors(void **state)
{
	const struct relayed base = {.inner_icmp = 255};
	struct relayed r = base;

	(void)state;
	r.type = 1;
	for (r.code = 0; r.code < 7; r.code++)
		relays(r, 3, 1, 0);
	r = base;
	r.type = 3;
	relays(r, 3, 1, 0);
	r.code = 1; // not for want of hops: some fragment did not come
	relays(r, 0, 0, 0);
	r = base;
	r.type = 4;
	relays(r, 0, 0, 0);
	r.type = 2;
	r.mtu = 1400;
	relays(r, 3, 4, 1360);
	r.fragmented = true;
	relays(r, 3, 4, 1360);
	r.mtu = 600; // no IPv6 path is so narrow
	relays(r, 3, 4, 1240);
	r.may_fragment = true;
	relays(r, 0, 0, 0);
	// never about errors, nor fragments but the first
	r = base;
	r.type = 1;
	r.inner_icmp = 3;
	relays(r, 0, 0, 0);
	r.inner_icmp = 8;
	relays(r, 3, 1, 0);
	r.inner_icmp = 255;
	r.inner_fragment = 0x00b9;
	relays(r, 0, 0, 0);
}

static void quotes(void **state)
{
	struct relayed r = {.type = 1, .inner_icmp = 255};
	unsigned at;
	struct rte_mbuf *m = error_of(&r, &at);
	uint8_t *icmp6 = rte_pktmbuf_mtod_offset(m, uint8_t *, 54);
	struct tunnel_quote q;

	(void)state;
	assert_true(tunnel_quoted(icmp6, 1200, &q));
	assert_ptr_equal(q.outer, icmp6 + 8);
	assert_ptr_equal(q.inner, icmp6 + 48);
	assert_int_equal(q.length, 1200 - 48);
	// every cut: whole headers and eight bytes, or nothing
	for (uint32_t room = 0; room < 200; room++)
		assert_int_equal(tunnel_quoted(icmp6, room, &q), room >= 48 + 28);
	icmp6[8 + 6] = 17;
	assert_false(tunnel_quoted(icmp6, 1200, &q));
	icmp6[8 + 6] = 4;
	icmp6[8] = 0x45;
	assert_false(tunnel_quoted(icmp6, 1200, &q));
	icmp6[8] = 0x60;
	icmp6[48] = 0x44;
	assert_false(tunnel_quoted(icmp6, 1200, &q));
	icmp6[48] = 0x4f;
	assert_false(tunnel_quoted(icmp6, 48 + 67, &q));
	assert_true(tunnel_quoted(icmp6, 48 + 68, &q));
	rte_pktmbuf_free(m);
	// of a fragment, only the first has what is to be told about
	r.fragmented = true;
	m = error_of(&r, &at);
	icmp6 = rte_pktmbuf_mtod_offset(m, uint8_t *, 54);
	for (uint32_t room = 0; room < 200; room++)
		assert_int_equal(tunnel_quoted(icmp6, room, &q), room >= 56 + 28);
	icmp6[8 + 43] = 0x09;
	assert_false(tunnel_quoted(icmp6, 1200, &q));
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
		cmocka_unit_test(encapsulates),
		cmocka_unit_test(pipes),
		cmocka_unit_test(labels),
		cmocka_unit_test(without_headroom),
		cmocka_unit_test(congestion),
		cmocka_unit_test(lengths),
		cmocka_unit_test(errors),
		cmocka_unit_test(quotes),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
