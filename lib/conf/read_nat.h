// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Reading the NAT instances (RFC 8512) into config->instance.

#include "conf/config.h"

void read_nat(struct config *config, const struct lyd_node *nat);
void free_nat(struct config *config);
