// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The text of an error that a user caused: filled in once, by the place that knows the path, the
// value and the allowed range. Everything that no user can cause returns 0 or -errno and no text.

struct err {
	char text[512];
};

// Writes the text (unless err is NULL) and returns -EINVAL, so that a check reads
// `return err_set(err, "...")`.
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

// As err_set, with a negative errno of the caller's choice as the value.
int err_code(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
