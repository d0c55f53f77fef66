// SPDX-License-Identifier: BSD-3-Clause

#include "lines.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct evloop *reading;
static struct watch input;
static void (*carry_out)(char *line);
static bool ended;

void lines_fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(2);
}

void lines_print(json_t *line)
{
	json_object_set_new(line, "time", json_integer((json_int_t)clock_now()));
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

void lines_end(void)
{
	ended = true;
}

bool lines_ended(void)
{
	return ended;
}

static void on_input(struct watch *watch, uint32_t)
{
	static char buffer[4096];
	static size_t used;
	ssize_t got = read(watch->fd, buffer + used, sizeof(buffer) - used);
	char *end;

	if (got <= 0) {
		watch_stop(reading, watch);
		ended = true;
		return;
	}
	used += (size_t)got;
	while ((end = memchr(buffer, '\n', used))) {
		size_t length = (size_t)(end - buffer) + 1;

		*end = 0;
		carry_out(buffer);
		memmove(buffer, buffer + length, used - length);
		used -= length;
	}
}

void lines_read(struct evloop *loop, void (*command)(char *line))
{
	reading = loop;
	carry_out = command;
	if (watch_start(loop, &input, STDIN_FILENO, EPOLLIN, on_input) < 0)
		lines_fail("standard input", "cannot be watched");
}
