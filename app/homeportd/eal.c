// SPDX-License-Identifier: BSD-3-Clause

// DPDK's environment: cores, memory, no devices but those the configuration names (worker/port.c starts
// them). Without huge pages DPDK reserves one piece of memory at the start and takes nothing later, so what
// the tables need is added up here.

#include "base/bits.h"

#include "box.h"

#include <rte_eal.h>
#include <rte_errno.h>

#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB         (1u << 20)
#define BUFFER_SIZE (RTE_MBUF_DEFAULT_BUF_SIZE + sizeof(struct rte_mbuf) + 64)
#define FIB_SIZE    (40u * MIB) // 2^24 entries of two bytes, and room for long prefixes
#define FIB6_SIZE   (52u * MIB) // likewise, with all tables for long prefixes there can be
#define ROUTE_SIZE  640 // a long prefix: its node, and a table of 256 if it is alone in a /24
#define SLACK       (48u * MIB) // rings, devices, and what the allocator loses

static uint32_t share(uint32_t all, unsigned workers)
{
	return (uint32_t)div_round_up(all, workers);
}

struct worker_size eal_worker_size(const struct config *config)
{
	const struct config_platform *p = &config->platform;

	return (struct worker_size){
		.nat =
			{
				.mappings = share(p->max_mappings, p->workers),
				.sessions = share(p->max_sessions, p->workers),
				.subscribers = share(p->max_subscribers, p->workers),
				.aliases = share(p->max_aliases, p->workers),
			},
		.datagrams =
			{
				.datagrams = share(p->max_datagrams, p->workers),
				.waiting = share(p->max_waiting_fragments, p->workers),
				.fragments_each = p->max_fragments_each,
				.each_source = p->max_datagrams_each_source,
				.source_bits = 32,
			},
		.tunnelled =
			{
				.datagrams = share(p->reassembly.max_datagrams, p->workers),
				.waiting = share(p->reassembly.max_waiting, p->workers),
				.fragments_each = p->reassembly.max_each,
				.each_source = p->reassembly.max_datagrams_each_source,
				.source_bits = p->reassembly.source_length,
			},
	};
}

uint32_t eal_port_sets(const struct config *config)
{
	return share(config->platform.max_port_sets, config->platform.workers);
}

static uint64_t policy_bytes(const struct config *config, const struct config_policy *policy)
{
	unsigned bits = bit_lowest(policy->port_set_size);
	uint64_t addresses = 0, blocks, sets = eal_port_sets(config);

	for (unsigned i = 0; i < policy->pools; i++)
		addresses += UINT64_C(1) << (32 - policy->pool[i].prefix.len);
	blocks = addresses << (16 - bits);
	if (blocks < sets)
		sets = blocks;
	// the slots of fixed ports, as if all were
	if (policy->deterministic)
		blocks += addresses * POOL_PROTOCOLS << 16;
	return blocks * sizeof(uint32_t) +
		config->platform.workers * portblk_bytes(bits, (uint32_t)addresses, (uint32_t)sets);
}

static uint64_t bytes_needed(const struct config *config)
{
	const struct config_platform *p = &config->platform;
	struct worker_size size = eal_worker_size(config);
	// of IPv6 as well where there is none yet: a reload may bring it
	uint64_t bytes = SLACK + 2 * FIB_SIZE + 2 * FIB6_SIZE;

	bytes += p->workers * worker_bytes(&size);
	bytes += p->workers * held_bytes(share(p->max_held_syns, p->workers));
	bytes += ((uint64_t)p->packet_buffers + EAL_COPIES) * BUFFER_SIZE;
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		// twice: a reload may bring a policy with another pool before the old one is freed
		for (unsigned k = 0; instance->enabled && k < instance->policies; k++)
			bytes += 2 * policy_bytes(config, &instance->policy[k]);
		bytes += 2 * ROUTE_SIZE * (uint64_t)instance->statics;
	}
	return bytes;
}

// MiB of huge pages, of whatever size, that nobody uses.
static uint64_t free_huge_pages(void)
{
	uint64_t kib = 0;
	glob_t found;

	if (glob("/sys/kernel/mm/hugepages/hugepages-*kB/free_hugepages", 0, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		unsigned long size = strtoul(strrchr(found.gl_pathv[i], '-') + 1, NULL, 10);
		FILE *file = fopen(found.gl_pathv[i], "r");
		unsigned long pages;

		if (file && fscanf(file, "%lu", &pages) == 1)
			kib += pages * size;
		if (file)
			fclose(file);
	}
	globfree(&found);
	return kib / 1024;
}

// Whether the box may and can have its memory in huge pages.
static bool use_huge_pages(const struct config_platform *p, uint64_t need)
{
	uint64_t there;

	if (!p->huge_pages)
		return false;
	there = free_huge_pages();
	if (there >= need)
		return true;
	log_warning("eal",
		"%lu MiB of huge pages are free, of %lu that are needed: ordinary memory it is, and "
		"packets take longer",
		(unsigned long)there, (unsigned long)need);
	return false;
}

// The words of EAL's command line. EAL keeps them and may reorder them.
struct words {
	unsigned count;
	char *word[64];
};

static int add(struct words *w, const char *word)
{
	if (w->count == sizeof(w->word) / sizeof(w->word[0]))
		return -1;
	w->word[w->count] = strdup(word);
	return w->word[w->count++] ? 0 : -1;
}

// One core for the control thread and one for each worker, if this process may use so many; else all
// share what there is.
static void add_cores(struct words *w, unsigned workers)
{
	char text[1024] = "--lcores=";
	size_t length = strlen(text);
	cpu_set_t set;
	unsigned lcore = 0;
	bool enough;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	enough = (unsigned)CPU_COUNT(&set) > workers;
	if (!enough) {
		length +=
			(size_t)snprintf(text + length, sizeof(text) - length, "(0-%u)@(", workers);
		log_notice("eal", "%u workers and the control thread share %d core%s", workers,
			CPU_COUNT(&set), CPU_COUNT(&set) == 1 ? "" : "s");
	}
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && length < sizeof(text); cpu++) {
		const char *comma = lcore ? "," : "";

		if (!CPU_ISSET(cpu, &set) || (enough && lcore > workers))
			continue;
		length += (size_t)(enough ? snprintf(text + length, sizeof(text) - length,
						    "%s%u@%u", comma, lcore, cpu)
					  : snprintf(text + length, sizeof(text) - length, "%s%u",
						    comma, cpu));
		lcore++;
	}
	if (!enough && length < sizeof(text))
		snprintf(text + length, sizeof(text) - length, ")");
	add(w, text);
}

static bool is_pci(const char *device)
{
	unsigned domain, bus, slot, function;
	int end = 0;

	return sscanf(device, "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &end) == 4 && end;
}

static void add_devices(struct words *w, const struct config *config)
{
	bool any = false;

	for (unsigned i = 0; i < config->ifaces; i++) {
		if (!is_pci(config->iface[i].device))
			continue;
		add(w, "-a");
		add(w, config->iface[i].device);
		any = true;
	}
	if (!any)
		add(w, "--no-pci");
}

unsigned eal_check(
	const struct config *config, void (*report)(void *ctx, const char *text), void *ctx)
{
	uint64_t need = div_round_up(bytes_needed(config), MIB);
	uint32_t memory = config->platform.memory;
	char text[256];

	if (!memory || memory >= need)
		return 0;
	snprintf(text, sizeof(text),
		"/homeport:homeport/platform/memory: %u MiB. Allowed: %lu or more for these tables "
		"and packet buffers",
		memory, (unsigned long)need);
	report(ctx, text);
	return 1;
}

// Lets DPDK look up sixteen routes at a time, on processors that can, if nobody says otherwise: EAL takes this
// option once.
static void add_vector_width(struct words *w, const struct config_platform *p)
{
	static const char option[] = "--force-max-simd-bitwidth";

	for (unsigned i = 0; i < p->eal_options; i++) {
		if (!strncmp(p->eal_option[i], option, strlen(option)))
			return;
	}
	add(w, "--force-max-simd-bitwidth=512");
}

int eal_start(const struct config *config, struct err *err)
{
	const struct config_platform *p = &config->platform;
	uint64_t need = div_round_up(bytes_needed(config), MIB);
	struct words w = {0}, handed;
	char text[32];
	bool huge;
	int rc;

	if (p->memory)
		need = p->memory;
	huge = use_huge_pages(p, need);
	add(&w, "homeportd");
	add(&w, "--no-telemetry");
	add(&w, "--log-level=warning");
	if (huge) {
		add(&w, "--in-memory");
	} else {
		add(&w, "--no-huge");
		add(&w, "--no-shconf");
	}
	if (p->memory || !huge) {
		snprintf(text, sizeof(text), "%lu", (unsigned long)need);
		add(&w, "-m");
		add(&w, text);
	}
	add_cores(&w, p->workers);
	add_devices(&w, config);
	add_vector_width(&w, p);
	for (unsigned i = 0; i < p->eal_options; i++)
		add(&w, p->eal_option[i]);
	log_info("eal", "%lu MiB of %s", (unsigned long)need,
		huge ? "huge pages" : "ordinary memory");
	// EAL moves the words about, so it gets a list of its own
	handed = w;
	rc = rte_eal_init((int)handed.count, handed.word);
	for (unsigned i = 0; i < w.count; i++)
		free(w.word[i]);
	if (rc < 0)
		return err_code(
			err, -rte_errno, "DPDK does not start: %s", rte_strerror(rte_errno));
	return 0;
}
