// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One mutually authenticated (D)TLS association, seen from the CoAP side: whole messages go in and
// come out, whichever of DTLS over UDP (dtls.c) and TLS over TCP (tls.c) carries them. In Call Home
// the DOTS server dials and the DOTS client listens (RFC 9066 section 5.1); both ends stand here.
//
// Everything runs on the control thread's event loop. No message is delivered, and `up` is not
// called, before the peer's certificate has been verified (RFC 9066 section 8).

#include "base/err.h"
#include "base/evloop.h"
#include "base/ipaddr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct credentials;
struct listener;
struct transport;

enum transport_kind { TRANSPORT_DTLS, TRANSPORT_TLS };

// Where the keys are: a certificate and what belongs to it, in PEM files, or pre-shared keys (psk.h).
// What is NULL is not used.
struct credentials_files {
	const char *certificate; // own chain, leaf first
	const char *private_key; // refused if others may read it
	const char *ca;          // who may have signed the peer
	const char *crl;
	const char *psk_file;     // refused if others may read it
	const char *psk_identity; // the only one used; to listen, NULL takes all in the file
};

// Reads and checks the files: they parse, the key fits the certificate, the certificate is within
// its dates. Returns NULL with the reason, naming the file, in err.
struct credentials *credentials_load(const struct credentials_files *files, struct err *err);

// Associations and listeners that still use them keep what they need. NULL is allowed.
void credentials_free(struct credentials *credentials);

// cuid by the recipe of RFC 9132 section 4.4.1.1: base64url of the first 16 bytes of the SHA-256 of
// our certificate's SubjectPublicKeyInfo, or of the one identity used, 22 characters; "" if all
// identities of a file are.
const char *credentials_cuid(const struct credentials *credentials);

// Whether there is a pre-shared key of that identity.
bool credentials_have_psk(const struct credentials *credentials, const char *identity);

// Unix time our certificate ends; 0 with pre-shared keys.
int64_t credentials_not_after(const struct credentials *credentials);

// The same of whichever is the first to end of those that may have signed the peer's, and those that have
// signed ours.
int64_t credentials_ca_end(const struct credentials *credentials);

// Who is at the other end; complete once `up` has been called.
struct transport_peer {
	struct ipaddr addr;
	uint16_t port;
	// The DNS name verified; for a listener the first it presents, "" if none. With a pre-shared
	// key the name it was dialled by; for a listener its identity.
	char name[256];
	bool psk;
	char spki
		[23]; // the peer's key, hashed as credentials_cuid() does; "" with a pre-shared one
	int64_t not_after;  // Unix time its certificate ends; 0 with a pre-shared key
	const char *cipher; // as OpenSSL names it
	const char *version;
	bool resumed;
};

struct transport_events {
	// The handshake is complete and the peer verified.
	void (*up)(void *ctx, struct transport *transport);
	// One whole CoAP message: a datagram, or over TCP a frame of RFC 8323 with its length header.
	void (*message)(void *ctx, struct transport *transport, const uint8_t *data, size_t length);
	// The association failed or ended, for the reason in `why`; it is freed on return.
	void (*down)(void *ctx, struct transport *transport, const struct err *why);
};

struct dial {
	struct ipaddr addr;
	uint16_t port; // host order
	// Sent as SNI and verified as DNS-ID (RFC 9132 section 7.1). With a pre-shared key there is
	// nothing to verify it by, and it need not be a DNS name.
	const char *server_name;
	uint64_t timeout_ns; // for the whole handshake
};

// Begin a handshake; `up` or `down` follows, never from inside the call. Return NULL with the reason
// in err if not even that is possible.
struct transport *dtls_dial(struct evloop *loop, struct credentials *credentials,
	const struct dial *dial, const struct transport_events *events, void *ctx, struct err *err);
struct transport *tls_dial(struct evloop *loop, struct credentials *credentials,
	const struct dial *dial, const struct transport_events *events, void *ctx, struct err *err);

// Listen on an address and port. `accept` is called when a peer has been verified and returns the
// context for its events (the first of which is `up`), or NULL to refuse it.
struct listener *dtls_listen(struct evloop *loop, struct credentials *credentials,
	const struct ipaddr *addr, uint16_t port, const struct transport_events *events,
	void *(*accept)(void *ctx, struct transport *transport), void *ctx, struct err *err);
struct listener *tls_listen(struct evloop *loop, struct credentials *credentials,
	const struct ipaddr *addr, uint16_t port, const struct transport_events *events,
	void *(*accept)(void *ctx, struct transport *transport), void *ctx, struct err *err);

// The port bound, for listeners on port 0.
uint16_t listener_port(const struct listener *listener);

// How much strangers and peers may take of us. A handshake beyond `half_open` pushes out the oldest
// one; an association beyond `associations` (those in the handshake count too) is not begun.
struct listener_limits {
	unsigned associations; // 65536 unless set
	unsigned half_open;    // 1024; at least 1
	uint64_t handshake_ns; // 30 s, for a whole handshake
};

// Holds for what comes from now on.
void listener_limit(struct listener *listener, const struct listener_limits *limits);

struct listener_counters {
	unsigned open;         // associations that are up
	unsigned half_open;    // in the handshake
	uint64_t hellos;       // DTLS: ClientHellos answered with a cookie, and forgotten
	uint64_t strays;       // DTLS: datagrams that belong to nothing we know
	uint64_t not_admitted; // hellos and connections that the gate turned away
	uint64_t no_room;      // that found all associations in use
	uint64_t started;      // handshakes, which then are completed, have failed, or go on
	uint64_t completed;
	uint64_t failed;
	uint64_t pushed_out; // of those that failed
};

const struct listener_counters *listener_counters(const struct listener *listener);

// For a drop-list of those who come again and again with wrong credentials (RFC 9066 section 8).
// Either may be NULL.
struct listener_gate {
	// Asked before anything is done for a stranger, so it must be quick.
	bool (*admit)(void *ctx, const struct ipaddr *addr);
	// A handshake failed; `unproven` if it did because the peer showed no certificate, or one that is not
	// valid, or has no key or not the right one for its identity. The address is the peer's own: it has
	// answered from there.
	void (*failed)(void *ctx, const struct ipaddr *addr, bool unproven, const struct err *why);
};

// Handshakes from now on use these credentials; associations go on with those they have. Returns
// -EINVAL with the reason in err, and nothing has changed.
int listener_renew(struct listener *listener, struct credentials *credentials, struct err *err);

// `gate` must outlive the listener; NULL takes it away.
void listener_set_gate(struct listener *listener, const struct listener_gate *gate, void *ctx);

// Closes every association of the listener without `down` events, then the listener. May be called
// from inside any of its events, and `accept`. NULL is allowed.
void listener_close(struct listener *listener);

// Sends one whole message. Returns 0, -EMSGSIZE if it exceeds transport_room(), -EAGAIN if the
// socket's queue is full (DTLS: the datagram is lost; TLS: nothing was taken), or another -errno.
int transport_send(struct transport *transport, const uint8_t *data, size_t length);

// The largest message that fits: for DTLS one that keeps the IP packet within 1280 bytes
// (RFC 9132 section 7.3), for TLS 1152 until the peer's CSM says otherwise, which is the caller's
// affair.
size_t transport_room(const struct transport *transport);

// TLS: the Max-Message-Size of the peer's CSM (RFC 8323 section 5.3.1); 65536 bytes are the most
// that is ever used. Over DTLS it changes nothing.
void transport_set_room(struct transport *transport, size_t length);

enum transport_kind transport_kind(const struct transport *transport);
const struct transport_peer *transport_peer(const struct transport *transport);

// Ends the association in good order (close_notify) and frees it; no `down` follows. May be called
// from inside any of its events. NULL is allowed.
void transport_close(struct transport *transport);
