// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Native IPv6 in a configuration: the networks of subscribers.

#include "conf/config.h"
#include "conf/judge.h"

// Reads homeport/ipv6, which may be NULL.
void read_native(struct config *config, const struct lyd_node *node);

void check_native(struct judge *j, const struct config *config);

// The subscriber network that an IPv6 address is in; NULL: none.
const struct config_network *native_network_of(
	const struct config *config, const struct ipaddr *addr);

// Whether a prefix has an address of a subscriber.
bool check_is_native(const struct config *config, const struct ipprefix *prefix);

// Returns 0 or -ENOMEM.
int build_native(struct snapshot *s, const struct config *config);
