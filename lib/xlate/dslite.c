// SPDX-License-Identifier: BSD-3-Clause

#include "xlate/dslite.h"

#include "base/clock.h"
#include "net/hdr6.h"
#include "net/tunnel.h"
#include "xlate/rewrite.h"

#include <rte_prefetch.h>

static struct tunnel_rules rules_of(const struct aftr *aftr)
{
	return (struct tunnel_rules){.hop_limit = aftr->hop_limit, .uniform = aftr->uniform};
}

// Takes packet i out of its softwire; its headers are those inside then, and not read yet.
static bool take_out(const struct aftr *aftr, struct burst *b, unsigned i)
{
	if (unlikely(b->protocol[i] != PROTOCOL_IPV4)) {
		burst_end(b, i, V_TUNNEL_PROTOCOL);
		return false;
	}
	switch (tunnel_decapsulate(b->ip[i], b->ihl[i], b->length[i], b->room[i], aftr->uniform)) {
	case TUNNEL_MALFORMED:
		burst_end(b, i, V_TUNNEL_INSIDE);
		return false;
	case TUNNEL_CONGESTED:
		burst_end(b, i, V_TUNNEL_CONGESTION);
		return false;
	default:
		b->ip[i] += b->ihl[i];
		b->room[i] = (uint16_t)(b->room[i] - b->ihl[i]);
		return true;
	}
}

// The same for an ICMPv6 error: what is inside is an ICMPv4 error about what was in a softwire. Writes to which B4
// that was.
static bool take_out_error(const struct aftr *aftr, struct burst *b, unsigned i, uint8_t b4[16])
{
	uint8_t *icmp6 = b->ip[i] + b->ihl[i], *ip;
	uint32_t there = b->length[i] < b->room[i] ? b->length[i] : b->room[i];
	struct tunnel_quote quote;

	if (!hdr6_icmp_is_right(b, i)) {
		burst_end(b, i, V_ICMP_CHECKSUM);
		return false;
	}
	if (!tunnel_quoted(icmp6, there - b->ihl[i], &quote) ||
		memcmp(quote.outer + IPV6_SOURCE, aftr->address, sizeof(aftr->address))) {
		burst_end(b, i, V_ICMP_QUOTE);
		return false;
	}
	memcpy(b4, quote.outer + IPV6_DESTINATION, 16);
	ip = tunnel_relay(b->mbuf[i], icmp6, &quote, aftr->icmp_source);
	if (!ip) {
		burst_end(b, i, V_ICMP_TYPE);
		return false;
	}
	b->ip[i] = ip;
	b->room[i] = rte_pktmbuf_data_len(b->mbuf[i]);
	return true;
}

// Overwrites an address of the IPv4 header of packet i, and mends the checksums over it.
static void put_address(struct burst *b, unsigned i, unsigned at, rte_be32_t address)
{
	static const uint8_t checksum_at[L4_COUNT] = {
		[L4_UDP] = UDP_CHECKSUM, [L4_TCP] = TCP_CHECKSUM, [L4_DCCP] = DCCP_CHECKSUM};
	uint32_t there = b->length[i] < b->room[i] ? b->length[i] : b->room[i];
	uint8_t *ip = b->ip[i], *field = ip + b->ihl[i] + checksum_at[b->l4[i] % L4_COUNT];
	uint32_t change = 0;
	uint16_t sum;

	rewrite32(ip + at, address, &change);
	memcpy(&sum, ip + 10, sizeof(sum));
	sum = csum_apply(sum, change);
	memcpy(ip + 10, &sum, sizeof(sum));
	// ICMP has no pseudo-header; and of a first fragment that is cut before its checksum nothing is sent on
	if (b->tails & bit(i) || b->l4[i] == L4_ICMP || b->l4[i] == L4_COUNT ||
		field + sizeof(sum) > ip + there)
		return;
	memcpy(&sum, field, sizeof(sum));
	sum = b->l4[i] == L4_UDP ? csum_apply_udp(sum, change) : csum_apply(sum, change);
	memcpy(field, &sum, sizeof(sum));
}

static bool enter(
	struct nat *nat, struct burst *b, unsigned i, uint32_t number, unsigned aftr, uint32_t now)
{
	struct alias *alias = &nat->aliases.alias[number];
	rte_be32_t address = alias_address(number);
	uint32_t until;

	if (unlikely(alias->aftr != aftr))
		alias->aftr = (uint8_t)aftr;
	put_address(b, i, IPV4_SOURCE, address);
	b->src[i] = address;
	if (likely(!(b->fragments & bit(i))))
		return true;
	// fragments may have to wait for the first of their datagram, and have no mapping until then
	if (alias->policy != ALIAS_NO_POLICY) {
		until = now + policy_of(nat, alias->policy)->fragments.ticks + TICKS_A_SECOND;
		if (alias_pin(&nat->aliases, number, until))
			return true;
	}
	burst_end(b, i, V_FRAGMENT_MEMORY);
	return false;
}

// An error goes by what it quotes: a packet to the host, whose alias its mapping holds. Who sends it does not
// matter: it may be a router, and the host's outside address stands for both (RFC 5508 REQ-5c).
static bool enter_error(struct nat *nat, struct burst *b, unsigned i, struct alias_key *key)
{
	struct quoted q;
	rte_be32_t address;
	uint32_t alias;

	b->src[i] = 0;
	if (!hdr_quoted(b, i, &q) || q.src != b->dst[i]) {
		burst_end(b, i, V_ICMP_QUOTE);
		return false;
	}
	key->inner = q.dst;
	alias = alias_find(&nat->aliases, key);
	if (!alias) {
		burst_end(b, i, V_NO_MAPPING);
		return false;
	}
	address = alias_address(alias);
	rewrite_quoted(b, i, &q, IPV4_DESTINATION, 2, address, q.dst_port);
	put_address(b, i, IPV4_SOURCE, address);
	b->src[i] = address;
	return true;
}

// Finds out whose the packets of the mask are, which have been taken out of softwires with these keys and AFTRs.
static uint64_t enter_all(struct nat *nat, struct burst *b, uint64_t mask, struct alias_key *key,
	const uint8_t *aftr, uint32_t now)
{
	const struct index *by_key = &nat->aliases.by_key;
	struct index_search search[BURST_MAX];
	uint32_t alias[BURST_MAX];
	uint64_t hash[BURST_MAX];
	uint64_t entered = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		key[i].inner = b->src[i];
		hash[i] = alias_hash(&nat->aliases, &key[i]);
		rte_prefetch0(index_home(by_key, hash[i]));
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		search[i] = index_begin(by_key, hash[i]);
		alias[i] = index_next(&search[i]);
		rte_prefetch0(&nat->aliases.alias[alias[i]]);
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		enum verdict verdict = V_INNER_SOURCE;

		if (unlikely(!alias_key_equal(&nat->aliases.alias[alias[i]].key, &key[i])))
			alias[i] = aftr_takes(&nat->snapshot->aftr[aftr[i]], b->src[i])
				? nat_alias_behind(nat, &key[i], now, &verdict)
				: 0;
		if (unlikely(!alias[i])) {
			burst_end(b, i, verdict);
			b->src[i] = 0;
		} else if (enter(nat, b, i, alias[i], aftr[i], now)) {
			entered |= bit(i);
		}
	}
	return entered;
}

uint64_t dslite_enter(struct nat *nat, struct burst *b, uint64_t mask, uint32_t now)
{
	struct alias_key key[BURST_MAX];
	uint8_t aftr[BURST_MAX];
	uint64_t out = 0, entered;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct aftr *a;

		aftr[i] = (uint8_t)nat->snapshot->nexthop[b->route[i]].number;
		a = &nat->snapshot->aftr[aftr[i]];
		key[i] = (struct alias_key){.instance = a->instance};
		memcpy(key[i].address, b->ip[i] + IPV6_SOURCE, sizeof(key[i].address));
		b->src[i] = 0; // until it is known whose it is
		if (likely(b->l4[i] != L4_ICMP) ? take_out(a, b, i)
						: take_out_error(a, b, i, key[i].address))
			out |= bit(i);
	}
	b->v6 &= ~out;
	hdr_read_own(b, out);
	// what the others say is their source may look like an alias, and is none
	for (uint64_t todo = out & ~b->live; bit_take(&todo, &i);)
		b->src[i] = 0;
	out &= b->live;
	entered = enter_all(nat, b, out & ~b->icmp_error, key, aftr, now);
	for (uint64_t todo = out & b->icmp_error; bit_take(&todo, &i);) {
		if (enter_error(nat, b, i, &key[i]))
			entered |= bit(i);
	}
	return entered;
}

uint64_t dslite_of(const struct nat *nat, const struct burst *b, uint64_t mask)
{
	uint64_t softwired = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);)
		softwired |= (uint64_t)(nat_alias_of(nat, b->mapping[i])->b4 != 0) << i;
	return softwired;
}

// Puts packet i into the softwire of a host's B4.
static bool put_in(const struct nat *nat, struct burst *b, unsigned i, const struct alias *alias)
{
	const struct aftr *aftr = dslite_aftr(nat, alias);
	struct tunnel_rules rules = rules_of(aftr);
	uint8_t *outer =
		tunnel_encapsulate(b->mbuf[i], b->ip[i], aftr->address, alias->key.address, &rules);

	if (!outer)
		return false;
	b->ip[i] = outer;
	b->room[i] = rte_pktmbuf_data_len(b->mbuf[i]);
	b->length[i] = (uint16_t)rte_pktmbuf_pkt_len(b->mbuf[i]);
	b->v6 |= bit(i);
	return true;
}

uint64_t dslite_leave(const struct nat *nat, struct burst *b, uint64_t mask)
{
	uint64_t left = 0;
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct alias *alias = nat_alias_of(nat, b->mapping[i]);
		struct quoted q;

		put_address(b, i, IPV4_DESTINATION, alias->key.inner);
		if (unlikely(b->icmp_error & bit(i)) && hdr_quoted(b, i, &q))
			rewrite_quoted(b, i, &q, IPV4_SOURCE, 0, alias->key.inner, q.src_port);
		if (put_in(nat, b, i, alias))
			left |= bit(i);
		else
			burst_end(b, i, V_BUFFER);
	}
	return left;
}

void dslite_restore(const struct nat *nat, struct burst *b, unsigned i)
{
	put_address(b, i, IPV4_SOURCE, alias_at(&nat->aliases, b->src[i])->key.inner);
}

bool dslite_error_make(
	const struct nat *nat, struct burst *b, unsigned i, const struct icmp_error *error)
{
	const struct alias *alias = alias_at(&nat->aliases, b->src[i]);
	uint32_t there = b->length[i] < b->room[i] ? b->length[i] : b->room[i];
	struct icmp_error ours = *error;

	dslite_restore(nat, b, i);
	ours.source = dslite_aftr(nat, alias)->icmp_source;
	b->ip[i] -= ICMP_ERROR_ADDED;
	icmp_error_write(b->ip[i], &ours, there);
	return put_in(nat, b, i, alias);
}
