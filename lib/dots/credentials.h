// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The inside of `struct credentials` (declared in transport.h) for the files that make associations
// from it. Whoever holds an SSL made from one of its contexts holds the credentials too, so a
// reload may free its reference while associations still run on the old keys.

#include "dots/psk.h"
#include "dots/spki.h"
#include "dots/ticket.h"
#include "dots/transport.h"

#include <openssl/ssl.h>

#include <stdio.h>

enum side { SIDE_DIAL, SIDE_LISTEN };

struct credentials {
	unsigned holders;
	struct psk_ring psk; // has keys, or else there is a certificate
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; // what signed the certificate, without the root
	X509_STORE *trust;
	SSL_CTX *context[2][2]; // by enum side and enum transport_kind
	char cuid[SPKI_TEXT];
	int64_t not_after;
	int64_t ca_end;
	struct ticket_keys ticket_keys; // of the tickets our listeners give out
	struct ticket_box ticket_box;   // tickets our dialled associations were given
};

struct credentials *credentials_hold(struct credentials *credentials);

SSL_CTX *credentials_context(
	const struct credentials *credentials, enum side side, enum transport_kind kind);

// Tells whether our certificate may be used on that side: its key usages, if it has any, must name
// clientAuth to dial and serverAuth to listen (RFC 5280 section 4.2.1.12). Of pre-shared keys one has
// to be chosen to dial.
int credentials_check_side(const struct credentials *credentials, enum side side, struct err *err);

static inline bool credentials_use_psk(const struct credentials *credentials)
{
	return credentials->psk.count != 0;
}

// Opens a file that nobody but its owner may use, else NULL with the reason, which begins with what
// it is, in err.
FILE *credentials_open_secret(const char *what, const char *path, struct err *err);

// Unix time it ends.
int64_t certificate_end(const X509 *certificate);

// context.c: makes the four contexts from what has been loaded.
int context_make_all(struct credentials *credentials, struct err *err);
