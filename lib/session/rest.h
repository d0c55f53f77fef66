// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How many ports rest (hold-down, RFC 6888 REQ-8). The slot of a port says itself until when it rests;
// here they are only counted, by the time at which they began to, in a fixed number of intervals. A port is
// counted until its rest is over, and for two intervals, a thirtieth of the time, at most after that.

#include <stdint.h>

#define REST_INTERVALS 64

struct rest {
	uint32_t span;     // ticks that a port rests
	uint32_t interval; // the newest, counted through all time
	uint32_t total;
	uint32_t count[REST_INTERVALS];
};

// One more port rests from `now` on, for `span` ticks, which are not 0.
void rest_add(struct rest *rest, uint32_t span, uint32_t now);

// How many rest.
uint32_t rest_count(struct rest *rest, uint32_t span, uint32_t now);
