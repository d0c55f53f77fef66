// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A DOTS body as JSON, for people and scripts: names and types as RFC 7951 has them, enumerations
// by label, 64-bit numbers and decimals as strings. An attribute that the schema does not know
// appears under its number.

#include "base/err.h"

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

// Returns NULL with the reason in err if the body is not what a DOTS agent may send.
json_t *json_from_body(const uint8_t *data, size_t length, struct err *err);
