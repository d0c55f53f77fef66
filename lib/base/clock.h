// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The one clock of the program. It runs by CLOCK_MONOTONIC, or, after clock_hold(), stands still
// and moves only by clock_advance(): everything that waits for time (timers, lifetimes, wheels)
// can then be tested from outside. Packet code never calls it: `now` is an argument there.
//
// Units: nanoseconds here; workers count ticks of 1/8 s, which last 17 years in 32 bits.

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_SECOND   UINT64_C(1000000000)
#define CLOCK_MS       UINT64_C(1000000)
#define TICKS_A_SECOND 8u
#define CLOCK_TICK     (CLOCK_SECOND / TICKS_A_SECOND)

// Stops the clock at its present reading; there is no way back. Call before any thread starts.
void clock_hold(void);
bool clock_is_held(void);

// Moves a held clock forward. Returns -EPERM if the clock runs by itself.
int clock_advance(uint64_t ns);

// Nanoseconds since an arbitrary start; never goes back. Any thread may read it.
uint64_t clock_now(void);

// The same instant in ticks of 1/8 s; starts at 1, so that 0 can mean never.
uint32_t clock_tick(void);

// Unix time in milliseconds of the instant clock_now() would give: moves with a held clock too.
int64_t clock_unix_ms(void);

// Unix time in milliseconds at which the clock read, or will read, tick.
int64_t clock_tick_unix_ms(uint32_t tick);
