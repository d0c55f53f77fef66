// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Reading libyang's data trees: children by name, values by type. What a default gives counts as given.

#include "base/ipaddr.h"

#include <stdbool.h>
#include <stdint.h>

struct lyd_node;

// The first child of that name, or NULL. A NULL parent has no children.
const struct lyd_node *tree_child(const struct lyd_node *parent, const char *name);

// The next sibling with the same schema node, or NULL.
const struct lyd_node *tree_next(const struct lyd_node *node);

// How many children have that name.
unsigned tree_count(const struct lyd_node *parent, const char *name);

// Whether a node is there by its default alone; a container is if all in it is.
bool tree_is_default(const struct lyd_node *node);

// The value of a child leaf as text, or NULL. It lives as long as the tree.
const char *tree_text(const struct lyd_node *parent, const char *name);

// What a node is called.
const char *tree_name(const struct lyd_node *node);

// The value of a leaf itself.
const char *tree_value(const struct lyd_node *node);

// A number or boolean of a child leaf, or `otherwise` if there is none.
uint32_t tree_number(const struct lyd_node *parent, const char *name, uint32_t otherwise);
bool tree_flag(const struct lyd_node *parent, const char *name, bool otherwise);

// Writes the path of a node, with the keys of lists, cut to `size` bytes. Returns `out`.
const char *tree_path(const struct lyd_node *node, char *out, unsigned size);
