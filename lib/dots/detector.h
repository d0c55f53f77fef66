// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Tells whether what a mitigation is about is an attack, by how much of it there is: packets and bytes that
// its rules have counted, and flows among the packets that were copied. Looked at in windows, one behind the
// other; one that reaches any threshold confirms it, once and for all.

#include "dots/policy.h"

#include <stdbool.h>
#include <stdint.h>

struct thresholds {
	uint64_t packets; // a second, in the mean of a window
	uint64_t bytes;   // likewise; 0: they do not matter
	uint32_t flows;   // in a window; likewise
	uint32_t window;  // seconds
};

// How mitigations are inspected, and what follows.
struct inspection {
	struct thresholds thresholds;
	uint32_t time;            // seconds after which what is not confirmed is cleared
	struct measure confirmed; // what is then done
	bool act;                 // does it; else an operator has to decide
	bool reject;              // what is cleared; else an operator has to decide
};

enum judgement { JUDGED_NOT_YET, JUDGED_ATTACK, JUDGED_CLEAR };

// Flows whose hashes meet count once: of 5,000 some 4,300 do.
#define DETECTOR_BITS 16384

struct detector {
	uint64_t since; // reading of clock_now() the window began
	struct acl_hits before;
	unsigned bits;                     // set of these, one for each flow by its hash
	uint64_t flow[DETECTOR_BITS / 64]; //
	uint64_t packets, bytes;           // a second, of the last full window
	uint32_t flows;                    // in it
	enum judgement judgement;
};

// Returns NULL if memory runs out.
struct detector *detector_new(void);

// A packet of a flow with this hash was copied.
void detector_saw(struct detector *detector, uint32_t flow);

// What the rules have counted until now. Returns whether it has just been confirmed.
bool detector_look(struct detector *detector, const struct thresholds *thresholds,
	const struct acl_hits *hits);

// "watching", "attack" or "clear".
const char *judgement_name(enum judgement judgement);
