// SPDX-License-Identifier: BSD-3-Clause

// Destinations by another name (table/dstnat.h). On the way out the destination is changed before its route is
// looked up, so that everything that follows, mitigations and sessions among it, sees the real one. On the way
// in the source is changed last of all. An ICMP error goes by the packet it quotes.

#include "net/hdr.h"
#include "worker/stages.h"
#include "xlate/rewrite.h"

#define PROTOCOL_AT 9 // in an IPv4 header

typedef uint64_t (*translate_fn)(
	const struct dstnat_table *table, uint16_t instance, uint8_t policy, uint64_t endpoint);

// What a subscriber's remote endpoint is on the other side; the same, if it has no other name.
static uint64_t other_name(
	const struct snapshot *s, rte_be32_t subscriber, translate_fn translate, uint64_t endpoint)
{
	int slot = snapshot_policy_of(s, subscriber);

	if (slot < 0 || !s->policy[slot]->dst_nat)
		return endpoint;
	return translate(&s->dstnat, s->policy[slot]->instance, (uint8_t)slot, endpoint);
}

static bool has_ports(unsigned l4)
{
	return l4 != L4_ICMP && l4 != L4_COUNT;
}

static uint64_t endpoint_of(const struct burst *b, unsigned i, rte_be32_t address, rte_be16_t port)
{
	return endpoint_make(
		address, b->ip[i][PROTOCOL_AT], has_ports(b->l4[i]) ? rte_be_to_cpu_16(port) : 0);
}

// Writes an endpoint into packet i, which is no error, and whose checksums have the address in them if it has
// ports.
static void rewrite_endpoint(
	struct burst *b, unsigned i, unsigned address_at, unsigned port_at, uint64_t endpoint)
{
	rte_be32_t address = endpoint_address(endpoint);
	rte_be16_t port = endpoint_port(endpoint);

	if (has_ports(b->l4[i]) && !(b->tails & bit(i)))
		rewrite_packet(b, i, address_at, port_at, address, port, 0);
	else
		rewrite_address(b, i, address_at, address, 0);
}

static void set_source(struct burst *b, unsigned i, uint64_t endpoint)
{
	rewrite_endpoint(b, i, IPV4_SOURCE, 0, endpoint);
	b->src[i] = endpoint_address(endpoint);
	if (has_ports(b->l4[i]))
		b->src_port[i] = endpoint_port(endpoint);
}

static void set_destination(struct burst *b, unsigned i, uint64_t endpoint)
{
	rewrite_endpoint(b, i, IPV4_DESTINATION, 2, endpoint);
	b->dst[i] = endpoint_address(endpoint);
	if (has_ports(b->l4[i]))
		b->dst_port[i] = endpoint_port(endpoint);
}

static bool read_quoted(const struct burst *b, unsigned i, struct quoted *q)
{
	return hdr_quoted(b, i, q) || hdr_quoted_bare(b, i, q);
}

static uint64_t endpoint_quoted(const struct quoted *q, rte_be32_t address, rte_be16_t port)
{
	return endpoint_make(
		address, q->ip[PROTOCOL_AT], has_ports(q->proto) ? rte_be_to_cpu_16(port) : 0);
}

static void rewrite_quoted_endpoint(struct burst *b, unsigned i, const struct quoted *q,
	unsigned address_at, unsigned port_at, uint64_t endpoint)
{
	rte_be16_t port = has_ports(q->proto) ? endpoint_port(endpoint) : q->src_port;

	rewrite_quoted(b, i, q, address_at, port_at, endpoint_address(endpoint), port);
}

// A host's error about what came from the destination: it goes there, and quotes what the host has seen.
static void error_out(struct worker *w, struct burst *b, unsigned i)
{
	uint64_t inside, outside;
	struct quoted q;

	if (!read_quoted(b, i, &q) || q.src != b->dst[i])
		return;
	inside = endpoint_quoted(&q, q.src, q.src_port);
	outside = other_name(w->snapshot, q.dst, dstnat_to_outside, inside);
	if (outside == inside)
		return;
	rewrite_quoted_endpoint(b, i, &q, IPV4_SOURCE, 0, outside);
	rewrite_address(b, i, IPV4_DESTINATION, endpoint_address(outside), 0);
	b->dst[i] = endpoint_address(outside);
}

// An error about what a host has sent to the destination, from there or from a router on the way.
static void error_in(struct worker *w, struct burst *b, unsigned i)
{
	uint64_t inside, outside;
	struct quoted q;

	if (!read_quoted(b, i, &q))
		return;
	outside = endpoint_quoted(&q, q.dst, q.dst_port);
	inside = other_name(w->snapshot, q.src, dstnat_to_inside, outside);
	if (outside == inside)
		return;
	rewrite_quoted_endpoint(b, i, &q, IPV4_DESTINATION, 2, inside);
	if (b->src[i] != q.dst)
		return;
	rewrite_address(b, i, IPV4_SOURCE, endpoint_address(inside), 0);
	b->src[i] = endpoint_address(inside);
}

static void packet_out(struct worker *w, struct burst *b, unsigned i)
{
	uint64_t inside = endpoint_of(b, i, b->dst[i], b->dst_port[i]);
	uint64_t outside = other_name(w->snapshot, b->src[i], dstnat_to_outside, inside);

	if (outside != inside)
		set_destination(b, i, outside);
}

void dstnat_out(struct worker *w, struct burst *b, uint64_t mask)
{
	const struct snapshot *s = w->snapshot;
	unsigned i;

	// a fragment tells its port later, and what ends here is sent back as it came
	mask &= ~(b->raw & ~b->portless);
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		if (!(s->nexthop[b->route[i]].realm & REALM_DSTNAT) ||
			s->iface[b->iface[i]].realm == REALM_EXTERNAL || b->ip[i][8] <= 1)
			continue;
		if (b->icmp_error & bit(i))
			error_out(w, b, i);
		else
			packet_out(w, b, i);
		b->route[i] =
			(uint32_t)(snapshot_route(s, rte_be_to_cpu_32(b->dst[i])) - s->nexthop);
	}
}

void dstnat_in(struct worker *w, struct burst *b, uint64_t mask)
{
	const struct snapshot *s = w->snapshot;
	unsigned i;

	for (uint64_t todo = mask & b->icmp_error; bit_take(&todo, &i);)
		error_in(w, b, i);
	for (uint64_t todo = mask & ~b->icmp_error; bit_take(&todo, &i);) {
		uint64_t outside, inside;

		if (!dstnat_may_have(&s->dstnat, b->src[i]))
			continue;
		outside = endpoint_of(b, i, b->src[i], b->src_port[i]);
		inside = other_name(s, b->dst[i], dstnat_to_inside, outside);
		if (inside != outside)
			set_source(b, i, inside);
	}
}

void dstnat_undo(struct worker *w, struct burst *b, unsigned i)
{
	uint64_t outside = endpoint_of(b, i, b->dst[i], b->dst_port[i]);
	uint64_t inside = other_name(w->snapshot, b->src[i], dstnat_to_inside, outside);

	if (inside != outside)
		set_destination(b, i, inside);
}
