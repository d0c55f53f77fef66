// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One command that is being carried out: its words, and what it answers. A command writes its answer at
// once, or a part of it and sets `more`, which is called again whenever the peer has taken what there was.

#include "ctl/ctl.h"
#include "ctl/proto.h"

#include <jansson.h>

#include <stddef.h>

struct call {
	const struct ctl_source *source;
	struct request request; // valid while call_start() runs
	char *out;              // frames not yet sent
	size_t size;
	size_t room;
	void (*more)(struct call *call); // NULL: the answer is whole
	// where a long list stands
	uint32_t instance;
	unsigned worker;
	uint32_t cursor;
	bool listed;  // it has an element, so that the next is set off by a comma
	bool ended;   // an error or the end has been written
	bool failed;  // memory ran out: the connection must go
	uint8_t exit; // code of a good answer
};

// Appends text to the JSON of the answer.
void call_text(struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Appends a JSON value, and takes the reference.
void call_json(struct call *call, json_t *value);

// Ends the answer with an error.
void call_fail(struct call *call, enum proto_exit exit, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// Ends the answer.
void call_end(struct call *call);

// Begins to carry out a request: finds the command and lets it write.
void call_start(struct call *call);
