// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Percentiles of how long the pipeline takes for a burst, from received to transmit-ready.

#include "perf.h"

#include <rte_cycles.h>

struct latency {
	uint32_t *clocks; // of each burst
	unsigned bursts;
	unsigned most;
	unsigned interrupted; // bursts that are not among them
	long switches;        // of this thread, so far
	uint64_t began;
};

// The time stamp counter when all before is done.
static inline uint64_t latency_clock(void)
{
	return rte_rdtsc_precise();
}

// Begins a pass of so many bursts at most.
void latency_open(struct latency *latency, unsigned most);

// Around the work of a burst of so many packets. One that is not full says nothing, and one during which the core was
// given to somebody else is only counted.
static inline void latency_begin(struct latency *l)
{
	l->began = latency_clock();
}

void latency_end(struct latency *latency, unsigned packets);

// Ends the pass and tells its percentiles.
void latency_close(struct latency *latency, struct task *task, const char *work,
	const char *direction, unsigned scale);
