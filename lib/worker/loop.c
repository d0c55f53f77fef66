// SPDX-License-Identifier: BSD-3-Clause

// The thread of a worker. This is the only file of the packet tower that may sleep, and it does so only
// when the configuration allows and nothing has come for a while.

#include "base/bits.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "worker/stages.h"

#include <rte_ethdev.h>
#include <rte_malloc.h>

#include <stdio.h>
#include <time.h>

#define EXPIRE_A_TURN 64
#define HANDOVER_RING 4096
#define QUIET_TURNS   1024          // before a worker calls itself idle
#define RINGS         (1024 * 1024) // bytes of rings from others and to control, and some to spare

static struct rte_ring *handover_ring(unsigned from, unsigned to)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "worker-%u-%u", from, to);
	return rte_ring_create(
		name, HANDOVER_RING, (int)rte_socket_id(), RING_F_SP_ENQ | RING_F_SC_DEQ);
}

uint64_t worker_bytes(const struct worker_size *size)
{
	return sizeof(struct worker) + SNAPSHOT_MAX_IFACES * sizeof(struct transmit) +
		nat_bytes(&size->nat) + datagram_bytes(&size->datagrams) +
		datagram_bytes(&size->tunnelled) + IPID_COUNTERS * sizeof(uint16_t) + RINGS;
}

struct worker *worker_new(
	struct dataplane *dataplane, unsigned number, const struct worker_size *size, uint32_t now)
{
	struct worker *w = rte_zmalloc("worker", sizeof(*w), RTE_CACHE_LINE_SIZE);

	if (!w)
		return NULL;
	w->dataplane = dataplane;
	w->number = number;
	w->now = now;
	w->icmp_tokens = dataplane->icmp_rate;
	w->transmit = rte_zmalloc(
		"transmit", SNAPSHOT_MAX_IFACES * sizeof(*w->transmit), RTE_CACHE_LINE_SIZE);
	if (!w->transmit || nat_init(&w->nat, &size->nat, now) < 0 ||
		datagram_init(&w->datagrams, &size->datagrams, now) < 0 ||
		datagram_init(&w->tunnelled, &size->tunnelled, now) < 0 ||
		ipid_init(&w->ids, number, dataplane->workers, &w->nat.random) < 0 ||
		held_init(&w->held, dataplane->held_syns) < 0 ||
		channel_open(&w->channel, number) < 0)
		goto fail;
	w->tunnel_id = rand_u32(&w->nat.random);
	punt_refill(w, TICKS_A_SECOND);
	dataplane->nat[number] = &w->nat;
	w->nat.peer = dataplane->nat;
	w->nat.peers = dataplane->workers;
	w->nat.channel = &w->channel;
	w->nat.acl = dataplane->acl;
	for (unsigned from = 0; from < dataplane->workers; from++) {
		if (from == number)
			continue;
		w->from[from] = handover_ring(from, number);
		if (!w->from[from])
			goto fail;
	}
	return w;
fail:
	worker_free(w);
	return NULL;
}

static void drain(struct rte_ring *ring)
{
	void *mbuf;

	while (!rte_ring_sc_dequeue(ring, &mbuf))
		rte_pktmbuf_free(mbuf);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < POOL_MAX_WORKERS; i++) {
		if (w->from[i])
			drain(w->from[i]);
		rte_ring_free(w->from[i]);
	}
	reassemble_forget(w);
	defrag_forget(w);
	datagram_fini(&w->datagrams);
	datagram_fini(&w->tunnelled);
	ipid_free(&w->ids);
	for (unsigned i = 0; w->transmit && i < SNAPSHOT_MAX_IFACES; i++)
		rte_pktmbuf_free_bulk(w->transmit[i].mbuf, w->transmit[i].n);
	channel_close(&w->channel);
	held_free(&w->held);
	nat_fini(&w->nat);
	rte_free(w->transmit);
	rte_free(w);
}

// Takes a new configuration in use. After the last line nothing of an earlier one is referred to.
static void adopt(struct worker *w, const struct snapshot *snapshot)
{
	w->snapshot = snapshot;
	w->nat.snapshot = snapshot;
	for (unsigned i = 0; i < snapshot->ifaces; i++) {
		const struct iface *iface = &snapshot->iface[i];

		w->iface_mac[i] = rte_is_zero_ether_addr(&iface->mac)
			? w->dataplane->port[iface->port].mac
			: iface->mac;
	}
	w->copy_tokens = snapshot->copy_rate;
	nat_reconcile(&w->nat, w->number, w->now);
	atomic_store_explicit(&w->generation, snapshot->generation, memory_order_release);
}

static void set_now(struct worker *w, uint32_t now)
{
	uint32_t most = (uint32_t)div_round_up(w->dataplane->icmp_rate, w->dataplane->workers);
	uint64_t tokens = w->icmp_tokens;

	if (now == w->now)
		return;
	tokens += (uint64_t)(now - w->now) * (most / TICKS_A_SECOND + 1);
	w->icmp_tokens = tokens > most ? most : (uint32_t)tokens;
	punt_refill(w, now - w->now);
	inspect_refill(w, now - w->now);
	w->now = now;
}

static unsigned poll_ports(struct worker *w)
{
	struct dataplane *d = w->dataplane;
	struct burst *b = &w->burst;
	unsigned work = 0;

	for (unsigned i = 0; i < d->ports; i++) {
		const struct port *port = &d->port[i];
		uint16_t queue = port->queues > 1 ? (uint16_t)w->number : 0;

		if (!port->started || (port->queues == 1 && port->owner != w->number))
			continue;
		b->n = rte_eth_rx_burst(port->id, queue, b->mbuf, BURST_MAX);
		if (b->n)
			pipeline_run(w, b, i);
		work += b->n;
	}
	return work;
}

static unsigned poll_workers(struct worker *w)
{
	struct burst *b = &w->burst;
	unsigned work = 0;

	for (unsigned i = 0; i < w->dataplane->workers; i++) {
		if (!w->from[i])
			continue;
		b->n = rte_ring_sc_dequeue_burst(w->from[i], (void **)b->mbuf, BURST_MAX, NULL);
		if (!b->n)
			continue;
		stat_add(&w->stats.taken, b->n);
		pipeline_resume(w, b);
		work += b->n;
	}
	return work;
}

unsigned worker_turn(struct worker *w, uint32_t now)
{
	const struct snapshot *snapshot =
		atomic_load_explicit(&w->dataplane->snapshot, memory_order_acquire);
	unsigned work, expired, answered, fragments, tunnelled;

	set_now(w, now);
	if (unlikely(snapshot != w->snapshot))
		adopt(w, snapshot);
	work = inbox_run(w);
	work += poll_ports(w);
	work += poll_workers(w);
	answered = answer_due(w);
	expired = nat_expire(&w->nat, now, EXPIRE_A_TURN);
	fragments = defrag_expire(w, now, EXPIRE_A_TURN);
	tunnelled = reassemble_expire(w, now, EXPIRE_A_TURN);
	work += answered + expired + fragments + tunnelled;
	if (!answered && expired < EXPIRE_A_TURN && fragments < EXPIRE_A_TURN &&
		tunnelled < EXPIRE_A_TURN)
		atomic_store_explicit(&w->settled, now, memory_order_release);
	transmit_flush(w);
	return work;
}

// The clock costs as much as a packet, and a tick is long: it is read once a millisecond, but each turn
// while it is held, so that an advance is seen at once.
static uint32_t read_now(struct worker *w, uint64_t tsc)
{
	if (tsc < w->next_clock_tsc && !clock_is_held())
		return w->now;
	w->next_clock_tsc = tsc + rte_get_tsc_hz() / 1000;
	return clock_tick();
}

static void rest(struct worker *w)
{
	struct timespec pause = {.tv_nsec = (long)w->dataplane->idle_sleep_us * 1000};

	if (++w->quiet_turns < QUIET_TURNS)
		return;
	atomic_store_explicit(&w->idle, true, memory_order_release);
	if (pause.tv_nsec)
		nanosleep(&pause, NULL);
}

int worker_main(void *arg)
{
	struct worker *w = arg;
	struct dataplane *d = w->dataplane;
	uint64_t began = rte_rdtsc();

	rcu_online(d->rcu, w->number);
	while (!atomic_load_explicit(&d->stop, memory_order_relaxed)) {
		unsigned work = worker_turn(w, read_now(w, began));
		uint64_t ended;

		if (work) {
			w->quiet_turns = 0;
			if (atomic_load_explicit(&w->idle, memory_order_relaxed))
				atomic_store_explicit(&w->idle, false, memory_order_relaxed);
		} else {
			rest(w);
		}
		rcu_quiescent(d->rcu, w->number);
		ended = rte_rdtsc();
		stat_add(work ? &w->stats.busy_clocks : &w->stats.idle_clocks, ended - began);
		began = ended;
	}
	rcu_offline(d->rcu, w->number);
	return 0;
}
