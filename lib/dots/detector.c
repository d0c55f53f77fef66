// SPDX-License-Identifier: BSD-3-Clause

#include "dots/detector.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

struct detector *detector_new(void)
{
	struct detector *d = calloc(1, sizeof(*d));

	if (d)
		d->since = clock_now();
	return d;
}

void detector_saw(struct detector *d, uint32_t flow)
{
	uint64_t *word = &d->flow[flow % DETECTOR_BITS / 64], one = UINT64_C(1) << flow % 64;

	d->bits += !(*word & one);
	*word |= one;
}

bool detector_look(struct detector *d, const struct thresholds *t, const struct acl_hits *hits)
{
	uint64_t seconds = (clock_now() - d->since) / CLOCK_SECOND;
	bool attack;

	if (seconds < t->window)
		return false;
	d->packets = (hits->packets - d->before.packets) / seconds;
	d->bytes = (hits->bytes - d->before.bytes) / seconds;
	d->flows = d->bits;
	d->before = *hits;
	d->since = clock_now();
	d->bits = 0;
	memset(d->flow, 0, sizeof(d->flow));
	attack = d->packets >= t->packets || (t->bytes && d->bytes >= t->bytes) ||
		(t->flows && d->flows >= t->flows);
	if (!attack || d->judgement == JUDGED_ATTACK)
		return false;
	d->judgement = JUDGED_ATTACK;
	return true;
}

const char *judgement_name(enum judgement judgement)
{
	static const char *const name[] = {
		[JUDGED_NOT_YET] = "watching",
		[JUDGED_ATTACK] = "attack",
		[JUDGED_CLEAR] = "clear",
	};

	return name[judgement];
}
