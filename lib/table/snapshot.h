// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The configuration as workers see it: one constant structure, built by the control thread, published
// by a release-store and freed an RCU grace period after its successor took its place. Nothing in it
// changes once it is published, except what it points to and says so: pools (see table/pool.h) and
// the neighbour table.

#include "base/ipaddr.h"
#include "base/subkey.h"
#include "table/aftr.h"
#include "table/dstnat.h"
#include "table/nat64pfx.h"
#include "table/passthrough.h"
#include "table/pool.h"
#include "table/shortcut6.h"
#include "table/softwire.h"
#include "table/statics.h"

#include <rte_ether.h>

#include <stdbool.h>
#include <stdint.h>

#define SNAPSHOT_MAX_IFACES   64
#define SNAPSHOT_MAX_PORTS    32
#define SNAPSHOT_MAX_POLICIES 250
#define SNAPSHOT_NAME         64
#define SNAPSHOT_HOST_DEVICE  16 // bytes of a device's name in the kernel (IFNAMSIZ)
#define POLICY_PROTOCOLS      4  // of enum l4

enum realm { REALM_INTERNAL = 1, REALM_EXTERNAL = 2, REALM_BOTH = 3 };

// In a next hop's realm, besides: some destinations behind it are not translated like all others, or are
// names that subscribers know others by.
#define REALM_ASK    4
#define REALM_DSTNAT 8

struct iface_addr {
	struct ipaddr addr;
	uint8_t len;
};

// An interface of the configuration: a device, or one VLAN of it.
struct iface {
	struct rte_ether_addr mac; // all zero: the device's own
	uint8_t port;              // number of its device
	uint8_t realm;             // enum realm
	bool enabled;
	bool promiscuous;
	uint16_t vlan;      // 0: untagged frames
	bool icmp_errors;   // whether the box may send some by it
	uint16_t mtu;       // of IPv4 datagrams
	uint16_t mtu6;      // of IPv6 packets
	bool forwards6;     // whether IPv6 packets that come in by it are for others too
	uint8_t validation; // enum source_validation
	bool has_addr6;     // one that is not link-local,
	uint8_t addr6[16];  // the first of them: the source of ICMPv6 errors
	rte_be32_t addr4;   // first IPv4 address, the source of ICMP errors; 0: none
	unsigned addrs;
	struct iface_addr *addr;
	char name[SNAPSHOT_NAME];
	char host_device[SNAPSHOT_HOST_DEVICE]; // the kernel's end of it; "": it has none
};

enum nexthop_kind {
	NEXTHOP_NONE,      // no route
	NEXTHOP_BLACKHOLE, // a route that says discard
	NEXTHOP_BROADCAST, // the first or last address of a connected network
	NEXTHOP_LOCAL,     // an address of the box, on `iface`
	NEXTHOP_GATEWAY,   // by `neighbour` on `iface`
	NEXTHOP_CONNECTED, // the destination itself is the neighbour, on `iface`
	NEXTHOP_POOL,   // an outside address: `policy`, and `number` of address `first` in its pool
	NEXTHOP_STATIC, // an outside address that only static mappings use, of `policy`
	NEXTHOP_SERVICE, // what `service` of the box takes; `number` of the instance in its array
};

// What IPv6 packets to an address of the box, or IPv4 packets to a shared one, can be for.
enum service {
	SERVICE_NAT64,  // a Pref64::/n (RFC 6146); its number is that of the NAT instance
	SERVICE_DSLITE, // an AFTR's address (RFC 6333)
	SERVICE_SOFTWIRE, // a BR's address (RFC 7596, RFC 7597); IPv4 addresses behind any border relay
	SERVICE_MAPT,     // a DMR's prefix (RFC 7599)
	SERVICE_COUNT
};

struct nexthop {
	uint8_t kind;
	uint8_t iface;
	uint8_t policy;
	uint8_t service; // enum service
	uint8_t realm;   // of `iface`, for a gateway or a connected network, else 0; and the flags
	uint16_t mtu;    // of `iface`, likewise; else UINT16_MAX
	uint32_t neighbour;
	uint32_t first; // host order; of a service: bits of a source that tell its worker
	uint32_t number;
};

// Whether it leads to an outside address of the box.
static inline bool nexthop_is_outside(const struct nexthop *nexthop)
{
	return nexthop->kind == NEXTHOP_POOL || nexthop->kind == NEXTHOP_STATIC ||
		nexthop->kind == NEXTHOP_SERVICE;
}

// In ticks of base/clock.h. RFC 4787 REQ-5, RFC 5382 REQ-5, RFC 7857 section 2, RFC 5508 REQ-2,
// RFC 6888 REQ-8.
struct timers {
	uint32_t udp;
	uint32_t tcp_idle;
	uint32_t tcp_trans_open;
	uint32_t tcp_trans_close;
	uint32_t dccp_idle;
	uint32_t dccp_trans;
	uint32_t tcp_in_syn; // a SYN that nobody lets in is not answered before
	uint32_t icmp;
	uint32_t hold_down;
	uint32_t port_set; // an empty port block is given back after this
	uint32_t
		port_set_active; // after this a block gives no new mappings; UINT32_MAX: it goes on
};

// What of the remote end a mapping stands for (RFC 4787 section 4.1; RFC 8512 mapping-type).
enum mapping_type { MAP_ENDPOINT_INDEPENDENT, MAP_BY_ADDRESS, MAP_BY_ENDPOINT };

// Which remotes may use a mapping: all, or those that were written to (RFC 4787 section 5; RFC 8512
// filtering-type).
enum filtering { FILTER_NONE, FILTER_BY_ADDRESS, FILTER_BY_ENDPOINT };

// What a policy translates from.
enum nat_kind { NAT_44, NAT_64, NAT_DSLITE };

// What mappings are made like. Those that exist are of one piece with it: a policy that changes it begins
// anew.
struct behaviour {
	uint8_t kind;                        // enum nat_kind
	uint8_t mapping;                     // enum mapping_type
	uint8_t filtering[POLICY_PROTOCOLS]; // enum filtering, by enum l4; never below `mapping`
};

struct port_timeout {
	uint8_t protocol; // IANA number
	uint16_t port;    // destination port, host order
	uint32_t ticks;
};

enum fragment_behavior { FRAGMENTS_DROP, FRAGMENTS_IN_ORDER, FRAGMENTS_OUT_OF_ORDER };

struct fragment_rules {
	uint8_t behavior; // enum fragment_behavior
	uint32_t limit;   // of fragments that wait for the first of their datagram, on each worker
	uint32_t ticks;   // that a datagram has to arrive
};

// How much state an instance may have (RFC 8512 mapping-limits), all its policies and workers together.
// UINT32_MAX: no limit.
struct nat_limits {
	bool any;
	uint32_t subscribers;
	uint32_t mappings;
	uint32_t protocol[POLICY_PROTOCOLS]; // mappings, by enum l4
};

// One `external-ip-address-pool` of a policy: a range of the addresses of its pool.
struct nat_prefix {
	uint32_t id;
	uint32_t number; // of the first address, in the pool
	uint32_t addresses;
};

// Thresholds of the use of a policy's pools (RFC 8512 notify-pool-usage), in percent. low 0, high UINT32_MAX:
// none.
struct nat_pool_notify {
	bool any;
	bool has_pool; // one of the pools alone
	uint32_t pool; // its id
	uint32_t low;
	uint32_t high;
	uint32_t interval_s;
};

// Thresholds of an instance (RFC 8512 notification-limits). UINT32_MAX: none.
struct nat_instance_notify {
	bool any;
	uint32_t interval_s;
	uint32_t addresses; // percent of the addresses of all pools
	uint32_t ports;     // percent of the mappings that there may be
	uint32_t subscribers;
};

// What an AFTR grants a subscriber (RFC 7785, RFC 8513).
struct softwire_rules {
	uint8_t each_subscriber; // softwires at one time
	bool migrate;            // a B4 that has another address keeps its mappings,
	uint32_t change_ticks;   // if its last change is so long ago
};

// Whether a B4 with another address of a subscriber's prefix is the one that he had: where there may be several,
// nothing tells which of them.
static inline bool softwires_move(const struct softwire_rules *rules)
{
	return rules->each_subscriber == 1 && rules->migrate;
}

struct portblk;

// Where a subscriber's further port blocks come from (RFC 8512 address-allocation-type).
enum pooling {
	POOLING_PAIRED,      // all of one address (RFC 4787 REQ-2)
	POOLING_SOFT_PAIRED, // the same, while it has any (RFC 7857 section 4)
	POOLING_ROUND_ROBIN, // each of the next address in turn
	POOLING_ARBITRARY,   // each of an address drawn at random
};

// Which port of a block a mapping gets (RFC 8512 port-allocation-type).
enum port_choice {
	PORT_RANDOM,      // RFC 6056
	PORT_PRESERVED,   // the inside port if it can be had, else a random one (RFC 4787 REQ-3)
	PORT_PARITY_KEPT, // a random one, even for even and odd for odd (RFC 4787 REQ-4)
};

// One `policy` of one NAT instance (RFC 8512). It keeps its slot over reloads as long as its pool stays
// the same; a policy with another pool is another policy.
struct nat_policy {
	uint32_t instance_id;
	uint32_t policy_id;
	uint16_t instance;      // number of the instance, in subscriber keys
	uint8_t subscriber_len; // of the IPv6 prefix that is one subscriber
	bool hairpinning;
	bool dst_nat;            // destinations are translated too
	bool hold_down_at_start; // nothing is given out before the hold-down time has passed
	bool answer_syns;        // from outside that no mapping lets in, by ICMP (RFC 5382 REQ-4)
	bool reset_strays;       // answer segments of connections that nobody knows by resets
	bool inbound_refresh;    // what comes in keeps a UDP mapping too (RFC 4787 REQ-6a)
	struct behaviour behaviour;
	bool protocol[POLICY_PROTOCOLS]; // by enum l4: whether it is translated
	// By IANA number: protocols without ports that a host with a whole outside address may use
	uint64_t portless[4];
	uint8_t pooling;     // enum pooling
	uint8_t port_choice; // enum port_choice
	uint16_t
		lowest_mtu6; // of the IPv6 packets that an IPv4 one is cut into (RFC 7915 section 4)
	uint16_t mss;        // largest that a TCP SYN may ask for, either way; 0: any
	struct softwire_rules softwires;
	struct fragment_rules fragments;
	uint8_t max_blocks;
	uint32_t port_limit[POLICY_PROTOCOLS]; // ports a subscriber may have; UINT32_MAX: no limit
	uint32_t port_limit_all;
	uint32_t mapping_sessions; // that a mapping may have
	uint32_t subscriber_sessions;
	uint32_t mapping_rate;  // new mappings a second and subscriber; 0: no limit
	uint32_t mapping_burst; // and how many at once
	uint32_t hold_down_max; // ports that may rest at one time, by worker; UINT32_MAX: no limit
	struct nat_limits limits;
	struct nat_pool_notify pool_notify;
	struct nat_instance_notify instance_notify;
	uint64_t siblings[(SNAPSHOT_MAX_POLICIES + 63) / 64]; // slots of the instance's policies
	unsigned prefixes;
	struct nat_prefix *prefix; // what the pool is made of
	unsigned matches;
	struct ipprefix *match; // inside sources this policy serves
	unsigned nat64_prefixes;
	struct nat64_prefix *nat64_prefix;
	struct timers timers;
	unsigned port_timeouts;
	struct port_timeout *port_timeout;
	struct pool *pool;
	struct portblk **share; // by worker: its part of the pool (session/portblk.h)
	// One bit for each pool entry in whose block a static mapping has a port; NULL: there are none
	uint64_t *static_blocks;
};

static inline bool policy_has_portless(const struct nat_policy *policy, uint8_t protocol)
{
	return policy->portless[protocol / 64] >> (protocol % 64) & 1;
}

// A neighbour whose link-layer address is configured, and so neither asked for nor learned.
struct static_neighbour {
	uint8_t iface;
	struct ipaddr addr;
	struct rte_ether_addr mac;
};

// Which sources IPv6 packets that come in by an internal interface may have.
enum source_validation {
	VALIDATE_NONE,
	VALIDATE_INSIDE, // routed inside
	VALIDATE_IFACE,  // routed by that very interface (RFC 3704 section 2.2)
};

// Hosts that native IPv6 packets come from: each subscriber has a prefix of `len` bits in it.
struct subscriber_network {
	struct ipprefix prefix;
	uint8_t len;
};

struct rte_fib;
struct rte_fib6;

struct snapshot {
	uint32_t generation; // counts the configurations put in force
	unsigned ifaces; // an interface keeps its number over reloads; one that left has no name
	struct iface iface[SNAPSHOT_MAX_IFACES];
	unsigned ports;
	char device[SNAPSHOT_MAX_PORTS]
		   [1025]; // what each port is made of: PCI address or vdev string
	// By port and VLAN (0: untagged): number of the interface, or UINT8_MAX
	uint8_t *iface_of[SNAPSHOT_MAX_PORTS];
	struct rte_fib *fib;   // IPv4, gives the place in nexthop[]
	struct rte_fib6 *fib6; // IPv6, likewise; NULL: there are no IPv6 routes
	struct shortcut6_list shortcuts;
	// One bit for each first byte of the addresses that nobody outside has: see snapshot_is_ours()
	uint64_t ours[4];
	unsigned nexthops;
	struct nexthop *nexthop;
	uint32_t copy_rate; // packets that each worker copies a second for inspection; 0: none
	uint32_t scrubber;  // places there of the gateways that mitigations redirect IPv4
	uint32_t scrubber6; // and IPv6 packets to; 0: there is none
	unsigned neighbours;
	struct static_neighbour *neighbour;
	unsigned policies; // slots from here on have none
	struct nat_policy
		*policy[SNAPSHOT_MAX_POLICIES]; // by slot, which a policy keeps over reloads
	struct static_table statics;
	struct pass_through_list pass_through;
	unsigned aftrs;
	struct aftr *aftr; // by the number of its next hop
	struct dstnat_table dstnat;
	unsigned networks;
	struct subscriber_network *network; // disjoint
	unsigned homes;
	struct ipprefix
		*home;      // where homes dial in from: disjoint, in the order of ipaddr_compare()
	unsigned softwires; // places in use, and free ones among them, which have no state
	struct softwire *softwire;
	struct mapdom *mapdom; // of the rules among them, by the same numbers; NULL: there are none
	struct binding_changes *changes; // of binding tables, still to be made; control thread only
};

// Whether a policy, of a slot, is the first of its instance.
static inline bool nat_policy_is_first(const struct nat_policy *policy, unsigned slot)
{
	for (unsigned i = 0; i < slot / 64; i++) {
		if (policy->siblings[i])
			return false;
	}
	return !(policy->siblings[slot / 64] & ((UINT64_C(1) << slot % 64) - 1));
}

// Frees the snapshot and all it owns; pools are left alone. NULL is allowed.
void snapshot_free(struct snapshot *snapshot);

// What IPv4 route a destination (host order) has.
const struct nexthop *snapshot_route(const struct snapshot *snapshot, uint32_t destination);

// Enters an IPv4 route (host order) to a next hop that stands in nexthop[] already. Returns 0 or a negative
// errno.
int snapshot_add_route(struct snapshot *snapshot, uint32_t address, unsigned len, unsigned nexthop);

// The same for IPv6, of an address in the order of the wire.
const struct nexthop *snapshot_route6(const struct snapshot *snapshot, const uint8_t address[16]);
int snapshot_add_route6(
	struct snapshot *snapshot, const uint8_t address[16], unsigned len, unsigned nexthop);

// Whether no packet from outside can truly come from where a route leads: an address of the box, one of a pool
// or service, or one behind an internal interface.
bool nexthop_is_ours(const struct nexthop *nexthop);

// Whether no packet from outside can truly have this source.
bool snapshot_is_ours(const struct snapshot *snapshot, rte_be32_t source);

// A cheap look at the first byte, to be asked before: false says no for certain.
static inline bool snapshot_may_be_ours(const struct snapshot *snapshot, rte_be32_t source)
{
	uint8_t first = (uint8_t)source;

	return snapshot->ours[first / 64] >> (first % 64) & 1;
}

// Whether a home is expected to dial in from this source.
bool snapshot_has_home(const struct snapshot *snapshot, const struct ipaddr *source);

// Builder: puts a policy, which the snapshot owns from then on, in its slot.
void snapshot_add_policy(struct snapshot *snapshot, unsigned slot, struct nat_policy *policy);

// The policy that serves an inside source: the longest of all matching prefixes decides. Returns its
// slot, or -1.
int snapshot_policy_of(const struct snapshot *snapshot, rte_be32_t inside);

// The same for an IPv6 source, among the policies of one instance.
int snapshot_policy_of6(
	const struct snapshot *snapshot, uint16_t instance, const uint8_t inside[16]);

// The key of the subscriber that an IPv6 address of a network is of.
struct subkey subscriber_network_key(
	const struct subscriber_network *network, const uint8_t address[16]);

// The subscriber network that an IPv6 address (in the order of the wire) is in; NULL: none.
const struct subscriber_network *snapshot_network_of(
	const struct snapshot *snapshot, const uint8_t address[16]);
