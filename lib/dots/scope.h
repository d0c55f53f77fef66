// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a mitigation request is about: whose traffic (the sources, RFC 9066 section 5.3.1) towards
// whom (the targets, RFC 9132 section 4.4.1). Kept exactly as asked for: replies and notifications
// echo it, and a refresh must repeat it.

#include "base/ipaddr.h"

#include <stdbool.h>
#include <stdint.h>

#define SCOPE_LIST_MAX      256 // entries in any of the lists
#define LIFETIME_INDEFINITE -1

struct port_range {
	uint16_t lower;
	uint16_t upper; // the same as lower for a single port
};

struct type_range {
	uint8_t lower; // ICMP types
	uint8_t upper;
};

// A list of n elements is NULL with n == 0.
struct scope {
	struct ipprefix *target;
	struct port_range *target_port;
	uint8_t *protocol;
	char **fqdn; // for the reader's eyes: never resolved (RFC 9066 section 5.3.1)
	char **uri;
	char **alias;
	struct ipprefix *source;
	struct port_range *source_port;
	struct type_range *source_type;
	unsigned targets;
	unsigned target_ports;
	unsigned protocols;
	unsigned fqdns;
	unsigned uris;
	unsigned aliases;
	unsigned sources;
	unsigned source_ports;
	unsigned source_types;
};

enum overlap_key {
	OVERLAP_TARGET_SOURCE, // both must meet: another attacker of one victim is another matter
	OVERLAP_TARGET,        // RFC 9132 section 4.4.1.3 to the letter
};

void scope_free(struct scope *scope);

// A copy, to be freed; names are left out. Returns -ENOMEM, and then there is nothing to free.
int scope_copy(struct scope *copy, const struct scope *scope);

// Whether both name the same things; the order within a list does not matter.
bool scope_equal(const struct scope *a, const struct scope *b);

// Whether the two meet (RFC 9132 section 4.4.1.3). Sources meet where prefix and ports do: on a
// shared address another port is another subscriber.
bool scope_overlaps(const struct scope *a, const struct scope *b, enum overlap_key key);
