// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "conf/config.h"

// Everything that makes a configuration wrong although the YANG modules allow it. Each error is handed to
// `report` with its path and what is allowed. Returns how many there were.
unsigned check_config(
	const struct config *config, void (*report)(void *ctx, const char *text), void *ctx);

struct judge;

// Sees that the kernel can listen on what the leaf `address` of a node says.
void check_kernel_address(struct judge *j, const struct config *config, const struct lyd_node *node,
	const struct ipaddr *addr);
