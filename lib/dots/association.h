// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The inside of `struct transport`: what an association over DTLS and one over TLS have in common.
// dtls.h and tls.c embed it in theirs.
//
// Life. An association is made in the handshake, comes up once, and dies once. Death takes it off
// its timers, its socket and its listener at once; its memory goes when the outermost function that
// works on it leaves, because any callback may close it. So: every entry from the event loop stands
// between transport_enter() and transport_leave(), and after every callback the state is looked at
// again before anything else of the association is touched.

#include "dots/credentials.h"
#include "dots/transport.h"

#include <sys/queue.h>
#include <sys/types.h>

enum transport_state { STATE_HANDSHAKE, STATE_UP, STATE_DEAD };

struct transport_ops {
	enum transport_kind kind;
	// What the SSL reads and writes through bio.c; -errno, of which -EAGAIN means later, and
	// from read 0 means that the stream has ended.
	ssize_t (*read)(struct transport *transport, uint8_t *data, size_t size);
	ssize_t (*write)(struct transport *transport, const uint8_t *data, size_t length);
	// A whole message of an association that is up, within its room.
	int (*send)(struct transport *transport, const uint8_t *data, size_t length);
	size_t (*room)(const struct transport *transport);
	// Off its watches and timers of its own, close its descriptor, leave its listener's tables.
	void (*detach)(struct transport *transport);
	void (*free)(struct transport *transport);
};

struct transport {
	const struct transport_ops *ops;
	struct evloop *loop;
	struct credentials *credentials;
	SSL *ssl;
	const struct transport_events *events;
	void *ctx;
	enum transport_state state;
	unsigned busy; // functions that work on it now
	bool known;    // our user has it, so it is owed a `down`
	bool offered;  // a ticket
	bool heard;    // anything at all from the peer
	bool unproven; // the peer did not show who it is: no, a wrong or an expired certificate, no key
	bool named;          // the peer has named the identity of a pre-shared key
	unsigned identities; // that it names, and we have not been asked about yet
	bool ended;          // TLS: the peer's half of the stream
	bool settled;        // its listener counts it as open
	int error;           // the last errno of the socket, positive; 0 if none
	uint64_t timeout_ns;
	struct timer deadline;         // of the handshake
	struct listener *listener;     // NULL if dialled
	TAILQ_ENTRY(transport) linked; // in one of the listener's lists
	struct transport_peer peer;
	size_t room;   // TLS: as transport_set_room() says
	char *refused; // why the peer's certificate was, or identity is about to be; NULL if neither
};

#define ENDPOINT_TEXT (IPADDR_TEXT + 8)

// "192.0.2.1:4647" or "[2001:db8::1]:4647".
const char *endpoint_text(const struct ipaddr *addr, uint16_t port, char out[ENDPOINT_TEXT]);

// bio.c: a BIO that reads and writes by the association's ops.
BIO *bio_new(struct transport *transport);

// Fill in a zeroed structure and make its SSL; the peer's address and port are set already. On
// failure (-ENOMEM) transport_free() still has to be called.
int transport_init(struct transport *transport, const struct transport_ops *ops, enum side side,
	struct evloop *loop, struct credentials *credentials);

// What a dial says that both kinds check and set: name, ticket, timeout. Call after
// transport_init(). Returns -EINVAL with the reason in err.
int transport_init_dial(struct transport *transport, const struct dial *dial,
	const struct transport_events *events, void *ctx, struct err *err);

// Frees what was never in use, or is dead.
void transport_free(struct transport *transport);

// Starts the clock of a handshake that was not dialled.
void transport_begin(struct transport *transport, uint64_t timeout_ns);

void transport_enter(struct transport *transport);
void transport_leave(struct transport *transport);

// Goes on with the handshake: 1 complete, 0 needs more from the peer, -1 failed for the reason in
// `why`.
int transport_handshake(struct transport *transport, struct err *why);

// The handshake is complete: tells the user.
void transport_is_up(struct transport *transport);

// SSL_read() returned `r`, not positive. Ends the association unless more may come.
void transport_read_ended(struct transport *transport, int r);

void transport_fail(struct transport *transport, const struct err *why);
