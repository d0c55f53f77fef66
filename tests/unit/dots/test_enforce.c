// SPDX-License-Identifier: BSD-3-Clause

// From sources to subscribers to rules, against a resolver made of lines and a real ACL.

#include "base/bits.h"
#include "base/rcu.h"
#include "dots/enforce.h"

#include "table_resolver.h"
#include "unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct table_resolver table;
static struct rcu *rcu;
static struct enforcer enforcer;
static struct policy policy;
static struct scope scope;
static struct enforcement found;
static struct err err;
static const struct enforce_time now;

static struct ipprefix prefix(const char *text)
{
	struct ipprefix p;

	assert_int_equal(ipprefix_parse(text, &p, NULL), 0);
	return p;
}

static void *grow(void *list, unsigned *count, size_t size)
{
	list = realloc(list, (*count + 1) * size);
	assert_non_null(list);
	++*count;
	return list;
}

static void source(const char *text)
{
	scope.source = grow(scope.source, &scope.sources, sizeof(*scope.source));
	scope.source[scope.sources - 1] = prefix(text);
}

static void target(const char *text)
{
	scope.target = grow(scope.target, &scope.targets, sizeof(*scope.target));
	scope.target[scope.targets - 1] = prefix(text);
}

static void source_port(uint16_t lower, uint16_t upper)
{
	scope.source_port =
		grow(scope.source_port, &scope.source_ports, sizeof(*scope.source_port));
	scope.source_port[scope.source_ports - 1] = (struct port_range){lower, upper};
}

static void target_port(uint16_t lower, uint16_t upper)
{
	scope.target_port =
		grow(scope.target_port, &scope.target_ports, sizeof(*scope.target_port));
	scope.target_port[scope.target_ports - 1] = (struct port_range){lower, upper};
}

static void source_type(uint8_t lower, uint8_t upper)
{
	scope.source_type =
		grow(scope.source_type, &scope.source_types, sizeof(*scope.source_type));
	scope.source_type[scope.source_types - 1] = (struct type_range){lower, upper};
}

static void protocol(uint8_t number)
{
	scope.protocol = grow(scope.protocol, &scope.protocols, 1);
	scope.protocol[scope.protocols - 1] = number;
}

static int setup(void **)
{
	static const char *const lines[] = {"pool 203.0.113.0/28",
		"203.0.113.7:1024-2047=100.64.0.1", "203.0.113.7:2048-3071=100.64.0.2",
		"203.0.113.7:4096-4351/17=100.64.0.3", "203.0.113.9=100.64.0.9",
		"2001:db8:7::1=100.64.0.9", "icmp 203.0.113.7=100.64.0.2>198.51.100.10",
		"icmp 203.0.113.7=100.64.0.1>198.51.100.20",
		"icmp 203.0.113.7=100.64.0.2>198.51.100.20", "203.0.113.20:5000-5999=100.64.0.4",
		"203.0.113.20:5500-5600=100.64.0.5"};

	table_resolver_init(&table);
	for (unsigned i = 0; i < ARRAY_LEN(lines); i++)
		assert_int_equal(table_resolver_add(&table, lines[i]), 0);
	rcu = rcu_new(0);
	enforcer = (struct enforcer){&table.resolver, acl_new(2000, 1, rcu)};
	policy = (struct policy){.name = "up", .max_subscribers = 16};
	memset(&scope, 0, sizeof(scope));
	err.text[0] = 0;
	return 0;
}

static int teardown(void **)
{
	enforce_end(&enforcer, &found);
	scope_free(&scope);
	rcu_barrier(rcu);
	assert_int_equal(acl_count(enforcer.acl), 0);
	acl_free(enforcer.acl);
	rcu_free(rcu);
	return 0;
}

static int find(void)
{
	return enforce_find(&enforcer, &policy, &scope, &now, &found, &err);
}

static void find_and_install(unsigned subscribers, unsigned rules)
{
	int rc = find();

	if (rc < 0)
		fail_msg("%s", err.text);
	assert_int_equal(found.suspects, subscribers);
	assert_int_equal(enforce_install(&enforcer, &scope, "up mid 1", &found), 0);
	assert_int_equal(found.slots, rules);
	rcu_barrier(rcu);
	assert_int_equal(acl_count(enforcer.acl), rules);
}

static void refused(const char *why)
{
	assert_int_equal(find(), -EINVAL);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
	// nothing of the inside may be said (RFC 9066 section 9)
	assert_null(strstr(err.text, "100.64."));
	assert_int_equal(acl_count(enforcer.acl), 0);
	assert_int_equal(found.suspects, 0);
}

static bool blocked(const char *inside, const char *to, uint8_t proto, int port, int type)
{
	struct acl_packet packet = {.protocol = proto, .port = port, .icmp_type = (int16_t)type};
	struct ipaddr from;
	struct subkey key;

	ipaddr_parse(inside, &from);
	ipaddr_parse(to, &packet.destination);
	key = subkey_v4(ipaddr_be32(&from), 0);
	return acl_match(enforcer.acl, &key, &packet,
		       acl_first(enforcer.acl, 0, acl_home(enforcer.acl, &key))) != ACL_NO_SLOT;
}

// The ports find the subscriber; the rule is for him, whatever port he sends from.
static void ports_find_the_subscriber(void **)
{
	source("203.0.113.7/32");
	source_port(1500, 1500);
	target("198.51.100.10/32");
	protocol(IPPROTO_UDP);
	find_and_install(1, 1);
	assert_true(blocked("100.64.0.1", "198.51.100.10", IPPROTO_UDP, 53, -1));
	assert_true(blocked("100.64.0.1", "198.51.100.10", IPPROTO_UDP, -1, -1)); // a fragment
	assert_false(blocked("100.64.0.1", "198.51.100.10", IPPROTO_TCP, 53, -1));
	assert_false(blocked("100.64.0.1", "198.51.100.11", IPPROTO_UDP, 53, -1));
	assert_false(blocked("100.64.0.2", "198.51.100.10", IPPROTO_UDP, 53, -1));
	assert_string_equal(acl_get(enforcer.acl, found.slot[0])->label, "up mid 1");
}

static void a_range_may_hit_several(void **)
{
	source("203.0.113.7/32");
	source_port(2000, 2100);
	target("198.51.100.10/32");
	target("198.51.100.0/24");
	find_and_install(2, 4);
	policy.max_subscribers = 1;
	enforce_end(&enforcer, &found);
	rcu_barrier(rcu);
	refused("203.0.113.7/32: with it more than 1 subscribers");
}

// Sources and ports form a product, of which only what is held counts; each source must be held.
static void sources_and_ports_form_a_product(void **)
{
	source("203.0.113.7/32");
	source("203.0.113.9/32");
	source_port(1100, 1100);
	source_port(60000, 60000);
	target("198.51.100.10/32");
	find_and_install(2, 2);
	enforce_end(&enforcer, &found);
	rcu_barrier(rcu);
	source("203.0.113.3/32");
	refused("203.0.113.3/32: nobody holds it with these ports");
}

static void the_protocol_is_asked_for(void **)
{
	source("203.0.113.7/32");
	source_port(4100, 4100);
	target("198.51.100.10/32");
	protocol(IPPROTO_TCP);
	refused("nobody holds it with these ports");
	scope.protocol[0] = IPPROTO_UDP;
	find_and_install(1, 1);
}

static void foreign_and_internal_addresses(void **)
{
	source("192.0.2.1/32");
	target("198.51.100.10/32");
	refused("192.0.2.1/32: not an address of this network");
	// V14, MR-37: an address that is only used inside (RFC 9066 section 8)
	scope.source[0] = prefix("192.168.1.1/32");
	refused("192.168.1.1/32: an internal address");
	scope.source[0] = prefix("100.64.0.1/32");
	assert_int_equal(find(), -EINVAL);
	assert_non_null(strstr(err.text, "an internal address"));
	// V13, MR-12: ours, but not this upstream's business
	scope.source[0] = prefix("203.0.113.9/32");
	{
		struct ipprefix domain[] = {prefix("203.0.113.0/29"), prefix("2001:db8::/32")};

		policy.domain = domain;
		policy.domains = 2;
		refused("203.0.113.9/32 is not within this domain");
		domain[0] = prefix("203.0.113.0/28");
		find_and_install(1, 1);
	}
}

// V25: the ports tell who it is
static void a_shared_address_takes_ports(void **)
{
	source("203.0.113.7/32");
	target("198.51.100.10/32");
	refused("203.0.113.7/32: shared by several subscribers");
	scope.source[0] = prefix("203.0.113.0/28");
	refused("203.0.113.0/28: shared by several subscribers");
	protocol(IPPROTO_TCP);
	source_type(8, 8); // ICMP types do not tell who sends TCP
	refused("shared by several subscribers");
}

static void a_whole_address_takes_none(void **)
{
	source("203.0.113.9/32");
	target("198.51.100.10/32");
	find_and_install(1, 1);
	assert_true(blocked("100.64.0.9", "198.51.100.10", 47, -1, -1));
}

static void nobody_holds_it(void **)
{
	source("203.0.113.1/32");
	target("198.51.100.10/32");
	refused("203.0.113.1/32: nobody holds it");
}

static void two_possible_holders(void **)
{
	source("203.0.113.20/32");
	source_port(5550, 5550);
	target("198.51.100.10/32");
	refused("203.0.113.20/32: ambiguous");
	scope.source_port[0] = (struct port_range){5700, 5700};
	find_and_install(1, 1);
}

// ICMP has no ports: exactly one subscriber must be sending it to the target
static void icmp_is_found_by_its_target(void **)
{
	source("203.0.113.7/32");
	source_type(8, 8);
	source_type(13, 14);
	target("198.51.100.10/32");
	target_port(80, 80); // says nothing about ICMP
	protocol(IPPROTO_ICMP);
	find_and_install(1, 2);
	assert_true(blocked("100.64.0.2", "198.51.100.10", IPPROTO_ICMP, -1, 8));
	assert_true(blocked("100.64.0.2", "198.51.100.10", IPPROTO_ICMP, -1, 14));
	assert_false(blocked("100.64.0.2", "198.51.100.10", IPPROTO_ICMP, -1, 0));
	assert_false(blocked("100.64.0.2", "198.51.100.10", IPPROTO_UDP, 80, -1));
	enforce_end(&enforcer, &found);
	rcu_barrier(rcu);
	scope.target[0] = prefix("198.51.100.20/32");
	refused("203.0.113.7/32: several subscribers send ICMP");
	scope.target[0] = prefix("198.51.100.30/32");
	refused("203.0.113.7/32: nobody there sends ICMP");
}

// Types with other protocols beside them: each protocol gets what it can be told by
static void rules_for_types_and_ports(void **)
{
	source("203.0.113.9/32");
	target("198.51.100.10/32");
	source_type(8, 8);
	find_and_install(1, 1); // no protocol named: types alone mean ICMP
	assert_true(blocked("100.64.0.9", "198.51.100.10", IPPROTO_ICMP, -1, 8));
	assert_false(blocked("100.64.0.9", "198.51.100.10", IPPROTO_UDP, 1, -1));
	enforce_end(&enforcer, &found);
	target_port(80, 81);
	target_port(443, 443);
	find_and_install(1, 3); // with ports: those as well
	assert_true(blocked("100.64.0.9", "198.51.100.10", IPPROTO_TCP, 443, -1));
	assert_false(blocked("100.64.0.9", "198.51.100.10", IPPROTO_TCP, 82, -1));
	assert_false(blocked("100.64.0.9", "198.51.100.10", IPPROTO_ICMP, -1, 0));
	enforce_end(&enforcer, &found);
	protocol(IPPROTO_TCP);
	protocol(47); // has no ports that could be matched
	protocol(IPPROTO_ICMP);
	find_and_install(1, 4);
	assert_true(blocked("100.64.0.9", "198.51.100.10", 47, -1, -1));
}

static void families_go_with_their_own(void **)
{
	source("203.0.113.9/32");
	source("2001:db8:7::1/128");
	target("198.51.100.10/32");
	target("2001:db8:c000::1/128");
	protocol(58);
	source_type(128, 129);
	find_and_install(1, 2);
	assert_true(blocked("100.64.0.9", "2001:db8:c000::1", 58, -1, 128));
	assert_false(blocked("100.64.0.9", "2001:db8:c000::1", 58, -1, 1));
}

static void too_many_rules_or_questions(void **)
{
	char text[32];

	source("203.0.113.9/32");
	for (unsigned i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "198.51.100.%u/32", i);
		target(text);
		target_port((uint16_t)(1000 + i), (uint16_t)(1000 + i));
	}
	refused("takes more than 1024 rules");
	scope.target_ports = 16;
	find_and_install(1, 1024);
	enforce_end(&enforcer, &found);
	rcu_barrier(rcu);
	scope.target_ports = 64;
	for (unsigned i = 0; i < 70; i++) {
		source_port((uint16_t)(1024 + i), (uint16_t)(1024 + i));
		protocol((uint8_t)i);
	}
	refused("more than 4096 combinations");
	assert_in_range(table.asked, 4096, 4200);
}

// All of the rules or none
static void the_acl_is_full(void **)
{
	struct acl *small = acl_new(3, 1, rcu), *large = enforcer.acl;

	enforcer.acl = small;
	source("203.0.113.7/32");
	source_port(1024, 3071);
	target("198.51.100.10/32");
	target("198.51.100.11/32");
	assert_int_equal(find(), 0);
	assert_int_equal(enforce_install(&enforcer, &scope, "up mid 1", &found), -ENOSPC);
	rcu_barrier(rcu);
	assert_int_equal(acl_count(small), 0);
	assert_int_equal(found.slots, 0);
	enforce_end(&enforcer, &found);
	scope.targets = 1;
	find_and_install(2, 2);
	enforce_end(&enforcer, &found);
	rcu_barrier(rcu);
	acl_free(small);
	enforcer.acl = large;
}

static void hits_are_summed(void **)
{
	struct acl_hits hits;

	source("203.0.113.7/32");
	source_port(1024, 3071);
	target("198.51.100.10/32");
	find_and_install(2, 2);
	acl_hit(enforcer.acl, 0, found.slot[0], 100);
	acl_hit(enforcer.acl, 0, found.slot[1], 200);
	acl_hit(enforcer.acl, 0, found.slot[1], 300);
	hits = enforce_hits(&enforcer, &found);
	assert_int_equal(hits.packets, 3);
	assert_int_equal(hits.bytes, 600);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(ports_find_the_subscriber),
		CASE(a_range_may_hit_several),
		CASE(sources_and_ports_form_a_product),
		CASE(the_protocol_is_asked_for),
		CASE(foreign_and_internal_addresses),
		CASE(a_shared_address_takes_ports),
		CASE(a_whole_address_takes_none),
		CASE(nobody_holds_it),
		CASE(two_possible_holders),
		CASE(icmp_is_found_by_its_target),
		CASE(rules_for_types_and_ports),
		CASE(families_go_with_their_own),
		CASE(too_many_rules_or_questions),
		CASE(the_acl_is_full),
		CASE(hits_are_summed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
