// SPDX-License-Identifier: BSD-3-Clause

// The text of a configuration file: read, checked, and if nothing is wrong with it built, built once more
// as a reload does it, and freed. The schema is loaded once; routes go to DPDK's plain RIB instead of its
// table of 2^24 entries, which would take longer to clear than everything else.

#include "base/rcu.h"
#include "conf/conf.h"
#include "table/neighbour.h"

#include "fuzz.h"
#include "support/world.h"

#include <rte_fib.h>
#include <rte_malloc.h>

#include <string.h>

#define MEMORY_MB  32 // so that pools of millions of ports are refused for want of it
#define NEIGHBOURS 64
#define WORKERS    2

struct rte_fib *__real_rte_fib_create(const char *name, int socket, struct rte_fib_conf *conf);
struct rte_fib *__wrap_rte_fib_create(const char *name, int socket, struct rte_fib_conf *conf);

static struct schema *schema;
static struct rcu *rcu;

struct rte_fib *__wrap_rte_fib_create(const char *name, int socket, struct rte_fib_conf *conf)
{
	struct rte_fib_conf plain = {
		.type = RTE_FIB_DUMMY,
		.default_nh = conf->default_nh,
		.max_routes = conf->max_routes,
	};

	return __real_rte_fib_create(name, socket, &plain);
}

static void make(void)
{
	struct err err;

	world_eal("fuzz", false, MEMORY_MB);
	rcu = rcu_new(0);
	schema = schema_new(YANG_FOLDER, &err);
	if (!schema)
		fprintf(stderr, "%s\n", err.text);
	FUZZ_CHECK(schema && rcu);
}

// Counts faults, each of which says where it is.
static void on_fault(void *ctx, const char *text)
{
	unsigned *faults = ctx;

	FUZZ_CHECK(text[0] == '/' && strchr(text, ':'));
	(*faults)++;
}

// What conf carries about without looking into it.
static struct portblk *share_new(struct pool *, unsigned, uint32_t)
{
	return malloc(1);
}

static void share_free(struct portblk *share)
{
	free(share);
}

static void build(const struct config *config)
{
	struct build build = {
		.workers = WORKERS,
		.generation = 1,
		.neighbours = neighbour_table_new(NEIGHBOURS, rcu),
		.max_port_sets = 16,
		.share_new = share_new,
		.share_free = share_free,
	};
	struct snapshot *first, *second;
	struct err err;

	FUZZ_CHECK(build.neighbours);
	FUZZ_CHECK(conf_can_replace(config, config, &err) == 0);
	first = conf_build(config, &build, &err);
	if (first) {
		build.old = first;
		build.generation = 2;
		second = conf_build(config, &build, &err);
		if (second)
			conf_release(first, second, &build);
		conf_release(second ? second : first, NULL, &build);
	}
	neighbour_table_free(build.neighbours);
}

// What is in force can be printed, and read again.
static void print(const struct config *config)
{
	char *text = conf_print(config);
	unsigned faults = 0;
	struct config *again;

	FUZZ_CHECK(text);
	again = conf_load_text(schema, text, "/", on_fault, &faults);
	FUZZ_CHECK(again && !faults);
	conf_free(again);
	free(text);
}

static unsigned allocations(void)
{
	struct rte_malloc_socket_stats stats;

	rte_malloc_get_socket_stats((int)rte_socket_id(), &stats);
	return stats.alloc_count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config;
	unsigned faults = 0, before;
	char *text;

	if (!schema)
		make();
	// a file that holds a zero byte is refused before it comes here
	if (memchr(data, '\0', size))
		return 0;
	before = allocations();
	text = malloc(size + 1);
	FUZZ_CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	config = conf_load_text(schema, text, "/", on_fault, &faults);
	FUZZ_CHECK(!config == !!faults);
	if (config) {
		print(config);
		build(config);
	}
	conf_free(config);
	free(text);
	FUZZ_CHECK(allocations() == before);
	return 0;
}
