// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How the operator reaches the box: the control socket and the metrics listener.

#include "conf/config.h"

struct judge;

void read_management(struct config *config, const struct lyd_node *management);

void check_management(struct judge *j, const struct config *config);
