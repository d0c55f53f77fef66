// SPDX-License-Identifier: BSD-3-Clause

// How busy the workers are. Their counters only grow; what they did of late is what they have more of than at the
// last look but one, so that it is never of less than one period nor of more than two.

#include "base/bits.h"
#include "base/clock.h"

#include "box.h"

#include <rte_cycles.h>

#include <stdlib.h>

#define PERIOD (10 * CLOCK_SECOND)

struct look {
	uint64_t busy, idle; // clocks
	uint64_t packets;
};

struct load {
	struct box *box;
	struct timer timer;
	struct look last[POOL_MAX_WORKERS];
	struct look before[POOL_MAX_WORKERS];
};

static struct look look(const struct box *box, unsigned worker)
{
	const struct worker_stats *s = &box->dataplane.worker[worker]->stats;

	return (struct look){
		.busy = stat_read(&s->busy_clocks),
		.idle = stat_read(&s->idle_clocks),
		.packets = stat_read(&s->received) + stat_read(&s->taken),
	};
}

static void on_period(struct timer *timer)
{
	struct load *load = CONTAINER_OF(timer, struct load, timer);

	for (unsigned i = 0; i < load->box->dataplane.workers; i++) {
		load->before[i] = load->last[i];
		load->last[i] = look(load->box, i);
	}
	timer_set(load->box->loop, timer, clock_now() + PERIOD, on_period);
}

struct load *load_new(struct box *box)
{
	struct load *load = calloc(1, sizeof(*load));

	if (!load)
		return NULL;
	load->box = box;
	timer_set(box->loop, &load->timer, clock_now() + PERIOD, on_period);
	return load;
}

void load_free(struct load *load)
{
	free(load);
}

void load_read(const struct box *box, unsigned worker, struct ctl_worker *out)
{
	const struct worker_stats *s = &box->dataplane.worker[worker]->stats;
	const struct look *before = &box->load->before[worker];
	const struct look now = look(box, worker);
	uint64_t busy = now.busy - before->busy, idle = now.idle - before->idle;
	uint64_t clocks_a_ms = rte_get_tsc_hz() / 1000;

	out->received = stat_read(&s->received);
	out->handed_over = stat_read(&s->steered);
	out->taken_over = stat_read(&s->taken);
	out->sets_given = stat_read(&s->blocks_given);
	out->sets_taken = stat_read(&s->blocks_taken);
	out->busy_ms = now.busy / clocks_a_ms;
	out->time_ms = (now.busy + now.idle) / clocks_a_ms;
	out->recent_packets = now.packets - before->packets;
	out->recent_busy = busy + idle ? (uint32_t)(busy * 100 / (busy + idle)) : 0;
}
