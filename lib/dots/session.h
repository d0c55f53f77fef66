// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The one session with an upstream domain (RFC 9066 section 1): find the host, dial it, serve it,
// notice that it is gone, dial again. What the upstream asked for outlives its sessions.
//
//          .-> resolving -> connecting -> up
//          |       |            |         |
//          '--- waiting <-------'   lost: connecting at once, if that has not just been done
//
// A round tries each transport in turn, and each address with it. When a round fails the next one
// begins after retry_interval (RFC 9132 section 4.7: not under 60 s, 300 s unless configured).

#include "dots/dots.h"
#include "dots/exchange.h"
#include "dots/heartbeat.h"
#include "dots/hostname.h"
#include "dots/signal.h"

enum session_state { SESSION_RESOLVING, SESSION_CONNECTING, SESSION_UP, SESSION_WAITING };

struct session {
	struct session *next; // of the tower's list
	struct evloop *loop;
	char *name;
	char *host;
	char *peer_name;
	uint16_t port;
	enum transport_kind kind[2];
	unsigned kinds;
	struct ipprefix *domain;
	struct credentials *credentials;
	uint32_t retry_interval;

	enum session_state state;
	uint64_t since;        // reading of clock_now() the state began
	struct timer timer;    // of the next round; while connecting, for the peer's CSM
	uint64_t immediate_at; // when a lost session was last dialled again at once; 0: never
	struct hostname *lookup;
	struct ipaddr addr[HOSTNAME_ADDRESSES];
	unsigned addrs;
	unsigned attempt; // of this round, from 0: kind by kind, address by address
	struct transport *transport;
	struct exchange *exchange; // exists while the transport is up
	struct heartbeat heartbeat;
	struct signal signal;
	struct err last_error;
	uint64_t established;
	uint64_t failures;
};

// Copies what it needs. Returns NULL with the reason in err.
struct session *session_new(struct evloop *loop, const struct dots_upstream *upstream,
	struct mitigations *mitigations, struct err *err);

// Closes the session and ends the upstream's mitigations. NULL is allowed.
void session_free(struct session *session);

// Begins the first round.
void session_start(struct session *session);

const char *session_state_name(const struct session *session);
