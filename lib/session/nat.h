// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// All the translation state of one worker, and how its pieces live and die together: subscribers
// take port blocks, mappings take ports of them, TCP and ICMP mappings have sessions, and the wheel
// brings up whatever may have ended. One worker owns it; nothing here is shared but the pool's entries
// (table/pool.h).
//
//	subscriber --blocks--> port block --slot--> mapping <--session-- session
//	     ^                                        |                    |
//	     +----------------------------------------+        wheel <-----+
//
// The inside address of a mapping is its host's, or an alias of one that has none of its own here (alias.h).

#include "base/rand.h"
#include "msg/msg.h"
#include "net/verdict.h"
#include "session/alias.h"
#include "session/bib.h"
#include "session/dccp.h"
#include "session/portblk.h"
#include "session/session.h"
#include "session/subscriber.h"
#include "session/wheel.h"
#include "table/snapshot.h"

struct acl;

// How large a worker's tables are; equal shares of what the configuration gives the box.
struct nat_size {
	uint32_t mappings;
	uint32_t sessions;
	uint32_t subscribers;
	uint32_t aliases;
	uint32_t blocks; // granted at one time, of each pool
};

// A flow as its inside host sees it.
struct flow {
	rte_be32_t inside; // or an alias
	rte_be32_t remote;
	rte_be16_t inside_port; // ICMP query: its identifier
	rte_be16_t remote_port; // ICMP query: anything
	uint8_t l4;             // enum l4
};

struct nat {
	const struct snapshot *snapshot; // set anew each turn
	const struct acl *acl;
	struct channel *channel;       // where block events go; NULL: nowhere
	const struct nat *const *peer; // of all workers, for limits that they share; NULL: alone
	unsigned peers;
	struct rand random;
	struct bib bib;
	struct session_table sessions;
	struct subscriber_table subscribers;
	struct alias_table aliases;
	struct wheel wheel;
	struct portblk
		*share[SNAPSHOT_MAX_POLICIES]; // by policy slot; the snapshot's, or its past's
	bool had_statics;                      // the snapshot before had static mappings
	bool reserves;                         // some block has ports reserved for them
	// By policy slot: how the mappings of its share are made
	struct behaviour behaviour[SNAPSHOT_MAX_POLICIES];
	uint32_t b4_told; // tick at which the control thread was told of a B4 that changed too soon
	bool dependent;   // some policy makes dependent mappings
	bool udp_in;      // some policy has UDP sessions, or lets what comes in refresh
};

static inline const struct nat_policy *policy_of(const struct nat *nat, uint8_t slot)
{
	return nat->snapshot->policy[slot];
}

// Makes the state of one worker at tick `now`. Returns 0 or -ENOMEM.
int nat_init(struct nat *nat, const struct nat_size *size, uint32_t now);
void nat_fini(struct nat *nat);

// Bytes that nat_init would allocate.
uint64_t nat_bytes(const struct nat_size *size);

// The alias that a mapping, which has one, is for.
static inline const struct alias *nat_alias_of(const struct nat *nat, uint32_t mapping)
{
	return alias_at(&nat->aliases, nat->bib.mapping[mapping].inside);
}

// The policy that serves an inside address, an alias too. Returns its slot, or -1.
int nat_policy_for(const struct nat *nat, rte_be32_t inside);

// The static mapping that covers an inside address, an alias too, and port (host order), or NULL.
const struct static_mapping *nat_static_for(
	const struct nat *nat, rte_be32_t inside, uint8_t protocol, uint16_t port);

// The subscriber that an inside address, an alias too, belongs to under a policy.
struct subkey nat_subkey(const struct nat *nat, rte_be32_t inside, const struct nat_policy *policy);

// The number of the alias of a host of a NAT instance, made if it has none; 0 if there can be none, with the
// verdict that says why. A packet it was made for that comes to its end must settle it, one that waits pin it.
uint32_t nat_alias(struct nat *nat, const struct alias_key *key, enum verdict *verdict);

// The same for a host behind a B4, which may be a new one, or one that has moved (RFC 7785).
uint32_t nat_alias_behind(
	struct nat *nat, const struct alias_key *key, uint32_t now, enum verdict *verdict);

// Whether a packet may be the first of a session: one with flags (struct burst) must say that it opens one.
static inline bool nat_may_open(enum l4 l4, uint8_t flags)
{
	if (l4 == L4_TCP)
		return tcp_is_opener(flags);
	return l4 != L4_DCCP || dccp_is_opener(flags);
}

// The mapping that a flow from inside uses, or 0.
uint32_t nat_find_inside(const struct nat *nat, const struct flow *flow);

// The dependent one alone, where there can be any.
uint32_t nat_find_dependent(const struct nat *nat, const struct flow *flow);

// What is known about a flow that is to have a mapping.
struct opening {
	const struct static_mapping *from; // that it is made from, or NULL
	struct subkey subscriber;
	uint64_t hash; // of the subscriber
	int slot;      // of the policy; -1: none, and so no subscriber
};

// Makes a mapping for the first packet of a flow from inside. On success writes its number and returns
// V_NAT44_OUT; else returns the verdict that says why not. Nothing that exists is ever given up to make
// room (RFC 6888 REQ-11).
enum verdict nat_open(struct nat *nat, const struct flow *flow, uint32_t now, uint32_t *mapping);

// The same in steps, each of which fetches what the next reads, so that a burst of first packets waits for memory
// once: whose flow it is; his record; his port block; then the mapping. The two in between may be left out.
struct opening nat_prepare(const struct nat *nat, const struct flow *flow);
void nat_prepare_subscriber(const struct nat *nat, const struct opening *opening);
void nat_prepare_block(const struct nat *nat, const struct opening *opening, enum l4 l4);
enum verdict nat_open_prepared(struct nat *nat, const struct flow *flow,
	const struct opening *opening, uint32_t now, uint32_t *mapping);

// The mapping for a first packet from outside, which only a static mapping allows. Writes its number
// and returns V_NAT44_IN; else returns the verdict that says why not.
enum verdict nat_open_static(struct nat *nat, const struct static_mapping *from, enum l4 l4,
	rte_be16_t outside_port, uint32_t now, uint32_t *mapping);

// The mapping behind an outside tuple whose route is `nexthop` (NEXTHOP_POOL or NEXTHOP_STATIC), or 0.
uint32_t nat_find_outside(const struct nat *nat, const struct nexthop *nexthop, enum l4 l4,
	rte_be32_t outside, rte_be16_t outside_port);

// The slot of an outside tuple (host order) in the port block it lies in, or NULL if its block is not
// granted, or is another worker's: a packet may have been on its way when the block was given away. The
// route is NEXTHOP_POOL.
static inline const uint32_t *nat_slot(const struct nat *nat, const struct nexthop *nexthop,
	enum l4 l4, uint32_t outside, uint16_t port)
{
	const struct portblk *share = nat->share[nexthop->policy];
	uint32_t number = nexthop->number + (outside - nexthop->first);
	uint32_t place, block;

	if (port < share->pool->fixed_end)
		return pool_fixed_slot(share->pool, number, l4, port);
	place = pool_index(share->pool, number, port);
	// 0 if it is free, and more than there are if it is another's
	block = pool_entry(share->pool, place) ^ share->owner;
	return block - 1 < POOL_MAX_BLOCKS ? &share->slot[block_slot(share, block, l4, port)]
					   : NULL;
}

// Whether the block of an outside tuple (host order) may have ports of static mappings in it, so that
// those must be asked first.
static inline bool nat_has_statics(
	const struct nat *nat, const struct nexthop *nexthop, uint32_t outside, uint16_t port)
{
	const struct nat_policy *policy = nat->snapshot->policy[nexthop->policy];
	uint32_t place;

	if (likely(nexthop->kind == NEXTHOP_POOL && !policy->static_blocks))
		return false;
	if (nexthop->kind != NEXTHOP_POOL)
		return true;
	place = pool_index(policy->pool, nexthop->number + (outside - nexthop->first), port);
	return policy->static_blocks[place / 64] >> (place % 64) & 1;
}

// Runs the session of a packet of a mapping with these flags (struct burst), making one if it may;
// `outward` is from inside. A mapping without sessions is refreshed. Returns the verdict in favour, or the one against
// it.
enum verdict nat_track(struct nat *nat, uint32_t mapping, rte_be32_t remote, rte_be16_t remote_port,
	uint8_t flags, bool outward, uint32_t now);

// Whether a packet is a segment in the middle of an open TCP connection, the last that its mapping was used for; its
// session is refreshed then, and that is all that nat_track() would do.
static inline bool nat_track_data(struct nat *nat, uint32_t mapping, rte_be32_t remote,
	rte_be16_t remote_port, uint8_t flags, uint32_t now)
{
	const struct mapping *m = &nat->bib.mapping[mapping];
	struct session *s;

	if ((m->flags & (MAPPING_SESSIONS | MAPPING_L4)) != (MAPPING_SESSIONS | L4_TCP) ||
		flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST))
		return false;
	s = &nat->sessions.session[m->session];
	if (s->state != TCP_ESTABLISHED || s->mapping != mapping || s->remote != remote ||
		s->remote_port != remote_port)
		return false;
	if (s->seen != now)
		s->seen = now;
	return true;
}

// Ends a mapping and its sessions. Its port rests for the hold-down time, unless `reuse` (RFC 6888
// REQ-8).
void mapping_end(struct nat *nat, uint32_t mapping, bool reuse, uint32_t now);

// A subscriber goes when nothing of it is left.
void subscriber_settle(struct nat *nat, uint32_t subscriber);

// Ends what has run out, at most `budget` entries. Returns how many entries came up.
unsigned nat_expire(struct nat *nat, uint32_t now, unsigned budget);

// Sets or clears the ACL mark of a subscriber and of all its mappings, if it is here.
void nat_mark(struct nat *nat, const struct subkey *subscriber, bool marked);

// Makes the state agree with nat->snapshot, which has just come in force, on this worker: what belongs
// to pools that are gone ends, ports of static mappings are taken from whoever has them, and mappings
// of static ones that are gone end. Afterwards nothing of an earlier snapshot is used any more.
void nat_reconcile(struct nat *nat, unsigned worker, uint32_t now);

// Tick at which a session, or a mapping without sessions, ends if nothing refreshes it.
uint32_t nat_session_due(const struct nat *nat, const struct session *s);
uint32_t nat_mapping_due(const struct nat *nat, const struct mapping *m);

// Write rows from a cursor on (0 to begin); return how many, and the cursor to go on by (0 at the
// end).
uint32_t nat_walk_mappings(const struct nat *nat, uint32_t *cursor, uint32_t room,
	struct mapping_row *rows, uint32_t now);
uint32_t nat_walk_subscribers(
	const struct nat *nat, uint32_t *cursor, uint32_t room, struct subscriber_row *rows);

// The row of one mapping.
void nat_mapping_row(
	const struct nat *nat, uint32_t mapping, uint32_t now, struct mapping_row *row);

// Subscribers with a live ICMP session from an outside address to a network, each once.
uint32_t nat_find_icmp(const struct nat *nat, rte_be32_t outside, rte_be32_t target,
	rte_be32_t mask, uint32_t room, struct subkey *subscribers);
