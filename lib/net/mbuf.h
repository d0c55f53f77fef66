// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Chains of packet buffers: their end, their beginning, and putting two together.

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

#define FRAME_ROOM (RTE_ETHER_HDR_LEN + 4) // of a frame's header with a tag

// Whether a packet can begin at `ip`, before which a frame's header has to go.
static inline bool mbuf_has_room(const struct rte_mbuf *mbuf, const uint8_t *ip)
{
	return ip - (const uint8_t *)mbuf->buf_addr >= FRAME_ROOM;
}

// What mbuf_cut() does where the packet is longer.
void mbuf_cut_off(struct rte_mbuf *mbuf, uint32_t length);

// Makes the packet end after `length` bytes, which are all there.
static inline void mbuf_cut(struct rte_mbuf *mbuf, uint32_t length)
{
	if (mbuf->pkt_len != length)
		mbuf_cut_off(mbuf, length);
}

// Makes the packet begin at `start`, which lies in its first segment or the room before.
static inline void mbuf_begin(struct rte_mbuf *mbuf, const uint8_t *start)
{
	uint16_t at = (uint16_t)(start - (const uint8_t *)mbuf->buf_addr);
	int grown = mbuf->data_off - at;

	mbuf->data_off = at;
	mbuf->data_len = (uint16_t)(mbuf->data_len + grown);
	mbuf->pkt_len = (uint32_t)((int)mbuf->pkt_len + grown);
}

// Appends the data of `tail`, which is not to be used any more: in the last segment of the packet as far as it
// has room, the rest in segments of its own.
void mbuf_append(struct rte_mbuf *mbuf, struct rte_mbuf *tail);
