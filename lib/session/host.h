// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Inside hosts that have aliases. Part of nat.c's machinery, for lib/session alone; nat_alias() and the like are in
// nat.h.

#include "session/nat.h"

// The alias of the host of static mappings, as nat_alias(): wherever its B4 was seen last, or is configured to be.
uint32_t host_alias(
	struct nat *nat, const struct static_host *host, uint32_t now, enum verdict *verdict);

// A new snapshot has come in force: hosts may have got another policy or AFTR, or lost theirs. Mappings that they
// have stay what they are.
void hosts_adopt(struct nat *nat);
