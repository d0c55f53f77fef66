// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The inside of an association over DTLS, shared by dtls.c (which lets one live) and
// dtls_listener.c (which finds the one a datagram belongs to).

#include "base/bits.h"
#include "dots/association.h"
#include "dots/path.h"

// The longest datagram taken: one record of the greatest size. A peer on a path with large packets
// may send its certificates so; its messages are far smaller.
#define DATAGRAM_MAX 16640

#define HELLO_RANDOM 32

struct dtls {
	struct transport base;
	int fd; // its own if dialled, otherwise the listener's
	struct watch watch;
	struct timer retransmit;
	const uint8_t *in; // the datagram that is being read, if any
	size_t in_length;
	int send_error;    // -errno of the last datagram that was not sent
	uintptr_t scratch; // OpenSSL's buffer for handshake messages, during one
	// on a listener
	struct dtls_listener *home;
	struct path path;
	uint8_t random[HELLO_RANDOM]; // of the ClientHello it began with
	struct dtls *next;            // in its hash bucket
	// A peer that lost its state begins anew from the same port. The association it had stays
	// until the new handshake is complete (RFC 6347 section 4.2.8).
	struct dtls *successor;
	struct dtls *predecessor;
};

// Makes the association of a listener; it is not the listener's until listener_begin().
struct dtls *dtls_new_accepting(
	struct dtls_listener *home, struct evloop *loop, struct credentials *credentials, int fd);

// Reads one datagram, which may end the association and free it.
void dtls_feed(struct dtls *dtls, const uint8_t *data, size_t length);

// Sets what depends on the peer's address.
void dtls_set_path_mtu(struct dtls *dtls, const struct ipaddr *peer);

// Lets the packets of a socket be cut on the way, where a path takes less than 1280 bytes: IPv4
// allows that.
void dtls_allow_fragments(int fd, const struct ipaddr *addr);

// dtls_listener.c: sends a datagram of one of its associations; forgets one that ends; the new
// handshake of a peer is complete, so the association it replaces ends.
int dtls_listener_send(const struct dtls *dtls, const uint8_t *data, size_t length);
void dtls_listener_forget(struct dtls *dtls);
void dtls_listener_supersede(struct dtls *dtls);

static inline struct dtls *dtls_of(struct transport *transport)
{
	return CONTAINER_OF(transport, struct dtls, base);
}
