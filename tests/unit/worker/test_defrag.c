// SPDX-License-Identifier: BSD-3-Clause

// Fragments in the pipeline: what is decided about a datagram is decided for all of its fragments, whichever
// worker they come to, and nothing of them is left behind.

#include "base/clock.h"
#include "base/subkey.h"
#include "net/hdr.h"
#include "table/acl.h"

#include "support/packet.h"
#include "support/world.h"
#include "unit.h"

#include <rte_ip.h>

#define WORKERS 3
#define LENGTH  228 // of the whole datagram: three fragments, of 64, 64 and 80 bytes
#define PARTS   3
#define HOST    RTE_BE32(RTE_IPV4(100u, 64, 3, 7))
#define REMOTE  RTE_BE32(RTE_IPV4(198u, 51, 100, 10))

static const struct tuple to_80 = {L4_UDP, HOST, REMOTE, RTE_BE16(5000), RTE_BE16(80)};
static const struct tuple to_81 = {L4_UDP, HOST, REMOTE, RTE_BE16(5000), RTE_BE16(81)};

static struct world *world;
static unsigned buffers;

static struct rte_mbuf *part(const struct tuple *tuple, uint16_t id, unsigned n, unsigned iface)
{
	uint8_t ip[LENGTH] = {0};
	struct rte_ipv4_hdr *h = (struct rte_ipv4_hdr *)ip;
	uint16_t size = n == PARTS - 1 ? 80 : 64;

	packet_make(ip, LENGTH, tuple, 0, 64);
	memmove(ip + IPV4_MIN, ip + IPV4_MIN + 64 * n, size);
	h->packet_id = rte_cpu_to_be_16(id);
	h->total_length = rte_cpu_to_be_16((uint16_t)(IPV4_MIN + size));
	h->fragment_offset =
		rte_cpu_to_be_16((uint16_t)(8 * n | (n < PARTS - 1 ? RTE_IPV4_HDR_MF_FLAG : 0)));
	h->hdr_checksum = 0;
	h->hdr_checksum = rte_ipv4_cksum(h);
	return world_frame(world, iface, ip, (uint16_t)(IPV4_MIN + size));
}

// The fragments of a datagram, last one first, each at another worker.
static void send_parts(const struct tuple *tuple, uint16_t id, unsigned iface)
{
	for (unsigned n = PARTS; n--;)
		world_carry(world, n % WORKERS, iface, part(tuple, id, n, iface));
}

// Takes all frames that would be sent by an interface. Returns how many.
static unsigned drain(unsigned iface, struct rte_mbuf **keep)
{
	unsigned count = 0;

	for (unsigned w = 0; w < WORKERS; w++) {
		struct rte_mbuf *m;

		while ((m = world_sent(world, w, iface))) {
			if (keep)
				keep[count] = m;
			else
				rte_pktmbuf_free(m);
			count++;
		}
	}
	return count;
}

static int start(void **state)
{
	struct world_setup setup = world_setup();

	(void)state;
	setup.workers = WORKERS;
	world = world_new(&setup, 1);
	buffers = rte_mempool_avail_count(world->mbufs);
	return 0;
}

// Every packet has its verdict, and every buffer is back.
static int end(void **state)
{
	uint64_t sum = 0;

	(void)state;
	world_pass(world, 1 + 10 * TICKS_A_SECOND);
	for (enum verdict v = 0; v < V_COUNT; v++)
		sum += world_verdicts(world, v);
	// what is sent counts when the device has taken it, and there is none
	assert_true(sum <= world_received(world));
	assert_int_equal(rte_mempool_avail_count(world->mbufs), buffers);
	world_free(world);
	return 0;
}

static uint32_t block_port_80(void)
{
	struct acl_rule rule = {
		.subscriber = subkey_v4(HOST, 0),
		.protocol = PROTOCOL_UDP,
		.lower_port = 80,
		.upper_port = 80,
		.upper_type = 255,
	};
	uint32_t slot;

	ipprefix_parse("198.51.100.0/24", &rule.target, NULL);
	assert_int_equal(acl_add(world->acl, &rule, &slot), 0);
	return slot;
}

// RFC 9066 section 5.3.1: what is stopped is stopped in fragments too, those without ports included.
static void mitigated(void **state)
{
	uint32_t slot = block_port_80();

	(void)state;
	send_parts(&to_80, 1, WORLD_INSIDE);
	assert_int_equal(drain(WORLD_OUTSIDE, NULL), 0);
	assert_int_equal(world_verdicts(world, V_ACL), PARTS);
	assert_int_equal(acl_hits(world->acl, slot).packets, PARTS);
	send_parts(&to_81, 2, WORLD_INSIDE);
	assert_int_equal(drain(WORLD_OUTSIDE, NULL), PARTS);
	// with a mapping too
	send_parts(&to_80, 3, WORLD_INSIDE);
	assert_int_equal(drain(WORLD_OUTSIDE, NULL), 0);
	assert_int_equal(world_verdicts(world, V_ACL), 2 * PARTS);
}

// Fragments to an outside address meet on a worker that need not be the owner of the port.
static void from_outside(void **state)
{
	(void)state;
	for (uint16_t id = 1; id <= 16; id++) {
		struct tuple out = to_80, back;
		struct rte_mbuf *m[PARTS];

		out.src_port = rte_cpu_to_be_16((uint16_t)(5000 + id));
		out.src = rte_cpu_to_be_32(RTE_IPV4(100u, 64, 4, id));
		send_parts(&out, id, WORLD_INSIDE);
		assert_int_equal(drain(WORLD_OUTSIDE, m), PARTS);
		for (unsigned i = 0; i < PARTS; i++) {
			const uint8_t *ip = rte_pktmbuf_mtod_offset(m[i], uint8_t *, 14);

			// the first one went first
			if (!i)
				back = packet_tuple(ip);
			assert_int_equal(packet_sum(ip), 0xffff);
			assert_memory_equal(ip + 12, &back.src, 4);
			rte_pktmbuf_free(m[i]);
		}
		back = (struct tuple){L4_UDP, REMOTE, back.src, RTE_BE16(80), back.src_port};
		send_parts(&back, id, WORLD_OUTSIDE);
		assert_int_equal(drain(WORLD_INSIDE, m), PARTS);
		for (unsigned i = 0; i < PARTS; i++) {
			assert_memory_equal(
				rte_pktmbuf_mtod_offset(m[i], uint8_t *, 30), &out.src, 4);
			rte_pktmbuf_free(m[i]);
		}
	}
}

// Fragments that a reload or the end finds waiting.
static void left_waiting(void **state)
{
	(void)state;
	for (uint16_t id = 1; id <= 8; id++)
		world_carry(world, id % WORKERS, WORLD_INSIDE, part(&to_80, id, 1, WORLD_INSIDE));
	assert_true(rte_mempool_avail_count(world->mbufs) < buffers);
	world_pass(world, 1 + 2 * TICKS_A_SECOND - 1);
	assert_int_equal(world_verdicts(world, V_FRAGMENT_TIMEOUT), 0);
	world_pass(world, 1 + 2 * TICKS_A_SECOND);
	assert_int_equal(world_verdicts(world, V_FRAGMENT_TIMEOUT), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(mitigated, start, end),
		cmocka_unit_test_setup_teardown(from_outside, start, end),
		cmocka_unit_test_setup_teardown(left_waiting, start, end),
	};

	world_eal("test", false, 256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
