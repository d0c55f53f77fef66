// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a client is told of its mitigations: the body of a 2.05 and of a notification (RFC 9132
// section 4.4.2). It echoes the sources as they were asked for; who was found behind them is never
// in it (RFC 9066 section 9).

#include "dots/mitigation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Which ones: all of an owner's cuid, or one.
struct selection {
	const struct mitigations *all;
	const struct owner *owner;
	const char *cuid;
	bool has_mid;
	uint32_t mid;
};

// Writes the body. Returns its length, -ENOENT if there are none, -EMSGSIZE if they do not fit, or
// -ENOMEM.
int status_write(const struct selection *selection, uint8_t *out, size_t room);

// The same for one that is no longer among them.
int status_write_one(const struct mitigation *mitigation, uint8_t *out, size_t room);

// A number that changes when one of them comes, goes or changes its status.
uint32_t status_digest(const struct selection *selection);
