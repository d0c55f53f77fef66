// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Static mappings of the configuration (RFC 8512 mapping-entry).

#include "conf/build_nat.h"
#include "conf/judge.h"

#define STATIC_PROTOCOLS 2

// The protocols whose ports an entry maps: the one it names; TCP and UDP if it names ports alone; or 0, for
// the whole address. Returns how many.
unsigned static_protocols(const struct config_static *s, uint8_t protocol[STATIC_PROTOCOLS]);

// Checks the entries of all enabled instances.
void check_statics(struct judge *j, const struct config *config);

// Adds them to a snapshot that has its policies.
int build_statics(struct snapshot *s, const struct config *config);
