// SPDX-License-Identifier: BSD-3-Clause

#include "xlate/nat64.h"

#include "base/clock.h"
#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/siit.h"

#include <rte_prefetch.h>

#include <string.h>

static struct alias_key key_of(
	const struct nat *nat, const struct burst *b, unsigned i, const uint8_t host[16])
{
	return alias_key_make(host, 0, (uint16_t)nat->snapshot->nexthop[b->route[i]].number);
}

static const struct nat_policy *policy_of_alias(const struct nat *nat, uint32_t alias)
{
	uint8_t slot = nat->aliases.alias[alias].policy;

	return slot == ALIAS_NO_POLICY ? NULL : policy_of(nat, slot);
}

// Fragments may have to wait for the first of their datagram, and have no mapping until then.
static bool pin(struct nat *nat, const struct nat_policy *policy, uint32_t alias, uint32_t now)
{
	return alias_pin(&nat->aliases, alias, now + policy->fragments.ticks + TICKS_A_SECOND);
}

static bool enter(struct nat *nat, struct burst *b, unsigned i, uint32_t alias, uint32_t now)
{
	const struct nat_policy *policy = policy_of_alias(nat, alias);
	struct siit4 to = {.src = alias_address(alias)};

	b->src[i] = to.src;
	if (unlikely(!policy))
		burst_end(b, i, V_POLICY);
	else if (unlikely(!nat64_prefix_read(policy->nat64_prefix, policy->nat64_prefixes,
			 b->ip[i] + IPV6_DESTINATION, &to.dst)))
		burst_end(b, i, V_PREF64);
	else if (unlikely(b->fragments & bit(i) && !pin(nat, policy, alias, now)))
		burst_end(b, i, V_FRAGMENT_MEMORY);
	else
		return siit_to_ipv4(b, i, &to);
	return false;
}

// An error goes by what it quotes: a packet to the host, whose alias its mapping holds. Who sends it does not
// matter: it may be a router, and the host's outside address stands for both (RFC 5508 REQ-5c).
static bool enter_error(const struct nat *nat, struct burst *b, unsigned i)
{
	const uint8_t *to_address = b->ip[i] + IPV6_DESTINATION;
	const struct nat_policy *policy;
	struct siit_quoted q;
	struct siit4 to = {.mtu6 = nat->snapshot->iface[b->iface[i]].mtu6};
	struct alias_key key;
	uint32_t alias;

	b->src[i] = 0;
	if (!hdr6_icmp_is_right(b, i)) {
		burst_end(b, i, V_ICMP_CHECKSUM);
		return false;
	}
	if (!siit_quoted6(b, i, &q)) {
		burst_end(b, i, V_ICMP_QUOTE);
		return false;
	}
	key = key_of(nat, b, i, q.dst);
	alias = alias_find(&nat->aliases, &key);
	policy = alias ? policy_of_alias(nat, alias) : NULL;
	if (!policy) {
		burst_end(b, i, V_NO_MAPPING);
		return false;
	}
	if (!nat64_prefix_read(policy->nat64_prefix, policy->nat64_prefixes, to_address, &to.dst) ||
		!nat64_prefix_read(
			policy->nat64_prefix, policy->nat64_prefixes, q.src, &to.quoted_src)) {
		burst_end(b, i, V_PREF64);
		return false;
	}
	to.mtu4 = snapshot_route(nat->snapshot, rte_be_to_cpu_32(to.dst))->mtu;
	to.src = to.quoted_dst = alias_address(alias);
	return siit_to_ipv4(b, i, &to);
}

uint64_t nat64_enter(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now)
{
	const struct index *by_key = &nat->aliases.by_key;
	uint64_t plain = mask & ~b->icmp_error, entered = 0;
	struct index_search search[BURST_MAX];
	struct alias_key key[BURST_MAX];
	uint64_t hash[BURST_MAX];
	uint32_t alias[BURST_MAX];
	unsigned i;

	for (uint64_t todo = plain; bit_take(&todo, &i);) {
		key[i] = key_of(nat, b, i, b->ip[i] + IPV6_SOURCE);
		hash[i] = alias_hash(&nat->aliases, &key[i]);
		rte_prefetch0(index_home(by_key, hash[i]));
	}
	for (uint64_t todo = plain; bit_take(&todo, &i);) {
		search[i] = index_begin(by_key, hash[i]);
		alias[i] = index_next(&search[i]);
		rte_prefetch0(&nat->aliases.alias[alias[i]]);
	}
	for (uint64_t todo = plain; bit_take(&todo, &i);) {
		enum verdict verdict;

		if (unlikely(!alias_key_equal(&nat->aliases.alias[alias[i]].key, &key[i])))
			alias[i] = nat_alias(nat, &key[i], &verdict);
		b->src[i] = 0;
		if (unlikely(!alias[i]))
			burst_end(b, i, verdict);
		else if (enter(nat, b, i, alias[i], now))
			entered |= bit(i);
	}
	for (uint64_t todo = mask & b->icmp_error; bit_take(&todo, &i);) {
		if (enter_error(nat, b, i))
			entered |= bit(i);
	}
	hdr_read_own(b, entered);
	return entered & b->live;
}

void nat64_settle(struct nat *nat, const struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (unlikely(alias_is(b->src[i])))
			alias_settle(&nat->aliases, alias_number(b->src[i]));
	}
}

static const struct nat64_prefix *prefix_for(const struct nat_policy *policy, rte_be32_t address)
{
	return nat64_prefix_for(policy->nat64_prefix, policy->nat64_prefixes, address);
}

static bool leave(const struct nat *nat, struct burst *b, unsigned i)
{
	const struct mapping *m = &nat->bib.mapping[b->mapping[i]];
	const struct nat_policy *policy = policy_of(nat, m->policy);
	const struct alias *alias = alias_at(&nat->aliases, m->inside);
	const struct nat64_prefix *prefix = prefix_for(policy, b->src[i]);
	struct siit6 to;

	if (unlikely(!prefix)) {
		burst_end(b, i, V_PREF64);
		return false;
	}
	nat64pfx_embed(&prefix->prefix, b->src[i], to.src);
	memcpy(to.dst, alias->key.address, sizeof(to.dst));
	to.sum_udp = true;
	if (unlikely(b->icmp_error & bit(i))) {
		struct siit_quoted q;
		rte_be32_t remote;

		if (!siit_quoted4(b, i, &q)) {
			burst_end(b, i, V_ICMP_QUOTE);
			return false;
		}
		memcpy(&remote, q.dst, sizeof(remote));
		prefix = prefix_for(policy, remote);
		if (!prefix) {
			burst_end(b, i, V_PREF64);
			return false;
		}
		memcpy(to.quoted_src, alias->key.address, sizeof(to.quoted_src));
		nat64pfx_embed(&prefix->prefix, remote, to.quoted_dst);
		to.mtu4 = nat->snapshot->iface[b->iface[i]].mtu;
		to.mtu6 = nat->snapshot->nexthop[b->route[i]].mtu;
	}
	return siit_to_ipv6(b, i, &to);
}

uint64_t nat64_leave(const struct nat *nat, struct burst *b, uint64_t mask)
{
	uint64_t left = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		rte_prefetch0(alias_at(&nat->aliases, nat->bib.mapping[b->mapping[i]].inside));
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (leave(nat, b, i))
			left |= bit(i);
	}
	return left;
}

bool nat64_restore(const struct nat *nat, struct burst *b, unsigned i)
{
	uint32_t alias = alias_number(b->src[i]);
	const struct nat_policy *policy = policy_of_alias(nat, alias);
	const struct nat64_prefix *prefix = policy ? prefix_for(policy, b->dst[i]) : NULL;
	struct siit6 to;

	if (!prefix) {
		burst_end(b, i, V_PREF64);
		return false;
	}
	memcpy(to.src, nat->aliases.alias[alias].key.address, sizeof(to.src));
	nat64pfx_embed(&prefix->prefix, b->dst[i], to.dst);
	to.sum_udp = false;
	return siit_to_ipv6(b, i, &to);
}
