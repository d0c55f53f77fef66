// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "base/log.h"

#include <stdbool.h>

// The command line of homeportd.
struct args {
	const char *config;
	const char *yang; // folder of the modules; NULL: where they are installed
	bool check;
	bool until_idle;
	bool test_clock;
	enum log_level log_level;
};

// Reads the command line. Returns -1 to go on, or the exit code: 0 after --help or --version, 2 when it
// is wrong, which has been said.
int args_read(struct args *args, int argc, char **argv);
