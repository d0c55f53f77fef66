// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Why an association failed or ended, in words an operator can act on. OpenSSL says it in three
// places: the verification of the peer's certificate, its error queue, and errno.

#include "dots/transport.h"

#include <openssl/ssl.h>

#define REASON_DATE 32

// "2026-01-31 12:00:00 UTC". Returns out.
const char *reason_date(const ASN1_TIME *at, char out[REASON_DATE]);

// The verification callback of every context: remembers in the association why its peer's
// certificate is refused, and leaves the verdict alone.
int reason_on_verify(int ok, X509_STORE_CTX *store);

// An SSL function on this association returned r, for a reason other than that it waits: writes the
// reason, and empties the error queue.
void reason_of(struct transport *transport, int r, struct err *why);

// The first DNS name of a certificate that can be one (no zero byte, no control character); false
// if it has none.
bool reason_first_name(const X509 *certificate, char *out, size_t size);

// "certificate has expired on DATE (subject SUBJECT)".
void reason_expired(const X509 *certificate, struct err *why);
