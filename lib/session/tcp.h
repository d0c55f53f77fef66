// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The TCP session state machine of RFC 7857 section 2 (RFC 6146 section 3.5.2 with NAT44's words).
// It watches flags, not sequence numbers: what an RST can do is bounded by the transitory timer, and
// any other segment revives the session (RFC 7857 section 2.2).

#include <stdbool.h>
#include <stdint.h>

enum tcp_state {
	TCP_CLOSED,      // nothing yet, or refused from inside
	TCP_OUT_INIT,    // SYN from inside seen
	TCP_IN_INIT,     // SYN from outside seen
	TCP_ESTABLISHED, // SYN from both
	TCP_OUT_FIN,     // FIN from inside
	TCP_IN_FIN,      // FIN from outside
	TCP_BOTH_FIN,    // FIN from both: closed in good order, the transitory timer runs out
	TCP_TRANS,       // RST seen
	TCP_STATES,
};

// A segment as the machine sees it. A SYN with RST is an RST, with FIN a SYN.
enum tcp_event { TCP_SYN, TCP_FIN, TCP_RST, TCP_OTHER, TCP_EVENTS };

enum tcp_timer { TCP_TIMER_NONE, TCP_TIMER_IDLE, TCP_TIMER_OPEN, TCP_TIMER_CLOSE };

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

enum tcp_event tcp_event(uint8_t flags);

// Whether a segment may be the first of its connection.
static inline bool tcp_is_opener(uint8_t flags)
{
	return (flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST)) == TCP_FLAG_SYN;
}

// The state after a segment from inside (outward) or outside.
enum tcp_state tcp_next(enum tcp_state state, bool outward, enum tcp_event event);

// Whether a segment that leaves the session in `to` restarts its timer. A reset, and anything after
// both FINs, does not; a segment on a session that is still opening only if it moved it on.
bool tcp_refreshes(enum tcp_state from, enum tcp_state to, enum tcp_event event);

// Which timer runs in a state; none in TCP_CLOSED, which is over.
enum tcp_timer tcp_timer(enum tcp_state state);

const char *tcp_state_name(enum tcp_state state);
