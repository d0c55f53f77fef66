// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Random numbers that an outsider who sees some of them cannot continue: ChaCha20 in counter mode
// (RFC 8439 section 2.3), keyed once from the kernel. No system call after rand_seed(), so a worker
// may use it for ports (RFC 6056 section 3.3 wants them hard to guess).

#include <stdint.h>

struct rand {
	uint32_t state[16];
	uint32_t block[16];
	unsigned left; // words of block not yet handed out
};

// Keys the generator from getrandom(2). Returns 0 or -errno.
int rand_seed(struct rand *r);

// Keys it from a number instead: the same sequence each time, for tests and benchmarks.
void rand_seed_fixed(struct rand *r, uint64_t seed);

// Keys it from 32 bytes: what it gives is known to whoever has them, and to nobody else.
void rand_seed_key(struct rand *r, const uint8_t key[32]);

void rand_refill(struct rand *r);

static inline uint32_t rand_u32(struct rand *r)
{
	if (!r->left)
		rand_refill(r);
	return r->block[--r->left];
}

// Uniform in 0 .. n-1 to within 2^-32 n; n at least 1.
static inline uint32_t rand_below(struct rand *r, uint32_t n)
{
	return (uint32_t)(((uint64_t)rand_u32(r) * n) >> 32);
}
