// SPDX-License-Identifier: BSD-3-Clause

// Owners. A subscriber belongs to one worker and so do the ports it may be given (table/pool.h), so both
// directions of a flow meet where its state is. A packet that arrives elsewhere is handed over whole,
// by one ring for each ordered pair of workers, and begins its way again there.

#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/siit.h"
#include "net/tunnel.h"
#include "worker/stages.h"

#include <string.h>

// The address whose owner carries a packet from inside: its source, or for an ICMP error the host that
// the quoted packet was for, since a router may have sent it.
static rte_be32_t inside_of(const struct burst *b, unsigned i)
{
	struct quoted q;

	if (b->icmp_error & bit(i) && hdr_quoted(b, i, &q))
		return q.dst;
	return b->src[i];
}

static unsigned owner_inside(const struct worker *w, rte_be32_t inside)
{
	return pool_worker_of_inside(inside, w->dataplane->workers);
}

// A static mapping goes by its inside host.
static unsigned owner_of_static(const struct worker *w, const struct static_mapping *from)
{
	const struct static_host *host = static_host_of(&w->snapshot->statics, from);

	if (!host)
		return owner_inside(w, from->inside);
	return pool_worker_of_inside6(host->address, host->bits, w->dataplane->workers);
}

static rte_be16_t fragment_id(const struct burst *b, unsigned i)
{
	rte_be16_t id;

	memcpy(&id, b->ip[i] + 4, sizeof(id));
	return id;
}

// Until the ports of a datagram are known, wherever all its fragments come.
static unsigned owner_of_fragment(const struct worker *w, const struct burst *b, unsigned i)
{
	return pool_worker_of_inside(
		b->src[i] ^ b->dst[i] ^ fragment_id(b, i), w->dataplane->workers);
}

// The worker that has an outside port.
static unsigned owner_outside(const struct worker *w, const struct burst *b, unsigned i)
{
	const struct snapshot *snapshot = w->snapshot;
	const struct nexthop *nh = &snapshot->nexthop[b->route[i]];
	rte_be16_t port_be = b->dst_port[i];
	uint8_t protocol = b->l4[i] == L4_COUNT ? 0 : l4_protocol(b->l4[i]);
	uint32_t outside = rte_be_to_cpu_32(b->dst[i]);
	const struct pool *pool;
	struct quoted q;
	uint16_t port;

	if (b->raw & bit(i))
		return owner_of_fragment(w, b, i);
	if (b->icmp_error & bit(i)) {
		// what it quotes came from the outside port in question
		if (!hdr_quoted(b, i, &q))
			return w->number;
		port_be = q.src_port;
		protocol = l4_protocol(q.proto);
	}
	port = rte_be_to_cpu_16(port_be);
	if (nat_has_statics(&w->nat, nh, outside, port)) {
		const struct static_mapping *from =
			static_by_outside(&snapshot->statics, b->dst[i], protocol, port);

		if (from)
			return owner_of_static(w, from);
		if (nh->kind != NEXTHOP_POOL)
			return w->number;
	}
	pool = snapshot->policy[nh->policy]->pool;
	return pool_owner(pool, nh->number + (outside - nh->first), port);
}

bool steer_frame(struct worker *w, unsigned to, struct rte_mbuf *mbuf)
{
	struct worker *owner = w->dataplane->worker[to];

	if (rte_ring_sp_enqueue(owner->from[w->number], mbuf))
		return false;
	stat_add(&w->stats.steered, 1);
	return true;
}

static void hand_over(struct worker *w, struct burst *b, unsigned i, unsigned to,
	enum handover_kind kind, enum verdict verdict)
{
	struct rte_mbuf *m = b->mbuf[i];

	*handover_of(m) = (struct handover){
		.kind = (uint8_t)kind,
		.iface = b->iface[i],
		.verdict = (uint8_t)verdict,
		.flags = b->flags[i],
		.ip_offset = (uint16_t)(b->ip[i] - rte_pktmbuf_mtod(m, uint8_t *)),
		.src_port = b->src_port[i],
		.dst_port = b->dst_port[i],
		.id = b->id[i],
	};
	burst_end(b, i, V_RING);
	if (steer_frame(w, to, m))
		b->mbuf[i] = NULL;
}

// A packet that begins its way again at its owner.
static void hand_back(struct worker *w, struct burst *b, unsigned i, unsigned to)
{
	bool gathered = b->fragments & ~(b->raw | b->v6) & bit(i);

	hand_over(w, b, i, to, gathered ? HANDOVER_GATHERED : HANDOVER_RECEIVED, V_COUNT);
}

struct ways steer(struct worker *w, struct burst *b, struct ways ways)
{
	unsigned i;

	for (uint64_t todo = ways.out; bit_take(&todo, &i);) {
		unsigned owner = owner_inside(w, inside_of(b, i));

		if (owner != w->number)
			hand_back(w, b, i, owner);
	}
	for (uint64_t todo = ways.in; bit_take(&todo, &i);) {
		unsigned owner = owner_outside(w, b, i);

		if (owner != w->number)
			hand_back(w, b, i, owner);
	}
	for (uint64_t todo = ways.softwire & b->raw; bit_take(&todo, &i);) {
		unsigned owner = owner_of_fragment(w, b, i);

		if (owner != w->number)
			hand_back(w, b, i, owner);
	}
	ways.out &= b->live;
	ways.hairpin &= b->live;
	ways.in &= b->live;
	ways.softwire &= b->live;
	return ways;
}

// The address whose subscriber's worker carries an IPv6 packet to a service: as inside_of().
static const uint8_t *inside6_of(const struct burst *b, unsigned i)
{
	struct tunnel_quote t;
	struct siit_quoted q;

	if (!(b->icmp_error & bit(i)))
		return b->ip[i] + IPV6_SOURCE;
	if (tunnel_quoted(b->ip[i] + b->ihl[i], min_u32(b->length[i], b->room[i]) - b->ihl[i], &t))
		return t.outer + IPV6_DESTINATION;
	return siit_quoted6(b, i, &q) ? q.dst : b->ip[i] + IPV6_SOURCE;
}

uint64_t steer_service(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		const struct nexthop *nh = &w->snapshot->nexthop[b->route[i]];
		unsigned owner =
			pool_worker_of_inside6(inside6_of(b, i), nh->first, w->dataplane->workers);

		if (owner != w->number)
			hand_back(w, b, i, owner);
	}
	return mask & b->live;
}

uint64_t steer_pieces(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		unsigned owner =
			pool_worker_of_inside6(b->ip[i] + IPV6_SOURCE, 128, w->dataplane->workers);

		if (owner != w->number)
			hand_over(w, b, i, owner, HANDOVER_RECEIVED, V_COUNT);
	}
	return mask & b->live;
}

uint64_t steer_tunnelled(struct worker *w, struct burst *b, uint64_t mask)
{
	unsigned i;

	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		unsigned owner = owner_of_fragment(w, b, i);

		if (owner == w->number)
			continue;
		// as it came, but for the headers that are gone
		b->ip[i] -= TUNNEL_HEADER;
		hand_over(w, b, i, owner, HANDOVER_RECEIVED, V_COUNT);
	}
	return mask & b->live;
}

uint64_t steer_hairpin(struct worker *w, struct burst *b, uint64_t mask, enum verdict verdict)
{
	unsigned i;

	if (w->dataplane->workers == 1)
		return mask;
	for (uint64_t todo = mask; bit_take(&todo, &i);) {
		unsigned owner = owner_outside(w, b, i);

		if (owner != w->number)
			hand_over(w, b, i, owner, HANDOVER_HAIRPIN, verdict);
	}
	return mask & b->live;
}
