// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Chains of packet buffers: their end, their beginning, and putting two together.

#include <rte_mbuf.h>

#include <stdint.h>

// Makes the packet end after `length` bytes, which are all there.
void mbuf_cut(struct rte_mbuf *mbuf, uint32_t length);

// Makes the packet begin at `start`, which lies in its first segment or the room before.
void mbuf_begin(struct rte_mbuf *mbuf, const uint8_t *start);

// Appends the data of `tail`, which is not to be used any more: in the last segment of the packet as far as it
// has room, the rest in segments of its own.
void mbuf_append(struct rte_mbuf *mbuf, struct rte_mbuf *tail);
