// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Deterministic NAT (RFC 7422): which outside ports an inside host has, and which inside host an outside
// port belongs to, by arithmetic alone. Hosts and outside addresses are numbered; the ports of an address
// that are not reserved are its places, in ascending order:
//
//	 0                              fixed           places
//	+------------------------------+---------------+
//	| C shares of `size` places    | dynamic ports |        C = hosts / outside addresses, rounded up
//	+------------------------------+---------------+        size = places / (C + D), rounded down
//
// Sequential: one share after the other. Staggered: the shares take turns place by place. Round robin: a
// host has the same few places of every address. Cryptographic: as sequential, but a key shuffles the fixed
// places (RFC 6431 section 2.2).
//
// Immutable once it is made; any thread may ask.

#include "base/ipaddr.h"

#include <rte_byteorder.h>

#include <stdbool.h>
#include <stdint.h>

#define DETNAT_KEY 32 // bytes

// Numbers as in the records (RFC 7422 section 2).
enum detnat_algorithm {
	DETNAT_SEQUENTIAL = 0,
	DETNAT_STAGGERED = 1,
	DETNAT_ROUND_ROBIN = 2,
	DETNAT_CRYPTOGRAPHIC = 4,
};

// One bit for each port.
struct port_set {
	uint64_t word[65536 / 64];
};

static inline bool port_set_has(const struct port_set *set, uint16_t port)
{
	return set->word[port / 64] >> (port % 64) & 1;
}

struct detnat_setup {
	uint8_t algorithm;             // enum detnat_algorithm
	const struct ipprefix *inside; // IPv4, ascending and disjoint
	unsigned prefixes;
	uint32_t outsides; // how many outside addresses
	uint32_t dynamic_factor;
	uint32_t max_ports;      // of a host, 0: not limited; only told in records
	uint8_t key[DETNAT_KEY]; // all zero but for DETNAT_CRYPTOGRAPHIC
};

struct detnat {
	uint8_t algorithm;
	unsigned prefixes;
	struct ipprefix *inside;
	uint32_t *number; // of the first host of each prefix
	uint32_t hosts;
	uint32_t outsides;
	uint32_t dynamic_factor;
	uint32_t max_ports;
	uint32_t ratio; // C: hosts of an outside address
	uint32_t size;  // ports of a host
	uint32_t share; // of them, on one address
	uint32_t
		first_dynamic; // port; below it all that is not reserved is fixed. 65536: no dynamic ports
	uint8_t key[DETNAT_KEY];
	uint16_t port_of[65536];  // by place
	uint16_t place_of[65536]; // by port; DETNAT_NO_PLACE: it is reserved
};

#define DETNAT_NO_PLACE UINT16_MAX

// How many inside hosts there are in a prefix: the first and the last address of a network are none.
uint32_t detnat_hosts(const struct ipprefix *prefix);

// Returns NULL if memory runs out. There must be a port for each host.
struct detnat *detnat_new(const struct detnat_setup *setup, const struct port_set *reserved);
void detnat_free(struct detnat *detnat);

// Whether detnat_new() of this setup would map the same, its reserved ports being the same.
bool detnat_same(const struct detnat *detnat, const struct detnat_setup *setup);

// The number of an inside host (network order), or UINT32_MAX if it is none; and the other way round.
uint32_t detnat_number(const struct detnat *detnat, rte_be32_t inside);
rte_be32_t detnat_host(const struct detnat *detnat, uint32_t number);

// f1: the port with index 0 .. size - 1 of a host, and the number of its outside address.
void detnat_port(const struct detnat *detnat, uint32_t host, uint32_t index, uint32_t *outside,
	uint16_t *port);

// f2: the host that has a port of an outside address, or UINT32_MAX if none has.
uint32_t detnat_owner(const struct detnat *detnat, uint32_t outside, uint16_t port);
