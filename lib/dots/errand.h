// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The requests that carry out the orders of a home: what is next, how it is sent, what its answer
// means. home.c has the session that they go through; the two are one noun in two files, and nobody
// else includes this.

#include "dots/home.h"

// The session is gone: all that lives at the home has to be asked for anew.
void errands_interrupted(struct home *home);

// Tells the makers of all orders that something has changed.
void errands_tell_all(struct home *home);

// There may be something to send.
void errands_wake(struct home *home);

// What time asks for: refreshes, repetitions, orders that nobody needs any more.
void errands_due(struct home *home);

// When errands_due() is to be called next; UINT64_MAX: not by itself.
uint64_t errands_next(const struct home *home);

// Frees all orders.
void errands_drop(struct home *home);

// home.c: sets the home's timer to what comes first; whether there are any orders has changed.
void home_schedule(struct home *home);
void home_orders_changed(struct home *home);
