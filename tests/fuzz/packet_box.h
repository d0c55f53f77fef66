// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A box of two workers that is whole but for its devices, which are rings, for fuzz_packet.c: NAT44, NAT64, an AFTR,
// lw4o6, MAP-E, MAP-T and native IPv6 at one time.
//
//	100.64.0.0/10           behind 203.0.113.0/31, NAT44
//	2001:db8:100::/40       native, a /56 each; to 2001:db8:64::/96 behind 203.0.113.16/31, NAT64; to
//	                        2001:db8:fffe::1 behind 203.0.113.32/31, DS-Lite
//	2001:db8:100:N::1       B4s of 203.0.114.0 with the PSID N of 6 bits, N from 0 to 7, by 2001:db8:ffff::1
//	2001:db8:200::/40       MAP-E of 203.0.115.0/24, 16 EA bits, by 2001:db8:ffff::2
//	2001:db8:300::/40       MAP-T of 203.0.116.0/24, 16 EA bits, by 2001:db8:fffd::/96

#include "neigh/neigh.h"

#include "fuzz.h"
#include "support/world6.h"

#define WORKERS   2
#define FRAME_MAX 2304
#define VLAN      7  // of all frames outside
#define BOX_TIMER 16 // ticks, of all timers
#define RULES     8  // of each kind that there may be

// Subscribers who may have a mitigation: the same number in all these.
enum rule_kind {
	RULE_NAT44,
	RULE_NATIVE,
	RULE_NAT64,
	RULE_DSLITE,
	RULE_LW4O6,
	RULE_MAPE,
	RULE_MAPT,
	RULE_KINDS
};

// The last IP packet that left by an interface.
struct sent {
	uint8_t ip[FRAME_MAX];
	unsigned length; // 0: none, or one that cannot be answered
};

struct packet_box {
	struct world *world;
	struct evloop *loop;
	struct neigh *neigh;
	struct rte_ring *rx[2][WORKERS];
	struct rte_ring *tx[2][WORKERS];
	uint16_t port[2];
	struct sent sent[2];
	uint32_t rule[RULE_KINDS][RULES];
	uint32_t now;
};

extern struct packet_box box;
extern const struct rte_ether_addr box_mac[2], peer_mac[2];

// Makes it, the first time with all that lasts as long as the process.
void box_make(void);
void box_unmake(void);

// packet_services.c: adds what is not NAT44 to a world with IPv6.
void services_add(struct world *world, const struct world_setup *setup);

// The subscriber of a number as each service knows it.
struct subkey services_subscriber(const struct snapshot *s, enum rule_kind kind, unsigned n);

// packet_frames.c: frames for the box. Puts a frame, or an IP packet with a frame header before it, into a receive
// queue, as the flags of a step say (fuzz_packet.c).
#define FRAME_SECOND 2
#define FRAME_PACKET 4
#define FRAME_RIGHT  8

void arrive(unsigned iface, unsigned flags, const void *data, unsigned length, unsigned padding);

// Answers the last packet that an interface has sent, with TCP flags, or with an ICMP error.
void answer(unsigned iface, uint8_t flags);
void answer_error(unsigned iface, uint8_t type, uint8_t code);
