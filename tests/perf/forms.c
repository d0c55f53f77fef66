// SPDX-License-Identifier: BSD-3-Clause

#include "forms.h"

#include "net/hdr.h"
#include "net/hdr6.h"

#include <rte_udp.h>

#include <stddef.h>

#define L2        ((unsigned)sizeof(struct rte_ether_hdr))
#define UDP       ((unsigned)sizeof(struct rte_udp_hdr))
#define TTL       64
#define FRAME_MAX 2048

static const uint16_t sizes[FORM_SIZES] = {46, 576, 1500};

static uint16_t be(unsigned value)
{
	return rte_cpu_to_be_16((uint16_t)value);
}

static void put_ipv4(struct form *f, unsigned at, unsigned length)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.total_length = be(length),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_UDP,
	};

	memcpy(f->headers + at, &ip, sizeof(ip));
	f->ip_at = (uint8_t)at;
}

// From the host if it comes from inside, else to it.
static void put_ipv6(
	struct form *f, bool from_inside, unsigned payload, uint8_t next, const struct ipaddr *far)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(6u << 28),
		.payload_len = be(payload),
		.proto = next,
		.hop_limits = TTL,
	};
	unsigned far_at = L2 + (from_inside ? IPV6_DESTINATION : IPV6_SOURCE);

	memcpy(f->headers + L2, &ip, sizeof(ip));
	memcpy(f->headers + far_at, far->bytes, sizeof(far->bytes));
	f->host_at = (uint8_t)(L2 + (from_inside ? IPV6_SOURCE : IPV6_DESTINATION));
	if (next == IPPROTO_UDP) {
		f->embed_at = (uint8_t)(far_at + 12);
		f->embed_from = (uint8_t)(from_inside ? offsetof(struct tuple, dst)
						      : offsetof(struct tuple, src));
	}
}

static void make(const struct world *world, unsigned iface, enum form_kind kind,
	const struct ipaddr *far, unsigned length, struct form *f)
{
	struct rte_ether_hdr ether = {
		.dst_addr = world->snapshot->iface[iface].mac,
		.src_addr = {{2, 0, 0, 0, 0, (uint8_t)(iface ? 0x12 : 2)}},
		.ether_type = kind == FORM_IPV4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4)
						: RTE_BE16(RTE_ETHER_TYPE_IPV6),
	};
	struct rte_udp_hdr udp = {.dgram_len = be(length - IPV4_MIN)};
	bool from_inside = iface == WORLD_INSIDE;
	unsigned at = L2;

	*f = (struct form){0};
	memcpy(f->headers, &ether, sizeof(ether));
	if (kind == FORM_TUNNEL)
		put_ipv6(f, from_inside, length, IPPROTO_IPIP, far);
	else if (kind == FORM_IPV6)
		put_ipv6(f, from_inside, length - IPV4_MIN, IPPROTO_UDP, far);
	if (kind != FORM_IPV4)
		at += IPV6_MIN;
	if (kind != FORM_IPV6) {
		put_ipv4(f, at, length);
		at += IPV4_MIN;
	}
	memcpy(f->headers + at, &udp, sizeof(udp));
	f->l4_at = (uint8_t)at;
	f->length = (uint16_t)(at + length - IPV4_MIN);
	f->written = at + UDP > 64 ? 128 : 64;
}

void forms_make(const struct world *world, unsigned iface, enum form_kind kind,
	const struct ipaddr *far, struct form form[FORM_SIZES])
{
	for (unsigned i = 0; i < FORM_SIZES; i++)
		make(world, iface, kind, far, sizes[i], &form[i]);
}

void form_clear(const struct form *form, struct rte_mbuf *m)
{
	unsigned headers = form->l4_at + UDP;

	memset(rte_pktmbuf_mtod_offset(m, uint8_t *, headers), 0, form->length - headers);
}

// The checksum that the UDP header of a frame should have.
static uint16_t sum_l4(const struct form *form, const uint8_t *frame)
{
	if (form->ip_at)
		return rte_ipv4_udptcp_cksum(
			(const struct rte_ipv4_hdr *)(frame + form->ip_at), frame + form->l4_at);
	return rte_ipv6_udptcp_cksum(
		(const struct rte_ipv6_hdr *)(frame + L2), frame + form->l4_at);
}

void form_sum(const struct form *form, struct flow6 *flow)
{
	uint8_t frame[FRAME_MAX] = {0};

	flow->tuple.ip_sum = flow->tuple.l4_sum = 0;
	form_write(form, flow, frame);
	if (form->ip_at)
		flow->tuple.ip_sum =
			rte_ipv4_cksum((const struct rte_ipv4_hdr *)(frame + form->ip_at));
	flow->tuple.l4_sum = sum_l4(form, frame);
}

// Takes one hop off a packet that was in no tunnel.
static void count_hop(const struct form *form, uint8_t *frame)
{
	if (form->ip_at)
		frame[form->ip_at + 8]--;
	else
		frame[L2 + IPV6_HOP_LIMIT]--;
}

const char *form_compare(
	const struct form *form, const struct flow6 *flow, const struct rte_mbuf *m)
{
	uint8_t right[FORM_HEADERS], left[FRAME_MAX];
	uint16_t sum;

	if (rte_pktmbuf_pkt_len(m) != form->length)
		return "length";
	memcpy(left, rte_pktmbuf_mtod(m, const uint8_t *), form->length);
	memcpy(&sum, left + form->l4_at + 6, sizeof(sum));
	memset(left + form->l4_at + 6, 0, sizeof(sum));
	if (sum != sum_l4(form, left))
		return "UDP checksum";
	if (form->ip_at && rte_raw_cksum(left + form->ip_at, IPV4_MIN) != 0xffff)
		return "IP checksum";
	form_write(form, flow, right);
	count_hop(form, right);
	memset(right + form->l4_at + 6, 0, sizeof(sum));
	// stations, identification and flow label are the box's affair
	memcpy(right, left, 12);
	if (form->ip_at) {
		memcpy(right + form->ip_at + 4, left + form->ip_at + 4, 4);
		memcpy(right + form->ip_at + 10, left + form->ip_at + 10, sizeof(sum));
	}
	if (form->host_at)
		memcpy(right + L2 + 1, left + L2 + 1, 3);
	return memcmp(left, right, form->l4_at + UDP) ? "headers" : NULL;
}
