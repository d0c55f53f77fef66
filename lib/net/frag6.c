// SPDX-License-Identifier: BSD-3-Clause

#include "net/frag6.h"

#include "net/hdr6.h"

#include <rte_ip.h>

#include <string.h>

#define MORE_FRAGMENTS 0x0001
#define OFFSET         0xfff8 // in bytes

// RFC 8200 section 4.5.
struct fragment_header {
	uint8_t protocol;
	uint8_t reserved;
	rte_be16_t offset;
	rte_be32_t id;
};

bool frag6_read(const uint8_t *header, uint32_t size, struct frag *frag)
{
	uint16_t word = (uint16_t)(header[2] << 8 | header[3]);
	uint32_t from = word & OFFSET;

	*frag = (struct frag){
		.from = (uint16_t)from,
		.to = (uint16_t)(from + size),
		.last = !(word & MORE_FRAGMENTS),
	};
	return size && from + size <= UINT16_MAX && (frag->last || size % 8 == 0);
}

// A piece with `size` bytes of payload from `from` on, under these headers.
static struct rte_mbuf *piece_new(struct rte_mempool *pool, const struct rte_mbuf *mbuf,
	uint32_t from, uint16_t size, const uint8_t *ip6, const struct fragment_header *fragment)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ipv6_hdr *h;
	const void *data;
	uint8_t *to;

	if (!m)
		return NULL;
	h = (struct rte_ipv6_hdr *)rte_pktmbuf_append(
		m, (uint16_t)(IPV6_MIN + IPV6_FRAGMENT + size));
	memcpy(h, ip6, IPV6_MIN);
	h->proto = PROTOCOL_FRAGMENT;
	h->payload_len = rte_cpu_to_be_16((uint16_t)(IPV6_FRAGMENT + size));
	memcpy(h + 1, fragment, IPV6_FRAGMENT);
	to = (uint8_t *)(h + 1) + IPV6_FRAGMENT;
	data = rte_pktmbuf_read(mbuf, from, size, to);
	if (data != to)
		memcpy(to, data, size);
	return m;
}

unsigned frag6_split(struct rte_mempool *pool, const struct rte_mbuf *mbuf, const uint8_t *ip6,
	uint16_t mtu, rte_be32_t id, struct rte_mbuf **piece, unsigned room)
{
	const struct rte_ipv6_hdr *h = (const struct rte_ipv6_hdr *)ip6;
	struct fragment_header fragment = {.protocol = h->proto, .id = id};
	uint32_t start = (uint32_t)(ip6 - rte_pktmbuf_mtod(mbuf, const uint8_t *)) + IPV6_MIN;
	uint32_t length = rte_be_to_cpu_16(h->payload_len), at = 0;
	uint32_t buffer = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	uint32_t most = (RTE_MIN(mtu, buffer) - IPV6_MIN - IPV6_FRAGMENT) & ~7u;
	uint16_t word;
	unsigned n = 0;

	if (h->proto == PROTOCOL_FRAGMENT) {
		memcpy(&fragment, ip6 + IPV6_MIN, IPV6_FRAGMENT);
		start += IPV6_FRAGMENT;
		length -= IPV6_FRAGMENT;
	}
	word = rte_be_to_cpu_16(fragment.offset);
	for (; at < length && n < room; n++) {
		uint16_t size = (uint16_t)RTE_MIN(length - at, most);

		fragment.offset = rte_cpu_to_be_16(
			(uint16_t)((word + at) | (at + size < length ? MORE_FRAGMENTS : 0)));
		piece[n] = piece_new(pool, mbuf, start + at, size, ip6, &fragment);
		if (!piece[n])
			break;
		at += size;
	}
	if (at == length)
		return n;
	rte_pktmbuf_free_bulk(piece, n);
	return 0;
}
