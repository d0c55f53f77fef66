// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "conf/config.h"
#include "conf/judge.h"

// Checks the border relays.
void check_softwires(struct judge *j, const struct config *config);

// Whether a prefix has an IPv4 address of a binding or of a mapping rule in use.
bool check_is_shared(const struct config *config, const struct ipprefix *prefix);
