// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Happy Eyeballs for an upstream (RFC 9132 section 4.3, RFC 8305): UDP over IPv6, UDP over IPv4, TCP
// over IPv6, TCP over IPv4. The next attempt begins a Connection Attempt Delay after the last, or at
// once when all before it have failed; none is given up for the next. The first that is ready wins,
// and the others are closed.

#include "dots/attempt.h"
#include "dots/hostname.h"

#define RACE_DELAY        (250 * CLOCK_MS)
#define RACE_DELAY_ATTACK (100 * CLOCK_MS) // RFC 9132 section 4.3: while an attack is on
#define RACE_CANDIDATES   (2 * HOSTNAME_ADDRESSES)

struct candidate {
	enum transport_kind kind;
	struct ipaddr addr;
};

struct race {
	struct evloop *loop;
	struct credentials *credentials;
	const char *name;        // of the upstream, for the log
	const char *server_name; // that the peer's certificate has to have
	uint16_t port;
	uint64_t delay;
	struct candidate candidate[RACE_CANDIDATES];
	unsigned candidates;
	unsigned next;
	struct attempt *attempts; // under way
	struct timer timer;       // of the next
	uint64_t failures;        // of attempts, ever
	struct err last_error;
	// One is ready: it is the caller's now, and the race is over.
	void (*won)(void *ctx, struct attempt *attempt);
	// All have failed, the last for the reason in last_error.
	void (*lost)(void *ctx);
	void *ctx;
};

// Fills in the candidates in the order of the transports, IPv6 before IPv4 within each, and `first`
// (NULL: none) before all if it is among them.
void race_line_up(struct race *race, const enum transport_kind *kind, unsigned kinds,
	const struct ipaddr *addr, unsigned addrs, const struct candidate *first);

// Starts; `won` or `lost` follows, never from inside the call.
void race_start(struct race *race);

// Gives up all attempts, without an event.
void race_stop(struct race *race);
