// SPDX-License-Identifier: BSD-3-Clause

#include "nat_story.h"

#include "base/bits.h"
#include "base/clock.h"
#include "net/hdr6.h"
#include "net/tunnel.h"
#include "xlate/xlate.h"

#include "support/services.h"
#include "unit.h"

#include <rte_ip.h>

#define SHORTEST 46 // that an Ethernet frame has room for

#define DATA    64 // bytes of most packets, at most, behind what the first segment has
#define OPENING 3  // rounds, of each CHAPTER
#define CHAPTER 100

#define MTU4     1400
#define MTU6     1340
#define MTU_AFTR 1320

struct box box;

static uint32_t any(uint32_t n)
{
	return rand_below(&box.random, n);
}

struct host host_of(unsigned n)
{
	uint8_t other = (uint8_t)~n;
	struct host h = {
		.address = {0x20, 0x01, 0x0d, 0xb8, 0x01, (uint8_t)n, [12] = other, [15] = 1},
		.remote = rte_cpu_to_be_32(RTE_IPV4(93u, 184, n, other)),
		.port = rte_cpu_to_be_16((uint16_t)(0x4000 + (n << 8) + other)),
		.slot = SLOT_NAT64,
	};

	if (n < STORY_EACH)
		return h;
	if (n >= 2 * STORY_EACH) {
		h.slot = SLOT_NAT44;
		h.inner = rte_cpu_to_be_32(RTE_IPV4(100u, 64, n, other));
		memset(h.address, 0, sizeof(h.address));
		return h;
	}
	h.slot = SLOT_DSLITE;
	h.inner = rte_cpu_to_be_32(RTE_IPV4(192u, 168, n, other));
	h.address[5] = (uint8_t)(0x80 + n / 4);
	h.address[12] = (uint8_t)(~n / 4);
	return h;
}

struct nat_policy *box_add_policy(
	const struct world_setup *setup, unsigned slot, enum nat_kind kind)
{
	struct world_setup own = *setup;

	own.pool_first = setup->pool_first + 16 * slot;
	own.pool_last = own.pool_first + 15;
	own.behaviour.kind = (uint8_t)kind;
	own.fixed = NULL;
	return world_policy(box.world, &own, slot);
}

struct nat_policy *box_policy(unsigned slot)
{
	return box.world->snapshot->policy[slot];
}

static const struct nat_policy *policy_of_host(const struct host *h)
{
	return box_policy((unsigned)snapshot_policy_of6(box.world->snapshot, h->slot, h->address));
}

void box_set_prefix(const char *text, struct nat64_prefix *p)
{
	struct ipprefix prefix;

	assert_int_equal(ipprefix_parse(text, &prefix, NULL), 0);
	*p = (struct nat64_prefix){.prefix.len = prefix.len};
	memcpy(p->prefix.bytes, prefix.addr.bytes, sizeof(p->prefix.bytes));
	p->well_known = nat64pfx_is_well_known(&p->prefix);
}

void story_begin(const struct story *story)
{
	struct world_setup setup = world_setup();

	setup.mbufs = 4095;
	setup.mtu = MTU4;
	setup.size.aliases = 256;
	if (story->arrange)
		story->arrange(&setup);
	box.world = world_new(&setup, 1000);
	box.worker = box.world->dataplane.worker[0];
	// what is drawn at random is the same each time
	rand_seed_fixed(&box.random, 6146);
	rand_seed_fixed(&box.worker->nat.random, 6333);
	ipid_free(&box.worker->ids);
	assert_int_equal(ipid_init(&box.worker->ids, 0, 1, &box.worker->nat.random), 0);
	world6_add(box.world, MTU6);
	services_add_nat64(box.world, box_add_policy(&setup, SLOT_NAT64, NAT_64));
	services_add_aftr(box.world, box_add_policy(&setup, SLOT_DSLITE, NAT_DSLITE));
	box.world->snapshot->aftr->mtu = MTU_AFTR;
	// nobody answers those that are held
	for (unsigned slot = SLOT_NAT44; slot <= SLOT_DSLITE; slot++)
		box_policy(slot)->answer_syns = false;
	if (story->pref64) {
		box_set_prefix(story->pref64, box_policy(SLOT_NAT64)->nat64_prefix);
		world6_route(box.world, story->pref64, world6_find(box.world, "2001:db8:64::"));
	}
	if (story->prepare)
		story->prepare();
}

void story_end(void)
{
	// no fragment waits any more
	world_pass(box.world, box.worker->now + 10 * TICKS_A_SECOND);
	assert_int_equal(rte_mempool_in_use_count(box.world->mbufs), box.worker->held.used);
	world_free(box.world);
}

const struct mapping *host_mapping(const struct host *h, enum l4 l4)
{
	const struct alias_key key = alias_key_make(h->address, h->inner, h->slot);
	uint32_t alias = alias_find(&box.worker->nat.aliases, &key), mapping;
	struct flow flow = {h->inner, h->remote, h->port, RTE_BE16(443), (uint8_t)l4};

	if (h->slot != SLOT_NAT44)
		flow.inside = alias_address(alias);
	mapping = nat_find_inside(&box.worker->nat, &flow);
	return mapping ? &box.worker->nat.bib.mapping[mapping] : NULL;
}

// The flow as it is seen outside; one that is not known has some port or other.
static struct tuple outside_of(const struct host *h, enum l4 l4)
{
	const struct mapping *m = host_mapping(h, l4);
	uint32_t first = RTE_IPV4(203u, 0, 113, 0);

	return (struct tuple){
		.l4 = l4,
		.src = m ? m->outside : rte_cpu_to_be_32(first + any(48)),
		.dst = h->remote,
		.src_port = m ? m->outside_port : rte_cpu_to_be_16((uint16_t)any(65536)),
		.dst_port = RTE_BE16(443),
	};
}

// Makes an IPv6 packet of the IPv4 one that is behind the first TUNNEL_HEADER bytes.
static void become6(struct packet *p, const struct host *h)
{
	const struct nat_policy *nat64 = policy_of_host(h);
	const struct nat64_prefix *prefix =
		nat64_prefix_for(nat64->nat64_prefix, nat64->nat64_prefixes, h->remote);
	uint8_t to[16];

	nat64pfx_embed(&prefix->prefix, h->remote, to);
	both_ways_become6(&box.random, p, h->address, to);
}

// Says how large segments of a connection may be.
static void add_mss(uint8_t *ip, uint16_t length)
{
	static const uint8_t mss[] = {2, 4, 0x05, 0xb4};

	ip[32] = 0x60;
	memcpy(ip + 40, mss, sizeof(mss));
	packet_mend(ip, length);
}

struct packet host_sends(const struct host *h, enum l4 l4, uint16_t length, uint8_t flags)
{
	struct packet p = {.iface = WORLD_INSIDE, .length = length, .headers = 40};
	const struct tuple t = {l4, h->inner, h->remote, h->port, RTE_BE16(443)};
	uint8_t *ip = h->slot == SLOT_NAT44 ? p.ip : p.ip + TUNNEL_HEADER;

	both_ways_make4(&box.random, ip, length, &t, flags);
	if (flags & SYN)
		add_mss(ip, length);
	if (h->slot == SLOT_NAT64)
		become6(&p, h);
	else if (h->slot == SLOT_DSLITE)
		both_ways_wrap(&box.random, &p, h->address, box.world->snapshot->aftr->address);
	if (flags & SYN)
		p.headers = (uint8_t)(p.headers + 4);
	return p;
}

struct packet host_hears(const struct host *h, enum l4 l4, uint16_t length, uint8_t flags)
{
	struct packet p = {.iface = WORLD_OUTSIDE, .length = length, .headers = 40};
	struct tuple t = outside_of(h, l4);

	both_ways_make4(&box.random, p.ip, length,
		&(struct tuple){l4, t.dst, t.src, t.dst_port, t.src_port}, flags);
	if (flags & SYN) {
		add_mss(p.ip, length);
		p.headers = 44;
	}
	return p;
}

struct packet host_ordinary(const struct host *h, enum l4 l4, bool outward)
{
	return outward ? host_sends(h, l4, 100, ACK) : host_hears(h, l4, 100, ACK);
}

// Of the IPv4 packet, so that now and then one of the lengths that it has on its way is at a limit.
static uint16_t any_length(void)
{
	static const uint16_t limit[] = {1260, MTU_AFTR - 40, MTU6 - 40, MTU6 - 20, MTU4};

	return (uint16_t)(any(4) ? 45 + any(DATA) : limit[any(ARRAY_LEN(limit))] - 2 + any(5));
}

// Of one that has no more than headers, or not even those of TCP, and is filled up in a frame.
static uint16_t short_length(enum l4 l4)
{
	uint16_t least = (uint16_t)packet_least(l4);

	return (uint16_t)(least + any(SHORTEST - least));
}

// Somewhere else than where hosts write to: where nobody in the internet is, an inside network, the box, and a pool.
static rte_be32_t elsewhere(rte_be32_t remote)
{
	static const uint32_t network[] = {RTE_IPV4(10u, 0, 0, 0), RTE_IPV4(100u, 64, 0, 0),
		RTE_IPV4(192u, 0, 2, 1), RTE_IPV4(203u, 0, 113, 20)};
	unsigned n = any(ARRAY_LEN(network));

	return rte_cpu_to_be_32(network[n]) | (network[n] & 0xff ? 0 : remote & RTE_BE32(0xffff));
}

// Sends an outward packet by another way than its host is used to.
static void divert(struct packet *p, const struct host *h)
{
	const struct snapshot *s = box.world->snapshot;
	const struct host other = host_of(any(STORY_EACH));
	const struct nat_policy *nat64 = policy_of_host(&other);
	const struct nat64_prefix *prefix = &nat64->nat64_prefix[any(nat64->nat64_prefixes)];

	if (!any(4))
		p->iface = WORLD_OUTSIDE;
	else if (h->slot == SLOT_DSLITE)
		memcpy(p->ip + IPV6_DESTINATION, s->aftr[any(s->aftrs)].address, 16);
	else if (h->slot == SLOT_NAT64)
		nat64pfx_embed(&prefix->prefix, h->remote, p->ip + IPV6_DESTINATION);
}

// Sends an IPv4 packet from its host to itself, or from where it is to.
static void turn_round(struct packet *p)
{
	uint8_t *src = p->ip + 12, *dst = p->ip + 16;

	if (p->iface == WORLD_INSIDE)
		memcpy(dst, src, 4);
	else
		memcpy(src, dst, 4);
}

static struct packet make(struct host h)
{
	static const uint8_t change[] = {SYN, FIN, RST};
	enum l4 l4 = any(2) ? L4_TCP : L4_UDP;
	uint8_t flags = l4 == L4_UDP ? 0 : any(16) ? ACK : change[any(ARRAY_LEN(change))];
	uint16_t length = any_length();
	bool outward = any(2), is_ipv4 = !outward || h.slot == SLOT_NAT44;
	struct packet p;

	if (is_ipv4 && !(flags & SYN) && !any(8))
		length = short_length(l4);
	if (!any(16))
		h.remote = elsewhere(h.remote);
	p = outward ? host_sends(&h, l4, length, flags) : host_hears(&h, l4, length, flags);
	if (outward && !any(8))
		divert(&p, &h);
	if (is_ipv4 && !any(32))
		turn_round(&p);
	both_ways_vary(&box.random, &p);
	if (p.ipv4 != NO_IPV4 && !any(32))
		both_ways_add_options(&p);
	if (!any(3))
		both_ways_spoil(&box.random, &p);
	else if (p.ipv4 != NO_IPV4 && !any(32))
		both_ways_fragment(&box.random, &p);
	// bytes behind it
	if (p.length < SHORTEST)
		p.length = SHORTEST;
	else if (!any(16))
		p.length = (uint16_t)(p.length + 1 + any(8));
	return p;
}

// In any order each packet of a burst has the same outcome: there is one of each host at most. Each chapter begins with
// a burst of UDP from all hosts, SYNs from all, and their answers.
static unsigned make_round(unsigned round, struct packet packet[STORY_HOSTS])
{
	unsigned part = round % CHAPTER, n = part < OPENING ? STORY_HOSTS : 1 + any(STORY_HOSTS);
	unsigned first = any(STORY_HOSTS);

	for (unsigned i = 0; i < n; i++) {
		struct host h = host_of((first + i) % STORY_HOSTS);

		if (part == 0)
			packet[i] = host_sends(&h, L4_UDP, 64, 0);
		else if (part == 1)
			packet[i] = host_sends(&h, L4_TCP, 64, SYN);
		else if (part == 2)
			packet[i] = host_hears(&h, L4_TCP, 64, SYN | ACK);
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
	world_pass(box.world, box.worker->now + ticks);
}

static struct outcome *tell_round(const struct story *story, unsigned round, bool split)
{
	struct packet packet[STORY_HOSTS];
	unsigned n;

	if (round == OPENING && story->turn)
		story->turn();
	n = make_round(round, packet);
	return both_ways_carry(box.world, packet, n, split);
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

void story_open_flows(void)
{
	struct packet packet[STORY_HOSTS];

	for (unsigned round = 0; round < OPENING; round++)
		outcome_free(both_ways_carry(box.world, packet, make_round(round, packet), false));
}

// Of UDP that may have sessions, or of those mapped statically, what comes in goes the short way last.
static uint64_t short_way_in(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t taken = nat44_fast(w, b, mask), pass = mask & ~taken;

	hdr_read(b, pass);
	pass = classify(w, b, pass).in;
	pass = nat44_find_in(&w->nat, b, pass, w->now);
	pass = nat44_track(&w->nat, b, pass, false, w->now);
	return taken | aliased_fast_in(w, b, pass);
}

bool goes_short(const struct packet *p)
{
	short_way *out = p->ipv4 ? aliased_fast_out : nat44_fast;

	return both_ways_is_short(box.world, p, p->iface == WORLD_OUTSIDE ? short_way_in : out);
}

static void assert_short_for(const struct story *story)
{
	for (unsigned n = 0; n < STORY_HOSTS; n++) {
		struct host h = host_of(n);

		for (unsigned way = 0; way < 4; way++) {
			enum l4 l4 = way & 1 ? L4_TCP : L4_UDP;
			struct packet p = host_ordinary(&h, l4, way & 2);

			assert_int_equal(goes_short(&p), story->is_short(&h, l4, way & 2));
		}
	}
}

void assert_told_alike(const struct story *story)
{
	struct outcome *whole[STORY_ROUNDS] = {NULL};

	for (unsigned time = 0; time < 2; time++) {
		story_begin(story);
		tell(story, whole);
		story_end();
	}
	story_begin(story);
	story_open_flows();
	if (story->turn)
		story->turn();
	assert_short_for(story);
	story_end();
}
