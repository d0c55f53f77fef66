// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Packets for which there is a short way through a worker, in one segment, and a long one that does the same, which
// those in two segments always go. Here they are made, right and wrong, and what comes of them either way is compared
// to the byte.

#include "base/rand.h"

#include "support/packet.h"
#include "support/world.h"

#define NO_IPV4 UINT8_MAX

// Of the device of another interface, where that of a packet may be this one.
#define BOTH_WAYS_VLAN 7

struct packet {
	uint8_t ip[PACKET_MAX + 128];
	uint16_t length;
	uint8_t headers; // bytes of them, less than there are altogether: the first of two segments has no more
	uint8_t ipv4; // where among them an IPv4 header is, or NO_IPV4
	uint8_t iface;
};

// Writes an IPv4 packet of `length` bytes, an ordinary one with random data.
void both_ways_make4(struct rand *random, uint8_t *ip, uint16_t length, const struct tuple *tuple,
	uint8_t tcp_flags);

// Writes the IPv6 header of an ordinary packet with a payload of `length` bytes.
void both_ways_make6(struct rand *random, uint8_t *ip, uint16_t length, uint8_t protocol,
	const uint8_t src[16], const uint8_t dst[16]);

// Makes a tunnel packet of the IPv4 packet that is behind the first TUNNEL_HEADER bytes.
void both_ways_wrap(
	struct rand *random, struct packet *packet, const uint8_t src[16], const uint8_t dst[16]);

// Makes an IPv6 packet of that one, between these addresses.
void both_ways_become6(
	struct rand *random, struct packet *packet, const uint8_t src[16], const uint8_t dst[16]);

// Changes what packets may differ in: traffic class, hops left, whether an IPv4 one may be fragmented, and whether its
// checksum is right, or there at all.
void both_ways_vary(struct rand *random, struct packet *packet);

// Spoils what a header says, with a right header checksum or not.
void both_ways_spoil(struct rand *random, struct packet *packet);

// Makes a fragment of an IPv4 packet, in a tunnel or not; and gives one options, before its length is spoilt.
void both_ways_fragment(struct rand *random, struct packet *packet);
void both_ways_add_options(struct packet *packet);

// A short way, or as far as it goes: carries those of the mask that are ordinary, and returns them.
typedef uint64_t short_way(struct worker *worker, struct burst *burst, uint64_t mask);

// Whether the first worker of a world carries a packet, which leaves by the other interface, by the short way.
bool both_ways_is_short(struct world *world, const struct packet *packet, short_way *way);

// What came of a burst: frames, what was counted, and what is remembered of flows.
struct outcome;

// Carries packets, whole or in two segments, through the first worker of a world.
struct outcome *both_ways_carry(
	struct world *world, const struct packet *packet, unsigned n, bool split);
void outcome_free(struct outcome *outcome);

// How many frames left by an interface.
unsigned outcome_frames(const struct outcome *outcome, unsigned iface);

// Fails if the outcomes, of packets whole and in two segments, differ. They are put in order.
void assert_alike(struct outcome *whole, struct outcome *split);
