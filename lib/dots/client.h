// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A DOTS client of an upstream, known by its cuid (RFC 9132 section 4.4.1.1): what it has asked for. It is there as
// long as it has any mitigation, so that to look at one client's, or one upstream's, costs what those are, however
// many others there may be.

#include "dots/mitigation.h"

struct client {
	struct client *next; // of the upstream
	struct client *prev;
	struct mitigation *first; // oldest first
	struct mitigation *last;
	unsigned mitigations; // all of them,
	unsigned rejected;    // and these
	uint64_t changed;     // grows when one comes, goes, or changes its status
};

// Makes a mitigation one of its client's, which is made if it is the first. Before the roll has it. Returns 0 or
// -ENOMEM.
int client_join(struct mitigation *mitigation);

// Takes it out again; the client goes with its last.
void client_leave(struct mitigation *mitigation);

// The client of an owner that has a cuid, or NULL.
struct client *client_find(
	const struct mitigations *all, const struct owner *owner, const char *cuid);

// One of them has changed what is told of it. NULL is allowed: it is none of anybody's yet.
void client_changed(struct client *client, struct owner *owner);
