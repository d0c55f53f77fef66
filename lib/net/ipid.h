// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Identifications of IPv4 datagrams that are not atomic (RFC 6864 section 4.3): many hosts behind one
// address would use the same ones, so whoever translates them gives new ones, unique for source,
// destination and protocol as long as 16 bits last (RFC 7857 section 10).
//
// One counter serves all tuples with the same hash: they share its numbers and none is given twice before
// the counter has come round. Workers that share an outside address share no number, nor do datagrams
// that are fragments already, whose outside source is not known yet when the number is needed, so that
// they count by destination and protocol alone:
//
//	 15                 n+1  n      1   0
//	+-----------------------+--------+---+
//	| counter               | worker | f |   f: fragmented on arrival
//	+-----------------------+--------+---+

#include <rte_byteorder.h>

#include <stdint.h>

#define IPID_COUNTERS 65536u

struct rand;

struct ipid {
	uint64_t secret[2];
	uint16_t *counter;
	uint8_t shift;
	uint8_t worker;
};

// Makes the numbers of one of `workers` workers. Returns 0 or -ENOMEM.
int ipid_init(struct ipid *ids, unsigned worker, unsigned workers, struct rand *random);
void ipid_free(struct ipid *ids);

// The counter of a key, which may have to come from memory.
static inline uint16_t *ipid_counter(const struct ipid *ids, uint64_t key)
{
	__uint128_t product = (__uint128_t)(key ^ ids->secret[0]) * ids->secret[1];
	uint64_t hash = (uint64_t)product ^ (uint64_t)(product >> 64);

	return &ids->counter[hash % IPID_COUNTERS];
}

static inline rte_be16_t ipid_next(const struct ipid *ids, uint16_t *counter, unsigned fragmented)
{
	unsigned id = (unsigned)(*counter)++ << ids->shift | ids->worker * 2u | fragmented;

	return rte_cpu_to_be_16((uint16_t)id);
}

// For a datagram that arrived whole and leaves with these addresses: its counter, and its number by that.
static inline uint16_t *ipid_counter_whole(
	const struct ipid *ids, rte_be32_t src, rte_be32_t dst, uint8_t protocol)
{
	// a prime spreads the protocol over the bits of the addresses
	return ipid_counter(
		ids, ((uint64_t)src << 32 | dst) ^ protocol * UINT64_C(0x9e3779b97f4a7c15));
}

static inline rte_be16_t ipid_whole(const struct ipid *ids, uint16_t *counter)
{
	return ipid_next(ids, counter, 0);
}

// For all fragments of one datagram.
static inline rte_be16_t ipid_fragmented(const struct ipid *ids, rte_be32_t dst, uint8_t protocol)
{
	return ipid_next(ids, ipid_counter(ids, (uint64_t)protocol << 32 | dst), 1);
}
