// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Stories of hosts behind NAT64, B4s and NAT44: some rounds in which they and their remotes send packets, right and wrong, and
// time passes. Since packets change what is remembered of their flows, a story is told twice, to a box that has them
// whole and to one that has them in two segments (both_ways.h). It is the same each time.

#include "both_ways.h"

#define STORY_ROUNDS 1200 // at most
#define STORY_EACH   16 // hosts of each kind: first those of NAT64, then of DS-Lite, then of NAT44
#define STORY_HOSTS  (3 * STORY_EACH)

#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define FIN 0x11

enum { SLOT_NAT44, SLOT_NAT64, SLOT_DSLITE, SLOT_OTHER };

// One with flows of UDP and TCP, to a port of a remote each. Who differ do so in two bytes at least, so that what is
// spoiled in one is nobody else's.
struct host {
	uint8_t address[16]; // its own, or its B4's; of NAT44 none
	rte_be32_t inner;    // behind a B4, or of NAT44
	rte_be32_t remote;
	rte_be16_t port;
	uint8_t slot; // of the first policy of its instance
};

struct story {
	unsigned rounds;
	const char *pref64; // instead of SERVICES_PREF64
	void (*arrange)(struct world_setup *setup);
	void (*prepare)(void); // before anybody comes
	void (*turn)(void);    // after flows have been opened
	// Which ordinary packets go the short way then
	bool (*is_short)(const struct host *host, enum l4 l4, bool outward);
};

// Where it happens.
struct box {
	struct world *world;
	struct worker *worker;
	struct rand random;
};

extern struct box box;

// Adds a policy, with a pool of its own, in a slot.
struct nat_policy *box_add_policy(
	const struct world_setup *setup, unsigned slot, enum nat_kind kind);
struct nat_policy *box_policy(unsigned slot);
void box_set_prefix(const char *text, struct nat64_prefix *prefix);

struct host host_of(unsigned n);

// The mapping of a flow, or NULL.
const struct mapping *host_mapping(const struct host *host, enum l4 l4);

// An ordinary packet from a host, or to it; `length` is that which it has in IPv4.
struct packet host_sends(const struct host *host, enum l4 l4, uint16_t length, uint8_t flags);
struct packet host_hears(const struct host *host, enum l4 l4, uint16_t length, uint8_t flags);

// One of those, in the middle of its flow.
struct packet host_ordinary(const struct host *host, enum l4 l4, bool outward);

// Makes the box, and opens all flows.
void story_begin(const struct story *story);
void story_open_flows(void);
void story_end(void);

// Carries a packet as far as the short way goes. Returns whether it went that.
bool goes_short(const struct packet *packet);

// Tells the story both ways. Fails if something comes to be otherwise, or ordinary packets do not go the way they should.
void assert_told_alike(const struct story *story);
