// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The short text that stands for a key, and is its owner's cuid (RFC 9132 section 4.4.1.1): base64url
// of the first 16 bytes of a SHA-256.

#include <openssl/x509.h>

#include <stddef.h>
#include <stdint.h>

#define SPKI_TEXT 23 // base64url of 16 bytes and a terminating zero

// Of a DER SubjectPublicKeyInfo, or of an identity that goes with a pre-shared key. Returns 0, or
// -ENOMEM, as does the other.
int spki_text(const void *data, size_t length, char out[SPKI_TEXT]);

// Of a certificate's SubjectPublicKeyInfo.
int spki_of(const X509 *certificate, char out[SPKI_TEXT]);
