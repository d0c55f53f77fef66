// SPDX-License-Identifier: BSD-3-Clause

// What one upstream may have in force, all its mitigations together.

#include "dots/mitigations.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

// What the upstream has in force already, and what this would add: those that it replaces not counted
// out, since both stand for a moment.
static bool takes_too_many_rules(
	const struct mitigations *all, const struct put *put, const struct enforcement *found)
{
	const struct policy *policy = &put->owner->policy;
	unsigned rules = policy->max_rules ? enforce_count(&put->body->scope, found) : 0;

	for (const struct mitigation *m = all->roll.first; m && policy->max_rules; m = m->next)
		rules += m->owner == put->owner ? m->enforcement.slots : 0;
	return rules > policy->max_rules;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct subkey));
}

static unsigned take_keys(struct subkey *key, const struct enforcement *e)
{
	for (unsigned i = 0; i < e->suspects; i++)
		key[i] = e->suspect[i].holder.subscriber;
	return e->suspects;
}

// How many subscribers the upstream would affect, those that it replaces included. UINT_MAX if memory runs
// out.
static unsigned affected(
	const struct mitigations *all, const struct put *put, const struct enforcement *found)
{
	unsigned most = put->owner->policy.max_affected, different = 0;
	unsigned count = put->owner->suspects + found->suspects;
	struct subkey *key;

	// as long as even so many different ones would do, nobody has to be counted once
	if (!most || count <= most)
		return count;
	key = malloc(count * sizeof(*key));
	if (!key)
		return UINT_MAX;
	count = take_keys(key, found);
	for (const struct mitigation *m = all->roll.first; m; m = m->next) {
		if (m->owner == put->owner && mitigation_suspects(m))
			count += take_keys(key + count, &m->enforcement);
	}
	qsort(key, count, sizeof(*key), by_key);
	for (unsigned i = 0; i < count; i++)
		different += !i || by_key(&key[i - 1], &key[i]) != 0;
	free(key);
	return different;
}

int limits_check(const struct mitigations *all, const struct put *put,
	const struct enforcement *found, struct err *err)
{
	const struct policy *policy = &put->owner->policy;

	if (takes_too_many_rules(all, put, found))
		return err_set(err,
			"more than %u rules would be in force, the most for one upstream",
			policy->max_rules);
	if (policy->max_affected && affected(all, put, found) > policy->max_affected)
		return err_set(err,
			"more than %u subscribers would be affected, the most for one upstream",
			policy->max_affected);
	return 0;
}
