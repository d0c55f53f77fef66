// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "conf/config.h"
#include "conf/judge.h"

// Checks the NAT instances.
void check_nat(struct judge *j, const struct config *config);

// Whether a prefix has an outside address of a translator: of a pool or a static mapping of an enabled
// instance.
bool check_is_translated(const struct config *config, const struct ipprefix *prefix);

// The same, or one that subscribers of a border relay have.
bool check_is_outside(const struct config *config, const struct ipprefix *prefix);

// Whether a prefix has an address of a pool of an enabled instance, of this one, or of an interface.
bool check_is_in_pool(const struct config *config, const struct ipprefix *prefix);
bool check_is_in_pool_of(const struct config_instance *instance, const struct ipprefix *prefix);
bool check_is_own_address(const struct config *config, const struct ipprefix *prefix);
