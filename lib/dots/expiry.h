// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Certificates that end soon: the box's own, those of the authorities it trusts, and that of an upstream
// it has a session with. Said in the log once a day, and wherever sessions are shown.

#include "base/evloop.h"

struct dots;
struct homes;
struct expiry;

// Says nothing until expiry_begin(). Returns NULL if memory runs out.
struct expiry *expiry_new(struct evloop *loop, const struct dots *dots, const struct homes *homes);

// NULL is allowed.
void expiry_free(struct expiry *expiry);

// Speaks of what ends within so many days, from now on and once a day. Returns -ENOMEM.
int expiry_begin(struct expiry *expiry, unsigned days);
