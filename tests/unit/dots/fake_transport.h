// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// dots/transport.h without sockets or keys: who dials finds who listens on the same address, port
// and kind, and whole messages pass between the two through one queue on the event loop. The queue
// can lose, repeat and reorder. "Certificates" are names: a credential's certificate file is its
// name, and a dial whose server_name is not the listener's is refused.
//
// One network for the process; fake_reset() empties it.

#include "dots/transport.h"

enum fake_side { FAKE_TO_DIALLER, FAKE_TO_LISTENER };

struct fake_faults {
	unsigned drop;    // so many of the next messages are lost
	bool blackhole;   // all are
	bool duplicate;   // each is delivered twice
	bool hold;        // kept in the queue until fake_release()
	bool full;        // transport_send() says -EAGAIN
	bool refuse_dtls; // dials of this kind fail
	bool refuse_tls;
	bool swallow_dials; // dials hang until their timeout
};

extern struct fake_faults fake_faults[2]; // by side; the dial faults stand in [FAKE_TO_LISTENER]

// Sees each message handed to transport_send(), lost or not.
extern void (*fake_tap)(enum fake_side towards, const uint8_t *data, size_t length);

extern unsigned fake_dials[2]; // attempts, by transport kind

// The attempts in their order, as far as there is room.
struct fake_dial {
	enum transport_kind kind;
	struct ipaddr addr;
	uint64_t at; // reading of clock_now()
};
extern struct fake_dial fake_dialled[64];
extern unsigned fake_dialled_count;
extern size_t fake_room; // of a datagram

// Who the dialling ends of now and later are, as a listener sees them.
extern struct ipaddr fake_source;
extern char fake_name[64];
extern bool fake_psk; // that name is the identity of a pre-shared key

void fake_reset(struct evloop *loop);

// Delivers what is held, in reverse order if asked.
void fake_release(bool reversed);

// Ends an association from outside: `down` comes at both ends.
void fake_cut(struct transport *transport, const char *why);

// The other end of an association.
struct transport *fake_other_end(struct transport *transport);

// The first association whose dialling end is still up, seen from the listener; NULL if none.
struct transport *fake_accepted(void);
