// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A timing wheel of one worker: one list of entries for each tick of the next two hours, so that
// setting, moving and stopping cost the same for one entry as for sixteen million. Entries are named
// by handles, since mappings, sessions and port blocks share the wheel; each embeds a struct link.
//
// Refreshing an entry does not touch the wheel: when an entry comes up, its owner looks when it was
// last seen and sets it anew if it is not due yet. What is further away than the wheel turns stands
// at its end and comes up early.

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICKS 65536u // 2 h 16 min in ticks of 1/8 s: longer than any default timer

// What a handle names, in its two highest bits; for a block the next eight are the pool's slot.
enum handle_kind { HANDLE_NONE, HANDLE_MAPPING, HANDLE_SESSION, HANDLE_BLOCK };

#define HANDLE_BITS 30

static inline uint32_t handle_make(enum handle_kind kind, uint32_t number)
{
	return (uint32_t)kind << HANDLE_BITS | number;
}

static inline enum handle_kind handle_kind(uint32_t handle)
{
	return handle >> HANDLE_BITS;
}

static inline uint32_t handle_number(uint32_t handle)
{
	return handle & ((1u << HANDLE_BITS) - 1);
}

struct link {
	uint32_t next; // handle; 0 at the end
	uint32_t prev; // handle; of kind HANDLE_NONE: the tick's list plus one; 0: not set
};

struct wheel {
	uint32_t *list; // by tick modulo WHEEL_TICKS: handle of the first
	uint32_t done;  // the last tick that has been run
	struct link *(*link)(void *owner, uint32_t handle);
	void *owner;
};

// `link` finds the link of a handle. Returns 0 or -ENOMEM.
int wheel_init(
	struct wheel *wheel, uint32_t now, struct link *(*link)(void *, uint32_t), void *owner);
void wheel_free(struct wheel *wheel);

// Sets an entry for a tick; one already set is moved. A tick not after `now` means the next.
void wheel_set(struct wheel *wheel, uint32_t handle, uint32_t tick);

// Takes an entry out; nothing happens to one that is not set.
void wheel_stop(struct wheel *wheel, uint32_t handle);

static inline bool link_is_set(const struct link *link)
{
	return link->prev != 0;
}

// Takes the next entry whose tick is not after `now`, or returns 0. It is no longer set then.
uint32_t wheel_next(struct wheel *wheel, uint32_t now);
