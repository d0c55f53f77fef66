// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// DCCP as the state machine of TCP sees it (RFC 5597). A Request and its Response open a connection, as do a
// Request and the Listen of a server that is behind a NAT itself (RFC 5596); a Reset ends it, and before that
// a Close changes nothing. Nothing else of RFC 4340 matters to a translator.

#include "session/tcp.h"

// What a burst has as the flags of a DCCP packet: its type, and one. 0 is a fragment, of which nobody knows.
enum dccp_packet {
	DCCP_REQUEST = 1,
	DCCP_RESPONSE = 2,
	DCCP_RESET = 8,
	DCCP_SYNC = 9,
	DCCP_LISTEN = 11,
};

static inline enum tcp_event dccp_event(uint8_t packet)
{
	switch (packet) {
	case DCCP_REQUEST:
	case DCCP_RESPONSE:
	case DCCP_LISTEN:
		return TCP_SYN;
	case DCCP_RESET:
		return TCP_RST;
	default:
		return TCP_OTHER;
	}
}

static inline bool dccp_is_opener(uint8_t packet)
{
	return packet == DCCP_REQUEST || packet == DCCP_LISTEN;
}
