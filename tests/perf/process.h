// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Benchmarks whose box and peers are processes of their own.

#include <stdbool.h>
#include <sys/types.h>

// Ends this one, saying what has failed, unless all is well.
void must(bool ok, const char *what);

// Begins one that does this and then ends, at the latest with who began it. Returns its pid.
pid_t process_begin(void (*be)(void *arg), void *arg);
