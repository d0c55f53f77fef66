// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Traffic that is always legitimate: a request that would stop any of it is rejected (RFC 9066
// section 5.3.1, conflict-cause 4), whoever asks.

#include "base/subkey.h"
#include "dots/scope.h"

#include <stdbool.h>

// What an entry does not name, matches.
struct accept_entry {
	const char *name;
	const struct ipprefix *target; // towards any of these
	unsigned targets;
	const struct ipprefix *subscriber; // of any of these inside addresses
	unsigned subscribers;
	bool any_protocol;
	uint8_t protocol;
	struct port_range port; // of the target; 0 to 65535: any
};

struct accept_list {
	const struct accept_entry *entry;
	unsigned entries;
};

// The entry that a request against one subscriber would breach, or NULL.
const struct accept_entry *accept_find(
	const struct accept_list *list, const struct scope *scope, const struct subkey *subscriber);
