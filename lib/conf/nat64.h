// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// NAT64 instances of the configuration (RFC 8512 nat64-prefixes).

#include "conf/conf.h"
#include "conf/judge.h"

// Whether an instance is of type nat64.
bool nat64_is(const struct config_instance *instance);

// Bits of the prefix that is one IPv6 subscriber of a policy.
uint8_t nat64_subscriber_len(const struct config_policy *policy);

// Checks what instances of the one type have and those of the other have not.
void check_nat64(struct judge *j, const struct config *config);

// Checks a prefix that IPv4 addresses are to be embedded in, which a leaf of a node says: whether it has the form
// for that, and, of one that packets are routed to, whether anything else of the box is there.
void check_embedding_form(struct judge *j, const struct lyd_node *node, const char *leaf,
	const struct ipprefix *prefix);
void check_embedding_place(struct judge *j, const struct config *config,
	const struct lyd_node *node, const char *leaf, const struct ipprefix *prefix);

// Fills in what a NAT64 policy has besides. Returns 0 or -ENOMEM.
int build_nat64_policy(struct nat_policy *policy, const struct config_policy *from);

// How many prefixes all policies have; `fn`, if there is one, is told the length of each.
unsigned build_nat64_prefixes(
	const struct config *config, void (*fn)(void *ctx, unsigned len), void *ctx);

// Adds routes to the prefixes of an instance whose policies are there.
int build_nat64_routes(struct snapshot *s, const struct config_instance *instance);
