// SPDX-License-Identifier: BSD-3-Clause

// The short ways of packets of hosts behind NAT64, B4s and NAT44 (worker/aliased_fast.c, nat44_fast.c) do what the long
// ones do, whatever is configured: what comes of each burst of a story is compared to the byte.

#include "base/bits.h"
#include "base/clock.h"
#include "table/acl.h"

#include "nat_story.h"
#include "support/services.h"
#include "unit.h"

#include <rte_ip.h>

#include <stdlib.h>

#define FEW 200 // rounds

// Zeroed, as snapshots free it.
static void *room_for(size_t n, size_t size)
{
	void *room = calloc(n, size);

	assert_non_null(room);
	return room;
}

static bool always(const struct host *, enum l4, bool)
{
	return true;
}

static bool never(const struct host *, enum l4, bool)
{
	return false;
}

static void right_and_wrong(void **)
{
	assert_told_alike(&(struct story){.rounds = STORY_ROUNDS, .is_short = always});
}

static void on_mark(void *, const struct subkey *subscriber, bool marked)
{
	nat_mark(&box.worker->nat, subscriber, marked);
}

static bool is_marked(const struct host *h)
{
	const struct host nat64 = host_of(3), b4 = host_of(STORY_EACH + 7);
	const struct host own = host_of(STORY_HOSTS - 1);

	return h->slot == SLOT_NAT44
		? h->inner == own.inner
		: !memcmp(h->address, nat64.address, 16) || !memcmp(h->address, b4.address, 16);
}

// Three subscribers who may not write to half of the internet any more; the others may, and nobody is hindered in hearing from there.
static void mark(void)
{
	acl_watch(box.world->acl, on_mark, NULL);
	for (unsigned n = 0; n < STORY_HOSTS; n++) {
		struct host h = host_of(n);
		struct ipaddr addr = ipaddr_v6(h.address);
		struct ipprefix prefix = ipprefix_make(&addr, box_policy(h.slot)->subscriber_len);
		struct acl_rule rule = {
			.subscriber = h.slot == SLOT_NAT44 ? subkey_v4(h.inner, SLOT_NAT44)
							   : subkey_of(&prefix, h.slot),
			.any_protocol = true,
			.upper_port = UINT16_MAX,
			.upper_type = UINT8_MAX,
			.action = ACL_BLOCK,
		};
		uint32_t slot;

		if (!is_marked(&h))
			continue;
		ipprefix_parse("93.184.0.0/19", &rule.target, NULL);
		assert_int_equal(acl_add(box.world->acl, &rule, &slot), 0);
	}
}

static bool unless_marked(const struct host *h, enum l4, bool outward)
{
	return !outward || !is_marked(h);
}

static void marked(void **)
{
	assert_told_alike(&(struct story){.rounds = FEW, .turn = mark, .is_short = unless_marked});
}

// A SYN from outside, which the inside host may still send one of its own to.
static void hold(void)
{
	struct host h = host_of(0);
	struct packet p = host_hears(&h, L4_TCP, 64, SYN);

	box_policy(SLOT_NAT64)->answer_syns = true;
	p.ip[22] ^= 0xff;
	outcome_free(both_ways_carry(box.world, &p, 1, false));
	assert_int_equal(box.worker->held.used, 1);
	box_policy(SLOT_NAT64)->answer_syns = false;
}

static void held(void **)
{
	assert_told_alike(&(struct story){.rounds = FEW, .turn = hold, .is_short = always});
}

static void add_dstnat(void)
{
	struct dstnat_table *t = &box.world->snapshot->dstnat;

	t->by_inside = room_for(1, sizeof(*t->by_inside));
	t->by_outside = room_for(1, sizeof(*t->by_outside));
	dstnat_add(t,
		&(struct dstnat){
			.inside = endpoint_make(RTE_BE32(RTE_IPV4(10u, 0, 0, 1)), PROTOCOL_UDP, 53),
			.outside = endpoint_make(host_of(0).remote, PROTOCOL_UDP, 443),
			.policy = DSTNAT_ANY_POLICY,
		});
	dstnat_table_sort(t);
}

static void destinations_by_another_name(void **)
{
	assert_told_alike(&(struct story){.rounds = FEW, .prepare = add_dstnat, .is_short = never});
}

// One more prefix, for some of the remotes.
static void add_prefix(void)
{
	struct nat_policy *nat64 = box_policy(SLOT_NAT64);
	struct nat64_prefix *prefixes = room_for(2, sizeof(*prefixes));
	struct nat64_network *network = room_for(1, sizeof(*network));

	prefixes[0] = nat64->nat64_prefix[0];
	box_set_prefix("2001:db8:6464::/64", &prefixes[1]);
	*network = (struct nat64_network){
		.address = RTE_BE32(RTE_IPV4(93u, 184, 0, 0)), .mask = RTE_BE32(0xfffff800)};
	prefixes[1].network = network;
	prefixes[1].networks = 1;
	free(nat64->nat64_prefix);
	nat64->nat64_prefix = prefixes;
	nat64->nat64_prefixes = 2;
	world6_route(box.world, "2001:db8:6464::/64", world6_find(box.world, "2001:db8:64::"));
}

static bool unless_to_nat64(const struct host *h, enum l4, bool outward)
{
	return !outward || h->inner;
}

static void two_prefixes(void **)
{
	assert_told_alike(
		&(struct story){.rounds = FEW, .prepare = add_prefix, .is_short = unless_to_nat64});
}

// Half of the hosts behind NAT64 have a policy of their own, with another prefix.
static void add_nat64(void)
{
	static const char prefix[] = "2001:db8:6464::/96";
	struct world_setup setup = world_setup();
	struct nat_policy *other = box_add_policy(&setup, SLOT_OTHER, NAT_64);

	other->instance = SLOT_NAT64;
	services_add_nat64(box.world, other);
	ipprefix_parse("2001:db8:108::/45", other->match, NULL);
	box_set_prefix(prefix, other->nat64_prefix);
	world6_route(box.world, prefix, world6_find(box.world, "2001:db8:64::"));
	other->answer_syns = false;
}

static void two_policies(void **)
{
	assert_told_alike(&(struct story){.rounds = FEW, .prepare = add_nat64, .is_short = always});
}

// RFC 6052 sections 2.2 and 3.1
static void other_prefixes(void **)
{
	static const char *const prefix[] = {
		"64:ff9b::/96", "2001:db8:6464:6464::/64", "2001:db8:6400::/40"};

	for (unsigned i = 0; i < ARRAY_LEN(prefix); i++)
		assert_told_alike(
			&(struct story){.rounds = FEW, .pref64 = prefix[i], .is_short = always});
}

// Where what comes in may mean something to UDP, that of NAT44 goes the long way.
static bool minds_udp_in(const struct host *h, enum l4 l4, bool outward)
{
	return h->slot != SLOT_NAT44 || l4 == L4_TCP || outward;
}

static bool unless_out(const struct host *h, enum l4 l4, bool outward)
{
	return !outward && minds_udp_in(h, l4, outward);
}

static void depend(struct world_setup *setup)
{
	setup->behaviour.mapping = MAP_BY_ENDPOINT;
	memset(setup->behaviour.filtering, FILTER_BY_ENDPOINT, sizeof(setup->behaviour.filtering));
}

static void dependent_mappings(void **)
{
	assert_told_alike(
		&(struct story){.rounds = FEW, .arrange = depend, .is_short = unless_out});
}

static void filter_all(struct world_setup *setup)
{
	memset(setup->behaviour.filtering, FILTER_BY_ADDRESS, sizeof(setup->behaviour.filtering));
}

static bool unless_udp_out(const struct host *h, enum l4 l4, bool outward)
{
	return (!outward || l4 == L4_TCP) && minds_udp_in(h, l4, outward);
}

// UDP has sessions then.
static void filtered(void **)
{
	assert_told_alike(
		&(struct story){.rounds = FEW, .arrange = filter_all, .is_short = unless_udp_out});
}

static void refresh_inward(void)
{
	for (unsigned slot = SLOT_NAT44; slot <= SLOT_DSLITE; slot++)
		box_policy(slot)->inbound_refresh = true;
	nat_reconcile(&box.worker->nat, 0, box.worker->now);
}

// What comes in keeps UDP too (RFC 4787 REQ-6a).
static void inbound_refresh(void **)
{
	assert_told_alike(&(struct story){
		.rounds = FEW, .prepare = refresh_inward, .is_short = minds_udp_in});
}

static bool is_static(const struct host *h)
{
	return h->slot == SLOT_NAT64 && h->address[5] == 0;
}

// A port of each protocol of a host behind NAT64.
static void add_statics(void)
{
	static const uint8_t protocol[] = {PROTOCOL_TCP, PROTOCOL_UDP};
	struct static_table *t = &box.world->snapshot->statics;
	struct host h = host_of(0);

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
	snapshot_add_route(box.world->snapshot, RTE_IPV4(198u, 51, 100, 9), 32,
		world6_hop(
			box.world, (struct nexthop){.kind = NEXTHOP_STATIC, .policy = SLOT_NAT64}));
}

static bool unless_static(const struct host *h, enum l4, bool outward)
{
	return !outward || !is_static(h);
}

static void static_mappings(void **)
{
	assert_told_alike(
		&(struct story){.rounds = FEW, .prepare = add_statics, .is_short = unless_static});
}

static struct host last_host(void)
{
	return host_of(STORY_HOSTS - 1);
}

// Ports of the pool, of one who has an address of his own.
static void map_in_pool(struct world_setup *setup)
{
	static struct static_mapping port[2];
	const struct host h = last_host();

	for (unsigned i = 0; i < ARRAY_LEN(port); i++)
		port[i] = (struct static_mapping){
			.policy = SLOT_NAT44,
			.protocol = i ? PROTOCOL_UDP : PROTOCOL_TCP,
			.inside = h.inner,
			.outside = rte_cpu_to_be_32(setup->pool_first + 3),
			.inside_lower = rte_be_to_cpu_16(h.port),
			.outside_lower = 8443,
		};
	setup->statics = port;
	setup->n_statics = ARRAY_LEN(port);
}

static bool unless_mapped_in_pool(const struct host *h, enum l4, bool)
{
	return h->inner != last_host().inner;
}

static void static_mappings_in_pool(void **)
{
	assert_told_alike(&(struct story){
		.rounds = FEW, .arrange = map_in_pool, .is_short = unless_mapped_in_pool});
}

// All who have addresses of their own (RFC 7422).
static void fix_ports(struct world_setup *setup)
{
	static struct ipprefix inside;
	static struct detnat_setup fixed = {.inside = &inside, .prefixes = 1, .dynamic_factor = 1};

	ipprefix_parse("100.64.32.0/20", &inside, NULL);
	setup->fixed = &fixed;
}

static void fixed_ports(void **)
{
	assert_told_alike(&(struct story){.rounds = FEW, .arrange = fix_ports, .is_short = always});
}

// The route to one who has mappings does not lead inside any more.
static void route_outside(void)
{
	struct snapshot *s = box.world->snapshot;
	uint32_t inside = rte_be_to_cpu_32(last_host().inner);
	uint32_t remote = rte_be_to_cpu_32(host_of(0).remote);

	snapshot_add_route(s, inside, 32, (unsigned)(snapshot_route(s, remote) - s->nexthop));
}

static bool unless_routed_outside(const struct host *h, enum l4, bool outward)
{
	return outward || h->inner != last_host().inner;
}

static void host_routed_outside(void **)
{
	assert_told_alike(&(struct story){
		.rounds = FEW, .turn = route_outside, .is_short = unless_routed_outside});
}

static void make_vlan(void)
{
	box.world->snapshot->iface_of[WORLD_OUTSIDE][BOTH_WAYS_VLAN] = WORLD_INSIDE;
}

// Inside and outside are VLANs of one device, so that bursts have packets from both; the first decides which are
// looked at first.
static void both_on_one_device(void **)
{
	assert_told_alike(&(struct story){.rounds = FEW, .prepare = make_vlan, .is_short = always});
}

static void share_work(struct world_setup *setup)
{
	setup->workers = 2;
}

static void share_fixed_ports(struct world_setup *setup)
{
	share_work(setup);
	fix_ports(setup);
}

// Has a host's packet carried, which comes to the first worker. Returns the one that has sent it, and an answer.
static unsigned worker_of_host(const struct host *h, struct packet *answer)
{
	struct packet p = host_sends(h, L4_UDP, 64, 0);
	unsigned worker = 0;
	struct rte_mbuf *m;
	struct tuple t;

	world_carry(box.world, 0, p.iface, world_frame(box.world, p.iface, p.ip, p.length));
	while (!(m = world_sent(box.world, worker, WORLD_OUTSIDE)))
		assert_true(++worker < box.world->dataplane.workers);
	t = packet_tuple(rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN));
	rte_pktmbuf_free(m);
	*answer = (struct packet){.iface = WORLD_OUTSIDE, .length = 64};
	packet_make(answer->ip, answer->length,
		&(struct tuple){L4_UDP, t.dst, t.src, t.dst_port, t.src_port}, 0, 64);
	return worker;
}

// What is another worker's, since the host is, is left to that.
static void of_another_worker(void **)
{
	static const struct story story[] = {
		{.arrange = share_work}, {.arrange = share_fixed_ports}};

	for (unsigned i = 0; i < ARRAY_LEN(story); i++) {
		uint64_t workers = 0;

		story_begin(&story[i]);
		for (unsigned n = 2 * STORY_EACH; n < STORY_HOSTS; n++) {
			struct host h = host_of(n);
			struct packet answer, more = host_sends(&h, L4_UDP, 64, 0);
			unsigned worker = worker_of_host(&h, &answer);

			assert_int_equal(goes_short(&more), !worker);
			assert_int_equal(goes_short(&answer), !worker);
			workers |= bit(worker);
		}
		assert_int_equal(workers, 3);
		story_end();
	}
}

static void make_pipe(void)
{
	struct aftr *aftr = box.world->snapshot->aftr;

	aftr->uniform = false;
	aftr->hop_limit = 7;
	aftr->mtu = 0;
	aftr->despite_df = true;
}

// RFC 2983 section 3, RFC 2473 sections 6.3 and 7.2
static void other_softwires(void **)
{
	assert_told_alike(&(struct story){.rounds = FEW, .prepare = make_pipe, .is_short = always});
}

// One more, with other softwires. B4s go from one to the other.
static void add_aftr(void)
{
	struct snapshot *s = box.world->snapshot;
	struct aftr *aftr = room_for(2, sizeof(*aftr));
	static const char address[] = "2001:db8:fffe::2";
	struct ipaddr addr;

	aftr[0] = aftr[1] = s->aftr[0];
	ipaddr_parse(address, &addr);
	memcpy(aftr[1].address, addr.bytes, sizeof(aftr[1].address));
	aftr[1].hop_limit = 9;
	free(s->aftr);
	s->aftr = aftr;
	s->aftrs = 2;
	world6_route(box.world, address,
		world6_hop(box.world,
			(struct nexthop){.kind = NEXTHOP_SERVICE,
				.service = SERVICE_DSLITE,
				.number = 1,
				.first = box_policy(SLOT_DSLITE)->subscriber_len}));
}

static void two_aftrs(void **)
{
	assert_told_alike(&(struct story){.rounds = FEW, .prepare = add_aftr, .is_short = always});
}

static void clamp_mss(void)
{
	for (unsigned slot = SLOT_NAT44; slot <= SLOT_DSLITE; slot++)
		box_policy(slot)->mss = 1200;
}

static void segments_made_smaller(void **)
{
	assert_told_alike(&(struct story){.rounds = FEW, .prepare = clamp_mss, .is_short = always});
}

// Flows that have nothing but short-way packets live as long as those do.
static void kept_alive(void **)
{
	static const struct story story = {.is_short = always};
	static const uint32_t idle[] = {[L4_UDP] = 300, [L4_TCP] = 7440};

	for (unsigned way = 0; way < 12; way++) {
		struct host h = host_of(way / 4 * STORY_EACH);
		enum l4 l4 = way & 1 ? L4_TCP : L4_UDP;
		bool outward = way & 2, kept = outward || l4 == L4_TCP;

		story_begin(&story);
		story_open_flows();
		for (unsigned part = 0; part < 5; part++) {
			struct packet p = host_ordinary(&h, l4, outward);

			assert_non_null(host_mapping(&h, l4));
			assert_true(goes_short(&p));
			world_pass(box.world, box.worker->now + idle[l4] * TICKS_A_SECOND / 2);
			if (!kept && part)
				break;
		}
		world_pass(box.world, box.worker->now + idle[l4] * TICKS_A_SECOND / 2 - 1);
		assert_int_equal(host_mapping(&h, l4) != NULL, kept);
		world_pass(box.world, box.worker->now + 1);
		assert_null(host_mapping(&h, l4));
		story_end();
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
		cmocka_unit_test(two_policies),
		cmocka_unit_test(other_prefixes),
		cmocka_unit_test(dependent_mappings),
		cmocka_unit_test(filtered),
		cmocka_unit_test(inbound_refresh),
		cmocka_unit_test(static_mappings),
		cmocka_unit_test(static_mappings_in_pool),
		cmocka_unit_test(fixed_ports),
		cmocka_unit_test(host_routed_outside),
		cmocka_unit_test(both_on_one_device),
		cmocka_unit_test(of_another_worker),
		cmocka_unit_test(other_softwires),
		cmocka_unit_test(two_aftrs),
		cmocka_unit_test(segments_made_smaller),
		cmocka_unit_test(kept_alive),
	};

	world_eal(argv[0], false, 128 + WORLD6_MEMORY_MB);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
