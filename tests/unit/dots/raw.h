// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The odd peer: plain OpenSSL on a socket of its own, set up in ways our own code refuses to be.

#include "dots/transport.h"

#include <openssl/ssl.h>

struct raw {
	enum transport_kind kind;
	SSL_CTX *context;
	SSL *ssl;
	int listening; // a TCP socket, -1 if none
	int fd;
	bool up;
	bool failed;
	char why[256];      // from OpenSSL's queue
	uint8_t data[4096]; // all that was received
	size_t length;
};

struct raw_spec {
	enum transport_kind kind;
	bool listen;
	const char *name;    // of the certificate; NULL shows none
	const char *ciphers; // up to 1.2; NULL: OpenSSL's own
	int version;         // the only one; 0: any
};

// Sets up the context, which trusts anybody. The caller may change it before raw_dial() or
// raw_listen().
void raw_start(struct raw *raw, const struct raw_spec *spec);
void raw_dial(struct raw *raw, uint16_t port);
// Returns the port.
uint16_t raw_listen(struct raw *raw);

// Does what can be done without waiting. Returns raw->up, to stand in a condition.
bool raw_step(struct raw *raw);

void raw_send(struct raw *raw, const void *data, size_t length);
void raw_stop(struct raw *raw);
