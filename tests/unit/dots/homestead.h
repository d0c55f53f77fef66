// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Homes for tests: Call Home DOTS servers that dial the box over the fake transport, write down what
// they are asked, and answer as the test wants.

#include "dots/codec.h"
#include "dots/exchange.h"

#include "fake_transport.h"

#define HOMESTEAD_ASKED 256

struct asked {
	uint8_t code; // method
	uint8_t type;
	char path[128]; // what follows /.well-known/dots/
	int32_t observe;
	int32_t hop_limit;
	bool efficacy; // with an empty If-Match
	uint64_t at;   // reading of clock_now()
	size_t size;   // of the body
	uint8_t body[1100];
};

struct homestead {
	const char *name; // in its certificate
	bool psk;         // it has none: the name is the identity of its key
	const char *addr; // it dials from
	struct credentials *credentials;
	struct transport *transport; // NULL without a session
	struct exchange *exchange;
	unsigned sessions;
	unsigned losses;
	struct err why; // of the last loss
	// how it answers; zero is the ordinary way
	bool mute;         // not at all
	unsigned put_code; // as in 409
	struct mitigation_body put_body;
	uint32_t max_age;
	int64_t granted; // lifetime; 0: as asked
	unsigned observe_code;
	uint32_t config_max_age;
	int32_t heartbeat_interval;
	// what it was asked; heartbeats are only counted
	unsigned asks;
	struct asked asked[HOMESTEAD_ASKED];
	unsigned heartbeats;
	// the last observation
	uint8_t token[8];
	uint8_t token_length;
	uint32_t observed_mid;
};

// Dials the listener and waits until one of them has given up.
void homestead_dial(struct homestead *home, struct evloop *loop, const char *listener,
	uint16_t port, enum transport_kind kind);
void homestead_end(struct homestead *home);

// The n-th last request with this method whose path begins so; 0 is the last. NULL if there is none.
const struct asked *asked_last(
	const struct homestead *home, uint8_t method, const char *path, unsigned n);
unsigned asked_count(const struct homestead *home, uint8_t method, const char *path);

// The number after "mid=" in its path.
uint32_t asked_mid(const struct asked *asked);

// The request's body, to be freed by mitigation_bodies_free(…, 1).
struct mitigation_body *asked_body(const struct asked *asked);

// Notifies the observer of the last mitigation observed.
void homestead_notify(struct homestead *home, const struct mitigation_body *body);
