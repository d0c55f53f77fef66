// SPDX-License-Identifier: BSD-3-Clause

// Timers stand in a binary heap of pointers, ordered by `at`; each timer knows its place, so one
// can be moved or removed in log n. Descriptors reported by one epoll_wait() are run from an array
// of the loop's: watch_stop() strikes out what has not run yet, so a callback may free its peers.

#include "base/evloop.h"

#include "base/bits.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_A_TURN 64

struct evloop {
	int epfd;
	struct timer **heap; // heap[1] is the next; heap[0] is not used
	unsigned timers;
	unsigned room;
	struct epoll_event ready[EVENTS_A_TURN];
	int n_ready;
};

struct evloop *evloop_new(void)
{
	struct evloop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

void evloop_free(struct evloop *loop)
{
	if (!loop)
		return;
	close(loop->epfd);
	free(loop->heap);
	free(loop);
}

int watch_start(struct evloop *loop, struct watch *watch, int fd, uint32_t events,
	void (*fn)(struct watch *, uint32_t))
{
	struct epoll_event ev = {.events = events, .data.ptr = watch};

	if (epoll_ctl(loop->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*watch = (struct watch){.fd = fd, .events = events, .fn = fn};
	return 0;
}

int watch_change(struct evloop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = watch};

	if (watch->events == events)
		return 0;
	if (epoll_ctl(loop->epfd, EPOLL_CTL_MOD, watch->fd, &ev) < 0)
		return -errno;
	watch->events = events;
	return 0;
}

void watch_stop(struct evloop *loop, struct watch *watch)
{
	if (!watch->fn)
		return;
	epoll_ctl(loop->epfd, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < loop->n_ready; i++) {
		if (loop->ready[i].data.ptr == watch)
			loop->ready[i].data.ptr = NULL;
	}
	*watch = (struct watch){.fd = -1};
}

static void heap_put(struct evloop *loop, unsigned place, struct timer *timer)
{
	loop->heap[place] = timer;
	timer->place = place;
}

static void heap_up(struct evloop *loop, unsigned place, struct timer *timer)
{
	for (; place > 1 && loop->heap[place / 2]->at > timer->at; place /= 2)
		heap_put(loop, place, loop->heap[place / 2]);
	heap_put(loop, place, timer);
}

static void heap_down(struct evloop *loop, unsigned place, struct timer *timer)
{
	for (unsigned child; (child = place * 2) <= loop->timers; place = child) {
		if (child < loop->timers && loop->heap[child + 1]->at < loop->heap[child]->at)
			child++;
		if (loop->heap[child]->at >= timer->at)
			break;
		heap_put(loop, place, loop->heap[child]);
	}
	heap_put(loop, place, timer);
}

static int heap_grow(struct evloop *loop)
{
	unsigned room = loop->room ? loop->room * 2 : 64;
	struct timer **heap = reallocarray(loop->heap, room, sizeof(struct timer *));

	if (!heap)
		return -ENOMEM;
	loop->heap = heap;
	loop->room = room;
	return 0;
}

int timer_set(struct evloop *loop, struct timer *timer, uint64_t at, void (*fn)(struct timer *))
{
	timer_stop(loop, timer);
	if (loop->timers + 1 >= loop->room && heap_grow(loop) < 0)
		return -ENOMEM;
	timer->at = at;
	timer->fn = fn;
	heap_up(loop, ++loop->timers, timer);
	return 0;
}

void timer_stop(struct evloop *loop, struct timer *timer)
{
	unsigned place = timer->place;
	struct timer *last;

	if (!place)
		return;
	timer->place = 0;
	last = loop->heap[loop->timers--];
	if (last == timer)
		return;
	if (place > 1 && loop->heap[place / 2]->at > last->at)
		heap_up(loop, place, last);
	else
		heap_down(loop, place, last);
}

static int wait_ms(const struct evloop *loop, int max_wait_ms)
{
	uint64_t now, ms;

	if (!loop->timers)
		return max_wait_ms;
	now = clock_now();
	if (loop->heap[1]->at <= now)
		return 0;
	// a held clock moves only by a command, and a command wakes us by its descriptor
	if (clock_is_held())
		return max_wait_ms;
	ms = div_round_up(loop->heap[1]->at - now, CLOCK_MS);
	if (max_wait_ms >= 0 && ms > (uint64_t)max_wait_ms)
		return max_wait_ms;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

int evloop_turn(struct evloop *loop, int max_wait_ms)
{
	uint64_t now;
	int n = epoll_wait(loop->epfd, loop->ready, EVENTS_A_TURN, wait_ms(loop, max_wait_ms));

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	loop->n_ready = n;
	for (int i = 0; i < n; i++) {
		struct watch *watch = loop->ready[i].data.ptr;

		if (watch)
			watch->fn(watch, loop->ready[i].events);
	}
	loop->n_ready = 0;
	// no more than were set when we began: one that sets itself anew for at once waits a turn
	now = clock_now();
	for (unsigned left = loop->timers; left && loop->timers && loop->heap[1]->at <= now;
		left--) {
		struct timer *timer = loop->heap[1];

		timer_stop(loop, timer);
		timer->fn(timer);
	}
	return 0;
}
