// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The cookie of HelloVerifyRequest (RFC 6347 section 4.2.1): an HMAC over the peer's address and
// port, so that a stranger proves to receive what we send before we keep anything about it. The
// secret holds for the process; a counter of minutes goes into the HMAC, so that cookies gathered
// from many addresses are of use for two minutes at most.

#include "dots/path.h"

#include <openssl/ssl.h>

#include <stdint.h>

#define COOKIE_BYTES 32

struct cookie_secret {
	uint8_t key[32];
};

int cookie_secret_make(struct cookie_secret *secret);

// For the peer of `path`, at the present time.
int cookie_make(
	const struct cookie_secret *secret, const struct path *path, uint8_t cookie[COOKIE_BYTES]);
bool cookie_fits(const struct cookie_secret *secret, const struct path *path, const uint8_t *cookie,
	size_t length);
