// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the pipeline asks of a translation service: each is a file with these functions. A mask says
// which packets of the burst a function works on; a packet that cannot go on is ended with its verdict.
//
// For a packet from inside mapping[] is found by its source, for one to an outside address by its
// destination; translating changes the packet and the burst alike. An ICMP error goes by the packet it
// quotes: see nat44_error_*.

#include "net/burst.h"
#include "session/nat.h"

// Finds mappings of packets from inside, and says which of them are `marked` and `stale`. Returns those
// that have one.
uint64_t nat44_find_out(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now);

// Finds mappings of packets to outside addresses, whose route is a pool or static address. Ends those
// that have none, unless a static mapping makes them one. Returns those that have one.
uint64_t nat44_find_in(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now);

// Makes mappings for first packets from inside. Returns those that have one now.
uint64_t nat44_open(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now);

// Runs timers and TCP state machines. Returns those that may go on.
uint64_t nat44_track(struct nat *nat, struct burst *b, uint64_t mask, bool outward, uint32_t now);

// Translates the source of packets from inside, or the destination of packets to outside addresses.
// Takes one from the time to live, except of those in keep_ttl, whose hop is already counted.
void nat44_translate_out(const struct nat *nat, struct burst *b, uint64_t mask);
void nat44_translate_in(const struct nat *nat, struct burst *b, uint64_t mask, uint64_t keep_ttl);

// ICMP error i from inside, about a packet that came from outside (RFC 5508 REQ-5): finds the mapping
// of the quoted destination, or ends the packet.
bool nat44_error_find_out(const struct nat *nat, struct burst *b, unsigned i);

// ICMP error i to an outside address, about a packet that went out from there (RFC 5508 REQ-4): finds
// the mapping of the quoted source, or ends the packet.
bool nat44_error_find_in(const struct nat *nat, struct burst *b, unsigned i);

// Restore what the quoted packet looked like on the other side, and the outer addresses with it.
void nat44_error_translate_out(const struct nat *nat, struct burst *b, unsigned i);
void nat44_error_translate_in(const struct nat *nat, struct burst *b, unsigned i, bool keep_ttl);
