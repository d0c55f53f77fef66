// SPDX-License-Identifier: BSD-3-Clause

// How many mappings and sessions a table takes until it refuses one more (RFC 9693 section 4.6), and the memory of
// each: what the allocator has handed out with a table of that size and with a small one, divided by the difference.

#include "perf.h"

#include <rte_malloc.h>

#define SMALL 64

static uint64_t allocated(void)
{
	struct rte_malloc_socket_stats stats;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < rte_socket_count(); i++) {
		if (!rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &stats))
			bytes += stats.heap_allocsz_bytes;
	}
	return bytes;
}

static uint64_t bytes_of_nat(struct nat_size size)
{
	uint64_t before = allocated(), bytes;
	struct nat nat;

	if (nat_init(&nat, &size, 1) < 0)
		fail("no memory for a table", size.mappings);
	bytes = allocated() - before;
	nat_fini(&nat);
	return bytes;
}

static uint64_t bytes_of_blocks(struct pool *pool, uint32_t blocks)
{
	uint64_t before = allocated(), bytes;
	struct portblk *share = portblk_new(pool, 0, blocks);

	if (!share)
		fail("no memory for blocks", blocks);
	bytes = allocated() - before;
	portblk_free(share);
	return bytes;
}

static double each(uint64_t large, uint64_t small, uint32_t count)
{
	return (double)(large - small) / (count - SMALL);
}

// Mappings of flows from inside until one is refused, with a session each if it is TCP.
static unsigned fill(struct world *world, enum l4 l4, enum verdict *refused)
{
	struct nat *nat = &world->dataplane.worker[0]->nat;
	unsigned made = 0;

	for (;; made++) {
		struct tuple t = tuple_of_flow(made, 0x01000000);
		struct flow flow = {.inside = t.src,
			.remote = t.dst,
			.inside_port = t.src_port,
			.remote_port = t.dst_port,
			.l4 = (uint8_t)l4};
		uint32_t mapping;

		*refused = nat_open(nat, &flow, 1, &mapping);
		if (*refused != V_NAT44_OUT)
			break;
		if (l4 != L4_TCP)
			continue;
		*refused = nat_track(nat, mapping, t.dst, t.dst_port, TCP_FLAG_SYN, true, 1);
		if (*refused != V_NAT44_OUT)
			break;
	}
	return made;
}

// How many flows fit where there is room for so many mappings and sessions, and more of all else.
static unsigned capacity(const struct task *task, unsigned mappings, unsigned sessions, enum l4 l4,
	enum verdict expected)
{
	unsigned subscribers = RTE_MIN(mappings, sessions) / PORTS_A_SUBSCRIBER + 64;
	struct world_setup setup = world_setup();
	enum verdict refused;
	struct world *world;
	unsigned made;

	setup.size = (struct nat_size){.mappings = mappings,
		.sessions = sessions,
		.subscribers = subscribers,
		.blocks = subscribers};
	setup.max_blocks = 1;
	setup.huge_pages = task->huge_pages;
	setup.pool_last = setup.pool_first + subscribers / BLOCKS_AN_ADDRESS;
	world = world_new(&setup, 1);
	world->dataplane.worker[0]->nat.channel = NULL;
	made = fill(world, l4, &refused);
	if (refused != expected)
		fail("refused for another reason than a full table", made);
	world_free(world);
	return made;
}

void measure_tables(struct task *task)
{
	unsigned n = task->sessions, blocks = n / PORTS_A_SUBSCRIBER + SMALL;
	struct nat_size small = {SMALL, SMALL, SMALL, SMALL}, size = small;
	struct pool_range range = {.first = RTE_IPV4(203u, 0, 113, 0)};
	double mapping, session, subscriber, block;
	unsigned mappings, sessions;
	uint64_t base = bytes_of_nat(small);
	struct pool *pool;

	size.mappings = n;
	mapping = each(bytes_of_nat(size), base, n);
	size = small;
	size.sessions = n;
	session = each(bytes_of_nat(size), base, n);
	size = small;
	size.subscribers = n;
	subscriber = each(bytes_of_nat(size), base, n);
	range.last = range.first + blocks / BLOCKS_AN_ADDRESS;
	pool = pool_new(
		&(struct pool_setup){.range = &range, .ranges = 1, .block_bits = 6, .workers = 1});
	if (!pool)
		fail("no memory for a pool", blocks);
	block = each(bytes_of_blocks(pool, blocks), bytes_of_blocks(pool, SMALL), blocks);
	pool_free(pool);
	mappings = capacity(task, n, n + SMALL, L4_UDP, V_MAPPING_MEMORY);
	sessions = capacity(task, n + SMALL, n, L4_TCP, V_SESSION_MEMORY);
	printf("a table for %u takes %u mappings, or %u TCP connections; bytes each: mapping %.1f, session %.1f, "
	       "subscriber %.1f, block of 64 ports %.1f\n",
		n, mappings, sessions, mapping, session, subscriber, block);
	if (task->json)
		fprintf(task->json,
			"\n \"tables\": {\"size\": %u, \"mappings\": %u, \"tcp_connections\": %u, \"bytes\": "
			"{\"mapping\": %.1f, \"session\": %.1f, \"subscriber\": %.1f, \"block\": %.1f}}\n",
			n, mappings, sessions, mapping, session, subscriber, block);
}
