// SPDX-License-Identifier: BSD-3-Clause

// The short way (fast.h) of hosts behind NAT64 and B4s that have a mapping here. Who has an alias has come from inside
// before, so no route back to him is asked for.

#include "net/ipid.h"
#include "net/siit_plain.h"
#include "worker/fast.h"
#include "xlate/dslite.h"
#include "xlate/rewrite.h"

#include <rte_prefetch.h>

#include <string.h>

// Packets from inside, by what they are to become.
struct leaving {
	uint64_t nat64;
	uint64_t dslite;
	uint64_t hash[BURST_MAX]; // of what is looked for, first the alias and then the mapping
	const struct index_bucket *home[BURST_MAX];
	uint64_t tail[BURST_MAX]; // of the alias's key
	uint32_t alias[BURST_MAX];
	uint16_t *counter[BURST_MAX]; // of identifications, of those that need one
};

// Reads those of the mask that are for here, and asks for their aliases.
static void read_all(const struct worker *w, struct burst *b, uint64_t mask, struct leaving *x)
{
	const struct alias_table *aliases = &w->nat.aliases;
	const struct snapshot *s = w->snapshot;
	unsigned i;

	x->nat64 = x->dslite = 0;
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct iface *iface = &s->iface[b->iface[i]];
		const uint8_t *ip = b->ip[i], *inner = ip + TUNNEL_HEADER;
		const struct nexthop *nh = NULL;

		if (likely(fast_is_single(b, i) && iface->realm == REALM_INTERNAL &&
			    iface->forwards6 && b->room[i] >= IPV6_MIN))
			nh = fast_service(s, ip);
		if (unlikely(!nh))
			continue;
		if (nh->service == SERVICE_NAT64 && plain_is_ipv6(ip, b->room[i]) &&
			!fast_turns_connection(ip + IPV6_MIN, ip[IPV6_NEXT])) {
			fast_read_source(b, i, ip + IPV6_MIN, ip[IPV6_NEXT]);
			x->tail[i] = alias_tail(0, (uint16_t)nh->number);
			x->nat64 |= bit(i);
		} else if (nh->service == SERVICE_DSLITE && plain_is_tunnel(ip, b->room[i]) &&
			!fast_turns_connection(inner + IPV4_MIN, inner[IPV4_PROTOCOL])) {
			fast_read_source(b, i, inner + IPV4_MIN, inner[IPV4_PROTOCOL]);
			b->dst[i] = load32(inner + IPV4_DESTINATION);
			x->tail[i] = alias_tail(
				load32(inner + IPV4_SOURCE), s->aftr[nh->number].instance);
			b->route[i] = nh->number;
			x->dslite |= bit(i);
		} else {
			continue;
		}
		x->hash[i] = alias_hash_halves(aliases, ip + IPV6_SOURCE, x->tail[i]);
		x->home[i] = index_home(&aliases->by_key, x->hash[i]);
		rte_prefetch0(x->home[i]);
	}
}

// The prefix of the policy that was asked for last, if it has one that is for all destinations.
struct pref64 {
	uint8_t policy; // slot
	const struct nat64_prefix *prefix;
};

static inline void pref64_turn_to(struct pref64 *p, const struct nat *nat, uint8_t slot)
{
	const struct nat_policy *policy;

	*p = (struct pref64){.policy = slot};
	if (unlikely(slot == ALIAS_NO_POLICY))
		return;
	policy = policy_of(nat, slot);
	if (likely(policy->nat64_prefixes == 1 && !policy->nat64_prefix->networks))
		p->prefix = policy->nat64_prefix;
}

// Reads the destination of packet i, which NAT64 translates.
static inline bool read_destination(const struct worker *w, struct burst *b, unsigned i,
	const struct alias *alias, struct pref64 *p)
{
	const uint8_t *destination = b->ip[i] + IPV6_DESTINATION;

	if (unlikely(alias->policy != p->policy))
		pref64_turn_to(p, &w->nat, alias->policy);
	return p->prefix && nat64pfx_has(&p->prefix->prefix, destination) &&
		nat64_prefix_extract(p->prefix, destination, &b->dst[i]) &&
		hdr_is_somebody(b->dst[i]);
}

// Finds the aliases of those that have been read, and asks for their mappings. Returns those that have one.
static uint64_t find_aliases(const struct worker *w, struct burst *b, struct leaving *x)
{
	const struct alias_table *aliases = &w->nat.aliases;
	const struct bib *bib = &w->nat.bib;
	struct pref64 prefix = {.policy = ALIAS_NO_POLICY};
	uint64_t found = 0;
	unsigned i;

	for (uint64_t todo = x->nat64 | x->dslite; bit_take(&todo, &i);) {
		x->alias[i] = index_first_at(&aliases->by_key, x->home[i], x->hash[i]);
		rte_prefetch0(&aliases->alias[x->alias[i]]);
	}
	for (uint64_t todo = x->nat64 | x->dslite; bit_take(&todo, &i);) {
		const uint8_t *host = b->ip[i] + IPV6_SOURCE;
		const struct alias *alias = &aliases->alias[x->alias[i]];

		if (unlikely(!alias_has_halves(alias, host, x->tail[i]))) {
			x->alias[i] = alias_find_halves(aliases, host, x->tail[i]);
			if (!x->alias[i])
				continue;
			alias = &aliases->alias[x->alias[i]];
		}
		if (x->nat64 & bit(i) ? !read_destination(w, b, i, alias, &prefix)
				      : alias->aftr != b->route[i])
			continue;
		b->src[i] = alias_address(x->alias[i]);
		x->hash[i] = bib_hash(bib, b->l4[i], b->src[i], b->src_port[i]);
		x->home[i] = index_home(&bib->by_inside, x->hash[i]);
		rte_prefetch0(x->home[i]);
		found |= bit(i);
	}
	return found;
}

// Finds the mappings of the mask, and asks for what is needed besides. Returns those that have one.
static uint64_t find_mappings(struct worker *w, struct burst *b, uint64_t mask, struct leaving *x)
{
	const struct bib *bib = &w->nat.bib;
	uint64_t found = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		b->mapping[i] = index_first_at(&bib->by_inside, x->home[i], x->hash[i]);
		rte_prefetch0(&bib->mapping[b->mapping[i]]);
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct mapping *m = fast_mapping(bib, b, i);

		if (unlikely(!m))
			continue;
		found |= bit(i);
		b->src[i] = m->outside;
		if (b->l4[i] == L4_TCP)
			rte_prefetch0(&w->nat.sessions.session[m->session]);
		if (x->nat64 & bit(i) && siit_is_loose(b->room[i])) {
			x->counter[i] = ipid_counter_whole(
				&w->ids, m->outside, b->dst[i], b->ip[i][IPV6_NEXT]);
			rte_prefetch0(x->counter[i]);
		}
	}
	return found;
}

static inline void leave_nat64(
	struct worker *w, struct burst *b, unsigned i, const struct leaving *x)
{
	const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];
	rte_be16_t id = siit_is_loose(b->room[i]) ? ipid_whole(&w->ids, x->counter[i]) : 0;

	b->ip[i] = siit_plain_to4(b->ip[i], m->outside, b->dst[i], m->outside_port, id);
}

// Returns whether packet i needs an identification.
static inline bool leave_softwire(const struct worker *w, struct burst *b, unsigned i)
{
	const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];

	b->ip[i] += TUNNEL_HEADER;
	b->ihl[i] = IPV4_MIN;
	rewrite_packet(b, i, IPV4_SOURCE, 0, m->outside, m->outside_port, 1);
	return !hdr_has_df(b->ip[i]);
}

uint64_t aliased_fast_out(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t found, out = 0, loose = 0;
	struct leaving x;
	unsigned i;

	// destinations by other names are looked up first
	if (unlikely(w->snapshot->dstnat.count))
		return 0;
	read_all(w, b, mask, &x);
	if (!(x.nat64 | x.dslite))
		return 0;
	found = find_mappings(w, b, find_aliases(w, b, &x), &x);
	classify_routes(w, found, b->dst, b->route);
	for (uint64_t todo = found; bit_take(&todo, &i);) {
		const uint8_t *l4 = b->ip[i] + IPV6_MIN;
		uint32_t length = b->room[i] - (uint32_t)SIIT_GROWTH;
		bool tunnelled = x.dslite & bit(i);

		if (tunnelled) {
			l4 += IPV4_MIN;
			length = b->room[i] - (uint32_t)TUNNEL_HEADER;
		}
		if (unlikely(!fast_may_leave(&w->snapshot->nexthop[b->route[i]], length) ||
			    !fast_refresh(w, b, i, l4)))
			continue;
		out |= bit(i);
		if (tunnelled)
			loose |= (uint64_t)leave_softwire(w, b, i) << i;
		else
			leave_nat64(w, b, i, &x);
	}
	if (loose)
		identify(w, b, loose);
	b->v6 &= ~out;
	b->big &= ~out;
	transmit(w, b, out & x.nat64, V_NAT64_OUT);
	transmit(w, b, out & x.dslite, V_DSLITE_OUT);
	return out;
}

// Makes packet i what a host behind NAT64 can take. Returns false, with the packet as it was, if that is more than an
// ordinary packet asks for.
static inline bool enter_nat64(const struct worker *w, struct burst *b, unsigned i,
	const struct alias *alias, const struct nexthop *nh)
{
	const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];
	const struct nat_policy *policy = policy_of(&w->nat, m->policy);
	const struct nat64_prefix *prefix =
		nat64_prefix_for(policy->nat64_prefix, policy->nat64_prefixes, b->src[i]);
	uint8_t remote[16];

	if (unlikely(!prefix ||
		    !siit_plain_fits(b->mbuf[i], b->ip[i], nh->mtu, policy->lowest_mtu6)))
		return false;
	nat64pfx_embed(&prefix->prefix, b->src[i], remote);
	b->ip[i] = siit_plain_to6(b->ip[i], remote, alias->key.address, m->inside_port);
	return true;
}

// The same for a host behind a B4.
static inline bool enter_softwire(const struct worker *w, struct burst *b, unsigned i,
	const struct alias *alias, const struct nexthop *nh)
{
	const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];
	const struct aftr *aftr = dslite_aftr(&w->nat, alias);
	uint32_t length = b->length[i] + (uint32_t)TUNNEL_HEADER;
	struct tunnel_rules rules = {.hop_limit = aftr->hop_limit, .uniform = aftr->uniform};

	if (unlikely(b->mbuf[i]->nb_segs != 1 ||
		    !mbuf_has_room(b->mbuf[i], b->ip[i] - TUNNEL_HEADER) || length > nh->mtu ||
		    (aftr->mtu && length > aftr->mtu)))
		return false;
	rewrite_packet(b, i, IPV4_DESTINATION, 2, alias->key.inner, m->inside_port, 1);
	b->ip[i] =
		tunnel_encapsulate(b->mbuf[i], b->ip[i], aftr->address, alias->key.address, &rules);
	return true;
}

// Those of the mask that are for aliases.
static uint64_t aliased_of(const struct worker *w, const struct burst *b, uint64_t mask)
{
	uint64_t aliased = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct mapping *m = &w->nat.bib.mapping[b->mapping[i]];

		if (!alias_is(m->inside) || (b->l4[i] != L4_UDP && b->l4[i] != L4_TCP))
			continue;
		aliased |= bit(i);
		rte_prefetch0(alias_at(&w->nat.aliases, m->inside));
	}
	return aliased;
}

// Whether a route leads to who has an alias.
static inline bool leads_to(const struct nexthop *nh, const struct alias *alias)
{
	return (nh->kind == NEXTHOP_GATEWAY || nh->kind == NEXTHOP_CONNECTED) &&
		nh->realm & REALM_INTERNAL && !(alias->b4 && alias->aftr == AFTR_NONE);
}

uint64_t aliased_fast_in(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t plain = mask & ~(b->fragments | b->options | b->syn | b->icmp_error | b->portless);
	uint64_t aliased = aliased_of(w, b, plain), nat64 = 0, dslite = 0;
	uint8_t address[BURST_MAX][16];
	uint64_t route[BURST_MAX];
	unsigned n = 0, i;

	if (!aliased || unlikely(w->snapshot->dstnat.count))
		return 0;
	for (uint64_t todo = aliased; bit_take(&todo, &i);)
		memcpy(address[n++], nat_alias_of(&w->nat, b->mapping[i])->key.address,
			sizeof(address[0]));
	classify6_routes(w, address, n, route);
	n = 0;
	for (uint64_t todo = aliased; bit_take(&todo, &i);) {
		uint32_t hop = (uint32_t)route[n++];
		const struct nexthop *nh = &w->snapshot->nexthop[hop];
		const struct alias *alias = nat_alias_of(&w->nat, b->mapping[i]);

		if (unlikely(!leads_to(nh, alias)))
			continue;
		if (!(alias->b4 ? enter_softwire(w, b, i, alias, nh)
				: enter_nat64(w, b, i, alias, nh)))
			continue;
		b->route[i] = hop;
		*(alias->b4 ? &dslite : &nat64) |= bit(i);
	}
	b->v6 |= nat64 | dslite;
	b->big &= ~(nat64 | dslite);
	transmit(w, b, nat64, V_NAT64_IN);
	transmit(w, b, dslite, V_DSLITE_IN);
	return nat64 | dslite;
}
