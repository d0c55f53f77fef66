// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Somebody else who stops a subscriber's traffic in place of the box: his home (relay.c). The seam
// between the mitigations of upstreams and those that the box asks of homes.
//
//   mitigation begins   -> take()     for each suspect; who is taken gets no rule here
//   refreshed           -> refresh()
//   polled              -> report()
//   ends, however       -> end()
//   home absent, refuses, or is late: mitigation_step_in() gives the suspect his rules after all

#include "table/acl.h"

#include <stdbool.h>

struct mitigation;

struct delegate_report {
	struct acl_hits hits; // what the homes say that they dropped
	bool pending;         // somebody taken has not confirmed yet
	bool mitigating;      // a home says that it drops
};

struct delegate {
	// Whether a suspect of a mitigation that begins is taken. May call mitigation_step_in() for
	// him from now on, but not from inside.
	bool (*take)(void *ctx, struct mitigation *mitigation, unsigned suspect);
	// The lifetime has changed.
	void (*refresh)(void *ctx, struct mitigation *mitigation);
	void (*report)(
		void *ctx, const struct mitigation *mitigation, struct delegate_report *report);
	// It is gone when the call returns.
	void (*end)(void *ctx, struct mitigation *mitigation);
	void *ctx;
};
