// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A path for one DTLS association that loses, doubles and swaps datagrams as a test asks, and
// measures them. The dialler dials `port`; the relay sends on to the listener from a socket of its
// own, and back.

#include "base/evloop.h"

#include <stddef.h>
#include <stdint.h>

enum relay_way { RELAY_IN, RELAY_OUT }; // towards the listener, towards the dialler

struct relay {
	struct evloop *loop;
	uint16_t port;
	struct relay_side {
		struct relay *relay;
		struct watch watch;
		enum relay_way way; // of what is received here
		unsigned count;     // of datagrams received here
		size_t longest;
		// a datagram held back until the next one has passed
		uint8_t held[2048];
		size_t held_length;
	} side[2]; // by relay_way
	// Whether datagram number n, from 0, is lost. NULL: none.
	bool (*loses)(enum relay_way way, unsigned n);
	bool doubles;
	bool swaps;
};

void relay_start(struct relay *relay, struct evloop *loop, uint16_t listener);
void relay_inject(struct relay *relay, enum relay_way way, const uint8_t *data, size_t length);
void relay_stop(struct relay *relay);
