// SPDX-License-Identifier: BSD-3-Clause

// What the operator does about mitigations.

#include "ctl/commands.h"
#include "dots/operate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool read_mid(const char *text, uint32_t *mid)
{
	unsigned long long number;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	*mid = (uint32_t)number;
	return !*end && !errno && number <= UINT32_MAX;
}

// approve and reject: MID... [--upstream NAME]
static void decide(struct call *call, bool agreed)
{
	const struct request *r = &call->request;
	const char *upstream = NULL;
	unsigned words = r->words;
	struct err err;
	uint32_t mid;

	if (words >= 4 && !strcmp(r->word[words - 2], "--upstream")) {
		upstream = r->word[words - 1];
		words -= 2;
	}
	if (words < 3) {
		call_fail(
			call, PROTO_USAGE, "which mitigations? Allowed: MID... [--upstream NAME]");
		return;
	}
	// first all are read: a typing error must not leave half of them decided
	for (unsigned i = 2; i < words; i++) {
		if (!read_mid(r->word[i], &mid)) {
			call_fail(call, PROTO_USAGE, "mid: %s. Allowed: 0 to %u", r->word[i],
				UINT32_MAX);
			return;
		}
	}
	for (unsigned i = 2; i < words; i++) {
		read_mid(r->word[i], &mid);
		if (dots_decide(call->source->dots, upstream, mid, agreed, &err) < 0) {
			call_fail(call, PROTO_FAILED, "%s", err.text);
			return;
		}
	}
	call_text(call, "{}");
	call_end(call);
}

void dots_approve(struct call *call)
{
	decide(call, true);
}

void dots_reject(struct call *call)
{
	decide(call, false);
}
