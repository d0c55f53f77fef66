// SPDX-License-Identifier: BSD-3-Clause

// A million random packets, whole and damaged, out through the NAT and back. What arrives is compared to what
// was sent byte by byte: only addresses, ports, time to live and checksums may differ, and every checksum is
// as right, or as wrong, as it was (RFC 1624): its sum over all bytes is computed anew.

#include "base/bits.h"
#include "base/rand.h"

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#include <rte_ip.h>

#define ROUNDS 600000
#define SEED   4787
#define HOSTS  64
#define PORTS  24

struct endpoint {
	rte_be32_t address;
	rte_be16_t port;
};

static struct world *world;
static struct rand rng;
static uint64_t sent, forwarded;
// whose an outside port is, once seen
static struct endpoint owner[L4_SLOTS][16][65536];

static unsigned below(unsigned n)
{
	return rand_below(&rng, n);
}

static bool one_in(unsigned n)
{
	return !below(n);
}

static void fill(uint8_t *p, unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		p[i] = (uint8_t)rand_u32(&rng);
}

static unsigned ihl_of(const uint8_t *ip)
{
	return (ip[0] & 15u) * 4;
}

static uint16_t length_of(const uint8_t *ip)
{
	return (uint16_t)(ip[2] << 8 | ip[3]);
}

// Moves what follows the header back and puts no-operation options between.
static uint16_t add_options(uint8_t *ip, uint16_t length)
{
	unsigned options = 4 * (1 + below(10));

	memmove(ip + 20 + options, ip + 20, length - 20u);
	memset(ip + 20, 1, options);
	length = (uint16_t)(length + options);
	ip[0] = (uint8_t)(0x45 + options / 4);
	ip[2] = (uint8_t)(length >> 8);
	ip[3] = (uint8_t)length;
	packet_mend(ip, length);
	return length;
}

static uint16_t make(uint8_t *ip, const struct tuple *t, uint8_t flags)
{
	uint16_t length = (uint16_t)(packet_least(t->l4) + below(one_in(8) ? 1400 : 100));

	fill(ip, length);
	packet_make(ip, length, t, flags, (uint8_t)(2 + below(254)));
	ip[1] = (uint8_t)rand_u32(&rng);
	ip[6] = one_in(2) ? 0x40 : 0;
	fill(ip + 4, 2);
	packet_mend(ip, length);
	if (length < 1400 && one_in(8))
		length = add_options(ip, length);
	if (t->l4 == L4_UDP && one_in(8))
		memset(ip + ihl_of(ip) + 6, 0, 2);
	return length;
}

// Damages a packet: bits anywhere, a frame that ends early or late. The header checksum is often made right
// again, so that what is behind it is looked at. Never into a fragment, which has a way of its own.
static uint16_t damage(uint8_t *ip, uint16_t length)
{
	uint16_t frame = length;
	unsigned header;

	for (unsigned n = below(4); n; n--)
		ip[below(one_in(2) ? length : 40)] ^= (uint8_t)(1u << below(8));
	if (one_in(3))
		frame = (uint16_t)(below(length + 1u));
	else if (one_in(3))
		frame = (uint16_t)(length + below(20));
	header = ihl_of(ip);
	ip[6] &= 0x40;
	ip[7] = 0;
	if (!one_in(4) && header >= 20 && header <= length) {
		unsigned sum;

		ip[10] = ip[11] = 0;
		sum = ~packet_sum(ip) & 0xffffu;
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
	}
	return frame;
}

// Sends, and takes what comes out on either side. Returns the length of that, 0 for nothing.
static uint16_t carry(
	unsigned iface, const uint8_t *ip, uint16_t frame, uint8_t *out, unsigned *out_iface)
{
	uint16_t length = 0;

	sent++;
	world_receive(world, iface, world_frame(world, iface, ip, frame));
	for (unsigned side = 0; side < 2; side++) {
		struct rte_mbuf *m;

		while ((m = world_sent(world, 0, side))) {
			assert_int_equal(length, 0);
			length = (uint16_t)(rte_pktmbuf_pkt_len(m) - 14);
			memcpy(out, rte_pktmbuf_mtod_offset(m, uint8_t *, 14), length);
			*out_iface = side;
			rte_pktmbuf_free(m);
			forwarded++;
		}
	}
	return length;
}

static bool same_sum(uint16_t a, uint16_t b)
{
	return a % 0xffff == b % 0xffff;
}

static unsigned checksum_at(enum l4 l4)
{
	return l4 == L4_UDP ? 6 : l4 == L4_TCP ? 16 : 2;
}

// `b` is `a` with another source (or destination) endpoint, one hop later, and nothing else but the
// identification, if it means anything and the source is shared (RFC 6864 section 5.3.1).
static void check_translated(const uint8_t *a, const uint8_t *b, uint16_t frame, bool source)
{
	struct tuple t = packet_tuple(a);
	unsigned ihl = ihl_of(a), address = source ? 12 : 16;
	unsigned port = ihl + (t.l4 == L4_ICMP ? 4 : source ? 0 : 2);
	unsigned checksum = ihl + checksum_at(t.l4);
	uint16_t length = length_of(a);
	bool identified = source && !(a[6] & 0x40);

	for (unsigned i = 0; i < frame; i++) {
		if (identified && (i == 4 || i == 5))
			continue;
		if (i == 8 || i == 10 || i == 11 || (i >= address && i < address + 4) ||
			i == port || i == port + 1 || i == checksum || i == checksum + 1)
			continue;
		assert_int_equal(a[i], b[i]);
	}
	assert_int_equal(b[8], a[8] - 1);
	assert_int_equal(packet_sum(b), 0xffff);
	if (t.l4 == L4_UDP && !a[checksum] && !a[checksum + 1]) {
		assert_int_equal(b[checksum] | b[checksum + 1], 0);
		return;
	}
	assert_true(same_sum(packet_sum_l4(a, length), packet_sum_l4(b, length)));
	if (t.l4 == L4_UDP)
		assert_true(b[checksum] | b[checksum + 1]);
}

// An error of the box itself about what was sent.
static void check_own_error(const uint8_t *ip, const uint8_t *error, uint16_t length)
{
	assert_int_equal(error[9], PROTOCOL_ICMP);
	assert_int_equal(packet_sum(error), 0xffff);
	assert_int_equal(packet_sum_l4(error, length), 0xffff);
	assert_memory_equal(error + 28, ip, length - 28u);
}

static void check_owner(const struct tuple *in, const struct tuple *out)
{
	uint32_t address = rte_be_to_cpu_32(out->src) - RTE_IPV4(203u, 0, 113, 0);
	struct endpoint *e = &owner[in->l4][address][rte_be_to_cpu_16(out->src_port)];

	assert_true(address < 16);
	assert_true(!e->address || (e->address == in->src && e->port == in->src_port));
	*e = (struct endpoint){in->src, in->src_port};
}

// The other end answers what it got, sometimes with damage.
static void answer(const uint8_t *in, const uint8_t *out)
{
	struct tuple was = packet_tuple(in), t = packet_tuple(out), got;
	struct tuple back = {t.l4, t.dst, t.src, t.dst_port, t.src_port};
	uint8_t ip[2048], arrived[2048];
	uint16_t length = make(ip, &back, t.l4 == L4_TCP ? 0x12 : 0);
	bool damaged = one_in(4);
	uint16_t frame = damaged ? damage(ip, length) : length;
	unsigned side;

	length = carry(WORLD_OUTSIDE, ip, frame, arrived, &side);
	if (!length || side != WORLD_INSIDE) {
		assert_true(damaged);
		if (length)
			check_own_error(ip, arrived, length);
		return;
	}
	assert_int_equal(length, frame);
	check_translated(ip, arrived, frame, false);
	if (damaged)
		return;
	got = packet_tuple(arrived);
	assert_int_equal(got.dst, was.src);
	assert_int_equal(got.dst_port, was.src_port);
	assert_int_equal(got.src, was.dst);
}

// Somebody on the way answers with an error that quotes all of it, or the beginning.
static void refuse(const uint8_t *in, const uint8_t *out, uint16_t frame)
{
	static const uint8_t types[] = {3, 11, 12};
	struct tuple was = packet_tuple(in), t = packet_tuple(out), q;
	uint16_t least = (uint16_t)(ihl_of(out) + 8);
	uint16_t quoted = (uint16_t)(least + below(frame - least + 1u));
	uint8_t ip[2048], arrived[2048], expected[2048];
	rte_be32_t router = rte_cpu_to_be_32(RTE_IPV4(198u, 51, 100, 1) + below(200));
	uint16_t length, checksum = (uint16_t)(ihl_of(out) + checksum_at(t.l4));
	unsigned side;

	if (quoted > 1400)
		quoted = 1400;
	length = packet_make_error(
		ip, router, t.src, types[below(3)], (uint8_t)below(16), out, quoted);
	assert_int_equal(carry(WORLD_OUTSIDE, ip, length, arrived, &side), length);
	assert_int_equal(side, WORLD_INSIDE);
	assert_int_equal(packet_sum(arrived), 0xffff);
	assert_int_equal(packet_sum_l4(arrived, length), 0xffff);
	assert_memory_equal(arrived + 16, &was.src, 4);
	// the quote is what the host sent, a hop later
	memcpy(expected, in, quoted);
	expected[8]--;
	memcpy(expected + 4, out + 4, 2);
	memcpy(expected + 10, arrived + 28 + 10, 2);
	assert_int_equal(packet_sum(arrived + 28), 0xffff);
	// its transport checksum too, if all of it is quoted; 0 and 0xffff are the same number
	if (quoted >= checksum + 2)
		assert_true(same_sum((uint16_t)(in[checksum] << 8 | in[checksum + 1]),
			(uint16_t)(arrived[28 + checksum] << 8 | arrived[28 + checksum + 1])));
	if (quoted > checksum)
		memcpy(expected + checksum, arrived + 28 + checksum, quoted < checksum + 2 ? 1 : 2);
	assert_memory_equal(arrived + 28, expected, quoted);
	q = packet_tuple(arrived + 28);
	assert_int_equal(q.src_port, was.src_port);
}

static void round_trip(void)
{
	enum l4 l4 = below(L4_SLOTS);
	struct tuple t = {
		.l4 = l4,
		.src = rte_cpu_to_be_32(RTE_IPV4(100u, 64, 1, 0) + below(HOSTS)),
		.src_port = rte_cpu_to_be_16((uint16_t)(1 + below(PORTS) * 2700)),
		.dst = rte_cpu_to_be_32(RTE_IPV4(198u, 51, 100, 1) + below(4)),
		.dst_port = rte_cpu_to_be_16((uint16_t)(1 + below(3))),
	};
	uint8_t ip[2048] = {0}, out[2048];
	uint16_t length = make(ip, &t, l4 == L4_TCP ? 0x02 : 8), frame = length;
	bool damaged = one_in(2);
	unsigned side = 0;
	struct tuple got;

	if (damaged)
		frame = damage(ip, length);
	length = carry(WORLD_INSIDE, ip, frame, out, &side);
	if (!length || side != WORLD_OUTSIDE) {
		assert_true(damaged);
		if (length && out[9] == PROTOCOL_ICMP && !memcmp(out + 16, ip + 12, 4))
			check_own_error(ip, out, length);
		return;
	}
	assert_int_equal(length, frame);
	check_translated(ip, out, frame, true);
	t = packet_tuple(ip);
	got = packet_tuple(out);
	check_owner(&t, &got);
	if (damaged)
		return;
	if (one_in(3))
		refuse(ip, out, frame);
	else
		answer(ip, out);
}

static void a_million_packets(void **)
{
	struct world_setup setup = world_setup();
	uint64_t verdicts = 0;

	setup.size = (struct nat_size){
		.mappings = 65536, .sessions = 65536, .subscribers = 1024, .blocks = 4096};
	setup.max_blocks = 8;
	world = world_new(&setup, 1000);
	// a SYN that is held to be answered later would still be there in the end
	world->snapshot->policy[0]->answer_syns = false;
	world->dataplane.icmp_rate = UINT32_MAX;
	world->dataplane.worker[0]->icmp_tokens = UINT32_MAX;
	rand_seed_fixed(&rng, SEED);
	rand_seed_fixed(&world->dataplane.worker[0]->nat.random, SEED);
	for (unsigned i = 0; i < ROUNDS; i++)
		round_trip();
	for (unsigned v = 0; v < V_COUNT; v++)
		verdicts += world_verdicts(world, v);
	assert_true(sent > 850000 && forwarded > sent / 2 && verdicts > sent / 10);
	assert_int_equal(world_received(world), sent);
	assert_int_equal(sent, forwarded + verdicts);
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), 0);
	print_message("%lu sent, %lu forwarded\n", sent, forwarded);
	world_free(world);
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_million_packets),
	};

	world_eal(argv[0], false, 256);
	print_message("seed %u\n", SEED);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
