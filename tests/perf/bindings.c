// SPDX-License-Identifier: BSD-3-Clause

// A binding table without its packets: `binding-add` fills an empty one, `binding-change` gives single port sets of the
// full one to other B4s, in place, as a reload does.

#include "base/rcu.h"
#include "table/binding.h"

#include "perf.h"

#include <stdlib.h>

#define CHANGES 10000

static struct binding_entry entry(unsigned n, uint8_t holder)
{
	struct binding_entry e = {
		.ipv4 = rte_cpu_to_be_32(RTE_IPV4(198u, 0, 0, 0) + n / PORTS_A_SUBSCRIBER),
		.psid = (uint16_t)(1 + n % PORTS_A_SUBSCRIBER),
		.geometry = {.offset = PSID_OFFSET_LW46, .length = 6},
		.b4 = {0x20, 0x01, 0x0d, 0xb8, 0x01, (uint8_t)(n >> 16), (uint8_t)(n >> 8),
			(uint8_t)n},
	};

	e.b4[15] = holder;
	return e;
}

static void add(struct binding_table *table, unsigned n, uint8_t holder)
{
	struct binding_entry e = entry(n, holder), now;

	if (binding_add(table, &e) < 0)
		fail("no memory for bindings", n);
	if (!binding_get(table, &e, &now) || memcmp(now.b4, e.b4, sizeof(e.b4)))
		fail("another has the port set", n);
}

static void print(struct task *task, const char *work, double *clocks, unsigned runs)
{
	struct row row = {.work = work,
		.direction = "out",
		.of = "binding",
		.scale = task->sessions,
		.runs = runs};

	set_clocks(&row, clocks);
	print_row(task, &row);
}

void measure_bindings(struct task *task)
{
	double added[RUNS_MAX], changed[RUNS_MAX];
	struct rcu *rcu = rcu_new(0);
	struct rand random;

	if (!rcu)
		fail("no memory", 0);
	rand_seed_fixed(&random, 1);
	for (unsigned run = 0; run < task->runs; run++) {
		struct binding_table *table = binding_table_new(task->sessions, rcu);
		uint64_t start = core_clocks();

		if (!table)
			fail("no memory", 0);
		for (unsigned i = 0; i < task->sessions; i++)
			add(table, i, 0);
		added[run] = (double)(core_clocks() - start) / task->sessions;
		start = core_clocks();
		for (unsigned i = 0; i < CHANGES; i++)
			add(table, rand_below(&random, task->sessions), (uint8_t)(1 + i % 255));
		changed[run] = (double)(core_clocks() - start) / CHANGES;
		binding_table_free(table);
		rcu_barrier(rcu);
	}
	rcu_free(rcu);
	print(task, "binding-add", added, task->runs);
	print(task, "binding-change", changed, task->runs);
}
