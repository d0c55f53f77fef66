// SPDX-License-Identifier: BSD-3-Clause

#include "conf/tree.h"

#include <libyang/libyang.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct lyd_node *tree_child(const struct lyd_node *parent, const char *name)
{
	const struct lyd_node *node = parent ? lyd_child(parent) : NULL;

	while (node && strcmp(node->schema->name, name))
		node = node->next;
	return node;
}

const struct lyd_node *tree_next(const struct lyd_node *node)
{
	const struct lyd_node *next = node->next;

	while (next && next->schema != node->schema)
		next = next->next;
	return next;
}

unsigned tree_count(const struct lyd_node *parent, const char *name)
{
	unsigned count = 0;

	for (const struct lyd_node *n = tree_child(parent, name); n; n = tree_next(n))
		count++;
	return count;
}

const char *tree_name(const struct lyd_node *node)
{
	return node->schema->name;
}

const char *tree_value(const struct lyd_node *node)
{
	return lyd_get_value(node);
}

bool tree_is_default(const struct lyd_node *node)
{
	return node->flags & LYD_DEFAULT;
}

const char *tree_text(const struct lyd_node *parent, const char *name)
{
	const struct lyd_node *node = tree_child(parent, name);

	return node ? lyd_get_value(node) : NULL;
}

uint32_t tree_number(const struct lyd_node *parent, const char *name, uint32_t otherwise)
{
	const char *text = tree_text(parent, name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

bool tree_flag(const struct lyd_node *parent, const char *name, bool otherwise)
{
	const char *text = tree_text(parent, name);

	return text ? !strcmp(text, "true") : otherwise;
}

const char *tree_path(const struct lyd_node *node, char *out, unsigned size)
{
	char *path = lyd_path(node, LYD_PATH_STD, NULL, 0);

	snprintf(out, size, "%s", path ? path : "?");
	free(path);
	return out;
}
