// SPDX-License-Identifier: BSD-3-Clause

// Inside hosts without an IPv4 address: their aliases live as long as their mappings, or as fragments of theirs may
// wait, and stand for them in policies, subscribers and rows (RFC 6146 section 3.5, RFC 6333 section 8.3).

#include "support/world.h"
#include "unit.h"

#include <string.h>

#define NOW 1000

static struct world *world;
static struct nat *nat;

static void begin(void)
{
	struct world_setup setup = world_setup();
	struct nat_policy *policy;

	setup.size.aliases = 64;
	world = world_new(&setup, NOW);
	nat = &world->dataplane.worker[0]->nat;
	policy = world->snapshot->policy[0];
	ipprefix_parse("2001:db8::/32", &policy->match[0], NULL);
	policy->subscriber_len = 56;
}

static struct alias_key host(const char *text, rte_be32_t inner)
{
	struct alias_key key = {.inner = inner};
	struct ipaddr addr;

	assert_int_equal(ipaddr_parse(text, &addr), 0);
	memcpy(key.address, addr.bytes, sizeof(key.address));
	return key;
}

static uint32_t get(const struct alias_key *key)
{
	enum verdict verdict;
	uint32_t number = nat_alias(nat, key, &verdict);

	assert_true(number != 0);
	return number;
}

static uint32_t open_flow(uint32_t alias, uint16_t port)
{
	struct flow flow = {
		.inside = alias_address(alias),
		.remote = RTE_BE32(0xc6336401),
		.inside_port = rte_cpu_to_be_16(port),
		.remote_port = RTE_BE16(53),
		.l4 = L4_UDP,
	};
	uint32_t mapping;

	assert_int_equal(nat_open(nat, &flow, NOW, &mapping), V_NAT44_OUT);
	assert_int_equal(nat_find_inside(nat, &flow), mapping);
	return mapping;
}

static struct subkey subscriber_of(uint32_t mapping)
{
	return nat->subscribers.subscriber[nat->bib.mapping[mapping].subscriber].key;
}

static void lives_with_its_mappings(void **)
{
	struct alias_key key = host("2001:db8:0:1234::7", 0);
	uint32_t alias, first, second;

	begin();
	alias = get(&key);
	assert_true(alias_is(alias_address(alias)));
	assert_false(alias_is(RTE_BE32(0xefffffff)));
	assert_int_equal(get(&key), alias);
	first = open_flow(alias, 1);
	second = open_flow(alias, 2);
	alias_settle(&nat->aliases, alias);
	mapping_end(nat, first, true, NOW);
	assert_int_equal(alias_find(&nat->aliases, &key), alias);
	mapping_end(nat, second, true, NOW);
	assert_int_equal(alias_find(&nat->aliases, &key), 0);
	assert_int_equal(nat->aliases.used, 0);
	world_free(world);
}

// A packet that opened nothing leaves nothing behind.
static void settles(void **)
{
	struct alias_key key = host("2001:db8::1", 0);

	begin();
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t alias;

		memcpy(&key.address[8], &i, sizeof(i));
		alias = get(&key);
		alias_settle(&nat->aliases, alias);
		alias_settle(&nat->aliases, alias);
	}
	assert_int_equal(nat->aliases.used, 0);
	world_free(world);
}

static void is_pinned_for_a_while(void **)
{
	struct alias_key key = host("2001:db8::1", 0);
	unsigned pinned = 0;

	begin();
	for (unsigned i = 0; i < 64; i++) {
		uint32_t alias;

		memcpy(&key.address[8], &i, sizeof(i));
		alias = get(&key);
		pinned += alias_pin(&nat->aliases, alias, NOW + 10 + i);
		alias_settle(&nat->aliases, alias);
	}
	// of the rest others may still come
	assert_int_equal(pinned, 17);
	assert_int_equal(nat->aliases.used, 17);
	memset(&key.address[8], 0, 4);
	assert_true(alias_pin(&nat->aliases, alias_find(&nat->aliases, &key), NOW + 100));
	assert_int_equal(alias_expire(&nat->aliases, NOW + 12, 64), 2);
	assert_int_equal(alias_expire(&nat->aliases, NOW + 99, 64), 14);
	assert_int_equal(nat->aliases.used, 1);
	world_pass(world, NOW + 100);
	assert_int_equal(nat->aliases.used, 0);
	world_free(world);
}

static void stands_for_its_host(void **)
{
	struct alias_key plain = host("2001:db8:0:1234::7", 0);
	struct alias_key neighbour = host("2001:db8:0:12ff::1", 0);
	struct alias_key behind = host("2001:db8:0:1234::7", RTE_BE32(0x0a000001));
	struct mapping_row row;
	struct ipaddr addr;
	uint32_t a, b, c;

	begin();
	a = open_flow(get(&plain), 1);
	b = open_flow(get(&neighbour), 1);
	c = open_flow(get(&behind), 1);
	assert_int_not_equal(get(&plain), get(&behind));
	// all of one /56
	assert_int_equal(nat->subscribers.used, 1);
	assert_int_equal(subscriber_of(a).family, 6);
	assert_int_equal(subscriber_of(a).len, 56);
	assert_int_equal(subscriber_of(a).addr[6], 0x12);
	assert_int_equal(subscriber_of(a).addr[7], 0);
	nat_mapping_row(nat, b, NOW, &row);
	addr = ipaddr_v6(neighbour.address);
	assert_int_equal(ipaddr_compare(&row.inside, &addr), 0);
	assert_int_equal(row.b4.family, 0);
	nat_mapping_row(nat, c, NOW, &row);
	addr = ipaddr_v4(behind.inner);
	assert_int_equal(ipaddr_compare(&row.inside, &addr), 0);
	addr = ipaddr_v6(behind.address);
	assert_int_equal(ipaddr_compare(&row.b4, &addr), 0);
	world_free(world);
}

static void mark_reaches_all_hosts(void **)
{
	struct alias_key plain = host("2001:db8:0:1234::7", 0);
	struct alias_key neighbour = host("2001:db8:0:12ff::1", 0);
	uint32_t a, b;
	struct subkey key;

	begin();
	a = open_flow(get(&plain), 1);
	b = open_flow(get(&neighbour), 1);
	key = subscriber_of(a);
	nat_mark(nat, &key, true);
	assert_true(nat->bib.mapping[a].flags & MAPPING_MARKED);
	assert_true(nat->bib.mapping[b].flags & MAPPING_MARKED);
	world_free(world);
}

static void strangers_have_none(void **)
{
	struct alias_key key = host("2001:db9::1", 0);
	enum verdict verdict;

	begin();
	assert_int_equal(nat_alias(nat, &key, &verdict), 0);
	assert_int_equal(verdict, V_POLICY);
	key = host("2001:db8::1", 0);
	for (unsigned i = 1; i <= 64; i++) {
		memcpy(&key.address[8], &i, sizeof(i));
		get(&key);
	}
	memset(&key.address[8], 0, 4);
	assert_int_equal(nat_alias(nat, &key, &verdict), 0);
	assert_int_equal(verdict, V_HOST_MEMORY);
	world_free(world);
}

// After a reload a host may be served by nobody any more: its mappings go on, and no new ones come.
static void reload_finds_its_policy(void **)
{
	struct alias_key key = host("2001:db8::1", 0);
	struct flow flow = {.inside_port = RTE_BE16(9), .remote = RTE_BE32(0xc6336401)};
	uint32_t alias, mapping;

	begin();
	alias = get(&key);
	mapping = open_flow(alias, 1);
	ipprefix_parse("2001:db9::/32", &world->snapshot->policy[0]->match[0], NULL);
	nat_reconcile(nat, 0, NOW);
	flow.inside = alias_address(alias);
	flow.l4 = L4_UDP;
	assert_int_equal(nat_open(nat, &flow, NOW, &mapping), V_POLICY);
	assert_int_equal(nat->bib.used, 1);
	ipprefix_parse("2001:db8::/32", &world->snapshot->policy[0]->match[0], NULL);
	nat_reconcile(nat, 0, NOW);
	assert_int_equal(nat_open(nat, &flow, NOW, &mapping), V_NAT44_OUT);
	world_free(world);
}

// With its pool a policy takes mappings and, with them, aliases.
static void goes_with_its_pool(void **)
{
	struct alias_key key = host("2001:db8::1", 0);
	struct nat_policy *policy;

	begin();
	open_flow(get(&key), 1);
	policy = world->snapshot->policy[0];
	world->snapshot->policy[0] = NULL;
	nat_reconcile(nat, 0, NOW);
	assert_int_equal(nat->aliases.used, 0);
	world->snapshot->policy[0] = policy;
	nat_reconcile(nat, 0, NOW);
	world_free(world);
}

// A list of hosts behind a B4 follows it to another address, and the B4 goes with the last of them (RFC 7785
// section 4).
static void b4_moves(void **state)
{
	struct alias_table *t;
	struct alias_key key[3], other = host("2001:db8:0:201::1", RTE_BE32(0x0a000001));
	struct alias_key moved = host("2001:db8:0:1ff::9", 0);
	struct subkey home = {.family = 6, .len = 56};
	uint32_t alias[3], stranger, b4, b4_of_other;

	(void)state;
	begin();
	t = &nat->aliases;
	b4 = b4_add(&t->b4s, &home, host("2001:db8:0:100::1", 0).address, NOW);
	for (unsigned i = 0; i < 3; i++) {
		key[i] = host("2001:db8:0:100::1", RTE_BE32(0x0a000001) + i);
		alias[i] = alias_add(t, &key[i], 0);
		alias_put_behind(t, alias[i], b4);
		alias_hold(t, alias[i]);
	}
	home.addr[7] = 2;
	b4_of_other = b4_add(&t->b4s, &home, other.address, NOW);
	stranger = alias_add(t, &other, 0);
	alias_put_behind(t, stranger, b4_of_other);
	alias_hold(t, stranger);
	alias_move_b4(t, b4, moved.address, NOW + 7);
	assert_int_equal(t->b4s.b4[b4].changed, NOW + 7);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(alias_find(t, &key[i]), 0);
		moved.inner = key[i].inner;
		assert_int_equal(alias_find(t, &moved), alias[i]);
	}
	assert_int_equal(alias_find(t, &other), stranger);
	// from the middle, the end and the beginning of the list
	alias_let_go(t, alias[1]);
	alias_let_go(t, alias[0]);
	assert_int_equal(t->b4s.used, 2);
	assert_int_equal(t->b4s.b4[b4].first_alias, alias[2]);
	alias_let_go(t, alias[2]);
	assert_int_equal(t->b4s.used, 1);
	alias_let_go(t, stranger);
	assert_int_equal(t->b4s.used, 0);
	assert_int_equal(t->used, 0);
	world_free(world);
}

// Which B4s a subscriber has, and how many.
static void b4s_of_a_subscriber(void **state)
{
	struct alias_key a = host("2001:db8:0:100::1", 0), b = host("2001:db8:0:101::1", 0);
	struct subkey home = {.family = 6, .len = 56},
		      neighbour = {.family = 6, .len = 56, .addr = {1}};
	struct b4_table t;
	struct b4_found found;
	uint32_t first, second;

	(void)state;
	assert_int_equal(b4_init(&t, 2), 0);
	found = b4_find(&t, &home, a.address);
	assert_true(!found.count && !found.any && !found.same);
	first = b4_add(&t, &home, a.address, NOW);
	found = b4_find(&t, &home, b.address);
	assert_true(found.count == 1 && found.any == first && !found.same);
	second = b4_add(&t, &home, b.address, NOW);
	found = b4_find(&t, &home, b.address);
	assert_true(found.count == 2 && found.same == second);
	assert_int_equal(b4_find(&t, &neighbour, a.address).count, 0);
	assert_int_equal(b4_add(&t, &neighbour, a.address, NOW), 0);
	b4_remove(&t, first);
	found = b4_find(&t, &home, a.address);
	assert_true(found.count == 1 && found.any == second && !found.same);
	assert_int_equal(b4_add(&t, &neighbour, a.address, NOW), first);
	b4_fini(&t);
}

int main(int, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lives_with_its_mappings),
		cmocka_unit_test(settles),
		cmocka_unit_test(is_pinned_for_a_while),
		cmocka_unit_test(stands_for_its_host),
		cmocka_unit_test(mark_reaches_all_hosts),
		cmocka_unit_test(strangers_have_none),
		cmocka_unit_test(reload_finds_its_policy),
		cmocka_unit_test(goes_with_its_pool),
		cmocka_unit_test(b4_moves),
		cmocka_unit_test(b4s_of_a_subscriber),
	};

	world_eal(argv[0], false, 128);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
