// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Ended grants of port blocks, the newest of them, found by outside address. A report of an attack may
// come after the block went to somebody else: then the time decides who is meant.

#include "base/subkey.h"

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stdint.h>

struct grant {
	struct subkey subscriber;
	rte_be32_t outside;
	uint16_t first_port; // host order
	uint16_t last_port;
	int64_t from; // Unix time in milliseconds
	int64_t until;
};

struct history;

// Remembers `size` grants for `retention_ms` each. Returns NULL if memory runs out.
struct history *history_new(uint32_t size, int64_t retention_ms);
void history_free(struct history *history);

// Adds a grant that has ended; the oldest makes room for it.
void history_add(struct history *history, const struct grant *grant);

// The next grant of an address, newest first, that touches some of the ports and some of the time, both
// ends included. *cursor is 0 to begin; returns NULL at the end.
const struct grant *history_find(const struct history *history, uint64_t *cursor,
	rte_be32_t outside, uint16_t lower, uint16_t upper, int64_t from, int64_t until,
	int64_t now);
