// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How many packets the mitigations of one upstream stop or redirect: the mean of the last BUDGET_SECONDS. An
// upstream that lies, or whose key somebody else has, is to be noticed before many subscribers are; so
// beyond a bound all its mitigations are suspended until an operator has looked.

#include <stdint.h>

#define BUDGET_SECONDS 10

struct budget {
	uint64_t second[BUDGET_SECONDS]; // packets of each
	unsigned at;                     // the one that goes on
};

// Packets a second.
uint64_t budget_rate(const struct budget *budget);
