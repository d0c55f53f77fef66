// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The mitigations in force: rules that each name one subscriber, a target and what to do. The
// control thread writes, every worker reads without a lock.
//
// A rule stands in a slot of a fixed array and in the chain of its subscriber's hash bucket. It is
// complete before a release-store links it, and its slot is used again only after an RCU grace
// period, so adding and removing one of 100,000 rules costs the same as one of two.
//
// A packet asks only if its mapping or subscriber carries the ACL mark. The table tells its watcher
// which subscribers gain their first rule and lose their last; the watcher tells the worker.
//
// Rules match what a subscriber sends (RFC 9066 section 5.3.1: the outbound attack) towards the
// target, from any inside port: the reported source ports only found the subscriber.

#include "base/ipaddr.h"
#include "base/subkey.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ACL_NO_SLOT UINT32_MAX

enum acl_action {
	ACL_BLOCK,      // the packet is dropped
	ACL_COUNT,      // only counted: what a subscriber sends while somebody thinks about it
	ACL_RATE_LIMIT, // dropped beyond a rate; what stays within is not counted
	ACL_QUARANTINE, // dropped unless the destination is exempt
	ACL_INSPECT,    // counted, and copied as far as there is time
	ACL_REDIRECT,   // sent to the scrubber in the place of its next hop, where there is one
};

// "block", "count", "rate-limit", "quarantine", "inspect", "redirect"; and back, or -EINVAL.
const char *acl_action_name(enum acl_action action);
int acl_action_find(const char *name, enum acl_action *action);

struct acl_rule {
	struct subkey subscriber;
	struct ipprefix target; // destination of the packets
	bool any_protocol;
	uint8_t protocol;    // IANA number, unless any_protocol
	uint16_t lower_port; // destination ports, host order; 0 to 65535 matches all protocols,
	uint16_t upper_port; // anything narrower only those that have ports
	uint8_t lower_type; // ICMP or ICMPv6 types; 0 to 255 matches all protocols, anything narrower
	uint8_t upper_type; // only ICMP (over IPv4) and ICMPv6 (over IPv6)
	enum acl_action action;
	uint64_t rate;  // of ACL_RATE_LIMIT: bytes a second of IP datagrams, at least 8000
	void *maker;    // whose it is; the writer's affair
	char label[48]; // for the reader of `show acls`: who asked
};

// In an acl_packet: there is one, but it cannot be told. It is like what any rule asks for.
#define ACL_UNKNOWN (-2)

// What a rule is compared with. Ports and types that the packet lacks are -1.
struct acl_packet {
	struct ipaddr destination;
	int16_t protocol;
	int32_t port; // destination port, host order
	int16_t icmp_type;
};

struct acl_hits {
	uint64_t packets;
	uint64_t bytes; // of IP datagrams, as RFC 9132 section 4.4.2 counts
};

struct acl;
struct rcu;

// Makes a table of at most max_rules, read by `workers` workers. Returns NULL if memory runs out.
struct acl *acl_new(uint32_t max_rules, unsigned workers, struct rcu *rcu);
void acl_free(struct acl *acl);

// Writer: sets who hears that a subscriber gained its first rule (marked: the rule is already
// published) or lost its last.
void acl_watch(struct acl *acl, void (*fn)(void *ctx, const struct subkey *subscriber, bool marked),
	void *ctx);

// Writer: publishes a copy of the rule and writes its slot. Returns 0, or -ENOSPC when full.
int acl_add(struct acl *acl, const struct acl_rule *rule, uint32_t *slot);

// Writer: takes the rule of a slot that acl_add gave out of force; its counters end with it.
void acl_remove(struct acl *acl, uint32_t slot);

// Writer: the rule in a slot, or NULL if it is free. Slots run from 0 to acl_size() - 1.
const struct acl_rule *acl_get(const struct acl *acl, uint32_t slot);
uint32_t acl_size(const struct acl *acl);
uint32_t acl_count(const struct acl *acl);

// Writer: whether no rule of the same subscriber stands in a slot before it; to walk subscribers.
bool acl_is_first(const struct acl *acl, uint32_t slot);

// Writer: what the rule has matched since acl_add, summed over the workers.
struct acl_hits acl_hits(const struct acl *acl, uint32_t slot);

// Reader: whether the subscriber has any rule.
bool acl_marked(const struct acl *acl, const struct subkey *subscriber);

// Reader: the two steps before acl_match(), each of which fetches what the next reads, so that a burst of
// packets waits for memory once: the place of a subscriber's rules, then the slot of the first there, which may
// be another subscriber's; ACL_NO_SLOT if there is none.
uint32_t acl_home(const struct acl *acl, const struct subkey *subscriber);
uint32_t acl_first(const struct acl *acl, unsigned worker, uint32_t home);

// Reader: the slot of the first rule of this subscriber that matches, from the slot that acl_first() told, or of
// the next behind the slot `after`; ACL_NO_SLOT if there is none.
uint32_t acl_match(const struct acl *acl, const struct subkey *subscriber,
	const struct acl_packet *packet, uint32_t first);
uint32_t acl_match_next(const struct acl *acl, const struct subkey *subscriber,
	const struct acl_packet *packet, uint32_t after);

// Writer: the destinations that a quarantine leaves open. Copied. Returns -ENOMEM.
int acl_exempt(struct acl *acl, const struct ipprefix *prefix, unsigned count);

// Reader: whether a destination is among them.
bool acl_is_exempt(const struct acl *acl, const struct ipaddr *destination);

// Reader: whether a packet of so many bytes exceeds the rate of a rule, at a tick of base/clock.h. Each
// worker has a meter of its own (RFC 2697, colour-blind, a burst of one second): a subscriber belongs to
// one worker, so his rate is the rule's; where several workers carry him, each lets that much through.
bool acl_exceeds(
	const struct acl *acl, unsigned worker, uint32_t slot, uint32_t bytes, uint32_t now);

// Reader: what to do with a packet that matched, and counting it. `bytes` is the IP length.
enum acl_action acl_action(const struct acl *acl, uint32_t slot);
void acl_hit(const struct acl *acl, unsigned worker, uint32_t slot, uint32_t bytes);
