// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The resolver of the box: which subscriber has which port block, told by the workers' block events, and
// who had it before. It answers resolve_outside() (resolve.h): the block is found by one array read, and
// only for a single port or for ICMP is a worker asked what stands behind it.
//
// Control thread only.

#include "base/err.h"
#include "msg/msg.h"
#include "resolve/history.h"
#include "resolve/resolve.h"
#include "table/snapshot.h"

struct resolve_table;

struct resolve_env {
	uint32_t history_size;      // ended grants remembered
	uint32_t retention_s;       // how long
	const char *history_file;   // where they are kept on disk; NULL: nowhere
	uint32_t history_file_size; // so many of them
	unsigned workers;
	// Takes in the events that workers have sent so far
	void (*catch_up)(void *ctx);
	// Asks a worker and waits for its answer, which replaces *msg. Returns 0 or -ETIMEDOUT.
	int (*ask)(void *ctx, unsigned worker, struct msg *msg);
	void *ctx;
};

// Returns NULL if memory runs out or the file cannot be used; the reason is in err.
struct resolve_table *resolve_table_new(const struct resolve_env *env, struct err *err);
void resolve_table_free(struct resolve_table *table);

// Takes a new configuration in use: grants of pools that are gone have ended. Returns 0 or -ENOMEM.
int resolve_table_adopt(struct resolve_table *table, const struct snapshot *snapshot);

// Before a configuration comes in force: calls fn for every grant of an address of its new pools whose ports
// still have to rest (RFC 6888 REQ-8), with the policy's slot and the Unix time in milliseconds until when.
// With a file, that is so after a restart as well.
void resolve_table_resting(struct resolve_table *table, const struct snapshot *snapshot,
	void (*fn)(void *ctx, unsigned slot, const struct block_grant *grant, int64_t until),
	void *ctx);

// How far so many addresses of a policy's pool are used, from one with a number on.
struct resolve_use {
	uint32_t addresses;
	uint32_t addresses_used; // that have a granted block
	uint64_t blocks_used;
};

void resolve_table_use(const struct resolve_table *table, unsigned slot, uint32_t number,
	uint32_t addresses, struct resolve_use *use);

// Writes to disk what has not been written for a while. To be called often.
void resolve_table_poll(struct resolve_table *table);

// A worker granted a block or took it back (MSG_BLOCK).
void resolve_table_event(struct resolve_table *table, const struct msg_block *event);

// A binding of a border relay is no more, or another's: it is remembered like a grant that ended.
void resolve_table_binding_ended(struct resolve_table *table, const struct softwire *softwire,
	const struct binding_entry *binding);

// The interface that others ask.
struct resolver *resolve_table_resolver(struct resolve_table *table);
