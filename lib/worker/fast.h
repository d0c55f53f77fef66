// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the short ways (nat44_fast.c, aliased_fast.c, softwire_fast.c) have in common. They take ordinary packets
// (net/plain.h) in one segment that nothing has to be said about, read and write their headers once, and leave all others
// as they came to the long ways, which know every case and say why. So packets of one burst may leave in another order
// than they came if they went different ways; those of a flow go the same one, as long as they are ordinary.

#include "net/plain.h"
#include "worker/stages.h"

#define TCP_FLAGS_BYTE 13

static inline bool fast_is_single(const struct burst *b, unsigned i)
{
	return b->mbuf[i]->nb_segs == 1;
}

// What of the box takes an IPv6 packet, as far as that can be told so soon; NULL: ask the FIB.
static inline const struct nexthop *fast_service(const struct snapshot *s, const uint8_t *ip)
{
	uint32_t hop = shortcut6_find(&s->shortcuts, ip + IPV6_DESTINATION);
	const struct nexthop *nh = hop == SHORTCUT6_NONE ? NULL : &s->nexthop[hop];

	return nh && nh->kind == NEXTHOP_SERVICE ? nh : NULL;
}

// Whether a packet is TCP that opens or ends a connection, which there is more to with a NAT.
static inline bool fast_turns_connection(const uint8_t *l4, uint8_t protocol)
{
	return protocol == PROTOCOL_TCP &&
		l4[TCP_FLAGS_BYTE] & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST);
}

// Notes the kind of packet i, whose transport header is at `l4`, and the port that it is from.
static inline void fast_read_source(
	struct burst *b, unsigned i, const uint8_t *l4, uint8_t protocol)
{
	b->l4[i] = protocol == PROTOCOL_TCP ? L4_TCP : L4_UDP;
	b->src_port[i] = load16(l4);
}

// Whether packet i, from inside, has a mapping that asks for no more than its way, if that may be `m`.
static inline bool fast_has_mapping(const struct burst *b, unsigned i, const struct mapping *m)
{
	uint8_t kind = b->l4[i] == L4_TCP ? L4_TCP | MAPPING_SESSIONS : L4_UDP;

	return m->inside == b->src[i] && m->inside_port == b->src_port[i] &&
		(m->flags & ~MAPPING_REST) == kind;
}

// The mapping of packet i, of which b->mapping[i] is the first candidate, or 0; NULL: none, or one that asks for more.
static inline const struct mapping *fast_mapping(const struct bib *bib, struct burst *b, unsigned i)
{
	const struct mapping *m = &bib->mapping[b->mapping[i]];

	if (likely(fast_has_mapping(b, i, m)))
		return m;
	if (!b->mapping[i])
		return NULL;
	b->mapping[i] = bib_find_inside(bib, b->l4[i], b->src[i], b->src_port[i]);
	m = &bib->mapping[b->mapping[i]];
	return fast_has_mapping(b, i, m) ? m : NULL;
}

// Refreshes what packet i from inside, whose transport header is at `l4`, is of. Returns false if there is more to it.
static inline bool fast_refresh(
	struct worker *w, const struct burst *b, unsigned i, const uint8_t *l4)
{
	uint32_t mapping = b->mapping[i];

	if (b->l4[i] == L4_TCP)
		return nat_track_data(
			&w->nat, mapping, b->dst[i], load16(l4 + 2), l4[TCP_FLAGS_BYTE], w->now);
	if (unlikely(w->nat.bib.mapping[mapping].seen != w->now))
		nat_track(&w->nat, mapping, b->dst[i], load16(l4 + 2), 0, true, w->now);
	return true;
}

// Whether a packet of `length` bytes leaves the box by a route, and fits that way; nothing is left untranslated there.
static inline bool fast_may_leave(const struct nexthop *nh, uint32_t length)
{
	return nh->realm == REALM_EXTERNAL && length <= nh->mtu;
}
