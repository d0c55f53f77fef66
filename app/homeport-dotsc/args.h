// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The command line of homeport-dotsc (args.c), and its commands, which stand there or in a script
// (command.c).

#include "base/log.h"
#include "dots/codec.h"
#include "dots/transport.h"

#include <stdbool.h>
#include <stdint.h>

#define WORDS_MAX 256 // of one line

enum verb {
	VERB_MITIGATE,
	VERB_REFRESH,
	VERB_WITHDRAW,
	VERB_GET,
	VERB_OBSERVE,
	VERB_CONFIG,
	VERB_REDIRECT,
	VERB_HEARTBEAT,
	VERB_SEND,
	VERB_WAIT,
};

struct options {
	struct ipaddr listen;
	uint16_t port;
	bool dtls;
	bool tls;
	struct credentials_files files;
	struct ipprefix *domain;
	unsigned domains;
	bool unchecked;
	const char *cuid;   // NULL: by the recipe
	unsigned timeout_s; // for a session, an answer, an event
	enum log_level log_level;
	const char *script; // a file, or "-"; NULL: the command below
	char **command;     // words
	unsigned command_words;
};

struct command {
	enum verb verb;
	const char *name;
	struct mitigation_body body; // of VERB_MITIGATE; lifetime and attack-status of VERB_REFRESH
	bool has_mid;
	uint32_t mid;
	char cuid[256]; // empty: ours
	bool all;       // no mid in the path
	bool cancel;
	bool confirmable;
	bool status; // of VERB_HEARTBEAT; has_status
	bool has_status;
	uint8_t *raw; // body as given
	size_t raw_length;
	// VERB_CONFIG
	bool has_sid;
	uint32_t sid;
	bool reset; // DELETE
	bool observing;
	unsigned sets; // values named in `config`, for a PUT
	struct config_body config;
	struct redirect_body redirect; // of VERB_REDIRECT
	// VERB_SEND
	uint8_t method;
	char path[512];
	int32_t observe; // MESSAGE_ABSENT
	int32_t content_format;
	bool if_match;
	// VERB_WAIT
	unsigned seconds; // or
	char event[32];   // the name of one
};

// Reads the command line. Prints and exits for --help and --version; -EINVAL after a message.
int options_parse(int argc, char **argv, struct options *options);
void options_free(struct options *options);

// A number in decimal digits, up to `max`.
bool args_number(const char *text, unsigned long max, unsigned long *value);

// A list with room for one more element of this size, which is counted. Ends the program without
// memory.
void *args_grow(void *list, unsigned *count, size_t size);

// Reads the words of one command; words[0] is its name. -EINVAL with the reason in err.
int command_parse(char **words, unsigned count, struct command *command, struct err *err);
void command_free(struct command *command);

// Cuts a line into words, in place; -1 if they are too many.
int line_split(char *line, char **words);
