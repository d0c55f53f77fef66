// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The heartbeats of one session, which both ends send (RFC 9132 section 4.7): a PUT of /hb once in
// heartbeat-interval, non-confirmable and not repeated, and what is concluded from silence. In Call
// Home the server, which dialled, gives a session up only if nothing at all has come for the time
// that missing-hb-allowed heartbeats take (RFC 9066 section 5.2.1).

#include "dots/codec.h"
#include "dots/exchange.h"

struct heartbeat {
	struct evloop *loop;
	struct exchange *exchange;
	struct timer timer;
	uint32_t interval; // seconds; 0: off
	uint32_t missing_allowed;
	bool call_home_server;
	void (*lost)(void *ctx);
	void *ctx;
	uint64_t heard_at; // anything of the peer's
	uint64_t peer_at;  // its last heartbeat; 0: none yet
	bool peer_status;  // what that said: whether it hears ours
	unsigned missing;  // heartbeats in a row without an answer
	bool waiting;      // for the answer to the last
	uint64_t sent;     // in this session
	uint64_t received;
};

// Starts the rhythm; the first goes out after one interval. `lost` is called once, when the session
// is to be given up.
void heartbeat_start(struct heartbeat *hb, struct evloop *loop, struct exchange *exchange,
	bool call_home_server, void (*lost)(void *ctx), void *ctx);

// The interval and the number allowed to be missed, of one set of the session configuration.
void heartbeat_configure(struct heartbeat *hb, const struct config_set *set);

void heartbeat_stop(struct heartbeat *hb);

// Something has come from the peer.
void heartbeat_heard(struct heartbeat *hb);

// Sends one now and begins the interval anew.
void heartbeat_send(struct heartbeat *hb);

// Answers a request for /hb, whose path has been told apart already.
void heartbeat_request(struct heartbeat *hb, const struct message *request, struct reply *reply);
