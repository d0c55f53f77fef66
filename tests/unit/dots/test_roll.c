// SPDX-License-Identifier: BSD-3-Clause

// The roll of mitigations says what a walk over all of them would: the overlap of RFC 9132 section 4.4.1.3 is
// looked for among its candidates alone.

#include "base/bits.h"
#include "base/rand.h"
#include "dots/mitigation.h"
#include "dots/roll.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#define MITIGATIONS 300

static struct roll roll;
static struct rand random_;
static struct owner owners[2];
static struct mitigation all[MITIGATIONS];
static char cuids[][4] = {"one", "two"};

static int set_up(void **)
{
	rand_seed_fixed(&random_, 7);
	memset(all, 0, sizeof(all));
	return roll_init(&roll);
}

static int tear_down(void **)
{
	while (roll.first) {
		struct mitigation *m = roll.first;

		roll_remove(&roll, m);
		scope_free(&m->scope);
	}
	roll_end(&roll);
	return 0;
}

// Few different bits, so that prefixes meet often.
static struct ipprefix some_prefix(void)
{
	static const uint8_t length4[] = {0, 8, 15, 16, 20, 24, 28, 32, 32, 32, 32};
	static const uint8_t length6[] = {0, 20, 32, 44, 48, 52, 60, 64, 96, 127, 128, 128};
	struct ipaddr addr = {.family = rand_below(&random_, 2) ? 4 : 6};
	unsigned bytes = addr.family == 4 ? 4 : 16;

	for (unsigned i = 0; i < bytes; i++)
		addr.bytes[i] = rand_below(&random_, 8) ? 0x20 : 0x21;
	return ipprefix_make(&addr,
		addr.family == 4 ? length4[rand_below(&random_, ARRAY_LEN(length4))]
				 : length6[rand_below(&random_, ARRAY_LEN(length6))]);
}

static unsigned some_prefixes(struct ipprefix **prefix)
{
	unsigned count = rand_below(&random_, 3);

	*prefix = count ? calloc(count, sizeof(**prefix)) : NULL;
	for (unsigned i = 0; i < count; i++)
		(*prefix)[i] = some_prefix();
	return count;
}

static unsigned some_names(char ***name)
{
	unsigned count = rand_below(&random_, 8) ? 0 : 1;
	char text[16];

	*name = count ? calloc(count, sizeof(**name)) : NULL;
	snprintf(text, sizeof(text), "name-%u.example", rand_below(&random_, 6));
	if (count)
		(*name)[0] = strdup(text);
	return count;
}

static struct scope some_scope(void)
{
	struct scope scope = {0};

	scope.targets = some_prefixes(&scope.target);
	scope.sources = some_prefixes(&scope.source);
	scope.fqdns = some_names(&scope.fqdn);
	scope.uris = some_names(&scope.uri);
	scope.aliases = some_names(&scope.alias);
	return scope;
}

static void add(unsigned i)
{
	all[i].owner = &owners[rand_below(&random_, 2)];
	all[i].cuid = cuids[rand_below(&random_, 2)];
	all[i].mid = i;
	all[i].scope = some_scope();
	assert_int_equal(roll_add(&roll, &all[i]), 0);
}

static void take_out(unsigned i)
{
	roll_remove(&roll, &all[i]);
	scope_free(&all[i].scope);
}

static struct mitigation *next_by_walk(struct mitigation *m, const struct owner *owner,
	const struct scope *scope, enum overlap_key key)
{
	while (m && (m->owner != owner || !scope_overlaps(&m->scope, scope, key)))
		m = m->next;
	return m;
}

// Returns how many overlap.
static unsigned compare_candidates(
	const struct owner *owner, const struct scope *scope, enum overlap_key key)
{
	struct mitigation *walked = next_by_walk(roll.first, owner, scope, key);
	unsigned found = 0;

	for (struct mitigation *m = roll_candidates(&roll, owner, scope, key); m;
		m = m->place.also) {
		assert_ptr_equal(m->owner, owner);
		if (!scope_overlaps(&m->scope, scope, key))
			continue;
		assert_ptr_equal(m, walked);
		walked = next_by_walk(walked->next, owner, scope, key);
		found++;
	}
	assert_null(walked);
	return found;
}

static void same_overlaps_as_a_walk(void **)
{
	unsigned found[2] = {0};

	for (unsigned i = 0; i < MITIGATIONS; i++)
		add(i);
	for (unsigned turn = 0; turn < 500; turn++) {
		struct scope scope = some_scope();
		unsigned i = rand_below(&random_, MITIGATIONS);

		take_out(i);
		found[0] += compare_candidates(&owners[turn % 2], &scope, OVERLAP_TARGET);
		found[1] += compare_candidates(&owners[turn % 2], &scope, OVERLAP_TARGET_SOURCE);
		scope_free(&scope);
		add(i);
	}
	assert_true(found[0] > found[1] && found[1] > 500);
}

// So GET shows them, oldest first.
static void order_is_kept(void **)
{
	static const unsigned order[] = {1, 3, 4, 0, 5};
	unsigned n = 0;

	for (unsigned i = 0; i < 5; i++)
		add(i);
	take_out(2); // amid others
	take_out(0); // the first
	add(0);
	add(5);
	take_out(5); // the last
	add(5);
	for (const struct mitigation *m = roll.first; m; m = m->next) {
		assert_ptr_equal(m, &all[order[n]]);
		assert_ptr_equal(m->place.prev, n ? &all[order[n - 1]] : NULL);
		n++;
	}
	assert_int_equal(n, ARRAY_LEN(order));
	assert_ptr_equal(roll.last, &all[5]);
}

static void found_by_owner_cuid_and_mid(void **)
{
	for (unsigned i = 0; i < MITIGATIONS; i++)
		add(i);
	take_out(7);
	for (unsigned i = 0; i < MITIGATIONS; i++) {
		const struct mitigation *m = &all[i];
		const char *other = m->cuid == cuids[0] ? cuids[1] : cuids[0];

		assert_ptr_equal(roll_find(&roll, m->owner, m->cuid, i), i == 7 ? NULL : m);
		assert_null(roll_find(&roll, m->owner, other, i));
		assert_null(roll_find(&roll, &owners[m->owner == owners], m->cuid, i));
	}
	add(7);
}

static void cuid_of_another_owner(void **)
{
	struct owner *a = &owners[0], *b = &owners[1];

	all[0] = (struct mitigation){.owner = a, .cuid = cuids[0], .mid = 1};
	all[1] = (struct mitigation){.owner = b, .cuid = cuids[0], .mid = 1};
	assert_false(roll_has_other(&roll, b, cuids[0]));
	assert_int_equal(roll_add(&roll, &all[0]), 0);
	assert_true(roll_has_other(&roll, b, cuids[0]));
	assert_false(roll_has_other(&roll, a, cuids[0]));
	assert_false(roll_has_other(&roll, b, cuids[1]));
	assert_int_equal(roll_add(&roll, &all[1]), 0);
	assert_true(roll_has_other(&roll, a, cuids[0]));
	roll_remove(&roll, &all[0]);
	assert_true(roll_has_other(&roll, a, cuids[0]));
	assert_false(roll_has_other(&roll, b, cuids[0]));
}

#define ONE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ONE(same_overlaps_as_a_walk),
		ONE(order_is_kept),
		ONE(found_by_owner_cuid_and_mid),
		ONE(cuid_of_another_owner),
	};

	return cmocka_run_group_tests_name("dots_roll", tests, NULL, NULL);
}
