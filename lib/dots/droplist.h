// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Sources that come again and again without valid credentials are not listened to for a while (RFC
// 9066 section 8). They are known by prefix, since one host may have all addresses of an IPv6 subnet.
//
// The table has a fixed size; when a place is wanted, the failure noted longest ago is forgotten.

#include "base/ipaddr.h"

#include <stdbool.h>
#include <stdint.h>

#define DROPLIST_ENTRIES 4096

struct droplist_setup {
	unsigned failures;    // within `window` that put a source on the list
	uint64_t window_ns;   // counted from the first of them
	uint64_t duration_ns; // on the list
	uint8_t len4;         // prefix lengths that sources are known by
	uint8_t len6;
};

struct droplist;

// Returns NULL if memory or randomness runs out.
struct droplist *droplist_new(const struct droplist_setup *setup);

// NULL is allowed.
void droplist_free(struct droplist *list);

// Holds for what is noted from now on.
void droplist_configure(struct droplist *list, const struct droplist_setup *setup);

// Whether nothing is taken from this address now.
bool droplist_has(const struct droplist *list, const struct ipaddr *addr);

// One more failure. Returns whether it has put the source on the list.
bool droplist_note(struct droplist *list, const struct ipaddr *addr);

// Those on the list now, in no order. `left_ns` is how long they still are.
void droplist_walk(const struct droplist *list,
	void (*fn)(void *ctx, const struct ipprefix *source, uint64_t left_ns), void *ctx);
