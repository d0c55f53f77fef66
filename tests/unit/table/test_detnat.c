// SPDX-License-Identifier: BSD-3-Clause

// f1 and f2 of deterministic NAT (RFC 7422): the RFC's own numbers, and that one undoes the other whatever
// the algorithm.

#include "base/bits.h"
#include "table/detnat.h"

#include "unit.h"

#include <stdlib.h>
#include <string.h>

static void reserve(struct port_set *set, uint32_t lower, uint32_t upper)
{
	for (uint32_t port = lower; port <= upper; port++)
		set->word[port / 64] |= bit(port % 64);
}

static struct port_set system_ports(void)
{
	struct port_set set = {0};

	reserve(&set, 0, 1023);
	return set;
}

static struct ipprefix prefix(const char *text)
{
	struct ipprefix p;

	assert_int_equal(ipprefix_parse(text, &p, NULL), 0);
	return p;
}

static rte_be32_t address(const char *text)
{
	struct ipaddr addr;

	assert_int_equal(ipaddr_parse(text, &addr), 0);
	return ipaddr_be32(&addr);
}

// The example of RFC 7422 section 2.1: 14 hosts of 198.51.100.0/28 on one address, D = 2.
static void vector(void **state)
{
	static const struct {
		const char *inside;
		uint16_t first;
		uint16_t last;
	} rows[] = {
		{"198.51.100.1", 1024, 5055},
		{"198.51.100.2", 5056, 9087},
		{"198.51.100.3", 9088, 13119},
		{"198.51.100.14", 53440, 57471},
	};
	struct ipprefix inside = prefix("198.51.100.0/28");
	struct port_set reserved = system_ports();
	struct detnat_setup setup = {
		.inside = &inside, .prefixes = 1, .outsides = 1, .dynamic_factor = 2};
	struct detnat *d = detnat_new(&setup, &reserved);

	(void)state;
	assert_int_equal(d->hosts, 14);
	assert_int_equal(d->size, 4032);
	assert_int_equal(d->first_dynamic, 57472);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t host = detnat_number(d, address(rows[i].inside)), outside;
		uint16_t port;

		detnat_port(d, host, 0, &outside, &port);
		assert_int_equal(outside, 0);
		assert_int_equal(port, rows[i].first);
		detnat_port(d, host, d->size - 1, &outside, &port);
		assert_int_equal(port, rows[i].last);
		assert_int_equal(detnat_owner(d, 0, rows[i].first), host);
		assert_int_equal(detnat_owner(d, 0, rows[i].last), host);
		assert_int_equal(detnat_host(d, host), address(rows[i].inside));
	}
	// neither the network nor its broadcast address is a host, reserved and dynamic ports are nobody's
	assert_int_equal(detnat_number(d, address("198.51.100.0")), UINT32_MAX);
	assert_int_equal(detnat_number(d, address("198.51.100.15")), UINT32_MAX);
	assert_int_equal(detnat_owner(d, 0, 1023), UINT32_MAX);
	assert_int_equal(detnat_owner(d, 0, 57472), UINT32_MAX);
	assert_int_equal(detnat_owner(d, 0, 65535), UINT32_MAX);
	detnat_free(d);
}

// Staggered: the ports of hosts take turns.
static void staggered(void **state)
{
	struct ipprefix inside = prefix("198.51.100.0/28");
	struct port_set reserved = system_ports();
	struct detnat_setup setup = {.algorithm = DETNAT_STAGGERED,
		.inside = &inside,
		.prefixes = 1,
		.outsides = 1,
		.dynamic_factor = 2};
	struct detnat *d = detnat_new(&setup, &reserved);
	uint32_t outside;
	uint16_t port;

	(void)state;
	detnat_port(d, 3, 2, &outside, &port);
	assert_int_equal(port, 1024 + 2 * 14 + 3);
	assert_int_equal(d->first_dynamic, 57472);
	detnat_free(d);
}

// Every port of every host leads back to it, is nobody else's, neither reserved nor dynamic; and every
// port that has an owner is one of its ports.
static void check_all(const struct detnat_setup *setup, const struct port_set *reserved)
{
	struct detnat *d = detnat_new(setup, reserved);
	uint8_t *taken = calloc(d->outsides, 65536);
	uint32_t owned = 0;

	for (uint32_t host = 0; host < d->hosts; host++) {
		assert_int_equal(detnat_number(d, detnat_host(d, host)), host);
		for (uint32_t i = 0; i < d->size; i++) {
			uint32_t outside;
			uint16_t port;

			detnat_port(d, host, i, &outside, &port);
			assert_true(outside < d->outsides);
			assert_false(port_set_has(reserved, port));
			assert_true(port < d->first_dynamic);
			assert_false(taken[outside << 16 | port]);
			taken[outside << 16 | port] = 1;
			assert_int_equal(detnat_owner(d, outside, port), host);
		}
	}
	for (uint32_t outside = 0; outside < d->outsides; outside++) {
		for (uint32_t port = 0; port <= UINT16_MAX; port++)
			owned += detnat_owner(d, outside, (uint16_t)port) != UINT32_MAX;
	}
	assert_int_equal(owned, d->hosts * d->size);
	free(taken);
	detnat_free(d);
}

static void each_undoes_the_other(void **state)
{
	static const enum detnat_algorithm algorithms[] = {
		DETNAT_SEQUENTIAL, DETNAT_STAGGERED, DETNAT_ROUND_ROBIN, DETNAT_CRYPTOGRAPHIC};
	struct ipprefix inside[] = {prefix("100.64.0.0/27"), prefix("100.64.1.8/32"),
		prefix("100.64.2.2/31"), prefix("100.64.3.0/26")};
	struct port_set reserved = system_ports();

	(void)state;
	reserve(&reserved, 5060, 5061);
	reserve(&reserved, 30000, 31234);
	reserve(&reserved, 65535, 65535);
	for (unsigned i = 0; i < ARRAY_LEN(algorithms); i++) {
		for (uint32_t outsides = 1; outsides <= 7; outsides += 3) {
			for (uint32_t factor = 0; factor <= 3; factor += 3) {
				struct detnat_setup setup = {
					.algorithm = (uint8_t)algorithms[i],
					.inside = inside,
					.prefixes = ARRAY_LEN(inside),
					.outsides = outsides,
					.dynamic_factor = factor,
					.key = {1, 2, 3},
				};

				check_all(&setup, &reserved);
			}
		}
	}
}

// The ports of the algorithm 4 are spread over all fixed ones, the same with the same key and others with
// another.
static void key_decides(void **state)
{
	struct ipprefix inside = prefix("100.64.0.0/26");
	struct port_set reserved = system_ports();
	struct detnat_setup setup = {.algorithm = DETNAT_CRYPTOGRAPHIC,
		.inside = &inside,
		.prefixes = 1,
		.outsides = 1,
		.key = {1}};
	struct detnat *first = detnat_new(&setup, &reserved);
	struct detnat *same = detnat_new(&setup, &reserved);
	struct detnat *other;

	(void)state;
	assert_true(detnat_same(first, &setup));
	setup.key[31] = 1;
	assert_false(detnat_same(first, &setup));
	other = detnat_new(&setup, &reserved);
	assert_memory_equal(first->port_of, same->port_of, sizeof(first->port_of));
	assert_memory_not_equal(first->port_of, other->port_of, sizeof(first->port_of));
	detnat_free(first);
	detnat_free(same);
	detnat_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector),
		cmocka_unit_test(staggered),
		cmocka_unit_test(each_undoes_the_other),
		cmocka_unit_test(key_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
