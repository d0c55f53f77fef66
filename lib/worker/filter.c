// SPDX-License-Identifier: BSD-3-Clause

// Mitigations (RFC 9066): drops what a subscriber sends towards the target of a rule, or sends it
// elsewhere. It stands between lookup and open, so that a packet that is dropped makes no state and refreshes
// none. A subscriber without rules pays one bit of the mapping that its packet needs anyway.

#include "net/hdr.h"
#include "net/hdr6.h"
#include "table/acl.h"
#include "worker/stages.h"

#include <rte_prefetch.h>

#define PROTOCOL_AT 9 // in an IPv4 header

static struct acl_packet describe4(const struct burst *b, unsigned i)
{
	bool icmp = b->l4[i] == L4_ICMP;
	bool has_port = !icmp && b->l4[i] != L4_COUNT;

	return (struct acl_packet){
		.destination = ipaddr_v4(b->dst[i]),
		.protocol = b->ip[i][PROTOCOL_AT],
		.port = has_port ? rte_be_to_cpu_16(b->dst_port[i]) : -1,
		.icmp_type = icmp ? b->flags[i] : -1,
	};
}

// A later fragment has no ports, and nothing is kept here that knows those of its datagram: it passes for one
// with any. An extension header behind the fragment header hides the protocol as well.
static struct acl_packet describe6(const struct burst *b, unsigned i)
{
	bool icmp = b->l4[i] == L4_ICMP;
	bool has_port = !icmp && b->l4[i] != L4_COUNT;
	struct acl_packet packet = {
		.destination = ipaddr_v6(b->ip[i] + IPV6_DESTINATION),
		.protocol = b->protocol[i],
		.port = has_port ? rte_be_to_cpu_16(b->dst_port[i]) : -1,
		.icmp_type = icmp ? b->flags[i] : -1,
	};

	if (!(b->tails & bit(i)))
		return packet;
	if (hdr6_is_extension(b->protocol[i]))
		packet.protocol = ACL_UNKNOWN;
	if (has_port || packet.protocol == ACL_UNKNOWN)
		packet.port = ACL_UNKNOWN;
	if (icmp || packet.protocol == ACL_UNKNOWN)
		packet.icmp_type = ACL_UNKNOWN;
	return packet;
}

// Whether the scrubber can have packet i. What goes to an outside address of the box, or to another home by native
// IPv6, cannot come back from there: its source is one of the box's or of a home's, which nobody outside may have.
static bool can_be_scrubbed(const struct worker *w, const struct burst *b, unsigned i)
{
	const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];

	if (!(b->v6 & bit(i)))
		return w->snapshot->scrubber && !nexthop_is_outside(nh);
	return w->snapshot->scrubber6 && nh->realm & REALM_EXTERNAL &&
		!snapshot_network_of(w->snapshot, b->ip[i] + IPV6_DESTINATION);
}

static void redirect(const struct worker *w, struct burst *b, unsigned i)
{
	uint32_t place = b->v6 & bit(i) ? w->snapshot->scrubber6 : w->snapshot->scrubber;
	const struct nexthop *scrubber = &w->snapshot->nexthop[place];

	b->route[i] = place;
	b->big = (b->big & ~bit(i)) | (uint64_t)(b->length[i] > scrubber->mtu) << i;
}

// Whether packet i, of a subscriber whose rules begin at a slot or behind it, goes to the scrubber.
static bool check(struct worker *w, struct burst *b, unsigned i, const struct subkey *subscriber,
	uint32_t slot)
{
	const struct acl *acl = w->dataplane->acl;
	struct acl_packet packet = b->v6 & bit(i) ? describe6(b, i) : describe4(b, i);
	bool redirected = false;

	slot = acl_match(acl, subscriber, &packet, slot);
	// a rule that lets the packet pass does not keep it from the next
	for (; slot != ACL_NO_SLOT; slot = acl_match_next(acl, subscriber, &packet, slot)) {
		enum verdict verdict = V_ACL;

		switch (acl_action(acl, slot)) {
		case ACL_BLOCK:
			break;
		case ACL_COUNT:
			acl_hit(acl, w->number, slot, b->length[i]);
			if (w->snapshot->copy_rate)
				inspect_flow(w, b, i, slot);
			continue;
		case ACL_RATE_LIMIT:
			if (!acl_exceeds(acl, w->number, slot, b->length[i], w->now))
				continue;
			verdict = V_ACL_RATE;
			break;
		case ACL_QUARANTINE:
			if (acl_is_exempt(acl, &packet.destination))
				continue;
			verdict = V_QUARANTINE;
			break;
		case ACL_INSPECT:
			acl_hit(acl, w->number, slot, b->length[i]);
			if (w->snapshot->copy_rate)
				inspect(w, b, i, slot);
			continue;
		case ACL_REDIRECT:
			if (!can_be_scrubbed(w, b, i))
				break;
			acl_hit(acl, w->number, slot, b->length[i]);
			redirected = true;
			continue;
		}
		acl_hit(acl, w->number, slot, b->length[i]);
		burst_end(b, i, verdict);
		return false;
	}
	if (redirected)
		redirect(w, b, i);
	return redirected;
}

bool filter_by(struct worker *w, struct burst *b, unsigned i, const struct subkey *subscriber)
{
	const struct acl *acl = w->dataplane->acl;
	uint32_t first = acl_first(acl, w->number, acl_home(acl, subscriber));

	return first != ACL_NO_SLOT && check(w, b, i, subscriber, first);
}

// The packets of those who have rules, step by step, so that all wait for memory together.
static uint64_t check_known(struct worker *w, struct burst *b, uint64_t mask)
{
	const struct acl *acl = w->dataplane->acl;
	const struct subscriber *subscriber[BURST_MAX];
	uint64_t redirected = 0, known = 0;
	uint32_t at[BURST_MAX];
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		uint32_t number = w->nat.bib.mapping[b->mapping[i]].subscriber;

		subscriber[i] = &w->nat.subscribers.subscriber[number];
		rte_prefetch0(subscriber[i]);
	}
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (!subscriber[i]->marked)
			continue;
		at[i] = acl_home(acl, &subscriber[i]->key);
		known |= bit(i);
	}
	for (uint64_t todo = known; bit_take(&todo, &i);)
		at[i] = acl_first(acl, w->number, at[i]);
	for (uint64_t todo = known; bit_take(&todo, &i);) {
		if (check(w, b, i, &subscriber[i]->key, at[i]))
			redirected |= bit(i);
	}
	return redirected;
}

// A source without a mapping for this packet may be a subscriber all the same, here or not yet.
static bool check_first(struct worker *w, struct burst *b, unsigned i)
{
	const struct static_mapping *from = nat_static_for(
		&w->nat, b->src[i], b->ip[i][PROTOCOL_AT], rte_be_to_cpu_16(b->src_port[i]));
	int slot = from ? from->policy : nat_policy_for(&w->nat, b->src[i]);
	struct subkey key;

	if (slot < 0)
		return false;
	key = nat_subkey(&w->nat, b->src[i], w->snapshot->policy[slot]);
	return filter_by(w, b, i, &key);
}

uint64_t filter(struct worker *w, struct burst *b, uint64_t marked, uint64_t first)
{
	uint64_t redirected = 0;
	unsigned i;

	if (unlikely(marked))
		redirected = check_known(w, b, marked);
	if (!first || !acl_count(w->dataplane->acl))
		return redirected;
	for (uint64_t todo = first; bit_take(&todo, &i);)
		redirected |= (uint64_t)check_first(w, b, i) << i;
	return redirected;
}

uint64_t filter6(struct worker *w, struct burst *b, uint64_t mask)
{
	uint64_t redirected = 0;
	unsigned i;

	if (!acl_count(w->dataplane->acl))
		return 0;
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const uint8_t *source = b->ip[i] + IPV6_SOURCE;
		const struct subscriber_network *network = snapshot_network_of(w->snapshot, source);
		struct subkey key;

		if (!network)
			continue;
		key = subscriber_network_key(network, source);
		redirected |= (uint64_t)filter_by(w, b, i, &key) << i;
	}
	return redirected;
}
