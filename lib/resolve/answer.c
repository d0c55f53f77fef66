// SPDX-License-Identifier: BSD-3-Clause

#include "resolve/answer.h"

void answer_add(struct resolve_answer *answer, const struct holder *h)
{
	for (unsigned i = 0; i < answer->count && i < answer->room; i++) {
		const struct holder *other = &answer->holder[i];

		// one address and port with two possible holders
		if (!ipaddr_compare(&other->outside, &h->outside) && other->lower <= h->upper &&
			h->lower <= other->upper &&
			!subkey_equal(&other->subscriber, &h->subscriber))
			answer->ambiguous = true;
	}
	if (answer->count < answer->room)
		answer->holder[answer->count] = *h;
	answer->count++;
}
