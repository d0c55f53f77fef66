// SPDX-License-Identifier: BSD-3-Clause

// Frames, as anybody on a link or behind it can send them, into a box of two workers with all services
// (packet_box.h). An input is a story:
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
//	0xa0-0xbf                  mitigations begin, for one of eight subscribers of each service
//	0xc0-0xff                  the same end
//
// Afterwards every frame has its verdict and every buffer is back, and when the timers have run out
// nothing is left of the story.

#include "base/bits.h"
#include "base/clock.h"
#include "base/evloop.h"
#include "base/rcu.h"
#include "net/csum.h"
#include "table/acl.h"

#include "packet_box.h"

#include <rte_arp.h>
#include <rte_ip.h>

#include <string.h>

#define PASS_MAX 4000       // ticks, of one story
#define NOW_MAX  (1u << 31) // after which the world begins anew
#define ROUNDS   20         // of BOX_TIMER, after which nothing may be left

static struct {
	unsigned passed;   // ticks
	uint64_t received; // and what had become of it, when the story began
	uint64_t ended;
} story;

static const struct rte_ether_addr *mac_of(void *, unsigned iface)
{
	return &box_mac[iface];
}

static int tell(void *, unsigned worker, const struct msg *msg)
{
	return channel_tell(&box.world->dataplane.worker[worker]->channel, msg);
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
	story.passed = 0;
	story.received = received();
	story.ended = ended();
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
		case MSG_B4_CHANGE:
		case MSG_BLOCKS_WANTED:
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
	if (said < sizeof(*ip) + 8u ||
		(ip->proto != IPPROTO_UDP && ip->proto != IPPROTO_TCP && ip->proto != IPPROTO_IPIP))
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

static void mitigate(unsigned n, bool on)
{
	for (unsigned kind = 0; kind < RULE_KINDS; kind++) {
		struct acl_rule rule = {
			.subscriber = services_subscriber(box.world->snapshot, kind, n),
			.any_protocol = true,
			.upper_port = UINT16_MAX,
			.upper_type = UINT8_MAX,
			.label = "fuzz",
		};
		uint32_t *slot = &box.rule[kind][n];

		// what a home behind a translator sends is to an IPv4 destination
		rule.target.addr.family = kind == RULE_NATIVE ? 6 : 4;
		if (on && *slot == ACL_NO_SLOT) {
			FUZZ_CHECK(acl_add(box.world->acl, &rule, slot) == 0);
		} else if (!on && *slot != ACL_NO_SLOT) {
			acl_remove(box.world->acl, *slot);
			*slot = ACL_NO_SLOT;
		}
	}
	settle();
}

// Whether no packet waits, be it for a neighbour, for its other fragments or for an answer, and no worker has
// mappings, sessions, subscribers or aliases any more.
static bool is_empty(void)
{
	bool empty = !neigh_waiting(box.neigh) && !rte_mempool_in_use_count(box.world->mbufs);

	for (unsigned i = 0; i < WORKERS; i++) {
		const struct nat *nat = &box.world->dataplane.worker[i]->nat;

		empty &= !nat->bib.used && !nat->sessions.used && !nat->subscribers.used &&
			!nat->aliases.used;
	}
	return empty;
}

static void story_end(void)
{
	settle();
	for (unsigned i = 0; i < RULES; i++)
		mitigate(i, false);
	for (unsigned i = 0; i < ROUNDS && !is_empty(); i++)
		let_pass(BOX_TIMER);
	FUZZ_CHECK(is_empty());
	FUZZ_CHECK(received() - story.received == ended() - story.ended);
	neigh_free(box.neigh);
	rcu_barrier(box.world->rcu);
	FUZZ_CHECK(rte_mempool_in_use_count(box.world->mbufs) == 0);
	if (box.now > NOW_MAX) {
		box_unmake();
		box_make();
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
		if (story.passed + arg[0] <= PASS_MAX) {
			story.passed += arg[0];
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
		box_make();
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
