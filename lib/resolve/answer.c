// SPDX-License-Identifier: BSD-3-Clause

#include "resolve/answer.h"

#include "base/clock.h"

struct window answer_window(const struct resolve_req *req)
{
	int64_t now = clock_unix_ms();
	int64_t at = req->at ? req->at : now;
	int64_t slack = (int64_t)req->tolerance_s * 1000;

	return (struct window){at - slack, at + slack, now, req->at != 0};
}

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
