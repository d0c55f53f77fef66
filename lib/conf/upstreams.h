// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The box as server of upstream networks: who may ask for what, and what is done about it.

#include "conf/config.h"

struct judge;

// Reads the container; NULL leaves the config as it is.
void read_upstreams(struct config *config, const struct lyd_node *server);
void free_upstreams(struct config *config);

void check_upstreams(struct judge *j, const struct config *config);
