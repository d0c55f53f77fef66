// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// libyang's context with the modules of the box, for the files of this folder.

#include "conf/conf.h"

struct ly_ctx;

struct schema {
	struct ly_ctx *ctx;
};

// Appends to a message what the schema node at `path` allows: its range, lengths, enumeration or patterns.
// Nothing is appended if there is no such node.
void schema_describe(const struct schema *schema, const char *path, char *out, unsigned size);
