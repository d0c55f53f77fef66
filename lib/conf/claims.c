// SPDX-License-Identifier: BSD-3-Clause

#include "conf/claims.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void report(struct judge *j, const struct claim *a, const struct claim *b, const char *what,
	const char *unit)
{
	const struct claim *first = a->order < b->order ? a : b;
	const struct claim *second = first == a ? b : a;

	judge_fault(j, second->node, second->leaf,
		"%s %u has the same %s. Allowed: a %s in one entry only", first->list, first->key,
		what, unit);
}

void claims_check(
	struct judge *j, struct claim *claims, unsigned count, const char *what, const char *unit)
{
	const struct claim *far = claims; // of those so far, the one that reaches furthest

	qsort(claims, count, sizeof(*claims), compare);
	for (unsigned i = 1; i < count; i++) {
		if (claims[i].start <= far->end && claims[i].order != far->order)
			report(j, far, &claims[i], what, unit);
		if (claims[i].end > far->end)
			far = &claims[i];
	}
}
