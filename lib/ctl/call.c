// SPDX-License-Identifier: BSD-3-Clause

#include "ctl/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct call *call, size_t more)
{
	size_t room = call->room ? call->room : 4096;
	char *out;

	while (room - call->size < more)
		room *= 2;
	if (room == call->room)
		return true;
	out = realloc(call->out, room);
	if (!out) {
		call->failed = true;
		return false;
	}
	call->out = out;
	call->room = room;
	return true;
}

static void add_frame(
	struct call *call, enum proto_kind kind, uint8_t exit, const char *data, size_t length)
{
	if (call->failed || !reserve(call, PROTO_HEADER + length))
		return;
	proto_frame((uint8_t *)call->out + call->size, kind, exit, (uint32_t)length);
	memcpy(call->out + call->size + PROTO_HEADER, data, length);
	call->size += PROTO_HEADER + length;
}

void call_text(struct call *call, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	add_frame(call, PROTO_DATA, 0, text, strlen(text));
}

void call_json(struct call *call, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (text)
		add_frame(call, PROTO_DATA, 0, text, strlen(text));
	else
		call->failed = true;
	free(text);
	json_decref(value);
}

void call_fail(struct call *call, enum proto_exit exit, const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	add_frame(call, PROTO_ERROR, (uint8_t)exit, text, strlen(text));
	call->more = NULL;
	call->ended = true;
}

void call_end(struct call *call)
{
	add_frame(call, PROTO_END, call->exit, "", 0);
	call->more = NULL;
	call->ended = true;
}
