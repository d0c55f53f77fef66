// SPDX-License-Identifier: BSD-3-Clause

// Where IPv6 packets go, as far as it takes a world that a configuration of two interfaces does not make: one arm,
// sources that are routed by another interface, services, packets that another worker began to carry.

#include "net/hdr6.h"
#include "table/acl.h"

#include "support/packet6.h"
#include "support/world6.h"
#include "unit.h"

#define HOST   "2001:db8:100:1::1"
#define OTHER  "2001:db8:100:200::1"
#define REMOTE "2001:db8:f000::1"

static struct world *world;

static int setup(void **)
{
	struct world_setup setup = world_setup();

	setup.workers = 2;
	world = world_new(&setup, 1000);
	world6_add(world, 1500);
	return 0;
}

static int teardown(void **)
{
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), 0);
	world_free(world);
	return 0;
}

static uint64_t verdicts(enum verdict verdict)
{
	return world_verdicts(world, verdict);
}

// Sends one packet in by an interface; returns the interface it leaves by, or -1.
static int carry(unsigned iface, const char *src, const char *dst)
{
	uint8_t ip[512];
	uint16_t length = packet6_udp(ip, src, dst, 1000, 2000, 10);
	struct rte_mbuf *m;
	int by = -1;

	world_receive(world, iface, world_frame(world, iface, ip, length));
	for (int i = 0; i < 2; i++) {
		while ((m = world_sent(world, 0, (unsigned)i))) {
			ip[IPV6_HOP_LIMIT]--;
			assert_memory_equal(
				rte_pktmbuf_mtod_offset(m, uint8_t *, 12), "\x86\xdd", 2);
			assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 14), ip, length);
			rte_pktmbuf_free(m);
			by = i;
		}
	}
	return by;
}

static void routed(void **)
{
	assert_int_equal(carry(WORLD_INSIDE, HOST, REMOTE), WORLD_OUTSIDE);
	assert_int_equal(carry(WORLD_OUTSIDE, REMOTE, HOST), WORLD_INSIDE);
	assert_int_equal(carry(WORLD_INSIDE, HOST, OTHER), WORLD_INSIDE);
}

// With one arm, inside are the hosts of subscriber networks.
static void one_arm(void **)
{
	for (unsigned i = 0; i < world->snapshot->nexthops; i++) {
		if (world->snapshot->nexthop[i].realm)
			world->snapshot->nexthop[i].realm = REALM_BOTH;
	}
	world->snapshot->iface[WORLD_INSIDE].realm = REALM_BOTH;
	world->snapshot->iface[WORLD_OUTSIDE].realm = REALM_BOTH;
	assert_int_equal(carry(WORLD_INSIDE, HOST, REMOTE), WORLD_OUTSIDE);
	assert_int_equal(carry(WORLD_OUTSIDE, HOST, REMOTE), WORLD_OUTSIDE);
	assert_int_equal(carry(WORLD_OUTSIDE, REMOTE, HOST), WORLD_INSIDE);
	assert_int_equal(carry(WORLD_INSIDE, HOST, OTHER), WORLD_INSIDE);
	assert_int_equal(carry(WORLD_OUTSIDE, REMOTE, "2001:db8:f000::2"), -1);
	assert_int_equal(verdicts(V_REALM), 1);
}

// RFC 3704 section 2.2: a source that is inside, but not behind the interface that it came in by.
static void other_iface(void **)
{
	struct iface *inside = &world->snapshot->iface[WORLD_INSIDE];
	struct nexthop elsewhere = world->snapshot->nexthop[world6_find(world, HOST)];

	elsewhere.iface = WORLD_OUTSIDE;
	world6_route(world, "2001:db8:200::/40", world6_hop(world, elsewhere));
	assert_int_equal(carry(WORLD_INSIDE, "2001:db8:200::1", REMOTE), WORLD_OUTSIDE);
	inside->validation = VALIDATE_IFACE;
	assert_int_equal(carry(WORLD_INSIDE, "2001:db8:200::1", REMOTE), -1);
	assert_int_equal(verdicts(V_SPOOFED), 1);
	assert_int_equal(carry(WORLD_INSIDE, HOST, REMOTE), WORLD_OUTSIDE);
	inside->validation = VALIDATE_NONE;
	assert_int_equal(carry(WORLD_INSIDE, "2001:db8:f000::9", REMOTE), WORLD_OUTSIDE);
	assert_int_equal(carry(WORLD_INSIDE, "2001:db8:1::1", REMOTE), -1);
	assert_int_equal(verdicts(V_SPOOFED), 2);
}

// A more specific native route wins over a service (RFC 7915 section 1.1), and services are for hosts inside.
static void services(void **)
{
	unsigned hop = world6_hop(
		world, (struct nexthop){.kind = NEXTHOP_SERVICE, .service = SERVICE_SOFTWIRE});
	struct worker *w = world->dataplane.worker[0];
	struct burst *b = &w->burst;
	static const struct {
		unsigned iface;
		const char *src, *dst;
		bool service;
		enum verdict verdict;
	} cases[] = {
		{WORLD_INSIDE, HOST, "2001:db8:aaaa::1", true, V_COUNT},
		{WORLD_INSIDE, HOST, "2001:db8:aaaa:1::1", false, V_COUNT},
		{WORLD_INSIDE, REMOTE, "2001:db8:aaaa::1", false, V_SPOOFED},
		{WORLD_OUTSIDE, REMOTE, "2001:db8:aaaa::1", false, V_REALM},
		{WORLD_OUTSIDE, "2001:db8:aaaa::2", HOST, false, V_SPOOFED},
		{WORLD_INSIDE, "2001:db8:aaaa::2", REMOTE, false, V_SPOOFED},
	};

	world6_route(world, "2001:db8:aaaa::/48", hop);
	world6_route(world, "2001:db8:aaaa:1::/64", world6_find(world, REMOTE));
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t ip[512];
		uint16_t length = packet6_udp(ip, cases[i].src, cases[i].dst, 1, 2, 0);
		struct ways6 ways;

		memset(b, 0, sizeof(*b));
		b->n = 1;
		b->live = b->v6 = 1;
		b->mbuf[0] = world_frame(world, cases[i].iface, ip, length);
		b->ip[0] = rte_pktmbuf_mtod_offset(b->mbuf[0], uint8_t *, 14);
		b->room[0] = length;
		b->iface[0] = (uint8_t)cases[i].iface;
		hdr6_read(b, 1);
		ways = classify6(w, b, 1);
		assert_int_equal(ways.service[SERVICE_SOFTWIRE], cases[i].service);
		assert_int_equal(b->live, cases[i].verdict == V_COUNT);
		if (!b->live)
			assert_int_equal(b->verdict[0], cases[i].verdict);
		rte_pktmbuf_free(b->mbuf[0]);
	}
}

// A packet that worker 1 began to carry goes on at worker 0, by the version it has.
static void handed_over(void **)
{
	struct worker *w = world->dataplane.worker[0];
	uint8_t ip[512];
	uint16_t length = packet6_udp(ip, HOST, REMOTE, 1, 2, 0);
	struct rte_mbuf *m = world_frame(world, WORLD_INSIDE, ip, length);

	*handover_of(m) = (struct handover){
		.kind = HANDOVER_RECEIVED, .iface = WORLD_INSIDE, .ip_offset = 14};
	w->burst.n = 1;
	w->burst.mbuf[0] = m;
	pipeline_resume(w, &w->burst);
	m = world_sent(world, 0, WORLD_OUTSIDE);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 14)[IPV6_HOP_LIMIT], 63);
	rte_pktmbuf_free(m);
}

// No more errors than the rate lets through, of both IP versions together (RFC 4443 section 2.4f).
static void errors_are_few(void **)
{
	struct worker *w = world->dataplane.worker[0];
	uint8_t ip[512];
	uint16_t length = packet6_udp(ip, HOST, REMOTE, 1, 2, 0);
	struct rte_mbuf *m;

	ip[IPV6_HOP_LIMIT] = 1;
	w->icmp_tokens = 2;
	for (unsigned i = 0; i < 5; i++) {
		world_receive(world, WORLD_INSIDE, world_frame(world, WORLD_INSIDE, ip, length));
		m = world_sent(world, 0, WORLD_INSIDE);
		assert_int_equal(m != NULL, i < 2);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(w->stats.icmp_errors_sent, 2);
	assert_int_equal(w->stats.icmp_errors_withheld, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(routed, setup, teardown),
		cmocka_unit_test_setup_teardown(one_arm, setup, teardown),
		cmocka_unit_test_setup_teardown(other_iface, setup, teardown),
		cmocka_unit_test_setup_teardown(services, setup, teardown),
		cmocka_unit_test_setup_teardown(handed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_are_few, setup, teardown),
	};

	world_eal("test", false, 256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
