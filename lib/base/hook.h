// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A program of the administrator's that hears what happens (to mitigations, say). It is run without a shell,
// with an environment of its own, and with the event in its arguments; not more than HOOK_RUNS at a time,
// and none for longer than HOOK_TIME. What it does with its time is its own affair: nothing waits for it.

#include "base/evloop.h"

#define HOOK_RUNS 8
#define HOOK_TIME (30 * CLOCK_SECOND)

struct hook;

// Copies the path. Returns NULL if memory runs out.
struct hook *hook_new(struct evloop *loop, const char *path);

// Programs that still run are killed. NULL is allowed.
void hook_free(struct hook *hook);

// Runs it with these arguments, the last NULL; argument 0 is its own name and not among them. What
// cannot be run is logged.
void hook_run(struct hook *hook, const char *const *arguments);

// How many run at this time.
unsigned hook_running(const struct hook *hook);
