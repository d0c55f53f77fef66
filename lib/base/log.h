// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Log lines on stderr, one line each, for the control thread and the tools. Never called below
// worker/loop.c. Under systemd (JOURNAL_STREAM set) each line starts with its syslog priority.

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

// Sets the name that starts each line and the most talkative level that is printed.
// `program` must outlive the last line.
void log_init(const char *program, enum log_level level);

void log_set_level(enum log_level level);

// Reads "error", "warning", "notice", "info" or "debug". Returns -EINVAL for anything else.
int log_parse_level(const char *name, enum log_level *level);

// `topic` is the part that speaks ("dots", "conf", "port"): a filter word for the reader.
// Bytes below space are printed as '?', so that a peer's text cannot forge a line.
void log_line(enum log_level level, const char *topic, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(topic, ...)   log_line(LOG_LEVEL_ERROR, topic, __VA_ARGS__)
#define log_warning(topic, ...) log_line(LOG_LEVEL_WARNING, topic, __VA_ARGS__)
#define log_notice(topic, ...)  log_line(LOG_LEVEL_NOTICE, topic, __VA_ARGS__)
#define log_info(topic, ...)    log_line(LOG_LEVEL_INFO, topic, __VA_ARGS__)
#define log_debug(topic, ...)   log_line(LOG_LEVEL_DEBUG, topic, __VA_ARGS__)
