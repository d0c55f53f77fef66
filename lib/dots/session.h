// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The one session with an upstream domain (RFC 9066 section 1): find the host, dial it, serve it,
// notice that it is gone, dial again. What the upstream asked for outlives its sessions.
//
//          .-> resolving -> connecting -> up
//          |       |            |         |
//          '--- waiting <-------'   lost: connecting at once, if that has not just been done
//
// A round is a race of all transports and addresses (race.h). When it is lost the next one begins
// after retry_interval and up to a tenth more, so that not all homes of a failed upstream come back in
// one second (RFC 9132 section 4.7: not under 60 s, 300 s unless configured).
//
// A session that came up over TLS only because DTLS failed looks for DTLS again after probe_interval
// and moves to it (RFC 9132 section 4.3). One that the upstream has redirected is with somebody else
// for a while (redirect.h).

#include "base/rand.h"
#include "dots/dots.h"
#include "dots/heartbeat.h"
#include "dots/race.h"
#include "dots/redirect.h"
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
	struct request_class *class;
	struct credentials *credentials;
	uint32_t retry_interval;
	uint32_t probe_interval;
	struct rand random;

	enum session_state state;
	uint64_t since;        // reading of clock_now() the state began
	struct timer timer;    // of the next round
	uint64_t immediate_at; // when a lost session was last dialled again at once; 0: never
	struct hostname *lookup;
	struct race race;            // while connecting
	struct candidate cached;     // that won last,
	uint64_t cached_until;       // and goes first until then
	struct attempt *association; // while up
	struct timer probe_timer;
	struct race probe; // for DTLS, while up over TLS
	struct redirect redirect;
	struct timer redirect_timer; // to go there, and to come back
	struct heartbeat heartbeat;
	struct signal signal;
	struct err last_error;
	uint64_t established;
};

// Copies what it needs. Returns NULL with the reason in err.
struct session *session_new(struct evloop *loop, const struct dots_upstream *upstream,
	struct mitigations *mitigations, struct err *err);

// Closes the session and ends the upstream's mitigations. NULL is allowed.
void session_free(struct session *session);

// Begins the first round.
void session_start(struct session *session);

// Reads the credentials again, for attempts from now on; the association that stands keeps the old
// ones. Returns -EINVAL with the reason in err, and then nothing has changed.
int session_renew(struct session *session, const struct credentials_files *files, struct err *err);

const char *session_state_name(const struct session *session);

// Attempts that failed, ever.
uint64_t session_failures(const struct session *session);
