// SPDX-License-Identifier: BSD-3-Clause

#include "export/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16384u

static bool make_room(struct exposition *e, size_t more)
{
	size_t room = e->room ? e->room : FIRST_ROOM;
	char *text;

	while (room - e->length <= more)
		room *= 2;
	if (room == e->room)
		return true;
	text = realloc(e->text, room);
	if (!text)
		return false;
	e->text = text;
	e->room = room;
	return true;
}

static void add(struct exposition *e, const char *text, size_t length)
{
	e->broken = e->broken || !make_room(e, length);
	if (e->broken)
		return;
	memcpy(e->text + e->length, text, length);
	e->length += length;
}

static void add_text(struct exposition *e, const char *text)
{
	add(e, text, strlen(text));
}

// A backslash, a line feed and, in the value of a label, a quotation mark are written with a backslash.
static void add_escaped(struct exposition *e, const char *text, bool quoted)
{
	for (const char *p = text; *p; p++) {
		if (*p == '\n')
			add_text(e, "\\n");
		else if (*p == '\\' || (*p == '"' && quoted))
			add(e, (const char[]){'\\', *p}, 2);
		else
			add(e, p, 1);
	}
}

void exposition_family(
	struct exposition *e, const char *name, enum exposition_kind kind, const char *help)
{
	e->family = name;
	add_text(e, "# HELP ");
	add_text(e, name);
	add_text(e, " ");
	add_escaped(e, help, false);
	add_text(e, "\n# TYPE ");
	add_text(e, name);
	add_text(e, kind == EXPOSITION_COUNTER ? " counter\n" : " gauge\n");
}

void exposition_sample(struct exposition *e, const struct exposition_label *labels, uint64_t value)
{
	char number[24];

	add_text(e, e->family);
	for (const struct exposition_label *l = labels; l && l->name; l++) {
		add_text(e, l == labels ? "{" : ",");
		add_text(e, l->name);
		add_text(e, "=\"");
		add_escaped(e, l->value, true);
		add_text(e, "\"");
	}
	snprintf(number, sizeof(number), " %" PRIu64 "\n", value);
	add_text(e, labels && labels->name ? "}" : "");
	add_text(e, number);
}

char *exposition_end(struct exposition *e, size_t *length)
{
	char *text = e->broken ? NULL : e->text;

	*length = e->length;
	if (e->broken)
		free(e->text);
	*e = (struct exposition){0};
	return text;
}
