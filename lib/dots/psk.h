// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Pre-shared keys in the place of certificates, always with an ephemeral ECDH (RFC 9132 section 7.1):
// ECDHE-PSK in (D)TLS 1.2 (RFC 5489), psk_dhe_ke in TLS 1.3 (RFC 8446 section 4.2.9).
//
// A file of them has a line IDENTITY:KEY for each, as psktool of GnuTLS writes it; the key is in
// hexadecimal digits, the identity printable ASCII without spaces and colons. Empty lines, and those
// that begin with #, are passed over.

#include "base/err.h"

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stdint.h>

#define PSK_IDENTITY_MAX 128 // RFC 4279 section 5.3
#define PSK_KEY_LEAST    16u // a shorter one can be found by trying
#define PSK_KEY_MAX      64u

struct psk {
	char identity[PSK_IDENTITY_MAX + 1];
	uint8_t key[PSK_KEY_MAX];
	unsigned length;
};

// Sorted by identity. All zero, it has no keys.
struct psk_ring {
	struct psk *psk;
	unsigned count;
	// Takes the place of the key where no identity that the peer names is here, so that the handshake
	// fails just as with a wrong key and no stranger finds out who has one (RFC 4279 section 2; RFC 8446
	// appendix E.6).
	uint8_t nobodys[32];
};

// Reads a file; with an identity only its key, which has to be there. Returns -EINVAL or -ENOMEM with
// the reason in err; psk_clear() is called in any case.
int psk_load(struct psk_ring *ring, const char *path, const char *identity, struct err *err);
void psk_clear(struct psk_ring *ring);

const struct psk *psk_find(const struct psk_ring *ring, const char *identity);

// Make a dialling context offer the one key there is, a listening one ask for any of them. The
// context's app data is its credentials, an SSL's its transport.
void psk_offer(SSL_CTX *context);
void psk_ask(SSL_CTX *context);

// How many of the identities in a pre_shared_key extension of a ClientHello (RFC 8446 section 4.2.11), from
// outside, OpenSSL asks us about. What is cut off counts as far as it goes.
unsigned psk_offered(const uint8_t *extension, size_t length);

// Whether it was the pre-shared key that authenticated this association, which is up.
bool psk_was_used(SSL *ssl);
