// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka.h needs those above before it
// clang-format off
#include <cmocka.h>
// clang-format on

#define assert_text_has(text, part) assert_non_null(strstr((text), (part)))
