// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The requests that carry out the orders of a home: errand.c knows what is next and how it is sent,
// errand_answer.c what its answer means. home.c has the session that they go through; the three are
// one noun, and nobody else includes this.

#include "dots/home.h"

// Before what was not answered, or rejected by a reset, is tried again.
#define ERRAND_RETRY (30 * CLOCK_SECOND)

// A home is asked for so many seconds at a time, and before three quarters are over for more, so that
// it lets go soon of what it was never told the end of.
#define ERRAND_LIFETIME 3600

// The session is gone: all that lives at the home has to be asked for anew.
void errands_interrupted(struct home *home);

// Tells the maker of an order that something has changed.
void errand_tell(struct order *order);

// The same for all orders.
void errands_tell_all(struct home *home);

// There may be something to send.
void errands_wake(struct home *home);

// What time asks for: refreshes, repetitions, orders that nobody needs any more.
void errands_due(struct home *home);

// When errands_due() is to be called next; UINT64_MAX: not by itself.
uint64_t errands_next(const struct home *home);

// Seconds to ask the home for.
uint32_t errand_lifetime(const struct order *order);

// errand_answer.c: what comes of a request; `part` is the part of an order that it was sent for.
void errand_answered(void *part, const struct answer *answer);

// Frees all orders.
void errands_drop(struct home *home);

// home.c: sets the home's timer to what comes first; whether there are any orders has changed.
void home_schedule(struct home *home);
void home_orders_changed(struct home *home);
