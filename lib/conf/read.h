// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "conf/config.h"

// Makes the structures of config.h of a validated data tree, which then belongs to the config. `folder`
// is copied. Returns NULL if memory runs out; the tree is then still the caller's.
struct config *read_config(struct lyd_node *tree, const char *folder);

// A path as it is used, to be freed: relative ones start at the folder of the configuration file. NULL
// for NULL, and if memory runs out, which config->whole then tells.
char *read_path(struct config *config, const char *path);

// An array of n elements; NULL and false in config->whole if memory runs out.
void *read_array(struct config *config, unsigned n, size_t size);

// An array of as many elements as the parent has children of that name, and how many.
void *read_list(struct config *config, const struct lyd_node *parent, const char *name, size_t size,
	unsigned *count);

// The prefixes of a leaf-list, likewise.
struct ipprefix *read_plain_prefixes(
	struct config *config, const struct lyd_node *node, const char *name, unsigned *count);
