// SPDX-License-Identifier: BSD-3-Clause

#include "session/tcp.h"

enum tcp_event tcp_event(uint8_t flags)
{
	if (flags & TCP_FLAG_RST)
		return TCP_RST;
	if (flags & TCP_FLAG_SYN)
		return TCP_SYN;
	if (flags & TCP_FLAG_FIN)
		return TCP_FIN;
	return TCP_OTHER;
}

// next[state][outward][event]. A SYN after the end opens the next connection in the same mapping:
// ports are used again fast (RFC 6056 section 3.5). A half-closed session stays so until the other
// FIN, at the established timer (RFC 6146 section 3.5.2.2). A stranger's SYN that the host answers with an
// RST leaves nothing behind (RFC 7857 section 7.1).
static const uint8_t next[TCP_STATES][2][TCP_EVENTS] = {
	[TCP_CLOSED] =
		{
			{[TCP_SYN] = TCP_IN_INIT},
			{[TCP_SYN] = TCP_OUT_INIT},
		},
	[TCP_OUT_INIT] =
		{
			{TCP_ESTABLISHED, TCP_OUT_INIT, TCP_OUT_INIT, TCP_OUT_INIT},
			{TCP_OUT_INIT, TCP_OUT_INIT, TCP_OUT_INIT, TCP_OUT_INIT},
		},
	[TCP_IN_INIT] =
		{
			{TCP_IN_INIT, TCP_IN_INIT, TCP_IN_INIT, TCP_IN_INIT},
			{TCP_ESTABLISHED, TCP_IN_INIT, TCP_CLOSED, TCP_IN_INIT},
		},
	[TCP_ESTABLISHED] =
		{
			{TCP_ESTABLISHED, TCP_IN_FIN, TCP_TRANS, TCP_ESTABLISHED},
			{TCP_ESTABLISHED, TCP_OUT_FIN, TCP_TRANS, TCP_ESTABLISHED},
		},
	[TCP_OUT_FIN] =
		{
			{TCP_OUT_FIN, TCP_BOTH_FIN, TCP_TRANS, TCP_OUT_FIN},
			{TCP_OUT_FIN, TCP_OUT_FIN, TCP_TRANS, TCP_OUT_FIN},
		},
	[TCP_IN_FIN] =
		{
			{TCP_IN_FIN, TCP_IN_FIN, TCP_TRANS, TCP_IN_FIN},
			{TCP_IN_FIN, TCP_BOTH_FIN, TCP_TRANS, TCP_IN_FIN},
		},
	[TCP_BOTH_FIN] =
		{
			{TCP_IN_INIT, TCP_BOTH_FIN, TCP_BOTH_FIN, TCP_BOTH_FIN},
			{TCP_OUT_INIT, TCP_BOTH_FIN, TCP_BOTH_FIN, TCP_BOTH_FIN},
		},
	[TCP_TRANS] =
		{
			{TCP_IN_INIT, TCP_ESTABLISHED, TCP_TRANS, TCP_ESTABLISHED},
			{TCP_OUT_INIT, TCP_ESTABLISHED, TCP_TRANS, TCP_ESTABLISHED},
		},
};

enum tcp_state tcp_next(enum tcp_state state, bool outward, enum tcp_event event)
{
	return next[state][outward][event];
}

bool tcp_refreshes(enum tcp_state from, enum tcp_state to, enum tcp_event event)
{
	if (from != to)
		return true;
	switch (to) {
	case TCP_OUT_INIT:
	case TCP_IN_INIT:
		return event == TCP_SYN;
	case TCP_ESTABLISHED:
	case TCP_OUT_FIN:
	case TCP_IN_FIN:
		return true;
	default:
		return false;
	}
}

enum tcp_timer tcp_timer(enum tcp_state state)
{
	switch (state) {
	case TCP_CLOSED:
		return TCP_TIMER_NONE;
	case TCP_OUT_INIT:
	case TCP_IN_INIT:
		return TCP_TIMER_OPEN;
	case TCP_ESTABLISHED:
	case TCP_OUT_FIN:
	case TCP_IN_FIN:
		return TCP_TIMER_IDLE;
	default:
		return TCP_TIMER_CLOSE;
	}
}

const char *tcp_state_name(enum tcp_state state)
{
	static const char *const name[TCP_STATES] = {
		[TCP_CLOSED] = "closed",
		[TCP_OUT_INIT] = "opening from inside",
		[TCP_IN_INIT] = "opening from outside",
		[TCP_ESTABLISHED] = "established",
		[TCP_OUT_FIN] = "closed by inside",
		[TCP_IN_FIN] = "closed by outside",
		[TCP_BOTH_FIN] = "closed",
		[TCP_TRANS] = "reset",
	};

	return name[state];
}
