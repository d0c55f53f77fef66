// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What a DTLS and a TLS listener have in common: who is in the handshake, who is up, how many of
// each there may be, what is counted and what is logged. dtls_listener.c and tls.c embed it.
//
// Like an association, a closed listener stays in memory until the last function that works on it,
// or on one of its associations, leaves.

#include "dots/association.h"

TAILQ_HEAD(transports, transport);

struct listener {
	const struct listener_ops *ops;
	struct evloop *loop;
	struct credentials *credentials;
	const struct transport_events *events;
	void *(*accept)(void *ctx, struct transport *transport);
	void *ctx;
	const struct listener_gate *gate;
	void *gate_ctx;
	struct ipaddr addr;
	uint16_t port;
	int fd;
	struct watch watch;
	struct transports opening; // the oldest handshake first
	struct transports open;
	struct listener_limits limits;
	struct listener_counters counters;
	uint64_t log_window; // the minute log_left counts down in
	unsigned log_left;
	unsigned log_held; // lines not written in it
	unsigned busy;
	bool closed;
};

struct listener_ops {
	enum transport_kind kind;
	void (*prepare)(struct listener *listener); // the socket, before it is bound
	void (*renew)(struct listener *listener);   // it has other credentials; may be NULL
	void (*close)(struct listener *listener);   // what is its own and may send or fire
	void (*free)(struct listener *listener);
};

// Everything a listen function is told.
struct listen {
	struct evloop *loop;
	struct credentials *credentials;
	const struct ipaddr *addr;
	uint16_t port;
	const struct transport_events *events;
	void *(*accept)(void *ctx, struct transport *transport);
	void *ctx;
};

// Fill in a zeroed structure, bind its socket and watch it with `fn`. Returns -errno with the
// reason in err; the memory stays the caller's.
int listener_init(struct listener *listener, const struct listener_ops *ops,
	const struct listen *listen, void (*fn)(struct watch *, uint32_t), struct err *err);

void listener_enter(struct listener *listener);
void listener_leave(struct listener *listener);

// Whether the gate lets this address try.
bool listener_admits(struct listener *listener, const struct ipaddr *addr);

// Whether one more association may begin; pushes out the oldest handshake if it has to.
bool listener_has_room(struct listener *listener);

// A handshake begins: the association is the listener's from now on.
void listener_begin(struct listener *listener, struct transport *transport);

// It is complete; or the association ends, at whatever stage.
void listener_settle(struct listener *listener, struct transport *transport);
void listener_forget(struct listener *listener, struct transport *transport);

// An association that its user does not know yet has failed: counts, logs, tells the gate.
void listener_failed(struct listener *listener, struct transport *transport, const struct err *why);
