// SPDX-License-Identifier: BSD-3-Clause

// What one upstream may have in force, all its mitigations together.

#include "dots/mitigations.h"

// What the upstream has in force already, and what this would add: those that it replaces not counted
// out, since both stand for a moment.
static bool takes_too_many_rules(const struct put *put, const struct enforcement *found)
{
	const struct policy *policy = &put->owner->policy;

	return policy->max_rules &&
		put->owner->rules + enforce_count(&put->body->scope, found) > policy->max_rules;
}

int limits_check(const struct mitigations *all, const struct put *put,
	const struct enforcement *found, struct err *err)
{
	const struct policy *policy = &put->owner->policy;

	if (takes_too_many_rules(put, found))
		return err_set(err,
			"more than %u rules would be in force, the most for one upstream",
			policy->max_rules);
	// those that it replaces are in it, too
	if (policy->max_affected &&
		roll_affected(&all->roll, put->owner, found) > policy->max_affected)
		return err_set(err,
			"more than %u subscribers would be affected, the most for one upstream",
			policy->max_affected);
	return 0;
}
