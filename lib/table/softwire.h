// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The border relays of A+P (RFC 7596, RFC 7597, RFC 7599) in a snapshot: one entry for each instance with a
// binding table, and one for each mapping rule. What they do is all called softwires, though MAP-T translates. An
// entry keeps its number over reloads as long as its name and kind stay the same, and with the number what is
// behind `state`: the binding table, which changes in place (table/binding.h), and the workers' counters.
//
// Subscribers of all of them are named by their IPv6 address (the B4) or prefix (MAP), which are unique in
// the one IPv6 network that softwires cross, so they share one instance number in subscriber keys, SUBKEY_SOFTWIRE.

#include "base/subkey.h"
#include "table/binding.h"
#include "table/mapdom.h"
#include "table/nat64pfx.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_MAX_SOFTWIRES 16384
#define SOFTWIRE_INSTANCE_ID   0xfffffffd // what stands for SUBKEY_SOFTWIRE in records
#define SOFTWIRE_MAX_BRS       256        // addresses that an instance has had since it is there

struct softwire_count {
	uint64_t packets;
	uint64_t bytes;
};

// What a worker counts and measures of an entry; he alone writes. The names are those of RFC 8676. What every packet
// counts as stands in front, in one cache line.
struct softwire_stats {
	struct softwire_count rcvd_ipv4;
	struct softwire_count sent_ipv6;
	struct softwire_count rcvd_ipv6;
	struct softwire_count sent_ipv4;
	struct softwire_count hairpin_ipv4;
	struct softwire_count dropped_ipv4;
	struct softwire_count dropped_ipv6;
	struct softwire_count dropped_ipv4_fragment;
	struct softwire_count reassembled_ipv6;
	struct softwire_count out_icmpv4_error;
	struct softwire_count out_icmpv6_error;
	struct softwire_count dropped_icmpv4;
	// how many ICMP errors may come in, and how many ICMPv6 errors go out, as of a tick
	uint32_t icmp4_tokens;
	uint32_t icmp4_tick;
	uint32_t icmp6_tokens;
	uint32_t icmp6_tick;
} __attribute__((aligned(64)));

// What outlives a configuration. Only the control thread writes, but for the stats.
struct softwire_state {
	struct binding_table *bindings; // of an instance with a table
	struct softwire_stats *stats;   // by worker
	int64_t since;                  // Unix time in milliseconds that the counters began
	int64_t changed;     // Unix time in seconds of the last change of bindings or of the rule
	_Atomic bool marked; // of a rule: some subscriber of it has an ACL rule
	uint32_t marks;      // how many
	unsigned workers;
	// The BR addresses by the number that bindings have, those that were in use among them: a number never
	// means another address
	unsigned brs;
	uint8_t (*br)[16];
	char name[];
};

enum softwire_kind { SOFTWIRE_BINDING, SOFTWIRE_MAP_E, SOFTWIRE_MAP_T };

// What a packet needs of it stands in front, in one cache line.
struct softwire {
	struct softwire_state *state;
	struct map_rule rule;
	uint8_t br[16];       // of a rule of MAP-E
	uint16_t payload_mtu; // largest IPv4 packet in one tunnel packet
	uint16_t path_mru;    // largest IPv4 packet out of the tunnel
	uint8_t kind;         // enum softwire_kind
	bool nested;          // of a rule: another rule's IPv6 prefix is within its own
	bool hairpinning;
	bool incoming_icmp4;
	bool generate_icmp4;
	bool generate_icmp6;
	uint16_t
		lowest_mtu6; // of a rule of MAP-T: the least that an IPv6 path carries (RFC 7915 section 4),
	struct nat64pfx dmr; // and what stands for all who are not behind it
	uint32_t icmp4_rate; // a second, of each worker; UINT32_MAX: no limit
	uint32_t icmp6_rate;
	uint64_t version; // of the table or rule, as the operator counts; 0: not said
} __attribute__((aligned(64)));

static_assert(offsetof(struct softwire, lowest_mtu6) <= 64, "one cache line");

// The name that a subscriber with this IPv6 address has in the ACL and the resolver: the address as it is, or
// the end-user prefix that it is under.
static inline struct subkey softwire_subkey(
	const struct softwire *softwire, const uint8_t address[16])
{
	struct ipaddr addr = ipaddr_v6(address);
	unsigned len = softwire->kind == SOFTWIRE_BINDING ? 128 : map_user_len(&softwire->rule);
	struct ipprefix prefix = ipprefix_make(&addr, len);

	return subkey_of(&prefix, SUBKEY_SOFTWIRE);
}

// Writer: notes that a subscriber has his first ACL rule, or none any more: on his bindings, or on the mapping rule
// that he is under.
void softwire_mark(struct softwire *softwire, unsigned softwires, const struct mapdom *mapdom,
	const struct subkey *subscriber, bool marked);

// The two halves of it, for a configuration that comes in force: bindings keep their marks.
void softwire_unmark_rules(struct softwire *softwire, unsigned softwires);
void softwire_mark_rule(struct softwire *softwire, const struct mapdom *mapdom,
	const struct subkey *subscriber, bool marked);
