// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "conf/config.h"

// Makes the structures of config.h of a validated data tree, which then belongs to the config. `folder`
// is copied. Returns NULL if memory runs out; the tree is then still the caller's.
struct config *read_config(struct lyd_node *tree, const char *folder);
