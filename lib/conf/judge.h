// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where the checks of a configuration put what they find.

struct lyd_node;

struct judge {
	void (*report)(void *ctx, const char *text);
	void *ctx;
	unsigned faults;
};

// Reports a fault at `leaf` below a node: "PATH/LEAF: ...".
void judge_fault(struct judge *j, const struct lyd_node *node, const char *leaf, const char *format,
	...) __attribute__((format(printf, 4, 5)));

// Reports a fault whose text names its own path.
void judge_text(struct judge *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
