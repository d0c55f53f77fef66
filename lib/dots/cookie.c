// SPDX-License-Identifier: BSD-3-Clause

#include "dots/cookie.h"

#include "base/clock.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#define COOKIE_LIFE (60 * CLOCK_SECOND)

static_assert(COOKIE_BYTES == 32, "an HMAC-SHA256");

int cookie_secret_make(struct cookie_secret *secret)
{
	return RAND_priv_bytes(secret->key, sizeof(secret->key)) == 1 ? 0 : -EIO;
}

static int make_for(const struct cookie_secret *secret, const struct path *path, uint64_t minute,
	uint8_t cookie[COOKIE_BYTES])
{
	// packed by hand: padding would be hashed too
	uint8_t input[1 + sizeof(path->peer.bytes) + sizeof(path->port) + sizeof(minute)], *p;

	p = input;
	*p++ = path->peer.family;
	p = mempcpy(p, path->peer.bytes, sizeof(path->peer.bytes));
	p = mempcpy(p, &path->port, sizeof(path->port));
	memcpy(p, &minute, sizeof(minute));
	return HMAC(EVP_sha256(), secret->key, sizeof(secret->key), input, sizeof(input), cookie,
		       NULL)
		? 0
		: -EIO;
}

int cookie_make(
	const struct cookie_secret *secret, const struct path *path, uint8_t cookie[COOKIE_BYTES])
{
	return make_for(secret, path, clock_now() / COOKIE_LIFE, cookie);
}

bool cookie_fits(const struct cookie_secret *secret, const struct path *path, const uint8_t *cookie,
	size_t length)
{
	uint64_t minute = clock_now() / COOKIE_LIFE;
	uint8_t own[COOKIE_BYTES];

	if (length != COOKIE_BYTES)
		return false;
	for (unsigned ago = 0; ago < 2; ago++) {
		if (!make_for(secret, path, minute - ago, own) &&
			!CRYPTO_memcmp(own, cookie, COOKIE_BYTES))
			return true;
	}
	return false;
}
