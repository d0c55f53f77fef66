// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The message IDs a peer used lately, so that a duplicate is processed once (RFC 7252 section 4.5),
// and what was answered to the confirmable ones, so that their duplicates get the same bytes again.
//
// Bounded in entries, bytes and time; when full the oldest is forgotten first. A duplicate that late
// is then processed again, which the idempotent requests of DOTS survive.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_ENTRIES 256
#define RECENT_BYTES   (32 * 1024) // of answers kept

struct seen {
	struct seen *next;
	uint64_t until; // reading of clock_now()
	uint16_t id;
	uint8_t *answer; // NULL: nothing was answered
	size_t length;
};

// All zero is empty.
struct recent {
	struct seen *oldest;
	struct seen *newest;
	unsigned count;
	size_t bytes;
};

// The entry of an ID that is still in use, or NULL.
struct seen *recent_find(const struct recent *recent, uint16_t id, uint64_t now);

// Notes an ID until `until`. Returns NULL if memory runs out.
struct seen *recent_add(struct recent *recent, uint16_t id, uint64_t until, uint64_t now);

// Keeps a copy of what was answered with the entry last added; without memory for it there is none.
void recent_answer(struct recent *recent, struct seen *seen, const uint8_t *data, size_t length);

void recent_clear(struct recent *recent);
