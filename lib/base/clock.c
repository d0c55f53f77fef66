// SPDX-License-Identifier: BSD-3-Clause

#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

static bool held;
static _Atomic uint64_t held_at;

static uint64_t read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_SECOND + (uint64_t)ts.tv_nsec;
}

// What the monotonic clock and the wall clock read when the program first asked: ticks count from
// there, and a held clock keeps telling a wall time that fits it.
static struct {
	uint64_t mono;
	uint64_t wall;
} start;

__attribute__((constructor)) static void clock_start(void)
{
	start.mono = read_ns(CLOCK_MONOTONIC);
	start.wall = read_ns(CLOCK_REALTIME);
}

void clock_hold(void)
{
	atomic_store(&held_at, read_ns(CLOCK_MONOTONIC));
	held = true;
}

bool clock_is_held(void)
{
	return held;
}

int clock_advance(uint64_t ns)
{
	if (!held)
		return -EPERM;
	atomic_fetch_add(&held_at, ns);
	return 0;
}

uint64_t clock_now(void)
{
	return held ? atomic_load_explicit(&held_at, memory_order_relaxed)
		    : read_ns(CLOCK_MONOTONIC);
}

uint32_t clock_tick(void)
{
	return (uint32_t)((clock_now() - start.mono) / CLOCK_TICK) + 1;
}

int64_t clock_unix_ms(void)
{
	// a running clock follows the system's corrections; a held one counts from where it started
	uint64_t wall = held ? start.wall + (clock_now() - start.mono) : read_ns(CLOCK_REALTIME);

	return (int64_t)(wall / CLOCK_MS);
}

int64_t clock_tick_unix_ms(uint32_t tick)
{
	int64_t ago = (int64_t)clock_tick() - tick;

	return clock_unix_ms() - ago * (int64_t)(CLOCK_TICK / CLOCK_MS);
}
