// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The control thread's event loop: file descriptors by epoll and timers by a heap, on the clock of
// base/clock.h (so a held clock holds the timers too). Watches and timers are embedded in their
// owner's structures; nothing is allocated for them one by one, and each may be stopped, or its
// owner freed, from inside any callback, its own included.
//
// One thread uses a loop; nothing here is safe to call from another.

#include <stdbool.h>
#include <stdint.h>

struct evloop;

struct watch {
	int fd; // -1 when not watched; the owner opens and closes the descriptor
	uint32_t events;
	void (*fn)(struct watch *watch, uint32_t events); // EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP
};

struct timer {
	uint64_t at; // reading of clock_now() in nanoseconds
	void (*fn)(struct timer *timer);
	unsigned place; // in the heap, from 1; 0 when not set
};

// Returns NULL with errno set.
struct evloop *evloop_new(void);

// Watches and timers still set are forgotten, not freed. NULL is allowed.
void evloop_free(struct evloop *loop);

// Watches fd for events (EPOLLIN, EPOLLOUT). Returns 0 or -errno.
int watch_start(struct evloop *loop, struct watch *watch, int fd, uint32_t events,
	void (*fn)(struct watch *, uint32_t));

// Changes the events of a started watch. Returns 0 or -errno.
int watch_change(struct evloop *loop, struct watch *watch, uint32_t events);

// Stops watching; does nothing on a stopped or zeroed watch. Call before close(fd).
void watch_stop(struct evloop *loop, struct watch *watch);

// Calls fn once when the clock reaches `at`; a timer already set is moved. Returns 0 or -ENOMEM.
int timer_set(struct evloop *loop, struct timer *timer, uint64_t at, void (*fn)(struct timer *));

void timer_stop(struct evloop *loop, struct timer *timer);

static inline bool timer_is_set(const struct timer *timer)
{
	return timer->place != 0;
}

// One turn: waits at most max_wait_ms (-1: until something happens) for descriptors or the next
// timer, then runs what is due. Returns 0, or -errno if epoll fails.
int evloop_turn(struct evloop *loop, int max_wait_ms);
