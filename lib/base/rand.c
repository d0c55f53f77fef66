// SPDX-License-Identifier: BSD-3-Clause

#include "base/rand.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static uint32_t rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void quarter_round(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
	s[a] += s[b];
	s[d] = rotate(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotate(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotate(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotate(s[b] ^ s[c], 7);
}

// Words 0-3 are the constant, 4-11 the key, 12-13 the counter, 14-15 the nonce.
static void set_constant(struct rand *r)
{
	memcpy(r->state, "expand 32-byte k", 16);
	r->state[12] = r->state[13] = 0;
	r->left = 0;
}

int rand_seed(struct rand *r)
{
	memset(r, 0, sizeof(*r));
	if (getrandom(r->state, sizeof(r->state), 0) != (ssize_t)sizeof(r->state))
		return -EIO;
	set_constant(r);
	return 0;
}

void rand_seed_fixed(struct rand *r, uint64_t seed)
{
	memset(r, 0, sizeof(*r));
	memcpy(&r->state[4], &seed, sizeof(seed));
	set_constant(r);
}

void rand_seed_key(struct rand *r, const uint8_t key[32])
{
	memset(r, 0, sizeof(*r));
	memcpy(&r->state[4], key, 32);
	set_constant(r);
}

void rand_refill(struct rand *r)
{
	uint32_t *s = r->block;

	memcpy(s, r->state, sizeof(r->block));
	for (unsigned i = 0; i < 10; i++) {
		quarter_round(s, 0, 4, 8, 12);
		quarter_round(s, 1, 5, 9, 13);
		quarter_round(s, 2, 6, 10, 14);
		quarter_round(s, 3, 7, 11, 15);
		quarter_round(s, 0, 5, 10, 15);
		quarter_round(s, 1, 6, 11, 12);
		quarter_round(s, 2, 7, 8, 13);
		quarter_round(s, 3, 4, 9, 14);
	}
	for (unsigned i = 0; i < 16; i++)
		s[i] += r->state[i];
	if (!++r->state[12])
		r->state[13]++;
	r->left = 16;
}
