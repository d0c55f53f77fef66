// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A Call Home DOTS server (lib/dots with a resolver made of lines and a real ACL) and up to two
// upstreams that it dials, over the fake transport and on a held clock. Each upstream listens on an
// address of its own, asks, and remembers what came back.

#include "dots/dots.h"
#include "dots/exchange.h"

#include "fake_transport.h"
#include "table_resolver.h"

#define CUID  "dz6pHjaADkaFTbjr0JGBpw"
#define OTHER "XNJS-wzokyQ2-vjM0QQJgQ"

struct upstream {
	const char *name; // of its certificate
	struct credentials *credentials;
	struct listener *listener[2];
	struct transport *transport; // NULL without a session
	struct exchange *exchange;
	unsigned sessions;
	bool mute; // answers nothing
	char ended[512];
	// the last answer, of `answers`
	unsigned answers;
	enum answer_kind kind;
	struct message reply;
	uint8_t body[2048];
	uint8_t etag[8];
	// notifications among them
	unsigned notifications;
	uint64_t notified_at[100];
	// heartbeats of the server's
	unsigned heartbeats;
	bool heartbeat_status;
};

extern struct evloop *loop;
extern struct table_resolver resolver;
extern struct acl *acl;
extern struct dots *dots;
extern struct upstream one, two;

// Who carries out in the box's place; NULL: nobody. To be set before world_setup().
extern const struct delegate *(*world_delegate)(void);

// Makes the world, without any session. `one` listens at 192.0.2.1, `two` at 192.0.2.2.
int world_setup(void **state);
int world_teardown(void **state);

// What the server is configured with for an upstream; the caller may change it before dots_add().
struct dots_upstream upstream_config(const struct upstream *upstream);

// Adds it and waits for the session.
void upstream_connect(struct upstream *upstream, const struct dots_upstream *config);

// Runs what is due; pass() moves the clock so many seconds, a tenth at a time.
void settle(void);
void pass(unsigned seconds);

// Sends a request and returns the code of the answer as in 405, or 0 if there was none within a
// minute. The path is what follows /.well-known/dots/.
unsigned ask(struct upstream *upstream, uint8_t method, const char *path, const uint8_t *body,
	size_t length);

// The same with a message whose options the caller has set; the path is added.
unsigned ask_with(struct upstream *upstream, struct message *message, const char *path,
	const uint8_t *body, size_t length);

// A mitigation request of the usual shape. source_port 0: none. Returns as ask().
struct attack {
	const char *source;
	uint16_t source_port;
	const char *target;
	int64_t lifetime;
	uint8_t attack_status;
};
unsigned mitigate(struct upstream *upstream, const char *cuid, uint32_t mid, struct attack attack);
int attack_body(struct attack attack, uint8_t *out, size_t room);

// Whether the diagnostic of the last answer holds this text.
bool says(const struct upstream *upstream, const char *text);

// The last answer's mitigation, the only one in it. Valid until the next call.
const struct mitigation_body *answered(const struct upstream *upstream);

// Rules in the ACL, when those on their way out are gone.
unsigned rules(void);
