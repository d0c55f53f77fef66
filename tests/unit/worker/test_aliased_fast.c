// SPDX-License-Identifier: BSD-3-Clause

// The short way of packets of hosts behind NAT64 and B4s (worker/aliased_fast.c) does what the long one does, which
// packets in two segments always go. Since packets change what is remembered of their flows, the same story is told
// twice, to a worker that has them whole and to one that has them in two segments: random ones, right and wrong, and
// time that passes. What comes of each burst is compared to the byte.

#include "base/bits.h"
#include "base/clock.h"
#include "net/csum.h"
#include "net/hdr6.h"
#include "net/tunnel.h"
#include "table/acl.h"
#include "xlate/xlate.h"

#include "both_ways.h"
#include "support/packet6.h"
#include "support/services.h"
#include "unit.h"

#include <rte_ip.h>

#define ROUNDS  1200
#define FEW     200
#define HOSTS   32
#define DATA    64 // bytes of most packets, at most, behind what the first segment has
#define OPENING 3  // rounds, of each CHAPTER
#define CHAPTER 100

#define MTU4     1400
#define MTU6     1340
#define MTU_AFTR 1320

#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define FIN 0x11

enum { SLOT_NAT64 = 1, SLOT_DSLITE };

// One with flows of UDP and TCP, to a port of a remote each. Who differ do so in two bytes at least, so that what is
// spoiled in one is nobody else's.
struct host {
	uint8_t address[16]; // its own, or its B4's
	rte_be32_t inner;    // behind a B4
	rte_be32_t remote;
	rte_be16_t port;
	uint8_t slot; // of its policy
};

struct story {
	unsigned rounds;
	const char *pref64; // instead of SERVICES_PREF64
	void (*behave)(struct behaviour *behaviour);
	void (*prepare)(void); // before anybody comes
	void (*turn)(void);    // after flows have been opened
	// Which ordinary packets go the short way then
	bool (*is_short)(const struct host *host, enum l4 l4, bool outward);
};

static struct world *world;
static struct worker *worker;
static struct rand random_;

static uint32_t any(uint32_t n)
{
	return rand_below(&random_, n);
}

// Zeroed, as snapshots free it.
static void *room_for(size_t n, size_t size)
{
	void *room = calloc(n, size);

	assert_non_null(room);
	return room;
}

static struct host host(unsigned n)
{
	uint8_t other = (uint8_t)~n;
	struct host h = {
		.address = {0x20, 0x01, 0x0d, 0xb8, 0x01, (uint8_t)n, [12] = other, [15] = 1},
		.remote = rte_cpu_to_be_32(RTE_IPV4(93u, 184, n, other)),
		.port = rte_cpu_to_be_16((uint16_t)(0x4000 + (n << 8) + other)),
		.slot = SLOT_NAT64,
	};

	if (n < HOSTS / 2)
		return h;
	h.slot = SLOT_DSLITE;
	h.inner = rte_cpu_to_be_32(RTE_IPV4(192u, 168, n, other));
	h.address[5] = (uint8_t)(0x80 + n / 4);
	h.address[12] = (uint8_t)(~n / 4);
	return h;
}

static struct nat_policy *add_policy(
	const struct world_setup *setup, const struct story *story, unsigned slot, uint8_t kind)
{
	struct world_setup own = *setup;

	own.pool_first = setup->pool_first + 16 * slot;
	own.pool_last = own.pool_first + 15;
	own.behaviour.kind = kind;
	if (story->behave)
		story->behave(&own.behaviour);
	return world_policy(world, &own, slot);
}

static struct nat_policy *policy(unsigned slot)
{
	return world->snapshot->policy[slot];
}

static void set_prefix(const char *text, struct nat64_prefix *p)
{
	struct ipprefix prefix;

	assert_int_equal(ipprefix_parse(text, &prefix, NULL), 0);
	*p = (struct nat64_prefix){.prefix.len = prefix.len};
	memcpy(p->prefix.bytes, prefix.addr.bytes, sizeof(p->prefix.bytes));
	p->well_known = nat64pfx_is_well_known(&p->prefix);
}

// What is drawn at random is the same each time.
static void begin(const struct story *story)
{
	struct world_setup setup = world_setup();

	setup.mbufs = 4095;
	setup.mtu = MTU4;
	setup.size.aliases = 256;
	world = world_new(&setup, 1000);
	worker = world->dataplane.worker[0];
	rand_seed_fixed(&random_, 6146);
	rand_seed_fixed(&worker->nat.random, 6333);
	ipid_free(&worker->ids);
	assert_int_equal(ipid_init(&worker->ids, 0, 1, &worker->nat.random), 0);
	worker->tunnel_id = 1;
	world6_add(world, MTU6);
	services_add_nat64(world, add_policy(&setup, story, SLOT_NAT64, NAT_64));
	services_add_aftr(world, add_policy(&setup, story, SLOT_DSLITE, NAT_DSLITE));
	world->snapshot->aftr->mtu = MTU_AFTR;
	// nobody answers those that are held
	policy(SLOT_NAT64)->answer_syns = policy(SLOT_DSLITE)->answer_syns = false;
	if (story->pref64) {
		set_prefix(story->pref64, policy(SLOT_NAT64)->nat64_prefix);
		world6_route(world, story->pref64, world6_find(world, "2001:db8:64::"));
	}
	if (story->prepare)
		story->prepare();
}

static void end(void)
{
	assert_int_equal(rte_mempool_in_use_count(world->mbufs), worker->held.used);
	world_free(world);
}

static const struct mapping *mapping_of(const struct host *h, enum l4 l4)
{
	const struct alias_key key = alias_key_make(h->address, h->inner, h->slot);
	uint32_t alias = alias_find(&worker->nat.aliases, &key);
	struct flow flow = {alias_address(alias), h->remote, h->port, RTE_BE16(443), (uint8_t)l4};
	uint32_t mapping = alias ? nat_find_inside(&worker->nat, &flow) : 0;

	return mapping ? &worker->nat.bib.mapping[mapping] : NULL;
}

// The flow as it is seen outside; one that is not known has some port or other.
static struct tuple outside_of(const struct host *h, enum l4 l4)
{
	const struct mapping *m = mapping_of(h, l4);
	uint32_t first = RTE_IPV4(203u, 0, 113, 16);

	return (struct tuple){
		.l4 = l4,
		.src = m ? m->outside : rte_cpu_to_be_32(first + any(32)),
		.dst = h->remote,
		.src_port = m ? m->outside_port : rte_cpu_to_be_16((uint16_t)any(65536)),
		.dst_port = RTE_BE16(443),
	};
}

// Makes an IPv6 packet of the IPv4 one that is behind the first TUNNEL_HEADER bytes.
static void become6(struct packet *p, const struct host *h, enum l4 l4)
{
	const struct nat_policy *nat64 = policy(SLOT_NAT64);
	const struct nat64_prefix *prefix =
		nat64_prefix_for(nat64->nat64_prefix, nat64->nat64_prefixes, h->remote);
	uint16_t length = (uint16_t)(p->length - 20), sum;
	uint8_t protocol = l4_protocol(l4), to[16];
	uint8_t *l4_at = p->ip + IPV6_MIN, *sum_at = l4_at + (l4 == L4_TCP ? 16 : 6);

	nat64pfx_embed(&prefix->prefix, h->remote, to);
	memmove(l4_at, p->ip + TUNNEL_HEADER + 20, length);
	both_ways_make6(&random_, p->ip, length, protocol, h->address, to);
	memset(sum_at, 0, 2);
	sum = rte_cpu_to_be_16((uint16_t)~packet6_sum(p->ip, IPV6_MIN, protocol));
	memcpy(sum_at, &sum, 2);
	p->length = (uint16_t)(IPV6_MIN + length);
	p->headers = IPV6_MIN + 20;
	p->ipv4 = NO_IPV4;
}

// `length` is that of the IPv4 packet that it will be.
static struct packet make_out(const struct host *h, enum l4 l4, uint16_t length, uint8_t flags)
{
	struct packet p = {.iface = WORLD_INSIDE, .length = length};

	both_ways_make4(&random_, p.ip + TUNNEL_HEADER, length,
		&(struct tuple){l4, h->inner, h->remote, h->port, RTE_BE16(443)}, flags);
	if (h->inner)
		both_ways_wrap(&random_, &p, h->address, world->snapshot->aftr->address);
	else
		become6(&p, h, l4);
	return p;
}

static struct packet make_in(const struct host *h, enum l4 l4, uint16_t length, uint8_t flags)
{
	struct packet p = {.iface = WORLD_OUTSIDE, .length = length, .headers = 40};
	struct tuple t = outside_of(h, l4);

	both_ways_make4(&random_, p.ip, length,
		&(struct tuple){l4, t.dst, t.src, t.dst_port, t.src_port}, flags);
	return p;
}

static struct packet make_ordinary(const struct host *h, enum l4 l4, bool outward)
{
	return outward ? make_out(h, l4, 100, ACK) : make_in(h, l4, 100, ACK);
}

// Of the IPv4 packet, so that now and then one of the lengths that it has on its way is at a limit.
static uint16_t any_length(void)
{
	static const uint16_t limit[] = {1260, MTU_AFTR - 40, MTU6 - 40, MTU6 - 20, MTU4};

	return (uint16_t)(any(4) ? 41 + any(DATA) : limit[any(ARRAY_LEN(limit))] - 2 + any(5));
}

static struct packet make(struct host h)
{
	const struct nat_policy *nat64 = policy(SLOT_NAT64);
	static const uint8_t change[] = {SYN, FIN, RST};
	enum l4 l4 = any(2) ? L4_TCP : L4_UDP;
	uint8_t flags = any(16) ? ACK : change[any(ARRAY_LEN(change))];
	uint16_t length = any_length();
	struct packet p;

	// nobody in the internet has that
	if (!any(32))
		h.remote = (h.remote & RTE_BE32(0xffffff)) | RTE_BE32(RTE_IPV4(10u, 0, 0, 0));
	p = any(2) ? make_out(&h, l4, length, flags) : make_in(&h, l4, length, flags);
	if (p.ipv4 == NO_IPV4 && !any(8))
		nat64pfx_embed(&nat64->nat64_prefix[any(nat64->nat64_prefixes)].prefix, h.remote,
			p.ip + IPV6_DESTINATION);
	both_ways_vary(&random_, &p);
	if (!any(3))
		both_ways_spoil(&random_, &p);
	return p;
}

// In any order each packet of a burst has the same outcome: there is one of each host at most. Each chapter begins with
// a burst of UDP from all hosts, SYNs from all, and their answers.
static unsigned make_round(unsigned round, struct packet packet[HOSTS])
{
	unsigned part = round % CHAPTER, n = part < OPENING ? HOSTS : 1 + any(HOSTS);
	unsigned first = any(HOSTS);

	for (unsigned i = 0; i < n; i++) {
		struct host h = host((first + i) % HOSTS);

		if (part == 0)
			packet[i] = make_out(&h, L4_UDP, 64, 0);
		else if (part == 1)
			packet[i] = make_out(&h, L4_TCP, 64, SYN);
		else if (part == 2)
			packet[i] = make_in(&h, L4_TCP, 64, SYN | ACK);
		else
			packet[i] = make(h);
	}
	return n;
}

// A little, or now and then so much that all flows end.
static void pass_time(unsigned round)
{
	uint32_t ticks = any(4) ? any(4) : any(20 * TICKS_A_SECOND);

	if (round % (4 * CHAPTER) == 4 * CHAPTER - 1)
		ticks = 7441 * TICKS_A_SECOND;
	else if (round % CHAPTER == CHAPTER - 1)
		ticks = 301 * TICKS_A_SECOND;
	world_pass(world, worker->now + ticks);
}

static struct outcome *tell_round(const struct story *story, unsigned round, bool split)
{
	struct packet packet[HOSTS];
	unsigned n;

	if (round == OPENING && story->turn)
		story->turn();
	n = make_round(round, packet);
	return both_ways_carry(world, packet, n, split);
}

// Tells it with packets in two segments if it has been told before, and compares what comes of them to `whole`.
static void tell(const struct story *story, struct outcome **whole)
{
	unsigned left[2] = {0};
	bool again = *whole;

	for (unsigned round = 0; round < story->rounds; round++) {
		struct outcome *o = tell_round(story, round, again);

		for (unsigned iface = 0; iface < 2; iface++)
			left[iface] += outcome_frames(o, iface);
		pass_time(round);
		if (!again) {
			whole[round] = o;
			continue;
		}
		assert_alike(whole[round], o);
		outcome_free(whole[round]);
		outcome_free(o);
	}
	assert_true(left[WORLD_INSIDE] > 2 * story->rounds);
	assert_true(left[WORLD_OUTSIDE] > 2 * story->rounds);
}

static void open_flows(void)
{
	struct packet packet[HOSTS];

	for (unsigned round = 0; round < OPENING; round++)
		outcome_free(both_ways_carry(world, packet, make_round(round, packet), false));
}

// Whether the packet goes the short way, as far as that goes.
static bool goes_short(const struct packet *p)
{
	struct burst *b = &worker->burst;
	struct received received;
	struct rte_mbuf *m;
	uint64_t taken, pass;

	b->mbuf[0] = world_frame(world, p->iface, p->ip, p->length);
	b->n = 1;
	b->live = 1;
	b->tunnelled = b->mapped = 0;
	received = link_receive(worker, b, p->iface);
	if (p->iface == WORLD_INSIDE) {
		taken = aliased_fast_out(worker, b, received.ipv6);
	} else {
		hdr_read(b, received.ipv4);
		pass = classify(worker, b, received.ipv4).in;
		pass = nat44_find_in(&worker->nat, b, pass, worker->now);
		pass = nat44_track(&worker->nat, b, pass, false, worker->now);
		taken = aliased_fast_in(worker, b, pass);
	}
	m = taken ? world_sent(world, 0, !p->iface) : b->mbuf[0];
	assert_non_null(m);
	rte_pktmbuf_free(m);
	return taken;
}

static bool always(const struct host *, enum l4, bool)
{
	return true;
}

static bool never(const struct host *, enum l4, bool)
{
	return false;
}

static bool inward(const struct host *, enum l4, bool outward)
{
	return !outward;
}

static void assert_short_for(const struct story *story)
{
	for (unsigned n = 0; n < HOSTS; n++) {
		struct host h = host(n);

		for (unsigned way = 0; way < 4; way++) {
			enum l4 l4 = way & 1 ? L4_TCP : L4_UDP;
			struct packet p = make_ordinary(&h, l4, way & 2);

			assert_int_equal(goes_short(&p), story->is_short(&h, l4, way & 2));
		}
	}
}

static void assert_both_ways_alike(const struct story *story)
{
	struct outcome *whole[ROUNDS] = {NULL};

	for (unsigned time = 0; time < 2; time++) {
		begin(story);
		tell(story, whole);
		end();
	}
	begin(story);
	open_flows();
	if (story->turn)
		story->turn();
	assert_short_for(story);
	end();
}

static void right_and_wrong(void **)
{
	assert_both_ways_alike(&(struct story){.rounds = ROUNDS, .is_short = always});
}

static void on_mark(void *, const struct subkey *subscriber, bool marked)
{
	nat_mark(&worker->nat, subscriber, marked);
}

static bool is_marked(const struct host *h)
{
	return h->address[5] == 3 || h->address[5] == 0x80 + HOSTS / 8;
}

// Two who may not write to half of the internet any more; the others may, and nobody is hindered in hearing from there.
static void mark(void)
{
	acl_watch(world->acl, on_mark, NULL);
	for (unsigned n = 0; n < HOSTS; n++) {
		struct host h = host(n);
		struct ipaddr addr = ipaddr_v6(h.address);
		struct ipprefix prefix = ipprefix_make(&addr, policy(h.slot)->subscriber_len);
		struct acl_rule rule = {
			.subscriber = subkey_of(&prefix, policy(h.slot)->instance),
			.any_protocol = true,
			.upper_port = UINT16_MAX,
			.upper_type = UINT8_MAX,
			.action = ACL_BLOCK,
		};
		uint32_t slot;

		if (!is_marked(&h))
			continue;
		ipprefix_parse("93.184.0.0/19", &rule.target, NULL);
		assert_int_equal(acl_add(world->acl, &rule, &slot), 0);
	}
}

static bool unless_marked(const struct host *h, enum l4, bool outward)
{
	return !outward || !is_marked(h);
}

static void marked(void **)
{
	assert_both_ways_alike(
		&(struct story){.rounds = FEW, .turn = mark, .is_short = unless_marked});
}

// A SYN from outside, which the inside host may still send one of its own to.
static void hold(void)
{
	struct host h = host(0);
	struct packet p = make_in(&h, L4_TCP, 64, SYN);

	policy(SLOT_NAT64)->answer_syns = true;
	p.ip[22] ^= 0xff;
	outcome_free(both_ways_carry(world, &p, 1, false));
	assert_int_equal(worker->held.used, 1);
	policy(SLOT_NAT64)->answer_syns = false;
}

static void held(void **)
{
	assert_both_ways_alike(&(struct story){.rounds = FEW, .turn = hold, .is_short = always});
}

static void add_dstnat(void)
{
	struct dstnat_table *t = &world->snapshot->dstnat;

	t->by_inside = room_for(1, sizeof(*t->by_inside));
	t->by_outside = room_for(1, sizeof(*t->by_outside));
	dstnat_add(t,
		&(struct dstnat){
			.inside = endpoint_make(RTE_BE32(RTE_IPV4(10u, 0, 0, 1)), PROTOCOL_UDP, 53),
			.outside = endpoint_make(host(0).remote, PROTOCOL_UDP, 443),
			.policy = DSTNAT_ANY_POLICY,
		});
	dstnat_table_sort(t);
}

static void destinations_by_another_name(void **)
{
	assert_both_ways_alike(
		&(struct story){.rounds = FEW, .prepare = add_dstnat, .is_short = never});
}

// One more prefix, for some of the remotes.
static void add_prefix(void)
{
	struct nat_policy *nat64 = policy(SLOT_NAT64);
	struct nat64_prefix *prefixes = room_for(2, sizeof(*prefixes));
	struct nat64_network *network = room_for(1, sizeof(*network));

	prefixes[0] = nat64->nat64_prefix[0];
	set_prefix("2001:db8:6464::/64", &prefixes[1]);
	*network = (struct nat64_network){
		.address = RTE_BE32(RTE_IPV4(93u, 184, 0, 0)), .mask = RTE_BE32(0xfffff800)};
	prefixes[1].network = network;
	prefixes[1].networks = 1;
	free(nat64->nat64_prefix);
	nat64->nat64_prefix = prefixes;
	nat64->nat64_prefixes = 2;
	world6_route(world, "2001:db8:6464::/64", world6_find(world, "2001:db8:64::"));
}

static bool unless_to_nat64(const struct host *h, enum l4, bool outward)
{
	return !outward || h->inner;
}

static void two_prefixes(void **)
{
	assert_both_ways_alike(
		&(struct story){.rounds = FEW, .prepare = add_prefix, .is_short = unless_to_nat64});
}

// RFC 6052 sections 2.2 and 3.1
static void other_prefixes(void **)
{
	static const char *const prefix[] = {"64:ff9b::/96", "2001:db8:6464:6464::/64",
		"2001:db8:6464:6400::/56", "2001:db8:6464::/48", "2001:db8:6400::/40",
		"2001:db9::/32"};

	for (unsigned i = 0; i < ARRAY_LEN(prefix); i++)
		assert_both_ways_alike(
			&(struct story){.rounds = FEW, .pref64 = prefix[i], .is_short = always});
}

static void depend(struct behaviour *behaviour)
{
	behaviour->mapping = MAP_BY_ENDPOINT;
	memset(behaviour->filtering, FILTER_BY_ENDPOINT, sizeof(behaviour->filtering));
}

static void dependent_mappings(void **)
{
	assert_both_ways_alike(
		&(struct story){.rounds = FEW, .behave = depend, .is_short = inward});
}

static void filter_all(struct behaviour *behaviour)
{
	memset(behaviour->filtering, FILTER_BY_ADDRESS, sizeof(behaviour->filtering));
}

static bool unless_udp_out(const struct host *, enum l4 l4, bool outward)
{
	return !outward || l4 == L4_TCP;
}

// UDP has sessions then.
static void filtered(void **)
{
	assert_both_ways_alike(
		&(struct story){.rounds = FEW, .behave = filter_all, .is_short = unless_udp_out});
}

static void refresh_inward(void)
{
	policy(SLOT_NAT64)->inbound_refresh = policy(SLOT_DSLITE)->inbound_refresh = true;
	nat_reconcile(&worker->nat, 0, worker->now);
}

// What comes in keeps UDP too (RFC 4787 REQ-6a).
static void inbound_refresh(void **)
{
	assert_both_ways_alike(
		&(struct story){.rounds = FEW, .prepare = refresh_inward, .is_short = always});
}

static bool is_static(const struct host *h)
{
	return h->address[5] == 0;
}

// A port of each protocol of a host behind NAT64.
static void add_statics(void)
{
	static const uint8_t protocol[] = {PROTOCOL_TCP, PROTOCOL_UDP};
	struct static_table *t = &world->snapshot->statics;
	struct host h = host(0);

	t->count = ARRAY_LEN(protocol);
	t->by_inside = room_for(t->count, sizeof(*t->by_inside));
	t->by_outside = room_for(t->count, sizeof(*t->by_outside));
	t->host = room_for(2, sizeof(*t->host));
	t->hosts = 1;
	t->host[1] = (struct static_host){
		.instance = SLOT_NAT64, .policy = SLOT_NAT64, .aftr = AFTR_NONE, .bits = 56};
	memcpy(t->host[1].prefix, h.address, sizeof(h.address));
	memcpy(t->host[1].address, h.address, sizeof(h.address));
	for (unsigned i = 0; i < t->count; i++)
		t->by_inside[i] = t->by_outside[i] = (struct static_mapping){
			.policy = SLOT_NAT64,
			.protocol = protocol[i],
			.inside = static_place(1),
			.outside = RTE_BE32(RTE_IPV4(198u, 51, 100, 9)),
			.inside_lower = rte_be_to_cpu_16(h.port),
			.outside_lower = 8443,
		};
	static_table_sort(t);
	snapshot_add_route(world->snapshot, RTE_IPV4(198u, 51, 100, 9), 32,
		world6_hop(world, (struct nexthop){.kind = NEXTHOP_STATIC, .policy = SLOT_NAT64}));
}

static bool unless_static(const struct host *h, enum l4, bool outward)
{
	return !outward || !is_static(h);
}

static void static_mappings(void **)
{
	assert_both_ways_alike(
		&(struct story){.rounds = FEW, .prepare = add_statics, .is_short = unless_static});
}

static void make_pipe(void)
{
	struct aftr *aftr = world->snapshot->aftr;

	aftr->uniform = false;
	aftr->hop_limit = 7;
	aftr->mtu = 0;
	aftr->despite_df = true;
}

// RFC 2983 section 3, RFC 2473 sections 6.3 and 7.2
static void other_softwires(void **)
{
	assert_both_ways_alike(
		&(struct story){.rounds = FEW, .prepare = make_pipe, .is_short = always});
}

// Flows that have nothing but short-way packets live as long as those do.
static void kept_alive(void **)
{
	static const struct story story = {.is_short = always};
	static const uint32_t idle[] = {[L4_UDP] = 300, [L4_TCP] = 7440};

	for (unsigned way = 0; way < 8; way++) {
		struct host h = host(way & 4 ? 0 : HOSTS - 1);
		enum l4 l4 = way & 1 ? L4_TCP : L4_UDP;
		bool outward = way & 2, kept = outward || l4 == L4_TCP;

		begin(&story);
		open_flows();
		for (unsigned part = 0; part < 5; part++) {
			struct packet p = make_ordinary(&h, l4, outward);

			assert_non_null(mapping_of(&h, l4));
			assert_true(goes_short(&p));
			world_pass(world, worker->now + idle[l4] * TICKS_A_SECOND / 2);
			if (!kept && part)
				break;
		}
		world_pass(world, worker->now + idle[l4] * TICKS_A_SECOND / 2 - 1);
		assert_int_equal(mapping_of(&h, l4) != NULL, kept);
		world_pass(world, worker->now + 1);
		assert_null(mapping_of(&h, l4));
		end();
	}
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_and_wrong),
		cmocka_unit_test(marked),
		cmocka_unit_test(held),
		cmocka_unit_test(destinations_by_another_name),
		cmocka_unit_test(two_prefixes),
		cmocka_unit_test(other_prefixes),
		cmocka_unit_test(dependent_mappings),
		cmocka_unit_test(filtered),
		cmocka_unit_test(inbound_refresh),
		cmocka_unit_test(static_mappings),
		cmocka_unit_test(other_softwires),
		cmocka_unit_test(kept_alive),
	};

	world_eal(argv[0], false, 128 + WORLD6_MEMORY_MB);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
