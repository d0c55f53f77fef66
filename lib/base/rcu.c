// SPDX-License-Identifier: BSD-3-Clause

// A queue of callbacks, each with the token of its grace period; tokens grow, so only the head
// needs asking. The queue belongs to the control thread.

#include "base/rcu.h"

#include <rte_rcu_qsbr.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct deferred {
	struct deferred *next;
	uint64_t token;
	void (*fn)(void *);
	void *arg;
};

struct rcu {
	struct rte_rcu_qsbr *qsbr; // NULL without readers
	struct deferred *head;
	struct deferred **tail;
	unsigned waiting;
};

struct rcu *rcu_new(unsigned readers)
{
	struct rcu *rcu = calloc(1, sizeof(*rcu));
	size_t size;

	if (!rcu)
		return NULL;
	rcu->tail = &rcu->head;
	if (!readers)
		return rcu;
	size = rte_rcu_qsbr_get_memsize(readers);
	rcu->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE));
	if (!rcu->qsbr || rte_rcu_qsbr_init(rcu->qsbr, readers)) {
		free(rcu->qsbr);
		free(rcu);
		return NULL;
	}
	for (unsigned i = 0; i < readers; i++)
		rte_rcu_qsbr_thread_register(rcu->qsbr, i);
	return rcu;
}

void rcu_online(struct rcu *rcu, unsigned reader)
{
	rte_rcu_qsbr_thread_online(rcu->qsbr, reader);
}

void rcu_offline(struct rcu *rcu, unsigned reader)
{
	rte_rcu_qsbr_thread_offline(rcu->qsbr, reader);
}

void rcu_quiescent(struct rcu *rcu, unsigned reader)
{
	rte_rcu_qsbr_quiescent(rcu->qsbr, reader);
}

void rcu_defer(struct rcu *rcu, void (*fn)(void *), void *arg)
{
	struct deferred *d = malloc(sizeof(*d));

	if (!d) {
		rcu_barrier(rcu);
		if (rcu->qsbr)
			rte_rcu_qsbr_synchronize(rcu->qsbr, RTE_QSBR_THRID_INVALID);
		fn(arg);
		return;
	}
	*d = (struct deferred){.fn = fn, .arg = arg};
	if (rcu->qsbr)
		d->token = rte_rcu_qsbr_start(rcu->qsbr);
	*rcu->tail = d;
	rcu->tail = &d->next;
	rcu->waiting++;
}

unsigned rcu_poll(struct rcu *rcu)
{
	while (rcu->head) {
		struct deferred *d = rcu->head;

		if (rcu->qsbr && rte_rcu_qsbr_check(rcu->qsbr, d->token, false) != 1)
			break;
		rcu->head = d->next;
		if (!rcu->head)
			rcu->tail = &rcu->head;
		rcu->waiting--;
		d->fn(d->arg);
		free(d);
	}
	return rcu->waiting;
}

void rcu_barrier(struct rcu *rcu)
{
	while (rcu_poll(rcu))
		sched_yield();
}

void rcu_free(struct rcu *rcu)
{
	if (!rcu)
		return;
	rcu_barrier(rcu);
	free(rcu->qsbr);
	free(rcu);
}
