// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the box answers for itself as a station on its links: ARP (RFC 826), neighbour solicitations
// (RFC 4861) and ICMP echo requests (RFC 792, RFC 4443). Each answer is made in the buffer of what it
// answers and goes back to the station that sent it.

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <stdint.h>

enum arp_operation { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp {
	uint16_t operation;
	struct rte_ether_addr sender_mac;
	rte_be32_t sender;
	rte_be32_t target;
};

// Reads the ARP message at `data`, of which `length` bytes are there. Returns false unless it is one
// for IPv4 over Ethernet.
bool arp_read(const uint8_t *data, uint32_t length, struct arp *arp);

// Writes an ARP message of 28 bytes; target_mac is all zero in a request.
void arp_write(uint8_t *data, enum arp_operation operation, const struct rte_ether_addr *sender_mac,
	rte_be32_t sender, const struct rte_ether_addr *target_mac, rte_be32_t target);

// Turns a frame with an ARP request that arp_read() has accepted, at `data`, into the reply that says
// that the target is at `mac`.
void arp_answer(struct rte_mbuf *mbuf, uint8_t *data, const struct rte_ether_addr *mac);

// A neighbour discovery message, as far as it tells somebody's address.
struct nd {
	bool solicitation; // else an advertisement
	uint8_t source[16];
	uint8_t target[16];
	bool has_mac;
	struct rte_ether_addr mac; // source or target link-layer address option
	bool solicited;            // advertisement: it answers a solicitation
};

// Reads the neighbour solicitation or advertisement in the IPv6 packet at `ip`, of which `length` bytes
// are there. Returns false unless it is one that RFC 4861 sections 7.1.1 and 7.1.2 let through.
bool nd_read(const uint8_t *ip, uint32_t length, struct nd *nd);

// Turns a frame with a solicitation that nd_read() has accepted into the advertisement of a router that
// says that the target is at `mac`. Returns false if there is no room for it.
bool nd_answer(
	struct rte_mbuf *mbuf, uint8_t *ip, const struct nd *nd, const struct rte_ether_addr *mac);

#define ND_SOLICITATION_BYTES 72

// Writes the IPv6 packet of a solicitation for `target`, sent from an address of the station `mac`, to the
// group that the target listens to, or to it alone (RFC 4861 section 4.3).
void nd_ask(uint8_t *ip, const uint8_t source[16], const struct rte_ether_addr *mac,
	const uint8_t target[16], bool to_group);

// The link-layer address of the group that a target listens to (RFC 2464 section 7).
struct rte_ether_addr nd_group_mac(const uint8_t target[16]);

// Turns the frame of an ICMP echo request into its reply, sent from `mac`. The IPv4 header has been
// checked and `icmp` is within the first segment with 8 bytes; length: of the ICMP message.
void echo_answer4(
	struct rte_mbuf *mbuf, uint8_t *ip, uint8_t *icmp, const struct rte_ether_addr *mac);

// The same for ICMPv6, if it is an echo request with a right checksum; else returns false and leaves the
// packet as it was. `length` bytes of the packet lie in the first segment.
bool echo_answer6(
	struct rte_mbuf *mbuf, uint8_t *ip, uint32_t length, const struct rte_ether_addr *mac);
