// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One record of the audit trail, as plain data. Times are Unix time in milliseconds, 0: not yet, or
// never. Pointers are valid during the call that shows it.

#include "base/ipaddr.h"
#include "dots/scope.h"

#include <stdint.h>

// A subscriber that was found.
struct dots_audit_subscriber {
	uint32_t nat_instance;
	struct ipprefix inside;
	struct ipaddr outside; // how: by this address,
	uint16_t lower;        // and these ports
	uint16_t upper;
};

struct dots_audit_row {
	uint64_t number; // counts up
	const char *upstream;
	const char *cuid;
	uint32_t mid;
	const struct scope *scope; // as asked for; NULL if it was refused unread
	const struct dots_audit_subscriber *subscriber;
	unsigned subscribers;
	int64_t asked;
	int64_t began; // to act
	int64_t ended;
	const char *
		decided_by; // "operator" or "default"; NULL: nobody was asked, or nobody has decided
	const char *action; // NULL: none yet
	unsigned rules;
	const char *outcome; // "open", "withdrawn", "expired", "replaced", "rejected",
			     // "cancelled", "removed", "refused"
	const char *reason;  // why it was refused; NULL: it was not
	uint64_t missed;     // refused before it without a record
	uint64_t packets;    // that met the rules
	uint64_t bytes;
};
