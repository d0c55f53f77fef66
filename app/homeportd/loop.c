// SPDX-License-Identifier: BSD-3-Clause

// The control thread: one event loop for sockets, signals and timers, and between its turns the rings of
// the workers, which cannot wake it.

#include "base/bits.h"
#include "base/clock.h"
#include "base/pcapring.h"
#include "table/moves.h"

#include "box.h"

#include <rte_ring.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define TURN_MS     1
#define HEAR_A_TURN 4096
#define ANSWER_NS   (2 * CLOCK_SECOND)
#define SETTLE_NS   (60 * CLOCK_SECOND)
#define IDLE_TURNS  20 // for which nothing may have changed before the box calls itself idle

// The true time, also when the clock is held.
static uint64_t true_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_SECOND + (uint64_t)ts.tv_nsec;
}

static void take_answer(struct box *box, const struct msg *msg)
{
	struct asked *asked = &box->asked[msg->worker];

	if (asked->open && msg->sequence == asked->sequence)
		asked->open = false;
}

// The ring empties by itself in microseconds; blocks under way must not be lost.
static void move_blocks(struct box *box, const struct msg *msg)
{
	struct msg answer;
	int worker = moves_answer(box->snapshot, msg, &answer);

	while (worker >= 0 && loop_tell(box, (unsigned)worker, &answer) < 0)
		sched_yield();
}

static void take(struct box *box, const struct msg *msg)
{
	switch ((enum msg_type)msg->type) {
	case MSG_ANSWER:
		take_answer(box, msg);
		break;
	case MSG_BLOCK:
		resolve_table_event(box->resolve, &msg->block);
		break;
	case MSG_BLOCKS_WANTED:
	case MSG_BLOCKS_GIVEN:
		move_blocks(box, msg);
		break;
	case MSG_NEIGHBOUR_WANTED:
		neigh_wanted(box->neigh, msg);
		break;
	case MSG_NEIGHBOUR_SEEN:
		neigh_seen(box->neigh, msg);
		break;
	case MSG_B4_CHANGE:
		notifier_b4_change(box->notifier, msg, clock_unix_ms());
		break;
	case MSG_PUNT:
		host_take(box->host, msg);
		break;
	case MSG_COPY:
		inspect_take(box, msg);
		break;
	case MSG_MARK:
	case MSG_WALK:
	case MSG_FIND:
	case MSG_FIND_ICMP:
	case MSG_TRANSMIT:
	case MSG_BLOCKS_GIVE:
	case MSG_BLOCKS_TAKE:
		break; // never sent this way
	}
}

// Hears one worker. An answer is copied to *answer (NULL: nobody waits for one).
static void hear(struct box *box, unsigned worker, struct msg *answer)
{
	struct channel *channel = &box->dataplane.worker[worker]->channel;
	struct msg msgs[64];
	unsigned n, total = 0;

	while (total < HEAR_A_TURN && (n = channel_hear(channel, msgs, ARRAY_LEN(msgs)))) {
		for (unsigned i = 0; i < n; i++) {
			take(box, &msgs[i]);
			if (answer && msgs[i].type == MSG_ANSWER)
				*answer = msgs[i];
		}
		total += n;
	}
}

void loop_hear(struct box *box)
{
	for (unsigned i = 0; i < box->dataplane.workers; i++)
		hear(box, i, NULL);
}

int loop_tell(struct box *box, unsigned worker, const struct msg *msg)
{
	return channel_tell(&box->dataplane.worker[worker]->channel, msg);
}

static int wait_for_answer(struct box *box, unsigned worker, struct msg *answer)
{
	uint64_t end = true_ns() + ANSWER_NS;

	while (box->asked[worker].open) {
		hear(box, worker, answer);
		if (!box->asked[worker].open)
			break;
		if (true_ns() > end)
			return -ETIMEDOUT;
		sched_yield();
	}
	return 0;
}

// Where a question wants its rows, how large they are together, and the box's buffer in its place.
static void redirect(struct msg *msg, void *buffer, void **rows, size_t *row_size)
{
	switch ((enum msg_type)msg->type) {
	case MSG_WALK:
		*rows = msg->walk.rows;
		*row_size = msg->walk.table == WALK_MAPPINGS ? sizeof(struct mapping_row)
							     : sizeof(struct subscriber_row);
		msg->walk.rows = buffer;
		if (msg->walk.room > ASK_BUFFER / *row_size)
			msg->walk.room = (uint32_t)(ASK_BUFFER / *row_size);
		break;
	case MSG_FIND:
		*rows = msg->find.row;
		*row_size = sizeof(struct mapping_row);
		msg->find.row = buffer;
		break;
	default:
		*rows = msg->find_icmp.subscribers;
		*row_size = sizeof(struct subkey);
		msg->find_icmp.subscribers = buffer;
		break;
	}
}

int loop_ask(struct box *box, unsigned worker, struct msg *msg)
{
	struct asked *asked = &box->asked[worker];
	size_t row_size;
	void *rows;

	// a question that timed out is still open: its answer has the buffer
	if (wait_for_answer(box, worker, NULL) < 0)
		return -ETIMEDOUT;
	redirect(msg, asked->buffer, &rows, &row_size);
	msg->sequence = ++asked->sequence;
	if (loop_tell(box, worker, msg) < 0)
		return -ETIMEDOUT;
	asked->open = true;
	if (wait_for_answer(box, worker, msg) < 0) {
		log_warning("loop", "worker %u does not answer", worker);
		return -ETIMEDOUT;
	}
	memcpy(rows, asked->buffer, msg->answer.count * row_size);
	return 0;
}

void loop_settle(struct box *box)
{
	uint32_t now = clock_tick();
	uint64_t end = true_ns() + SETTLE_NS;

	for (unsigned i = 0; i < box->dataplane.workers; i++) {
		struct worker *w = box->dataplane.worker[i];

		while (atomic_load_explicit(&w->settled, memory_order_acquire) < now &&
			true_ns() < end) {
			loop_hear(box);
			sched_yield();
		}
	}
	loop_hear(box);
}

static void on_signal(struct watch *watch, uint32_t events)
{
	struct box *box = CONTAINER_OF(watch, struct box, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			reload(box);
		} else {
			log_notice("loop", "%s: ending", strsignal((int)info.ssi_signo));
			box->ending = true;
		}
	}
}

static int watch_signals(struct box *box)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	return watch_start(box->loop, &box->signals, fd, EPOLLIN, on_signal);
}

// Whether no packet is on its way anywhere: workers found nothing for a while, the rings between them are empty,
// and nothing waits for a neighbour or for the rest of a datagram. The sum of what they did tells whether it
// stayed so.
static bool is_idle(const struct box *box, uint64_t *done)
{
	const struct dataplane *d = &box->dataplane;

	*done = 0;
	for (unsigned i = 0; i < d->workers; i++) {
		const struct worker *w = d->worker[i];

		if (!atomic_load_explicit(&w->idle, memory_order_acquire))
			return false;
		if (stat_read(&w->datagrams.waiting) || stat_read(&w->tunnelled.waiting))
			return false;
		for (unsigned k = 0; k < d->workers; k++) {
			if (w->from[k] && !rte_ring_empty(w->from[k]))
				return false;
		}
		for (unsigned k = 0; k < V_COUNT; k++)
			*done += stat_read(&w->stats.verdict[k]);
	}
	return !neigh_waiting(box->neigh);
}

int loop_run(struct box *box)
{
	unsigned idle_turns = 0;
	uint64_t done = 0, before = 0;

	if (watch_signals(box) < 0) {
		log_error("loop", "signals: %s", strerror(errno));
		return 3;
	}
	while (!box->ending) {
		int rc = evloop_turn(box->loop, TURN_MS);

		if (rc < 0) {
			log_error("loop", "epoll: %s", strerror(-rc));
			return 3;
		}
		loop_hear(box);
		rcu_poll(box->rcu);
		reload_poll(box);
		resolve_table_poll(box->resolve);
		if (box->capture)
			pcap_ring_flush(box->capture);
		notifier_poll(box->notifier, clock_unix_ms());
		if (!box->args->until_idle)
			continue;
		idle_turns = is_idle(box, &done) && done == before ? idle_turns + 1 : 0;
		before = done;
		if (idle_turns == IDLE_TURNS)
			box->ending = true;
	}
	close(box->signals.fd);
	watch_stop(box->loop, &box->signals);
	return 0;
}
