// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The DS-Lite part of a configuration (RFC 8513): interfaces that are ends of softwires, and what NAT instances
// behind them have that others have not.

#include "conf/conf.h"
#include "conf/judge.h"

// Whether an interface is such an end.
bool aftr_is(const struct lyd_node *iface);

// Reads the interfaces that are, and frees what was read.
void read_aftrs(struct config *config, const struct lyd_node *ifaces);
void free_aftrs(struct config *config);

// Reads the leaves of a policy.
void read_softwires(const struct lyd_node *node, struct config_softwires *softwires);

// Whether an instance has softwires in front of it.
bool instance_is_dslite(const struct config_instance *instance);

// How long the prefix of a subscriber of its policy is.
uint8_t subscriber_len(const struct config_policy *policy);

// How many of the instances are, and the one behind an AFTR; NULL: none, or which one is not said.
unsigned aftr_instances(const struct config *config);
const struct config_instance *aftr_instance(
	const struct config *config, const struct config_aftr *aftr);

void check_aftrs(struct judge *j, const struct config *config);

// Adds the AFTRs, with their routes, to a snapshot that has its policies and routes. Returns 0 or a negative errno.
int build_aftrs(struct snapshot *s, const struct config *config);
