// SPDX-License-Identifier: BSD-3-Clause

#include "xlate/mapt.h"

#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/siit.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include <string.h>

// What an address of a subscriber says.
struct holder {
	const struct softwire *softwire; // NULL: it is under no rule
	rte_be32_t ipv4;
	uint16_t psid;
	bool is_true; // it is one that the rule makes
};

// The rule that an address is under; NULL: none. There is one at least, or no DMR would be known.
static const struct softwire *rule_of(const struct snapshot *s, const uint8_t address[16])
{
	int number = mapdom_find6(s->mapdom, address);

	return number < 0 ? NULL : &s->softwire[number];
}

static struct holder holder_of(const struct softwire *rule, const uint8_t address[16])
{
	struct holder h = {0};
	uint32_t ipv4;

	if (!rule || rule->kind != SOFTWIRE_MAP_T)
		return h;
	h.softwire = rule;
	h.is_true = map_read_host(&rule->rule, address, &ipv4, &h.psid);
	h.ipv4 = rte_cpu_to_be_32(ipv4);
	return h;
}

// Whether a port is his; protocols without ports are for those who have an address to themselves.
static bool has_port(const struct holder *h, rte_be16_t port, bool is_there)
{
	const struct psid_geometry g = h->softwire->rule.geometry;

	return !g.length || (is_there && psid_has_port(g, h->psid, rte_be_to_cpu_16(port)));
}

static bool refuse(struct burst *b, unsigned i)
{
	burst_end(b, i, V_SOFTWIRE_SOURCE);
	return false;
}

// Takes note of who packet i is from, whatever becomes of it.
static void note(
	struct softwire_search *x, unsigned i, const struct holder *h, const uint8_t address[16])
{
	x->softwire[i] = h->softwire;
	memcpy(x->subscriber[i], address, sizeof(x->subscriber[i]));
	if (h->softwire && atomic_load_explicit(&h->softwire->state->marked, memory_order_relaxed))
		x->marked |= bit(i);
}

// Finds the rules of the sources, which have been asked for, in passes, each of which touches what the one before has
// prefetched.
static void find_rules(
	const struct snapshot *s, const struct burst *b, uint64_t mask, struct softwire_search *x)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		x->softwire[i] = rule_of(s, b->ip[i] + IPV6_SOURCE);
		if (unlikely(!x->softwire[i]))
			continue;
		rte_prefetch0(x->softwire[i]);
		rte_prefetch0(&x->softwire[i]->dmr);
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (likely(x->softwire[i] != NULL))
			rte_prefetch0(x->softwire[i]->state);
	}
}

static bool enter(struct burst *b, unsigned i, struct softwire_search *x)
{
	const uint8_t *ip = b->ip[i], *dst = ip + IPV6_DESTINATION;
	struct holder h = holder_of(x->softwire[i], ip + IPV6_SOURCE);
	struct siit4 to = {.src = h.ipv4};

	note(x, i, &h, ip + IPV6_SOURCE);
	if (unlikely(!h.is_true || !nat64pfx_has(&h.softwire->dmr, dst) ||
		    !has_port(&h, b->src_port[i], !(b->portless & bit(i)))))
		return refuse(b, i);
	to.dst = nat64pfx_extract(dst, h.softwire->dmr.len);
	return siit_to_ipv4(b, i, &to);
}

// Whether what ICMP error i quotes, now that it is IPv4, was for a port that he has.
static bool is_for_him(const struct burst *b, unsigned i, const struct holder *h)
{
	struct quoted q;

	if (hdr_quoted(b, i, &q))
		return has_port(h, q.dst_port, true);
	return hdr_quoted_bare(b, i, &q) && has_port(h, 0, false);
}

// Routers on the way have no IPv4 address (RFC 7915 section 6).
static bool enter_error(const struct snapshot *s, struct burst *b, unsigned i, rte_be32_t self,
	struct softwire_search *x)
{
	const uint8_t *ip = b->ip[i];
	struct siit4 to = {.mtu6 = s->iface[b->iface[i]].mtu6};
	struct siit_quoted q;
	struct holder h;

	x->softwire[i] = NULL;
	if (!hdr6_icmp_is_right(b, i)) {
		burst_end(b, i, V_ICMP_CHECKSUM);
		return false;
	}
	if (!siit_quoted6(b, i, &q)) {
		burst_end(b, i, V_ICMP_QUOTE);
		return false;
	}
	h = holder_of(rule_of(s, q.dst), q.dst);
	note(x, i, &h, q.dst);
	if (!h.is_true || !nat64pfx_has(&h.softwire->dmr, ip + IPV6_DESTINATION) ||
		!nat64pfx_has(&h.softwire->dmr, q.src))
		return refuse(b, i);
	to.quoted_src = nat64pfx_extract(q.src, h.softwire->dmr.len);
	to.quoted_dst = h.ipv4;
	to.dst = nat64pfx_extract(ip + IPV6_DESTINATION, h.softwire->dmr.len);
	to.src = self && memcmp(ip + IPV6_SOURCE, q.dst, 16) ? self : h.ipv4;
	to.mtu4 = snapshot_route(s, rte_be_to_cpu_32(to.dst))->mtu;
	if (!siit_to_ipv4(b, i, &to))
		return false;
	return is_for_him(b, i, &h) || refuse(b, i);
}

uint64_t mapt_enter(const struct snapshot *s, struct burst *b, uint64_t mask, rte_be32_t self,
	struct softwire_search *x)
{
	uint64_t entered = 0;
	unsigned i;

	x->marked = 0;
	for (uint64_t todo = mask & ~b->icmp_error; bit_take(&todo, &i);)
		mapdom_prefetch6(s->mapdom, b->ip[i] + IPV6_SOURCE);
	find_rules(s, b, mask & ~b->icmp_error, x);
	for (uint64_t todo = mask & ~b->icmp_error; bit_take(&todo, &i);)
		entered |= (uint64_t)enter(b, i, x) << i;
	for (uint64_t todo = mask & b->icmp_error; bit_take(&todo, &i);)
		entered |= (uint64_t)enter_error(s, b, i, self, x) << i;
	hdr_read_own(b, entered);
	return entered & b->live;
}

uint64_t mapt_find(
	const struct snapshot *s, struct burst *b, uint64_t mask, struct softwire_search *x)
{
	uint64_t found = 0;
	unsigned i;

	find_rules(s, b, mask, x);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const uint8_t *ip = b->ip[i], *dst = ip + IPV6_DESTINATION;
		struct holder h = holder_of(x->softwire[i], ip + IPV6_SOURCE);

		if (unlikely(!h.is_true || !nat64pfx_has(&h.softwire->dmr, dst) ||
			    !has_port(&h, b->src_port[i], true)))
			continue;
		b->src[i] = h.ipv4;
		b->dst[i] = nat64pfx_extract(dst, h.softwire->dmr.len);
		found |= (uint64_t)hdr_is_somebody(b->dst[i]) << i;
	}
	return found;
}

// RFC 7599 section 8.4.
bool mapt_leave(
	const struct snapshot *s, struct burst *b, unsigned i, const struct softwire_search *x)
{
	const struct nat64pfx *dmr = &x->softwire[i]->dmr;
	struct siit6 to = {.sum_udp = true};

	nat64pfx_embed(dmr, b->src[i], to.src);
	memcpy(to.dst, x->subscriber[i], sizeof(to.dst));
	if (unlikely(b->icmp_error & bit(i))) {
		struct siit_quoted q;
		rte_be32_t remote;

		if (!siit_quoted4(b, i, &q)) {
			burst_end(b, i, V_ICMP_QUOTE);
			return false;
		}
		memcpy(&remote, q.dst, sizeof(remote));
		memcpy(to.quoted_src, x->subscriber[i], sizeof(to.quoted_src));
		nat64pfx_embed(dmr, remote, to.quoted_dst);
		to.mtu4 = s->iface[b->iface[i]].mtu;
		to.mtu6 = s->nexthop[b->route[i]].mtu;
	}
	return siit_to_ipv6(b, i, &to);
}

const struct softwire *mapt_restore(const struct snapshot *s, struct burst *b, unsigned i)
{
	const struct nexthop *nh = snapshot_route(s, rte_be_to_cpu_32(b->src[i]));
	struct softwire_holder from;
	struct siit6 to = {0};

	if (nh->kind != NEXTHOP_SERVICE ||
		!softwire_holder(&s->softwire[nh->number], b->src[i],
			rte_be_to_cpu_16(b->src_port[i]), !(b->portless & bit(i)), &from)) {
		refuse(b, i);
		return NULL;
	}
	memcpy(to.src, from.subscriber, sizeof(to.src));
	nat64pfx_embed(&from.softwire->dmr, b->dst[i], to.dst);
	return siit_to_ipv6(b, i, &to) ? from.softwire : NULL;
}
