// SPDX-License-Identifier: BSD-3-Clause

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int priority; // of syslog
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", 3},
	[LOG_LEVEL_WARNING] = {"warning", 4},
	[LOG_LEVEL_NOTICE] = {"notice", 5},
	[LOG_LEVEL_INFO] = {"info", 6},
	[LOG_LEVEL_DEBUG] = {"debug", 7},
};

static const char *program = "homeport";
static enum log_level threshold = LOG_LEVEL_INFO;
static bool journal;

void log_init(const char *name, enum log_level level)
{
	program = name;
	threshold = level;
	journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

int log_parse_level(const char *name, enum log_level *level)
{
	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (!strcmp(name, levels[i].name)) {
			*level = i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_line(enum log_level level, const char *topic, const char *format, ...)
{
	char line[1024];
	int head, body;
	size_t length;
	va_list ap;

	if (level > threshold)
		return;
	if (journal)
		head = snprintf(line, sizeof(line), "<%d>%s: ", levels[level].priority, topic);
	else
		head = snprintf(
			line, sizeof(line), "%s: %s: %s: ", program, levels[level].name, topic);
	va_start(ap, format);
	body = vsnprintf(line + head, sizeof(line) - 1 - (size_t)head, format, ap);
	va_end(ap);
	if (body < 0)
		return;
	length = strlen(line);
	for (size_t i = (size_t)head; i < length; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[length++] = '\n';
	// one write a line: lines of several processes on one pipe stay whole
	if (write(STDERR_FILENO, line, length) < 0)
		return;
}
