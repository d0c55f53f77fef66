// SPDX-License-Identifier: BSD-3-Clause

// Frames, as anybody on a link or behind it can send them, into a box of two workers that is whole but
// for its devices, which are rings. An input is a story:
//
//	0x00-0x3f, n, p, n bytes   a frame, followed by p times eight zero bytes; of the first byte
//	                           bit 0: from outside; bit 1: received by the second worker; bit 2: the
//	                           bytes are an IP packet, whose frame header is added; bit 3: its lengths
//	                           and checksums are put right. It waits with those before it, up to
//	0x40-0x5f                  what waits is received, as one burst of each queue
//	0x60-0x7f, a, b            the last packet sent by an interface (bit 0) is answered: bit 1: not set,
//	                           with addresses and ports exchanged and TCP flags a; set, by an ICMP
//	                           error of type a and code b that quotes it
//	0x80-0x9f, t               t ticks pass
//	0xa0-0xbf                  a mitigation begins, for one of eight subscribers, over IPv4 and IPv6
//	0xc0-0xff                  the same ends
//
// Afterwards every frame has its verdict and every buffer is back, and when the timers have run out
// nothing is left of the story.

#include "base/bits.h"
#include "base/clock.h"
#include "base/evloop.h"
#include "base/log.h"
#include "base/rcu.h"
#include "neigh/neigh.h"
#include "net/csum.h"
#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/l4.h"
#include "table/acl.h"

#include "fuzz.h"
#include "support/world6.h"

#include <rte_arp.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <string.h>

#define WORKERS   2
#define QUEUE     128
#define FRAME_MAX 2304
#define VLAN      7 // of all frames outside
// Bits of a step that is a frame.
#define FRAME_SECOND 2
#define FRAME_PACKET 4
#define FRAME_RIGHT  8

#define RULES    8
#define PASS_MAX 4000       // ticks, of one story
#define NOW_MAX  (1u << 31) // after which the world begins anew
#define TIMER    16         // ticks, of all timers
#define ROUNDS   20         // of them, after which nothing may be left

// The last IP packet that left by an interface.
struct sent {
	uint8_t ip[FRAME_MAX];
	unsigned length; // 0: none, or one that cannot be answered
};

static struct {
	struct world *world;
	struct evloop *loop;
	struct neigh *neigh;
	struct rte_ring *rx[2][WORKERS];
	struct rte_ring *tx[2][WORKERS];
	uint16_t port[2];
	struct sent sent[2];
	uint32_t rule[RULES];
	uint32_t rule6[RULES];
	uint32_t now;
	unsigned passed;
	uint64_t received; // and what had become of it, when the story began
	uint64_t ended;
} box;

static const struct rte_ether_addr box_mac[2] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 0x11}}};
static const struct rte_ether_addr peer_mac[2] = {{{2, 0, 0, 0, 0, 2}}, {{2, 0, 0, 0, 0, 0x12}}};

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

static const struct rte_ether_addr *mac_of(void *, unsigned iface)
{
	return &box_mac[iface];
}

static int tell(void *, unsigned worker, const struct msg *msg)
{
	return channel_tell(&box.world->dataplane.worker[worker]->channel, msg);
}

static void on_mark(void *, const struct subkey *subscriber, bool marked)
{
	struct msg msg = {.type = MSG_MARK, .mark = {.subscriber = *subscriber, .marked = marked}};

	for (unsigned i = 0; i < WORKERS; i++)
		FUZZ_CHECK(tell(NULL, i, &msg) == 0);
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
		.mappings = 256, .sessions = 256, .subscribers = 16, .blocks = 16};
	setup.pool_last = setup.pool_first + 1;
	setup.statics = statics;
	setup.n_statics = ARRAY_LEN(statics);
	setup.timers = (struct timers){TIMER, TIMER, TIMER, TIMER, TIMER, TIMER, TIMER};
	box.now = 1;
	box.world = world_new(&setup, box.now);
	memset(box.world->snapshot->policy[0]->portless, UINT8_MAX,
		sizeof(box.world->snapshot->policy[0]->portless));
	ifaces_extend(box.world->snapshot);
	// the whole address is none of the pool's
	snapshot_add_route(box.world->snapshot, setup.pool_last + 1, 32,
		world6_hop(box.world, (struct nexthop){.kind = NEXTHOP_STATIC}));
	for (unsigned i = 0; i < 2; i++)
		device_start(i);
	acl_watch(box.world->acl, on_mark, NULL);
	for (unsigned i = 0; i < RULES; i++)
		box.rule[i] = box.rule6[i] = ACL_NO_SLOT;
}

static void world_unmake(void)
{
	for (unsigned i = 0; i < 2; i++)
		rte_eth_dev_stop(box.port[i]);
	world_free(box.world);
	box.world = NULL;
}

static void make(void)
{
	clock_hold();
	log_set_level(LOG_LEVEL_ERROR);
	world_eal("fuzz", false, 128 + WORLD6_MEMORY_MB);
	box.loop = evloop_new();
	FUZZ_CHECK(box.loop);
	for (unsigned i = 0; i < 2; i++)
		box.port[i] = device_make(i);
	world_make();
}

static uint64_t received(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		sum += box.world->dataplane.worker[i]->stats.received;
	return sum;
}

// What has become of the frames received: all verdicts, and what waits for a neighbour or did in vain.
static uint64_t ended(void)
{
	uint64_t sum = neigh_dropped(box.neigh) + neigh_waiting(box.neigh);

	for (unsigned i = 0; i < WORKERS; i++) {
		for (unsigned v = 0; v < V_COUNT; v++)
			sum += box.world->dataplane.worker[i]->stats.verdict[v];
	}
	return sum;
}

// The neighbours are the two gateways, the port numbers to come are those of every story.
static void story_begin(void)
{
	struct neigh_env env = {
		.loop = box.loop,
		.table = box.world->neighbours,
		.mbufs = box.world->mbufs,
		.tell = tell,
		.mac_of = mac_of,
	};
	const struct snapshot *s = box.world->snapshot;

	for (unsigned i = 0; i < s->nexthops; i++) {
		if (s->nexthop[i].kind == NEXTHOP_GATEWAY)
			neighbour_set(box.world->neighbours, s->nexthop[i].neighbour,
				&peer_mac[s->nexthop[i].iface]);
	}
	box.neigh = neigh_new(&env);
	FUZZ_CHECK(box.neigh && neigh_adopt(box.neigh, s) == 0);
	rcu_barrier(box.world->rcu);
	for (unsigned i = 0; i < WORKERS; i++)
		rand_seed_fixed(&box.world->dataplane.worker[i]->nat.random, i);
	box.sent[0].length = box.sent[1].length = 0;
	box.passed = 0;
	box.received = received();
	box.ended = ended();
}

static void hear(struct worker *w)
{
	struct msg msg;

	while (channel_hear(&w->channel, &msg, 1)) {
		switch ((enum msg_type)msg.type) {
		case MSG_NEIGHBOUR_WANTED:
			neigh_wanted(box.neigh, &msg);
			break;
		case MSG_NEIGHBOUR_SEEN:
			neigh_seen(box.neigh, &msg);
			break;
		default:
			FUZZ_CHECK(msg.type == MSG_BLOCK);
			break;
		}
	}
}

// An IPv6 packet says how long it is, and no longer than it is; what can be answered has ports.
static void take_sent6(struct sent *sent, const uint8_t *packet, uint32_t length)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)packet;
	uint32_t said = sizeof(*ip) + rte_be_to_cpu_16(ip->payload_len);

	FUZZ_CHECK(length >= sizeof(*ip) && packet[0] >> 4 == 6 && said <= length);
	sent->length = 0;
	if (said < sizeof(*ip) + 8u || (ip->proto != IPPROTO_UDP && ip->proto != IPPROTO_TCP))
		return;
	memcpy(sent->ip, packet, said);
	sent->length = said;
}

// What leaves is well formed, whatever came in.
static void take_sent(unsigned iface, const struct rte_mbuf *m)
{
	struct sent *sent = &box.sent[iface];
	uint32_t header = RTE_ETHER_HDR_LEN + (iface == WORLD_OUTSIDE ? 4 : 0);
	uint32_t length = rte_pktmbuf_pkt_len(m);
	uint8_t copy[FRAME_MAX];
	const uint8_t *frame = rte_pktmbuf_read(m, 0, length, copy);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + header);
	rte_be16_t type;

	FUZZ_CHECK(length >= header && length <= sizeof(copy));
	memcpy(&type, frame + header - 2, sizeof(type));
	FUZZ_CHECK(!memcmp(frame + 6, &box_mac[iface], 6));
	if (type == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		FUZZ_CHECK(length >= header + sizeof(struct rte_arp_hdr));
		return;
	}
	length -= header;
	if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
		take_sent6(sent, frame + header, length);
		return;
	}
	FUZZ_CHECK(type == RTE_BE16(RTE_ETHER_TYPE_IPV4));
	FUZZ_CHECK(length >= sizeof(*ip) && rte_ipv4_hdr_len(ip) <= length);
	FUZZ_CHECK(rte_be_to_cpu_16(ip->total_length) <= length);
	FUZZ_CHECK(csum_fold(csum_sum(ip, rte_ipv4_hdr_len(ip))) == 0xffff);
	sent->length = rte_be_to_cpu_16(ip->total_length);
	memcpy(sent->ip, ip, sent->length);
}

// Runs the workers and the control thread until nothing is on its way any more.
static void settle(void)
{
	unsigned work;

	do {
		work = 0;
		for (unsigned i = 0; i < WORKERS; i++) {
			work += worker_turn(box.world->dataplane.worker[i], box.now);
			hear(box.world->dataplane.worker[i]);
			for (unsigned k = 0; k < 2; k++) {
				void *mbuf;

				while (!rte_ring_dequeue(box.tx[k][i], &mbuf)) {
					take_sent(k, mbuf);
					rte_pktmbuf_free(mbuf);
				}
			}
		}
	} while (work);
}

static void let_pass(unsigned ticks)
{
	box.now += ticks;
	clock_advance(ticks * CLOCK_TICK);
	evloop_turn(box.loop, 0);
	settle();
}

// The same for IPv6, as far as its upper header follows at once.
static void put_right6(uint8_t *data, unsigned length)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)data;
	unsigned rest = length - (unsigned)sizeof(*ip);
	uint8_t *l4 = data + sizeof(*ip);
	unsigned at = ip->proto == IPPROTO_TCP ? 16 : ip->proto == IPPROTO_UDP ? 6 : 2;
	uint16_t sum = 0;

	if (length < sizeof(*ip))
		return;
	ip->payload_len = rte_cpu_to_be_16((uint16_t)rest);
	if ((ip->proto != IPPROTO_TCP && ip->proto != IPPROTO_UDP && ip->proto != IPPROTO_ICMPV6) ||
		rest < at + 2)
		return;
	memcpy(l4 + at, &sum, 2);
	sum = rte_ipv6_udptcp_cksum(ip, l4);
	memcpy(l4 + at, &sum, 2);
}

// Makes lengths and checksums of an IPv4 packet right, as far as its headers are there.
static void put_right(uint8_t *data, unsigned length)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)data;
	unsigned ihl = length ? (data[0] & 15) * 4u : 0, rest = length - ihl;
	uint8_t *l4 = data + ihl;
	uint16_t sum = 0;

	if (length && data[0] >> 4 == 6)
		put_right6(data, length);
	if (length < sizeof(*ip) || data[0] >> 4 != 4 || ihl < sizeof(*ip) || ihl > length)
		return;
	ip->total_length = rte_cpu_to_be_16((uint16_t)length);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~csum_fold(csum_sum(ip, ihl));
	if (ip->fragment_offset & RTE_BE16(0x3fff))
		return;
	if (ip->next_proto_id == IPPROTO_TCP && rest >= sizeof(struct rte_tcp_hdr)) {
		memcpy(l4 + 16, &sum, 2);
		sum = rte_ipv4_udptcp_cksum(ip, l4);
		memcpy(l4 + 16, &sum, 2);
	} else if (ip->next_proto_id == IPPROTO_UDP && rest >= sizeof(struct rte_udp_hdr)) {
		rte_be16_t be = rte_cpu_to_be_16((uint16_t)rest);

		memcpy(l4 + 4, &be, 2);
		memcpy(l4 + 6, &sum, 2);
		sum = rte_ipv4_udptcp_cksum(ip, l4);
		memcpy(l4 + 6, &sum, 2);
	} else if (ip->next_proto_id == IPPROTO_ICMP && rest >= 4) {
		memcpy(l4 + 2, &sum, 2);
		sum = (uint16_t)~csum_fold(csum_sum(l4, rest));
		memcpy(l4 + 2, &sum, 2);
	}
}

// Puts a frame, or an IP packet with a frame header before it, into a receive queue.
static void arrive(
	unsigned iface, unsigned flags, const void *data, unsigned length, unsigned padding)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(box.world->mbufs);
	uint8_t *at;

	if (!m)
		return;
	if (flags & FRAME_PACKET) {
		struct rte_ether_hdr *ether = (struct rte_ether_hdr *)rte_pktmbuf_append(
			m, RTE_ETHER_HDR_LEN + (iface == WORLD_OUTSIDE ? 4 : 0));
		bool ipv6 = length && *(const uint8_t *)data >> 4 == 6;
		rte_be16_t type =
			ipv6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);

		ether->dst_addr = box_mac[iface];
		ether->src_addr = peer_mac[iface];
		ether->ether_type = type;
		if (iface == WORLD_OUTSIDE) {
			const rte_be16_t tag[2] = {RTE_BE16(VLAN), type};

			ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
			memcpy(ether + 1, tag, sizeof(tag));
		}
	}
	at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(length + padding));
	if (at) {
		memcpy(at, data, length);
		memset(at + length, 0, padding);
	}
	if (at && flags & FRAME_RIGHT)
		put_right(at, length + padding);
	if (!at || rte_ring_enqueue(box.rx[iface][flags & FRAME_SECOND ? 1 : 0], m))
		rte_pktmbuf_free(m);
}

static void swap(uint8_t *a, uint8_t *b, unsigned size)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

static void answer6(unsigned iface, uint8_t flags)
{
	struct sent *sent = &box.sent[iface];
	uint8_t *ip = sent->ip, *l4 = ip + IPV6_MIN;

	swap(ip + IPV6_SOURCE, ip + IPV6_DESTINATION, 16);
	swap(l4, l4 + 2, 2);
	ip[IPV6_HOP_LIMIT] = 64;
	if (ip[IPV6_NEXT] == IPPROTO_TCP && sent->length >= IPV6_MIN + 14)
		l4[13] = flags;
	arrive(iface, FRAME_PACKET | FRAME_RIGHT, ip, sent->length, 0);
}

// An ICMPv6 error of a router about the last packet, which is one of IPv6.
static void answer_error6(unsigned iface, uint8_t type, uint8_t code)
{
	struct sent *sent = &box.sent[iface];
	uint8_t packet[IPV6_MTU_MIN] = {0x60, [IPV6_NEXT] = IPPROTO_ICMPV6, [IPV6_HOP_LIMIT] = 64};
	unsigned quoted = sent->length, room = sizeof(packet) - IPV6_MIN - 8;

	if (quoted > room)
		quoted = room;
	memcpy(packet + IPV6_SOURCE, sent->ip + IPV6_DESTINATION, 16);
	memcpy(packet + IPV6_DESTINATION, sent->ip + IPV6_SOURCE, 16);
	packet[IPV6_MIN] = type;
	packet[IPV6_MIN + 1] = code;
	packet[IPV6_MIN + 6] = 5; // an MTU of 1280
	memcpy(packet + IPV6_MIN + 8, sent->ip, quoted);
	arrive(iface, FRAME_PACKET | FRAME_RIGHT, packet, IPV6_MIN + 8 + quoted, 0);
}

static void answer(unsigned iface, uint8_t flags)
{
	struct sent *sent = &box.sent[iface];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)sent->ip;
	uint8_t *l4 = sent->ip + rte_ipv4_hdr_len(ip);
	rte_be32_t address = ip->src_addr;

	if (sent->length && sent->ip[0] >> 4 == 6) {
		answer6(iface, flags);
		return;
	}
	if (sent->length < rte_ipv4_hdr_len(ip) + 20u)
		return;
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = address;
	ip->time_to_live = 64;
	if (ip->next_proto_id == IPPROTO_ICMP) {
		l4[0] ^= ICMP_ECHO;
	} else {
		uint8_t port[2];

		memcpy(port, l4, 2);
		memcpy(l4, l4 + 2, 2);
		memcpy(l4 + 2, port, 2);
	}
	if (ip->next_proto_id == IPPROTO_TCP)
		l4[13] = flags;
	arrive(iface, FRAME_PACKET | FRAME_RIGHT, sent->ip, sent->length, 0);
}

static void answer_error(unsigned iface, uint8_t type, uint8_t code)
{
	struct sent *sent = &box.sent[iface];
	uint8_t packet[576];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet;
	unsigned quoted = sent->length;

	if (!quoted)
		return;
	if (sent->ip[0] >> 4 == 6) {
		answer_error6(iface, type, code);
		return;
	}
	if (quoted > sizeof(packet) - sizeof(*ip) - 8)
		quoted = sizeof(packet) - sizeof(*ip) - 8;
	memset(packet, 0, sizeof(*ip) + 8);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.time_to_live = 64,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = iface == WORLD_OUTSIDE ? RTE_BE32(RTE_IPV4(198u, 51, 100, 254))
						   : RTE_BE32(RTE_IPV4(100u, 64, 0, 2)),
		.dst_addr = ((struct rte_ipv4_hdr *)sent->ip)->src_addr,
	};
	packet[sizeof(*ip)] = type;
	packet[sizeof(*ip) + 1] = code;
	packet[sizeof(*ip) + 6] = 5; // a next-hop MTU of 1280 and more
	memcpy(packet + sizeof(*ip) + 8, sent->ip, quoted);
	arrive(iface, FRAME_PACKET | FRAME_RIGHT, packet, (unsigned)sizeof(*ip) + 8 + quoted, 0);
}

// Begins or ends a rule that stands in a slot.
static void set_rule(const struct subkey *subscriber, uint32_t *slot, bool on)
{
	struct acl_rule rule = {
		.subscriber = *subscriber,
		.target = {.addr.family = subscriber->family},
		.any_protocol = true,
		.upper_port = UINT16_MAX,
		.upper_type = UINT8_MAX,
		.label = "fuzz",
	};

	if (on && *slot == ACL_NO_SLOT) {
		FUZZ_CHECK(acl_add(box.world->acl, &rule, slot) == 0);
		settle();
	} else if (!on && *slot != ACL_NO_SLOT) {
		acl_remove(box.world->acl, *slot);
		*slot = ACL_NO_SLOT;
		settle();
	}
}

static void mitigate(unsigned n, bool on)
{
	const struct snapshot *s = box.world->snapshot;
	const uint8_t home[16] = {0x20, 0x01, 0x0d, 0xb8, 0x01, 0x00, (uint8_t)n};
	struct subkey subscriber =
		subkey_v4(rte_cpu_to_be_32(RTE_IPV4(100u, 64, 0, 2 + n)), s->policy[0]->instance);

	set_rule(&subscriber, &box.rule[n], on);
	subscriber = subscriber_network_key(s->network, home);
	set_rule(&subscriber, &box.rule6[n], on);
}

// Whether no packet waits, be it for a neighbour, for its other fragments or for an answer, and no worker has
// mappings, sessions or subscribers any more.
static bool is_empty(void)
{
	bool empty = !neigh_waiting(box.neigh) && !rte_mempool_in_use_count(box.world->mbufs);

	for (unsigned i = 0; i < WORKERS; i++) {
		const struct nat *nat = &box.world->dataplane.worker[i]->nat;

		empty &= !nat->bib.used && !nat->sessions.used && !nat->subscribers.used;
	}
	return empty;
}

static void story_end(void)
{
	settle();
	for (unsigned i = 0; i < RULES; i++)
		mitigate(i, false);
	for (unsigned i = 0; i < ROUNDS && !is_empty(); i++)
		let_pass(TIMER);
	FUZZ_CHECK(is_empty());
	FUZZ_CHECK(received() - box.received == ended() - box.ended);
	neigh_free(box.neigh);
	rcu_barrier(box.world->rcu);
	FUZZ_CHECK(rte_mempool_in_use_count(box.world->mbufs) == 0);
	if (box.now > NOW_MAX) {
		world_unmake();
		world_make();
	}
}

// Takes one step of the story. Returns how many bytes it was.
static size_t step(const uint8_t *data, size_t size)
{
	uint8_t op = data[0];
	uint8_t arg[2] = {size > 1 ? data[1] : 0, size > 2 ? data[2] : 0};
	unsigned iface = op & 1;

	if (op < 0x40) {
		size_t length = size < 3 ? 0 : size - 3;

		if (length > arg[0])
			length = arg[0];
		arrive(iface, op, data + (size < 3 ? size : 3), (unsigned)length, arg[1] * 8u);
		return 3 + length;
	}
	if (op < 0x60) {
		settle();
		return 1;
	}
	if (op < 0x80) {
		settle();
		if (op & 2)
			answer_error(iface, arg[0], arg[1]);
		else
			answer(iface, arg[0]);
		return 3;
	}
	if (op < 0xa0) {
		if (box.passed + arg[0] <= PASS_MAX) {
			box.passed += arg[0];
			let_pass(arg[0]);
		}
		return 2;
	}
	mitigate(op % RULES, op < 0xc0);
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!box.world)
		make();
	story_begin();
	while (size) {
		size_t taken = step(data, size);

		if (taken > size)
			taken = size;
		data += taken;
		size -= taken;
	}
	story_end();
	return 0;
}
