// SPDX-License-Identifier: BSD-3-Clause

#include "session/rest.h"

#include "base/bits.h"

#include <string.h>

// A port freed in interval k rests into interval k + REST_INTERVALS - 1 at most.
static uint32_t interval_of(uint32_t span, uint32_t now)
{
	uint32_t width = (uint32_t)div_round_up(span, REST_INTERVALS - 2);

	return width ? now / width : now;
}

// Drops what is over. If the span has changed, all that rest begin anew: that is never too short.
static void catch_up(struct rest *rest, uint32_t span, uint32_t now)
{
	uint32_t interval = interval_of(span, now);

	if (span != rest->span || interval - rest->interval >= REST_INTERVALS) {
		uint32_t total = span != rest->span ? rest->total : 0;

		memset(rest, 0, sizeof(*rest));
		rest->span = span;
		rest->interval = interval;
		rest->total = rest->count[interval % REST_INTERVALS] = total;
	}
	while (rest->interval != interval) {
		uint32_t *oldest = &rest->count[++rest->interval % REST_INTERVALS];

		rest->total -= *oldest;
		*oldest = 0;
	}
}

void rest_add(struct rest *rest, uint32_t span, uint32_t now)
{
	catch_up(rest, span, now);
	rest->count[rest->interval % REST_INTERVALS]++;
	rest->total++;
}

uint32_t rest_count(struct rest *rest, uint32_t span, uint32_t now)
{
	catch_up(rest, span, now);
	return rest->total;
}
