// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// From a configuration file to a snapshot: load (YANG), read (structures), check (what YANG cannot say),
// build. Control thread only. Each error names the path and what is allowed; check reports all of them.

#include "base/err.h"
#include "conf/config.h"

#include <stdint.h>

struct acl;
struct rcu;
struct schema;
struct neighbour_table;
struct policy_slots;

// Loads the YANG modules of the box from a folder, or from where they are installed if it is NULL.
struct schema *schema_new(const char *folder, struct err *err);
void schema_free(struct schema *schema);

// Reads a file of JSON instance data (RFC 7951), validates it, and checks everything else. Each error is
// handed to `report`; returns NULL if there was any.
struct config *conf_load(const struct schema *schema, const char *file,
	void (*report)(void *ctx, const char *text), void *ctx);

// As conf_load for text in memory; relative paths in it start at `folder`.
struct config *conf_load_text(const struct schema *schema, const char *text, const char *folder,
	void (*report)(void *ctx, const char *text), void *ctx);

void conf_free(struct config *config);

// The configuration as JSON, as it was given. The caller frees it.
char *conf_print(const struct config *config);

// What a snapshot is built of besides the configuration.
struct build {
	unsigned workers;
	uint32_t generation;
	struct neighbour_table *neighbours; // gets an entry for each gateway and static neighbour
	const struct snapshot *old; // the one in force, whose pools and numbers are kept; or NULL
	uint32_t max_port_sets;     // of each pool, by worker
	// Makes and frees a worker's share of a pool (session/portblk.h)
	struct portblk *(*share_new)(struct pool *pool, unsigned worker, uint32_t size);
	void (*share_free)(struct portblk *share);
	struct rcu *rcu;       // that binding tables are read under
	const struct acl *acl; // tells which subscribers have rules
};

// Builds a snapshot. Returns NULL with the reason in err; nothing has changed then.
struct snapshot *conf_build(
	const struct config *config, const struct build *build, struct err *err);

// Makes the changes of binding tables that a snapshot brings, while workers read them. `ended` hears of each
// binding that is no more, or another's now. To be called once, when the snapshot comes in force.
void conf_commit(struct snapshot *snapshot,
	void (*ended)(
		void *ctx, const struct softwire *softwire, const struct binding_entry *entry),
	void *ctx);

// Frees a snapshot, with the pools and binding tables that `next` (NULL: none) does not use as well.
void conf_release(
	struct snapshot *snapshot, const struct snapshot *next, const struct build *build);

// Whether a running box can take the configuration over: platform and devices must be the same. The
// reason why not is in err.
int conf_can_replace(const struct config *running, const struct config *next, struct err *err);
