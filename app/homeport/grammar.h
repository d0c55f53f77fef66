// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <jansson.h>

// One command: the words that name it, the words it takes, what it does, and how its answer is shown to a
// person. From this one table come dispatch, --help and shell completion.
struct command {
	const char *words[3]; // the last is NULL
	unsigned least;       // further words
	unsigned most;
	const char *arguments; // as help shows them
	const char *help;
	void (*print)(const json_t *answer); // NULL: nothing is shown
};

// The command that the words are, or NULL. *used is how many words its name takes.
const struct command *grammar_find(char *const *words, int count, int *used);

void grammar_help(void);

// The words that may follow, one a line, for completion.
void grammar_complete(char *const *words, int count);
