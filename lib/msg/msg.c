// SPDX-License-Identifier: BSD-3-Clause

#include "msg/msg.h"

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <stdio.h>

static struct rte_ring *ring_open(const char *name, unsigned worker)
{
	char unique[RTE_RING_NAMESIZE];

	snprintf(unique, sizeof(unique), "%s-%u", name, worker);
	return rte_ring_create_elem(unique, sizeof(struct msg), CHANNEL_MESSAGES,
		(int)rte_socket_id(), RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int channel_open(struct channel *channel, unsigned worker)
{
	channel->to_worker = ring_open("to-worker", worker);
	channel->to_control = ring_open("to-control", worker);
	channel->sequence = 0;
	if (channel->to_worker && channel->to_control)
		return 0;
	channel_close(channel);
	return rte_errno ? -rte_errno : -ENOMEM;
}

void channel_close(struct channel *channel)
{
	rte_ring_free(channel->to_worker);
	rte_ring_free(channel->to_control);
	*channel = (struct channel){0};
}

static unsigned dequeue(struct rte_ring *ring, struct msg *msgs, unsigned room)
{
	return rte_ring_sc_dequeue_burst_elem(ring, msgs, sizeof(*msgs), room, NULL);
}

int channel_tell(struct channel *channel, const struct msg *msg)
{
	return rte_ring_sp_enqueue_elem(channel->to_worker, (void *)(uintptr_t)msg, sizeof(*msg));
}

unsigned channel_hear(struct channel *channel, struct msg *msgs, unsigned room)
{
	return dequeue(channel->to_control, msgs, room);
}

bool channel_say(struct channel *channel, const struct msg *msg)
{
	return !rte_ring_sp_enqueue_elem(channel->to_control, (void *)(uintptr_t)msg, sizeof(*msg));
}

unsigned channel_room(const struct channel *channel)
{
	return rte_ring_free_count(channel->to_control);
}

unsigned channel_take(struct channel *channel, struct msg *msgs, unsigned room)
{
	return dequeue(channel->to_worker, msgs, room);
}
