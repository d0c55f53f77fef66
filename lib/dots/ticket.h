// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Session tickets (RFC 5077, RFC 8446 section 4.6.1): those our listeners give out, so that a peer
// resumes without any state here (RFC 9132 section 7.1 asks for that), and those given to us, which
// the next dial offers.
//
// The keys of our tickets belong to the credentials: they outlast a listener, but not the process,
// and a new set of credentials (a new CRL, say) makes every peer prove itself anew.

#include "dots/transport.h"

#include <openssl/ssl.h>

#define TICKET_KEYS 4

struct ticket_keys {
	struct ticket_key {
		uint8_t name[16];
		uint8_t cipher[32];
		uint8_t mac[32];
		uint64_t made; // clock_now()
		bool used;
	} ring[TICKET_KEYS];
	unsigned newest;
};

struct ticket_box {
	struct ticket *newest;
	unsigned count;
};

// Make a listening context give out tickets, a dialling one collect them. The context's app data is
// its credentials, an SSL's its transport.
bool ticket_issue(SSL_CTX *context);
void ticket_collect(SSL_CTX *context);

// Keeps the session of a dialled association for the next one of its kind to the same name.
void ticket_keep(struct transport *transport, SSL_SESSION *session);

// Offers what is kept for this association's kind and name. Returns whether there was any.
bool ticket_offer(struct transport *transport);

// Forgets it, after it did no good.
void ticket_forget(struct transport *transport);

void ticket_box_clear(struct ticket_box *box);
