// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The paths of a DOTS server's resources under /.well-known/dots, taken apart (RFC 9132 sections
// 4.2 and 4.4.1.1; RFC 9066 section 5.2.2).

#include "dots/exchange.h"

#include <stdbool.h>
#include <stdint.h>

#define CUID_MAX 128 // bytes; the recipe makes 22 (RFC 9132 section 4.4.1.1)

enum resource_kind { RESOURCE_MITIGATE, RESOURCE_CONFIG, RESOURCE_HB, RESOURCE_REDIRECT };

struct resource {
	enum resource_kind kind;
	char cuid[CUID_MAX + 1]; // empty: not there
	bool has_mid;
	uint32_t mid;
	bool has_sid;
	uint32_t sid;
};

// Returns false with the refusal in `reply`.
bool resource_read(const struct message *message, struct resource *resource, struct reply *reply);
