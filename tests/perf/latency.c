// SPDX-License-Identifier: BSD-3-Clause

// How long single bursts take: a pass of its own, so that the reading of the counter is in no median. Bursts during
// which the kernel took the core away are left out; what interrupts took, and the host of a virtual machine, is in.

#include "latency.h"

#include <stdlib.h>
#include <sys/resource.h>

#define READINGS 1001 // of the counter alone

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

// How often this thread has lost its core.
static long switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw + usage.ru_nvcsw;
}

void latency_open(struct latency *l, unsigned most)
{
	*l = (struct latency){.clocks = malloc(most * sizeof(*l->clocks)), .most = most};
	if (!l->clocks)
		fail("no memory for bursts", most);
	l->switches = switches();
}

void latency_end(struct latency *l, unsigned packets)
{
	uint64_t clocks = latency_clock() - l->began;
	long so_far = switches();

	if (so_far != l->switches)
		l->interrupted++;
	else if (packets == BURST_MAX && l->bursts < l->most)
		l->clocks[l->bursts++] = clocks > UINT32_MAX ? UINT32_MAX : (uint32_t)clocks;
	l->switches = so_far;
}

// What two readings cost that have nothing between them, in the median.
static uint32_t null_clocks(void)
{
	uint32_t clocks[READINGS];

	for (unsigned i = 0; i < READINGS; i++) {
		uint64_t start = latency_clock();

		clocks[i] = (uint32_t)(latency_clock() - start);
	}
	qsort(clocks, READINGS, sizeof(*clocks), compare);
	return clocks[READINGS / 2];
}

// The least that no more than one burst in `of` exceeds.
static uint32_t exceeded_by(const struct latency *l, unsigned of)
{
	return l->clocks[l->bursts - 1 - l->bursts / of];
}

void latency_close(struct latency *l, struct task *task, const char *work, const char *direction,
	unsigned scale)
{
	static const struct {
		const char *name;
		unsigned of;
	} percentiles[] = {{"p50", 2}, {"p90", 10}, {"p99", 100}, {"p99.9", 1000}};
	uint32_t max, null = null_clocks();

	if (!l->bursts)
		fail("every burst was interrupted", l->interrupted);
	qsort(l->clocks, l->bursts, sizeof(*l->clocks), compare);
	max = l->clocks[l->bursts - 1];
	printf("%-19s %-4s %-4s %9u", work, direction, "64", scale);
	fprintf(task->latency,
		"%s\n  {\"work\": \"%s\", \"direction\": \"%s\", \"scale\": %u, \"packets\": %u, "
		"\"bursts\": %u, \"interrupted\": %u, \"null\": %u",
		task->any_latency ? "," : "", work, direction, scale, BURST_MAX, l->bursts,
		l->interrupted, null);
	for (unsigned i = 0; i < RTE_DIM(percentiles); i++) {
		uint32_t clocks = exceeded_by(l, percentiles[i].of);

		printf(" %s %u", percentiles[i].name, clocks);
		fprintf(task->latency, ", \"%s\": %u", percentiles[i].name, clocks);
	}
	printf(" max %u clocks a burst of %u (%u bursts, %u interrupted, null %u)\n", max,
		BURST_MAX, l->bursts, l->interrupted, null);
	fprintf(task->latency, ", \"max\": %u}", max);
	task->any_latency = true;
	free(l->clocks);
}
