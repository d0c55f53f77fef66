// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// An event loop with one listener on the loopback address and any number of dialled associations,
// whose events are written down. Time is held: nothing times out unless a test moves the clock.

#include "dots/listener.h"
#include "dots/transport.h"

#include "unit.h"

#define WORLD_ENDS 128

// One side of an association as its user sees it.
struct end {
	struct world *world;
	struct transport *transport; // NULL once it is down
	bool dialled;
	unsigned ups;
	unsigned downs;
	struct err why; // of the last `down`
	struct transport_peer peer;
	bool echo;
	unsigned messages;
	size_t lengths[512];
	uint8_t last[65536];
	size_t last_length;
	// called after the event is written down; NULL does nothing
	void (*on_up)(struct end *end);
	void (*on_message)(struct end *end);
	void (*on_down)(struct end *end);
};

struct world {
	enum transport_kind kind;
	struct evloop *loop;
	struct listener *listener;
	struct ipaddr addr;
	uint16_t port;
	struct end *accepted[WORLD_ENDS];
	unsigned n_accepted;
	struct end *dialled[WORLD_ENDS];
	unsigned n_dialled;
	bool refuse; // in `accept`
	void (*on_accept)(struct world *world, struct transport *transport);
	struct end made;     // what a freshly accepted end starts as
	uint64_t timeout_ns; // of dials; 10 s unless set
	// what the listener's gate heard
	unsigned failed;
	unsigned unproven;
	struct err failure;
	bool (*admit)(void *ctx, const struct ipaddr *addr);
};

// Listens with the certificate "NAME.pem" for peers of "ca.pem"; `name` NULL does not listen.
void world_start(struct world *world, enum transport_kind kind, const char *name);
void world_listen(struct world *world, struct credentials *credentials, uint16_t port);
void world_stop(struct world *world);

// Dials the listener (or another port) with the certificate "NAME.pem".
struct end *world_dial(struct world *world, const char *name);
struct end *world_dial_with(struct world *world, struct credentials *credentials,
	const char *server_name, uint16_t port);

// As world_dial(), and runs until both ends are up. *other is the listener's end.
struct end *world_connect(struct world *world, const char *name, struct end **other);

void world_turn(struct world *world);

// Moves the clock, and runs what that sets off.
void world_wait(struct world *world, unsigned seconds);

// Writes a CoAP message over TCP of `length` bytes in all, filled with `fill` and without a token
// (RFC 8323 section 3.2; 15, 272 and some more lengths cannot be). Over DTLS any bytes will do.
size_t world_message(uint8_t *out, size_t length, uint8_t fill);

// Sends such a message.
void world_send(struct end *end, size_t length, uint8_t fill);

// A turn may find nothing to do; 2,000 of them with nothing of what is waited for is a failure.
#define RUN_UNTIL(world, condition)                                                                \
	do {                                                                                       \
		for (unsigned turns = 0; turns < 2000 && !(condition); turns++)                    \
			world_turn(world);                                                         \
		assert_true(condition);                                                            \
	} while (0)

// Long enough for everything that is under way on the loopback to arrive.
void world_settle(struct world *world);

// One test for each kind: the test takes its kind from *state.
extern enum transport_kind world_dtls, world_tls;
#define WITH_DTLS(f)                                                                               \
	{                                                                                          \
#f "/dtls", f, NULL, NULL, &world_dtls                                             \
	}
#define WITH_TLS(f)                                                                                \
	{                                                                                          \
#f "/tls", f, NULL, NULL, &world_tls                                               \
	}
#define WITH_BOTH(f) WITH_DTLS(f), WITH_TLS(f)

static inline enum transport_kind kind_of(void **state)
{
	return *(enum transport_kind *)*state;
}
