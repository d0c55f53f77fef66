// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The words that several commands take. Each returns false for what is none.

#include <stdbool.h>
#include <stdint.h>

// Decimal digits, up to `most`.
bool words_number(const char *text, unsigned long most, unsigned long *out);

// icmp, icmpv6, tcp, udp, or 1 to 255.
bool words_protocol(const char *text, uint8_t *out);

// A time as Unix seconds, or as yang:date-and-time in UTC, to the second.
bool words_time(const char *text, int64_t *unix_ms);

// LOW or LOW-HIGH.
bool words_range(const char *text, uint16_t *lower, uint16_t *upper);
