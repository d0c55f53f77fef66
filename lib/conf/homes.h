// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The box as client of homes: listeners, homes, and who is not listened to.

#include "conf/config.h"

struct judge;

// Reads the container into config->client; NULL leaves that as it is.
void read_homes(struct config *config, const struct lyd_node *client);
void free_homes(struct config *config);

void check_homes(struct judge *j, const struct config *config);
