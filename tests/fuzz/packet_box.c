// SPDX-License-Identifier: BSD-3-Clause

#include "packet_box.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/evloop.h"
#include "base/log.h"
#include "base/rcu.h"
#include "table/acl.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <string.h>

#define QUEUE 128

struct packet_box box;
const struct rte_ether_addr box_mac[2] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 0x11}}};
const struct rte_ether_addr peer_mac[2] = {{{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 0x12}}};

// A device of rings, a queue each way for every worker.
static uint16_t device_make(unsigned iface)
{
	struct rte_eth_conf conf = {0};
	char name[32];
	int id;

	for (unsigned q = 0; q < WORKERS; q++) {
		snprintf(name, sizeof(name), "rx-%u-%u", iface, q);
		box.rx[iface][q] = rte_ring_create(name, QUEUE, SOCKET_ID_ANY, 0);
		snprintf(name, sizeof(name), "tx-%u-%u", iface, q);
		box.tx[iface][q] = rte_ring_create(name, QUEUE, SOCKET_ID_ANY, 0);
		FUZZ_CHECK(box.rx[iface][q] && box.tx[iface][q]);
	}
	snprintf(name, sizeof(name), "link-%u", iface);
	id = rte_eth_from_rings(name, box.rx[iface], WORKERS, box.tx[iface], WORKERS, 0);
	FUZZ_CHECK(id >= 0);
	FUZZ_CHECK(!rte_eth_dev_configure((uint16_t)id, WORKERS, WORKERS, &conf));
	return (uint16_t)id;
}

static void device_start(unsigned iface)
{
	struct port *port = &box.world->dataplane.port[iface];
	uint16_t id = box.port[iface];

	for (uint16_t q = 0; q < WORKERS; q++) {
		FUZZ_CHECK(!rte_eth_rx_queue_setup(id, q, QUEUE, 0, NULL, box.world->mbufs));
		FUZZ_CHECK(!rte_eth_tx_queue_setup(id, q, QUEUE, 0, NULL));
	}
	FUZZ_CHECK(!rte_eth_dev_start(id));
	*port = (struct port){.id = id, .queues = WORKERS, .started = true};
}

static void on_mark(void *, const struct subkey *subscriber, bool marked)
{
	struct msg msg = {.type = MSG_MARK, .mark = {.subscriber = *subscriber, .marked = marked}};
	struct snapshot *s = box.world->snapshot;

	if (subscriber->instance == SUBKEY_SOFTWIRE) {
		softwire_mark(s->softwire, s->softwires, s->mapdom, subscriber, marked);
		return;
	}
	for (unsigned i = 0; i < WORKERS; i++)
		FUZZ_CHECK(channel_tell(&box.world->dataplane.worker[i]->channel, &msg) == 0);
}

// Both sides of the box have an IPv6 address; outside frames have a tag, inside ones may have.
static void ifaces_extend(struct snapshot *s)
{
	static const char *const address[2] = {"2001:db8:0:1::1", "2001:db8:0:2::1"};

	for (unsigned i = 0; i < 2; i++) {
		struct iface *iface = &s->iface[i];

		iface->addrs = 2;
		iface->addr = calloc(iface->addrs, sizeof(*iface->addr));
		FUZZ_CHECK(iface->addr);
		iface->addr[0] = (struct iface_addr){ipaddr_v4(iface->addr4), i ? 24 : 10};
		FUZZ_CHECK(!ipaddr_parse(address[i], &iface->addr[1].addr));
		iface->addr[1].len = 64;
	}
	world6_add(box.world, 1500);
	// those that it has besides are routed like those that come with IPv6
	world6_route(box.world, address[0], world6_find(box.world, "2001:db8:2::1"));
	world6_route(box.world, address[1], world6_find(box.world, "2001:db8:1::1"));
	s->iface[WORLD_OUTSIDE].vlan = VLAN;
	s->iface_of[WORLD_OUTSIDE][VLAN] = WORLD_OUTSIDE;
	s->iface_of[WORLD_OUTSIDE][0] = UINT8_MAX;
	s->iface_of[WORLD_INSIDE][100] = WORLD_INSIDE;
}

static void world_make(void)
{
	// a port, and a whole address whose host may use any protocol
	static const struct static_mapping statics[] = {
		{
			.index = 1,
			.protocol = IPPROTO_TCP,
			.inside = RTE_BE32(RTE_IPV4(100u, 64, 0, 9)),
			.outside = RTE_BE32(RTE_IPV4(203u, 0, 113, 1)),
			.inside_lower = 8080,
			.outside_lower = 80,
		},
		{
			.index = 2,
			.inside = RTE_BE32(RTE_IPV4(100u, 64, 0, 10)),
			.outside = RTE_BE32(RTE_IPV4(203u, 0, 113, 2)),
			.ports = UINT16_MAX,
		},
	};
	struct world_setup setup = world_setup();

	setup.workers = WORKERS;
	setup.size = (struct nat_size){
		.mappings = 256, .sessions = 256, .subscribers = 32, .aliases = 32, .blocks = 16};
	setup.pool_last = setup.pool_first + 1;
	setup.statics = statics;
	setup.n_statics = ARRAY_LEN(statics);
	setup.timers = (struct timers){
		BOX_TIMER, BOX_TIMER, BOX_TIMER, BOX_TIMER, BOX_TIMER, BOX_TIMER, BOX_TIMER};
	box.now = 1;
	box.world = world_new(&setup, box.now);
	box.world->dataplane.reassembly_ticks = BOX_TIMER;
	memset(box.world->snapshot->policy[0]->portless, UINT8_MAX,
		sizeof(box.world->snapshot->policy[0]->portless));
	ifaces_extend(box.world->snapshot);
	// the whole address is none of the pool's
	snapshot_add_route(box.world->snapshot, setup.pool_last + 1, 32,
		world6_hop(box.world, (struct nexthop){.kind = NEXTHOP_STATIC}));
	services_add(box.world, &setup);
	for (unsigned i = 0; i < 2; i++)
		device_start(i);
	acl_watch(box.world->acl, on_mark, NULL);
	memset(box.rule, UINT8_MAX, sizeof(box.rule)); // ACL_NO_SLOT
}

void box_unmake(void)
{
	for (unsigned i = 0; i < 2; i++)
		rte_eth_dev_stop(box.port[i]);
	world_free(box.world);
	box.world = NULL;
}

static void process_make(void)
{
	clock_hold();
	log_set_level(LOG_LEVEL_ERROR);
	world_eal("fuzz", false, 128 + WORLD6_MEMORY_MB);
	box.loop = evloop_new();
	FUZZ_CHECK(box.loop);
	for (unsigned i = 0; i < 2; i++)
		box.port[i] = device_make(i);
}

void box_make(void)
{
	if (!box.loop)
		process_make();
	world_make();
}
