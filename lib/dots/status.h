// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a client is told of its mitigations, or of the session configuration: the body of a 2.05 and of a
// notification (RFC 9132 sections 4.4.2 and 4.5.1). It echoes the sources as they were asked for; who was found
// behind them is never in it (RFC 9066 section 9).

#include "dots/config.h"
#include "dots/mitigation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Which ones: all of an owner's cuid, or one; or the session configuration, and then no mitigation.
struct selection {
	struct session_config *config;
	const struct mitigations *all;
	const struct owner *owner;
	const char *cuid;
	bool has_mid;
	uint32_t mid;
};

// Mitigations that are told of in one answer: what it takes to write them holds up all else.
#define STATUS_LIST_MAX 16384

// Makes the body, which is to be freed. Returns its length, -ENOENT if there are none, -EMSGSIZE if there are more than
// an answer tells of, or -ENOMEM.
int status_write_whole(const struct selection *selection, uint8_t **body);

// Writes the body for a mitigation that is no longer among them: its length, or -EMSGSIZE.
int status_write_one(const struct mitigation *mitigation, uint8_t *out, size_t room);

// A number that changes when one of them comes, goes or changes its status.
uint64_t status_digest(const struct selection *selection);

// Whether anything is being done for one of them, so that there is something to tell from time to
// time.
bool status_is_live(const struct selection *selection);
