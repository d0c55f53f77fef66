// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The addresses of a host name, without waiting for them: getaddrinfo() runs in a short-lived
// thread that shares nothing with the rest of the program and hands its result over an eventfd.

#include "base/evloop.h"
#include "base/ipaddr.h"

#define HOSTNAME_ADDRESSES 8

struct hostname_answer {
	struct ipaddr addr[HOSTNAME_ADDRESSES]; // in the order of RFC 6724
	unsigned count;
	const char *why; // there are none
};

struct hostname;

// Begins a look-up; `fn` is called once, never from inside the call. Returns NULL if threads or
// memory run out.
struct hostname *hostname_lookup(struct evloop *loop, const char *name,
	void (*fn)(void *ctx, const struct hostname_answer *answer), void *ctx);

// Forgets a look-up whose answer has not come, without waiting for it. NULL is allowed.
void hostname_cancel(struct hostname *lookup);
