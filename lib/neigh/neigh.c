// SPDX-License-Identifier: BSD-3-Clause

// One record for each entry of the neighbour table. Timers follow RFC 826's users in RFC 1122 section
// 2.3.2: a request a second to each silent neighbour, three at most, then a pause; an answer is good for
// a minute, after which it is asked for again while it stays in use.

#include "neigh/neigh.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/local.h"
#include "net/verdict.h"

#include <rte_mbuf.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS  CLOCK_SECOND
#define FRESH_NS  (60 * CLOCK_SECOND)
#define PAUSE_NS  (5 * CLOCK_SECOND) // before a silent neighbour is asked anew
#define TRIES     3
#define QUEUE_MAX 16
#define QUEUE_ALL 1024 // packets waiting for all neighbours together

struct waiting {
	struct rte_mbuf *mbuf;
	uint16_t worker;
	uint8_t verdict;
};

struct record {
	struct neigh *neigh;
	struct timer timer;
	uint32_t entry;
	bool pinned;    // a gateway: its entry stays, known or not
	bool fixed;     // static: its address is configured
	bool was_fixed; // by the configuration before
	uint8_t tries;  // requests sent since the last answer
	uint8_t waiting;
	struct waiting queue[QUEUE_MAX];
};

struct neigh {
	struct neigh_env env;
	const struct snapshot *snapshot;
	struct record **record; // by entry of the table; NULL: not in use
	unsigned waiting;
	uint64_t dropped;
};

struct neigh *neigh_new(const struct neigh_env *env)
{
	struct neigh *neigh = calloc(1, sizeof(*neigh));

	if (!neigh)
		return NULL;
	neigh->env = *env;
	neigh->record = calloc(neighbour_size(env->table), sizeof(struct record *));
	if (!neigh->record) {
		free(neigh);
		return NULL;
	}
	return neigh;
}

// What the control thread sends itself was never received, and so is not counted.
static void drop_packet(struct neigh *neigh, const struct waiting *w)
{
	rte_pktmbuf_free(w->mbuf);
	neigh->dropped += w->verdict != V_COUNT;
}

static void drop_queue(struct record *r)
{
	for (unsigned i = 0; i < r->waiting; i++)
		drop_packet(r->neigh, &r->queue[i]);
	r->neigh->waiting -= r->waiting;
	r->waiting = 0;
}

static void record_free(struct neigh *neigh, uint32_t entry)
{
	struct record *r = neigh->record[entry];

	if (!r)
		return;
	drop_queue(r);
	timer_stop(neigh->env.loop, &r->timer);
	free(r);
	neigh->record[entry] = NULL;
}

void neigh_free(struct neigh *neigh)
{
	if (!neigh)
		return;
	for (uint32_t i = 0; i < neighbour_size(neigh->env.table); i++)
		record_free(neigh, i);
	free(neigh->record);
	free(neigh);
}

static struct record *record_of(struct neigh *neigh, uint32_t entry)
{
	struct record *r = neigh->record[entry];

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->neigh = neigh;
	r->entry = entry;
	neigh->record[entry] = r;
	return r;
}

static void forget(struct neigh *neigh, uint32_t entry)
{
	record_free(neigh, entry);
	neighbour_remove(neigh->env.table, entry);
}

// Our address in the network of a neighbour's; NULL if there is none any more.
static const uint8_t *own_address6(const struct iface *iface, const struct ipaddr *addr)
{
	for (unsigned i = 0; i < iface->addrs; i++) {
		struct ipprefix net = ipprefix_make(&iface->addr[i].addr, iface->addr[i].len);

		if (ipprefix_has(&net, addr))
			return iface->addr[i].addr.bytes;
	}
	return NULL;
}

// Writes an ARP request or a neighbour solicitation, and says where to: to everybody who may be meant,
// or to the address a neighbour had.
static bool write_question(struct neigh *neigh, uint8_t number, const struct ipaddr *addr,
	uint64_t known, struct msg *msg)
{
	const struct rte_ether_addr *mac = neigh->env.mac_of(neigh->env.ctx, number);
	const struct iface *iface = &neigh->snapshot->iface[number];
	struct rte_ether_addr group = nd_group_mac(addr->bytes);
	static const struct rte_ether_addr nobody;
	struct rte_mbuf *m = msg->transmit.mbuf;
	const uint8_t *own;

	msg->transmit.mac = known;
	if (addr->family == 4) {
		arp_write((uint8_t *)rte_pktmbuf_append(m, 28), ARP_REQUEST, mac, iface->addr4,
			&nobody, ipaddr_be32(addr));
		msg->transmit.ethertype = RTE_ETHER_TYPE_ARP;
		if (!known)
			msg->transmit.mac = UINT64_C(0xffffffffffff);
		return true;
	}
	own = own_address6(iface, addr);
	if (!own)
		return false;
	nd_ask((uint8_t *)rte_pktmbuf_append(m, ND_SOLICITATION_BYTES), own, mac, addr->bytes,
		!known);
	msg->transmit.ethertype = RTE_ETHER_TYPE_IPV6;
	if (!known)
		memcpy(&msg->transmit.mac, &group, sizeof(group));
	return true;
}

static void ask(struct neigh *neigh, uint32_t entry)
{
	uint64_t known = neighbour_mac(neigh->env.table, entry);
	struct msg msg = {.type = MSG_TRANSMIT};
	struct ipaddr addr;
	uint8_t number;

	if (!neighbour_get(neigh->env.table, entry, &number, &addr))
		return;
	msg.transmit.mbuf = rte_pktmbuf_alloc(neigh->env.mbufs);
	if (!msg.transmit.mbuf)
		return;
	msg.transmit.iface = number;
	msg.transmit.verdict = V_COUNT;
	if (!write_question(neigh, number, &addr, known, &msg) ||
		neigh->env.tell(neigh->env.ctx, 0, &msg) < 0)
		rte_pktmbuf_free(msg.transmit.mbuf);
}

static void on_timer(struct timer *timer);

static void ask_again_at(struct record *r, uint64_t ns)
{
	timer_set(r->neigh->env.loop, &r->timer, clock_now() + ns, on_timer);
}

static void on_timer(struct timer *timer)
{
	struct record *r = CONTAINER_OF(timer, struct record, timer);
	struct neigh *neigh = r->neigh;
	uint32_t entry = r->entry;

	if (r->tries < TRIES) {
		r->tries++;
		ask(neigh, entry);
		ask_again_at(r, RETRY_NS);
		return;
	}
	// silent: what waits is lost, and so is what was known
	drop_queue(r);
	neighbour_set(neigh->env.table, entry, NULL);
	if (!r->pinned) {
		forget(neigh, entry);
		return;
	}
	r->tries = 0;
	ask_again_at(r, PAUSE_NS);
}

static void begin_asking(struct record *r)
{
	if (timer_is_set(&r->timer) && r->tries)
		return;
	r->tries = 1;
	ask(r->neigh, r->entry);
	ask_again_at(r, RETRY_NS);
}

static int pin(struct neigh *neigh, uint32_t entry, const struct rte_ether_addr *mac)
{
	struct record *r = record_of(neigh, entry);

	if (!r)
		return -ENOMEM;
	if (mac) {
		r->fixed = true;
		timer_stop(neigh->env.loop, &r->timer);
		neighbour_set(neigh->env.table, entry, mac);
		return 0;
	}
	r->pinned = true;
	if (!r->fixed && !neighbour_mac(neigh->env.table, entry))
		begin_asking(r);
	return 0;
}

// What an earlier configuration pinned or fixed is an ordinary neighbour again; the new one says anew
// what is special.
static void unpin_all(struct neigh *neigh)
{
	for (uint32_t entry = 0; entry < neighbour_size(neigh->env.table); entry++) {
		struct record *r = neigh->record[entry];

		if (!r)
			continue;
		r->was_fixed = r->fixed;
		r->fixed = false;
		r->pinned = false;
	}
}

static bool is_on_iface(const struct snapshot *s, uint8_t number, const struct ipaddr *addr)
{
	const struct iface *iface = &s->iface[number];

	if (number >= s->ifaces || !iface->name[0] || !iface->enabled)
		return false;
	for (unsigned i = 0; i < iface->addrs; i++) {
		struct ipprefix net = ipprefix_make(&iface->addr[i].addr, iface->addr[i].len);

		if (ipprefix_has(&net, addr))
			return true;
	}
	return false;
}

static void forget_strangers(struct neigh *neigh)
{
	for (uint32_t entry = 0; entry < neighbour_size(neigh->env.table); entry++) {
		struct record *r = neigh->record[entry];
		struct ipaddr addr;
		uint8_t iface;

		if (!neighbour_get(neigh->env.table, entry, &iface, &addr))
			continue;
		if (r && r->fixed)
			continue;
		if (r && r->was_fixed)
			neighbour_set(neigh->env.table, entry, NULL);
		if (r && r->pinned && r->was_fixed)
			begin_asking(r);
		if (!r ||
			(!r->pinned &&
				(r->was_fixed || !is_on_iface(neigh->snapshot, iface, &addr))))
			forget(neigh, entry);
	}
}

int neigh_adopt(struct neigh *neigh, const struct snapshot *snapshot)
{
	int rc = 0;

	neigh->snapshot = snapshot;
	unpin_all(neigh);
	for (unsigned i = 0; i < snapshot->neighbours && rc >= 0; i++) {
		const struct static_neighbour *n = &snapshot->neighbour[i];
		uint32_t entry = neighbour_add(neigh->env.table, n->iface, &n->addr);

		rc = entry == NEIGHBOUR_NONE ? -ENOSPC : pin(neigh, entry, &n->mac);
	}
	for (unsigned i = 0; i < snapshot->nexthops && rc >= 0; i++) {
		if (snapshot->nexthop[i].kind == NEXTHOP_GATEWAY)
			rc = pin(neigh, snapshot->nexthop[i].neighbour, NULL);
	}
	forget_strangers(neigh);
	return rc;
}

static int send_waiting(struct neigh *neigh, uint32_t entry, const struct waiting *w)
{
	struct msg msg = {.type = MSG_TRANSMIT};
	struct ipaddr addr;

	neighbour_get(neigh->env.table, entry, &msg.transmit.iface, &addr);
	msg.transmit.mbuf = w->mbuf;
	msg.transmit.mac = neighbour_mac(neigh->env.table, entry);
	msg.transmit.ethertype = addr.family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
	msg.transmit.verdict = w->verdict;
	return neigh->env.tell(neigh->env.ctx, w->worker, &msg);
}

void neigh_wanted(struct neigh *neigh, const struct msg *msg)
{
	struct waiting w = {
		.mbuf = msg->wanted.mbuf, .worker = msg->worker, .verdict = msg->wanted.verdict};
	uint32_t entry = msg->wanted.neighbour;
	struct record *r;

	if (entry == NEIGHBOUR_NONE)
		entry = neighbour_add(neigh->env.table, msg->wanted.iface, &msg->wanted.addr);
	r = entry == NEIGHBOUR_NONE ? NULL : record_of(neigh, entry);
	if (!r) {
		drop_packet(neigh, &w);
		return;
	}
	// the answer may have come while the packet was on its way here
	if (neighbour_mac(neigh->env.table, entry)) {
		if (send_waiting(neigh, entry, &w) < 0)
			drop_packet(neigh, &w);
		return;
	}
	if (r->waiting == QUEUE_MAX || neigh->waiting == QUEUE_ALL) {
		drop_packet(neigh, &w);
		return;
	}
	r->queue[r->waiting++] = w;
	neigh->waiting++;
	begin_asking(r);
}

void neigh_seen(struct neigh *neigh, const struct msg *msg)
{
	uint32_t entry = neighbour_find(neigh->env.table, msg->seen.iface, &msg->seen.addr);
	struct record *r;

	if (!neigh->snapshot || !is_on_iface(neigh->snapshot, msg->seen.iface, &msg->seen.addr))
		return;
	if (entry == NEIGHBOUR_NONE && msg->seen.solicited)
		entry = neighbour_add(neigh->env.table, msg->seen.iface, &msg->seen.addr);
	r = entry == NEIGHBOUR_NONE ? NULL : record_of(neigh, entry);
	if (!r || r->fixed)
		return;
	neighbour_set(neigh->env.table, entry, &msg->seen.mac);
	r->tries = 0;
	ask_again_at(r, FRESH_NS);
	for (unsigned i = 0; i < r->waiting; i++) {
		if (send_waiting(neigh, entry, &r->queue[i]) < 0)
			drop_packet(neigh, &r->queue[i]);
	}
	neigh->waiting -= r->waiting;
	r->waiting = 0;
}

unsigned neigh_waiting(const struct neigh *neigh)
{
	return neigh->waiting;
}

uint64_t neigh_dropped(const struct neigh *neigh)
{
	return neigh->dropped;
}

enum neigh_state neigh_state(const struct neigh *neigh, uint32_t entry)
{
	const struct record *r = neigh->record[entry];

	if (r && r->fixed)
		return NEIGH_STATIC;
	return neighbour_mac(neigh->env.table, entry) ? NEIGH_LEARNED : NEIGH_INCOMPLETE;
}
