// SPDX-License-Identifier: BSD-3-Clause

// The binding table (RFC 7596 section 6.1): every port leads to its holder and to nobody else, whatever was added,
// moved and removed before, also as a worker sees it that reads all the while (W1, W12).

#include "base/bits.h"
#include "base/rand.h"
#include "base/rcu.h"
#include "table/binding.h"

#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static struct binding_entry entry(
	uint32_t ipv4, struct psid_geometry geometry, uint16_t psid, uint32_t b4)
{
	struct binding_entry e = {
		.ipv4 = rte_cpu_to_be_32(ipv4), .psid = psid, .geometry = geometry};

	memcpy(e.b4, "\x20\x01\x0d\xb8", 4);
	memcpy(e.b4 + 12, &b4, sizeof(b4));
	return e;
}

static const struct binding *find(
	const struct binding_table *t, uint32_t ipv4, uint16_t port, bool has_port)
{
	const struct binding_view *v = binding_view(t);

	return binding_find(v, binding_key_of(v, rte_cpu_to_be_32(ipv4), port, has_port));
}

static bool is_of(const struct binding *b, uint32_t b4)
{
	return b && !memcmp(b->b4 + 12, &b4, sizeof(b4));
}

static void one_geometry(void **state)
{
	struct rcu *rcu = rcu_new(0);
	struct binding_table *t = binding_table_new(0, rcu);
	struct psid_geometry g = {6, 8}, got;
	struct binding_entry e;

	(void)state;
	assert_null(find(t, 0xcb007101, 5000, true));
	for (uint16_t psid = 0; psid < 256; psid++) {
		e = entry(0xcb007101, g, psid, psid + 1u);
		assert_int_equal(binding_add(t, &e), 0);
	}
	assert_int_equal(binding_count(t), 256);
	for (uint32_t port = 0; port < 65536; port++) {
		const struct binding *b = find(t, 0xcb007101, (uint16_t)port, true);

		if (port < 1024)
			assert_null(b);
		else
			assert_true(is_of(b, psid_of_port(g, (uint16_t)port) + 1u));
	}
	assert_null(find(t, 0xcb007101, 0, false));
	assert_null(find(t, 0xcb007102, 5000, true));
	assert_true(binding_geometry(t, rte_cpu_to_be_32(0xcb007101), &got));
	assert_true(psid_same_geometry(g, got));
	assert_false(binding_geometry(t, rte_cpu_to_be_32(0xcb007102), &got));
	for (uint16_t psid = 0; psid < 256; psid++) {
		e = entry(0xcb007101, g, psid, 0);
		assert_int_equal(binding_remove(t, &e), 0);
		assert_int_equal(binding_remove(t, &e), -ENOENT);
	}
	assert_int_equal(binding_count(t), 0);
	assert_false(binding_geometry(t, rte_cpu_to_be_32(0xcb007101), &got));
	binding_table_free(t);
	rcu_free(rcu);
}

// Shared addresses and whole ones in one table; an address that is divided anew.
static void two_geometries(void **state)
{
	struct rcu *rcu = rcu_new(0);
	struct binding_table *t = binding_table_new(0, rcu);
	struct psid_geometry shared = {0, 6}, whole = {0, 0}, finer = {0, 10};
	struct binding_entry e = entry(0xcb007101, shared, 3, 1), was = e;

	(void)state;
	assert_int_equal(binding_add(t, &e), 0);
	e = entry(0xcb007102, whole, 0, 2);
	assert_int_equal(binding_add(t, &e), 0);
	assert_true(is_of(find(t, 0xcb007101, 3072, true), 1));
	assert_null(find(t, 0xcb007101, 4096, true));
	assert_null(find(t, 0xcb007101, 3072, false));
	assert_true(is_of(find(t, 0xcb007102, 1, true), 2));
	assert_true(is_of(find(t, 0xcb007102, 0, false), 2));
	assert_null(find(t, 0xcb007103, 0, false));
	e = entry(0xcb007101, finer, 48, 4);
	assert_int_equal(binding_add(t, &e), 0);
	assert_int_equal(binding_remove(t, &was), 0);
	assert_true(is_of(find(t, 0xcb007101, 3072, true), 4));
	assert_null(find(t, 0xcb007101, 3136, true));
	binding_table_free(t);
	rcu_free(rcu);
}

// What one B4 has: several bindings, marks, and moving to another B4.
static void by_b4(void **state)
{
	struct rcu *rcu = rcu_new(0);
	struct binding_table *t = binding_table_new(0, rcu);
	struct psid_geometry g = {0, 6};
	struct binding_entry e, told;
	uint32_t cursor = 0;
	unsigned seen = 0;

	(void)state;
	for (uint16_t psid = 0; psid < 6; psid++) {
		e = entry(0xcb007101, g, psid, psid / 3 + 1u);
		assert_int_equal(binding_add(t, &e), 0);
	}
	while (binding_walk_b4(t, e.b4, &cursor, &told)) {
		assert_in_range(told.psid, 3, 5);
		assert_memory_equal(told.b4, e.b4, sizeof(e.b4));
		seen |= 1u << told.psid;
	}
	assert_int_equal(seen, 0x38);
	assert_int_equal(binding_mark(t, e.b4, true), 3);
	assert_true(find(t, 0xcb007101, 4 * 1024, true)->marked);
	assert_false(find(t, 0xcb007101, 0, true)->marked);
	// it moves: the new holder is as it says, the old one has one less
	e = entry(0xcb007101, g, 4, 7);
	assert_int_equal(binding_add(t, &e), 0);
	assert_int_equal(binding_count(t), 6);
	assert_true(is_of(find(t, 0xcb007101, 4 * 1024, true), 7));
	assert_false(find(t, 0xcb007101, 4 * 1024, true)->marked);
	e = entry(0xcb007101, g, 4, 2);
	assert_int_equal(binding_mark(t, e.b4, false), 2);
	assert_false(find(t, 0xcb007101, 3 * 1024, true)->marked);
	// another BR address alone moves nothing
	e = entry(0xcb007101, g, 4, 7);
	e.br = 3;
	assert_int_equal(binding_add(t, &e), 0);
	assert_int_equal(find(t, 0xcb007101, 4 * 1024, true)->br, 3);
	assert_int_equal(binding_count(t), 6);
	seen = 0;
	for (cursor = 0; binding_walk(t, &cursor, &told);)
		seen |= 1u << told.psid;
	assert_int_equal(seen, 0x3f);
	binding_table_free(t);
	rcu_free(rcu);
}

#define ADDRESSES 64u
#define SETS      64u

// A long random schedule against an array that says who should have what.
static void random_schedule(void **state)
{
	static uint32_t holder[ADDRESSES][SETS];
	struct rcu *rcu = rcu_new(0);
	struct binding_table *t = binding_table_new(0, rcu);
	struct psid_geometry g = {0, 6};
	struct rand random;
	uint32_t count = 0;

	(void)state;
	rand_seed_fixed(&random, 2);
	memset(holder, 0, sizeof(holder));
	for (unsigned n = 0; n < 300000; n++) {
		uint32_t address = rand_u32(&random) % ADDRESSES;
		uint16_t psid = (uint16_t)(rand_u32(&random) % SETS);
		uint32_t *who = &holder[address][psid];
		uint32_t b4 = rand_u32(&random) % 50 + 1;
		struct binding_entry e = entry(0xcb007100 + address, g, psid, b4);

		if (rand_u32(&random) & 1) {
			assert_int_equal(binding_add(t, &e), 0);
			count += !*who;
			*who = b4;
		} else {
			assert_int_equal(binding_remove(t, &e), *who ? 0 : -ENOENT);
			count -= *who != 0;
			*who = 0;
		}
		rcu_poll(rcu);
		assert_int_equal(binding_count(t), count);
		assert_true(!*who == !find(t, 0xcb007100 + address, (uint16_t)(psid << 10), true));
	}
	for (uint32_t b4 = 1; b4 <= 50; b4++) {
		struct binding_entry e = entry(1, g, 0, b4), told;
		uint32_t cursor = 0;

		while (binding_walk_b4(t, e.b4, &cursor, &told)) {
			uint32_t address = rte_be_to_cpu_32(told.ipv4) - 0xcb007100;

			assert_int_equal(holder[address][told.psid], b4);
			holder[address][told.psid] = 0;
			assert_true(is_of(
				find(t, 0xcb007100 + address, (uint16_t)(told.psid << 10), true),
				b4));
		}
	}
	for (unsigned i = 0; i < ADDRESSES * SETS; i++)
		assert_int_equal(holder[i / SETS][i % SETS], 0);
	binding_table_free(t);
	rcu_free(rcu);
}

struct reader {
	struct binding_table *table;
	struct rcu *rcu;
	_Atomic bool stop;
	_Atomic uint64_t looked;
	uint64_t missed;
	uint64_t wrong;
};

#define KEPT 512u

// Looks at bindings that stay, which must always be there and right, and at one that goes to and fro between two
// holders, which must always have one of them.
static void *read_on(void *arg)
{
	struct reader *r = arg;

	rcu_online(r->rcu, 0);
	while (!atomic_load(&r->stop)) {
		for (uint32_t n = 0; n < KEPT; n++) {
			const struct binding *b = find(
				r->table, 0x0a000000 + n / 64, (uint16_t)((n % 64) << 10), true);

			r->missed += !b;
			r->wrong += b && !is_of(b, n + 1);
		}
		const struct binding *b = find(r->table, 0x0b000000, 0, true);

		r->missed += !b;
		r->wrong += b && !is_of(b, 1) && !is_of(b, 2);
		r->looked++;
		rcu_quiescent(r->rcu, 0);
	}
	rcu_offline(r->rcu, 0);
	return NULL;
}

// Everything that a writer can do, while a worker reads.
static void under_load(void **state)
{
	struct rcu *rcu = rcu_new(1);
	struct binding_table *t = binding_table_new(0, rcu);
	struct psid_geometry g = {0, 6}, finer = {0, 12};
	struct reader reader = {.table = t, .rcu = rcu};
	struct binding_entry e;
	pthread_t thread;

	(void)state;
	for (uint32_t n = 0; n < KEPT; n++) {
		e = entry(0x0a000000 + n / 64, g, (uint16_t)(n % 64), n + 1);
		assert_int_equal(binding_add(t, &e), 0);
	}
	e = entry(0x0b000000, g, 0, 1);
	assert_int_equal(binding_add(t, &e), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_on, &reader), 0);
	// a busy machine may take its time to let the thread begin
	while (!atomic_load(&reader.looked))
		sched_yield();
	for (unsigned round = 0; round < 20; round++) {
		for (uint32_t n = 0; n < 2000; n++) {
			e = entry(0x0c000000 + n % 500, round & 1 ? finer : g, (uint16_t)(n / 500),
				n);
			assert_int_equal(binding_add(t, &e), 0);
			e = entry(0x0b000000, g, 0, n % 2 + 1);
			assert_int_equal(binding_add(t, &e), 0);
			rcu_poll(rcu);
		}
		for (uint32_t n = 0; n < 2000; n++) {
			e = entry(0x0c000000 + n % 500, round & 1 ? finer : g, (uint16_t)(n / 500),
				n);
			assert_int_equal(binding_remove(t, &e), 0);
			rcu_poll(rcu);
		}
	}
	atomic_store(&reader.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(reader.missed, 0);
	assert_int_equal(reader.wrong, 0);
	assert_int_equal(binding_count(t), KEPT + 1);
	binding_table_free(t);
	rcu_free(rcu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_geometry),
		cmocka_unit_test(two_geometries),
		cmocka_unit_test(by_b4),
		cmocka_unit_test(random_schedule),
		cmocka_unit_test(under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
