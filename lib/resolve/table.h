// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The resolver of the box: which subscriber has which port block, told by the workers' block events, and
// who had it before. It answers resolve_outside() (resolve.h): the block is found by one array read, and
// only for a single port or for ICMP is a worker asked what stands behind it.
//
// Control thread only.

#include "msg/msg.h"
#include "resolve/resolve.h"
#include "table/snapshot.h"

struct resolve_table;

struct resolve_env {
	uint32_t history_size; // ended grants remembered
	uint32_t retention_s;  // how long
	unsigned workers;
	// Takes in the events that workers have sent so far
	void (*catch_up)(void *ctx);
	// Asks a worker and waits for its answer, which replaces *msg. Returns 0 or -ETIMEDOUT.
	int (*ask)(void *ctx, unsigned worker, struct msg *msg);
	void *ctx;
};

// Returns NULL if memory runs out.
struct resolve_table *resolve_table_new(const struct resolve_env *env);
void resolve_table_free(struct resolve_table *table);

// Takes a new configuration in use: grants of pools that are gone have ended. Returns 0 or -ENOMEM.
int resolve_table_adopt(struct resolve_table *table, const struct snapshot *snapshot);

// A worker granted a block or took it back (MSG_BLOCK).
void resolve_table_event(struct resolve_table *table, const struct msg_block *event);

// The interface that others ask.
struct resolver *resolve_table_resolver(struct resolve_table *table);
