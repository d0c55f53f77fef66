// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The inside of `struct credentials` (declared in transport.h) for the files that make associations
// from it. Whoever holds an SSL made from one of its contexts holds the credentials too, so a
// reload may free its reference while associations still run on the old keys.

#include "dots/ticket.h"
#include "dots/transport.h"

#include <openssl/ssl.h>

#define SPKI_TEXT 23 // base64url of 16 bytes and a terminating zero

enum side { SIDE_DIAL, SIDE_LISTEN };

struct credentials {
	unsigned holders;
	X509 *certificate;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; // what signed the certificate, without the root
	X509_STORE *trust;
	SSL_CTX *context[2][2]; // by enum side and enum transport_kind
	char cuid[SPKI_TEXT];
	int64_t not_after;
	struct ticket_keys ticket_keys; // of the tickets our listeners give out
	struct ticket_box ticket_box;   // tickets our dialled associations were given
};

struct credentials *credentials_hold(struct credentials *credentials);

SSL_CTX *credentials_context(
	const struct credentials *credentials, enum side side, enum transport_kind kind);

// Tells whether our certificate may be used on that side: its key usages, if it has any, must name
// clientAuth to dial and serverAuth to listen (RFC 5280 section 4.2.1.12).
int credentials_check_side(const struct credentials *credentials, enum side side, struct err *err);

// The recipe of RFC 9132 section 4.4.1.1 on a DER SubjectPublicKeyInfo, and on that of a
// certificate. Return 0, or -ENOMEM.
int spki_text(const uint8_t *der, size_t length, char out[SPKI_TEXT]);
int spki_of(const X509 *certificate, char out[SPKI_TEXT]);

// context.c: makes the four contexts from what has been loaded.
int context_make_all(struct credentials *credentials, struct err *err);
