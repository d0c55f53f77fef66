// SPDX-License-Identifier: BSD-3-Clause

#include "conf/judge.h"

#include "conf/tree.h"

#include <stdarg.h>
#include <stdio.h>

static void report(struct judge *j, const char *text)
{
	j->faults++;
	j->report(j->ctx, text);
}

void judge_fault(
	struct judge *j, const struct lyd_node *node, const char *leaf, const char *format, ...)
{
	char text[2048], path[1024];
	int n;
	va_list ap;

	n = snprintf(text, sizeof(text), "%s/%s: ", tree_path(node, path, sizeof(path)), leaf);
	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, ap);
	va_end(ap);
	report(j, text);
}

void judge_text(struct judge *j, const char *format, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	report(j, text);
}
