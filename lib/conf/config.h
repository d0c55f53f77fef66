// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The configuration as plain structures: what read.c makes of YANG instance data, what check.c checks
// and build.c turns into a snapshot. Strings and nodes belong to the data tree, which the config owns.

#include "base/ipaddr.h"
#include "conf/config_softwire.h"
#include "table/snapshot.h"

#include <rte_ether.h>

#include <stdbool.h>
#include <stdint.h>

struct lyd_node;

// Each part knows the node it came from, for the paths in messages.
struct config_addr {
	const struct lyd_node *node;
	struct ipaddr addr;
	uint8_t len;
};

struct config_neighbour {
	const struct lyd_node *node;
	struct ipaddr addr;
	const char *mac_text;
	struct rte_ether_addr mac;
	bool mac_valid;
};

struct config_iface {
	const struct lyd_node *node;
	const char *name;
	const char *type; // identity
	const char *device;
	const char *host_device;
	const char *mac_text;
	struct rte_ether_addr mac; // all zero: the device's own
	bool mac_valid;
	bool enabled;
	bool promiscuous;
	bool icmp_errors;
	bool has_ipv4;
	bool forwarding;
	bool forwarding6;   // false without IPv6
	uint8_t validation; // enum source_validation
	uint8_t realm;      // enum realm; 0: not said
	uint16_t vlan;      // 0: untagged
	uint16_t mtu;
	uint32_t mtu6;
	unsigned addrs;
	struct config_addr *addr;
	unsigned neighbours;
	struct config_neighbour *neighbour;
};

enum route_kind { ROUTE_NEXT_HOP, ROUTE_BLACKHOLE, ROUTE_OTHER };

struct config_route {
	const struct lyd_node *node;
	struct ipprefix destination;
	enum route_kind kind;
	const char *special; // name of a special next hop
	bool has_address;
	struct ipaddr address;
	const char *iface; // NULL: found by the address
};

struct config_match {
	const struct lyd_node *node;
	uint32_t id;
	struct ipprefix prefix;
};

struct config_port_timeout {
	const struct lyd_node *node;
	bool has_protocol;
	uint8_t protocol;
	uint16_t port;
	uint32_t seconds;
};

struct config_quota {
	const struct lyd_node *node;
	uint8_t protocol; // 0: all
	bool has_limit;
	uint16_t limit;
};

struct config_filtering {
	const struct lyd_node *node;
	uint8_t protocol;
	const char *type;
};

struct config_port_range {
	const struct lyd_node *node;
	uint16_t lower;
	uint16_t upper;
};

struct config_nat64_prefix {
	const struct lyd_node *node;
	struct ipprefix prefix;
	unsigned destinations;
	struct config_match *destination;
};

// notify-pool-usage
struct config_pool_notify {
	const struct lyd_node *node; // NULL: not said
	bool has_pool;
	uint32_t pool;
	uint32_t low; // percent
	bool has_high;
	uint32_t high;
	uint32_t interval; // seconds
};

#define CONFIG_DSTNATS_MAX 1024

// dst-ip-address-pool
struct config_dst_pool {
	const struct lyd_node *node;
	uint32_t id;
	bool has_inside;
	struct ipprefix inside;
	struct ipprefix outside;
};

// What a policy says of DS-Lite softwires.
struct config_softwires {
	uint8_t each_subscriber;
	bool migrate;
	uint32_t change_limit; // seconds
	bool has_clamps, clamps;
	bool has_mss;
	uint16_t mss;
};

struct config_policy {
	const struct lyd_node *node;
	uint32_t id;
	unsigned pools;
	struct config_match *pool;
	unsigned matches;
	struct config_match *match;
	unsigned nat64_prefixes;
	struct config_nat64_prefix *nat64_prefix;
	bool has_subscriber_mask;
	uint8_t subscriber_mask;
	uint16_t lowest_mtu6; // 0: not said
	struct config_softwires softwires;
	unsigned protocols;
	uint8_t *protocol;
	unsigned portless;
	uint8_t *portless_protocol;
	const char *address_allocation; // NULL: not said, and so on
	const char *port_allocation;
	const char *mapping_type;
	const char *filtering_type;
	unsigned filterings; // of single protocols
	struct config_filtering *filtering;
	bool inbound_refresh;
	bool answer_syns;
	bool reset_strays;
	uint16_t max_mapping_sessions;
	uint32_t max_subscriber_sessions;
	const char *fragment_behavior;
	const char *external_iface;
	uint32_t port_set_size;
	uint32_t port_set_timeout; // seconds, as all that follow
	uint32_t udp_timeout;
	uint32_t tcp_idle_timeout;
	uint32_t tcp_trans_open_timeout;
	uint32_t tcp_trans_close_timeout;
	uint32_t tcp_in_syn_timeout;
	uint32_t dccp_idle_timeout;
	uint32_t dccp_trans_timeout;
	uint32_t icmp_timeout;
	uint32_t hold_down_timeout;
	bool has_hold_down_max;
	uint32_t hold_down_max;
	uint32_t fragment_timeout;
	unsigned port_timeouts;
	struct config_port_timeout *port_timeout;
	unsigned quotas;
	struct config_quota *quota;
	struct config_pool_notify pool_notify;
	bool hairpinning;
	bool dst_nat;
	unsigned dst_pools;
	struct config_dst_pool *dst_pool;
	bool hold_down_at_start;
	bool has_fragments_limit;
	uint32_t fragments_limit;
	uint16_t mss; // 0: not clamped
	uint8_t max_port_sets;
	bool soft_pairing;
	bool has_own_port_set_size; // homeport:port-set-size
	bool has_port_set_active;
	uint32_t port_set_active_timeout;
	unsigned reserved;
	struct config_port_range *reserved_ports;
	const struct lyd_node *deterministic; // NULL: it is not
	uint8_t algorithm;                    // enum detnat_algorithm
	uint32_t dynamic_factor;
	uint32_t max_ports;    // 0: not said
	const char *key;       // in hexadecimal, or NULL
	uint32_t mapping_rate; // 0: no limit
	bool has_mapping_burst;
	uint32_t mapping_burst;
};

// A mapping-entry. "Inside" and "outside" are its internal and external leaves.
struct config_static {
	const struct lyd_node *node;
	bool of_destination; // those of destinations; else of sources
	bool of_both;
	uint32_t index;
	const char *type;
	bool has_protocol;
	uint8_t protocol;
	bool has_inside, has_outside;
	struct ipprefix inside;
	struct ipprefix outside;
	const char *b4_text; // NULL: not said
	bool has_b4;         // that it is an address:
	struct ipaddr b4;
	bool has_inside_ports, has_outside_ports;
	uint16_t inside_lower, inside_upper;
	uint16_t outside_lower, outside_upper;
	bool has_lifetime;
};

struct config_pass_through {
	const struct lyd_node *node;
	struct ipprefix prefix;
	bool has_port;
	uint16_t port; // 0: all
};

struct config_limit {
	const struct lyd_node *node;
	uint8_t protocol;
	bool has_limit;
	uint32_t limit;
};

// mapping-limits; UINT32_MAX: not said.
struct config_limits {
	uint32_t subscribers;
	uint32_t mappings;
	unsigned protocols;
	struct config_limit *protocol;
};

// notification-limits; UINT32_MAX: not said
struct config_notify {
	uint32_t interval; // seconds
	uint32_t addresses;
	uint32_t ports;
	uint32_t subscribers;
};

struct config_instance {
	const struct lyd_node *node;
	uint32_t id;
	const char *name;
	const char *type; // identity
	const char *binding;
	bool enabled;
	unsigned policies;
	struct config_policy *policy;
	unsigned statics;
	struct config_static *static_mapping;
	unsigned dstnats; // of destinations
	struct config_static *dstnat;
	struct config_limits limits;
	struct config_notify notify;
	unsigned pass_throughs;
	struct config_pass_through *pass_through;
};

// What mitigations do.
struct config_measure {
	const char *action;
	uint32_t rate; // kbit/s; 0: none
};

// Requests of one kind.
struct config_class {
	const struct lyd_node *node;
	unsigned targets;
	struct ipprefix *target;
	unsigned protocols;
	uint8_t *protocol;
	uint16_t lower_port;
	uint16_t upper_port;
	struct config_measure measure;
};

// How it is told whether traffic that mitigations inspect is an attack.
struct config_inspect {
	const struct lyd_node *node;
	uint32_t packets; // a second, and these
	uint64_t octets;  // 0: they do not matter
	uint32_t flows;   // in a window; likewise
	uint16_t window;  // seconds
	uint32_t time;    // seconds
	struct config_measure measure;
	bool act;                  // once it is confirmed
	bool reject;               // once it is cleared
	uint32_t copy_rate;        // packets a second of each worker
	char *capture_file;        // a path, made absolute; NULL: none
	uint32_t capture_size;     // MiB
	const char *capture_iface; // NULL: none
	struct rte_ether_addr capture_mac;
};

// The end of DS-Lite softwires.
struct config_aftr {
	const struct lyd_node *node;
	bool enabled;
	bool has_addr6;
	struct ipaddr addr6;
	struct ipaddr addr4;
	bool has_mtu;
	uint32_t mtu; // 0: that of the way
	bool uniform; // DSCP inside and outside
	bool despite_df;
	uint8_t hop_limit;
	uint32_t instance; // id; 0: not said
	unsigned inners;
	struct ipprefix *inner;
};

struct config_network {
	const struct lyd_node *node;
	struct ipprefix prefix;
	uint8_t len; // of a subscriber's prefix
};

struct config_upstream {
	const struct lyd_node *node;
	const char *name;
	const char *address;
	uint16_t port;
	unsigned transports;
	const char *transport[2];
	char *certificate; // paths, made absolute; they belong to the config
	char *private_key;
	char *ca;
	char *crl;
	char *psk_file; // NULL: there is a certificate
	const char *psk_identity;
	const char *peer_name; // the address, where that is a name and nothing was said; else NULL
	unsigned prefixes;
	struct ipprefix *prefix;
	uint16_t max_subscribers;
	uint16_t max_mitigations;
	bool overlap_by_target;
	const char *relay;
	uint32_t max_lifetime; // 0: none
	uint16_t heartbeat_interval;
	uint32_t retry_interval;
	uint32_t probe_interval;
	uint32_t config_lifetime; // 0: for good
	struct config_measure measure;
	unsigned classes;
	struct config_class *class;
	uint32_t max_rules;
	uint32_t max_affected;
	uint32_t max_packets; // a second; 0: no bound
	bool consent_ask;
	uint32_t consent_timeout;
	bool consent_approve; // if nobody decides
	uint16_t terminating_time;
};

// Traffic that is always legitimate.
struct config_accept {
	const struct lyd_node *node;
	const char *name;
	unsigned targets;
	struct ipprefix *target;
	unsigned subscribers;
	struct ipprefix *subscriber;
	bool any_protocol;
	uint8_t protocol;
	uint16_t lower_port;
	uint16_t upper_port;
};

#define CONFIG_LISTENERS_MAX 16

struct config_listener {
	const struct lyd_node *node;
	struct ipaddr addr;
	uint16_t port;
	bool dtls;
	bool tls;
};

struct config_home {
	const struct lyd_node *node;
	const char *name;
	const char *identity_leaf; // that is there: certificate-name, key-hash or psk-identity
	const char *identity;
	struct ipprefix subscriber;
	bool any_source;
};

// The box as client of homes.
struct config_client {
	const struct lyd_node *node; // NULL: it is none
	char *certificate;           // paths, made absolute; they belong to the config
	char *private_key;
	char *ca;
	char *crl;
	char *psk_file; // NULL: there is a certificate
	unsigned listeners;
	struct config_listener *listener;
	unsigned homes;
	struct config_home *home;
	uint32_t request_rate;
	uint16_t confirm_time; // seconds, as those of the drop-list
	uint16_t drop_failures;
	uint32_t drop_window;
	uint32_t drop_duration;
	uint8_t drop_len4;
	uint8_t drop_len6;
};

// platform/reassembly
struct config_reassembly {
	uint32_t max_datagrams;
	uint32_t max_waiting;
	uint8_t max_each;
	uint16_t max_datagrams_each_source;
	uint8_t source_length;
	uint16_t timeout;     // seconds
	uint8_t notify_usage; // percent
};

struct config_platform {
	const struct lyd_node *node;
	uint8_t workers;
	bool huge_pages;
	uint32_t memory; // MiB; 0: what is needed
	unsigned eal_options;
	const char **eal_option;
	uint16_t idle_sleep;
	uint32_t icmp_error_rate;
	uint32_t host_packet_rate;
	uint32_t packet_buffers;
	uint32_t max_mappings;
	uint32_t max_sessions;
	uint32_t max_subscribers;
	uint32_t max_aliases;
	uint32_t max_port_sets;
	uint32_t max_neighbours;
	uint32_t max_held_syns;
	uint32_t max_datagrams; // fragmented, under way
	uint32_t max_waiting_fragments;
	uint16_t max_fragments_each;        // of one datagram
	uint16_t max_datagrams_each_source; // on one worker
	struct config_reassembly reassembly;
};

// The metrics listener; without a node there is none.
struct config_metrics {
	const struct lyd_node *node;
	struct ipaddr addr;
	uint16_t port;
};

struct config {
	struct lyd_node *tree;
	char *folder; // relative paths start here
	bool whole;   // nothing was left out for want of memory
	unsigned ifaces;
	struct config_iface *iface;
	unsigned aftrs;
	struct config_aftr *aftr;
	unsigned routes;
	struct config_route *route;
	unsigned instances;
	struct config_instance *instance;
	unsigned softwires;
	struct config_softwire *softwire;
	unsigned maps;
	struct config_map *map;
	struct config_platform platform;
	unsigned networks;
	struct config_network *network;
	const char *socket;
	struct config_metrics metrics;
	uint32_t history_size;
	uint32_t history_retention;
	char *history_file; // a path, made absolute; NULL: none
	uint32_t history_file_size;
	uint16_t certificate_warning; // days
	uint32_t max_rules;
	char *state_file; // a path, made absolute; NULL: none
	char *hook;       // likewise
	uint32_t audit_retention;
	uint32_t audit_size;
	unsigned upstreams;
	struct config_upstream *upstream;
	struct config_client client;
	struct config_inspect inspect;
	const struct lyd_node *scrubber_node; // NULL: there is none
	struct ipaddr scrubber;               // of IPv4 packets; family 0: none
	struct ipaddr scrubber6;              // of IPv6 packets
	unsigned quarantine_allows;
	struct ipprefix *quarantine_allow;
	unsigned accepts;
	struct config_accept *accept;
};
