// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What survives the daemon, in a file of SQLite's: the mitigations there are, so that a restart takes
// them up again for the rest of their lifetime, and the audit trail, which says of each that ever was
// who asked, who was found, what was installed and how it ended.
//
// Each event is committed before the upstream has its answer. A disk that fails is logged and costs
// the record, never the mitigation. Control thread only.

#include "base/err.h"
#include "dots/audit.h"
#include "dots/mitigation.h"
#include "resolve/resolve.h"

struct ledger;

// Opens or makes the file. Of the audit trail it keeps `most` records that have ended, each for
// `retention_s` seconds. Returns NULL with the reason in err.
struct ledger *ledger_open(const char *path, uint32_t retention_s, uint32_t most,
	struct resolver *resolver, struct err *err);

// NULL is allowed.
void ledger_close(struct ledger *ledger);

// Writes down what happens to a mitigation.
void ledger_note(
	struct ledger *ledger, const struct mitigation *mitigation, enum mitigation_event event);

// Writes down what is remarked. As many refused requests are kept as records that have ended.
void ledger_remark(struct ledger *ledger, const struct remark *remark);

// Unix time in seconds since which an upstream is suspended, as the trail has it; 0: it is not.
int64_t ledger_suspended(struct ledger *ledger, const char *upstream);

// Hands over each mitigation of an upstream whose lifetime has not ended yet, for `take` to make it
// again; those that it has no use for (it returns negative), or that ended meanwhile, are closed. Returns
// how many were taken.
unsigned ledger_restore(struct ledger *ledger, const char *upstream,
	int (*take)(void *ctx, struct restored *restored), void *ctx);

// Shows the audit trail, the newest first.
void ledger_audit(
	struct ledger *ledger, void (*fn)(void *ctx, const struct dots_audit_row *row), void *ctx);
