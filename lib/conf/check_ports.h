// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "conf/config.h"
#include "conf/judge.h"

// Checks how a policy gives out addresses and ports.
void check_ports(struct judge *j, const struct config *config, const struct config_policy *policy);

// Checks a leaf in seconds: from `floor` to a year.
void check_seconds(struct judge *j, const struct config_policy *policy, const char *leaf,
	uint32_t value, uint32_t floor);
