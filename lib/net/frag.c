// SPDX-License-Identifier: BSD-3-Clause

#include "net/frag.h"

#include "net/csum.h"
#include "net/hdr.h"

#include <rte_ip.h>

#include <string.h>

#define OPTION_END    0
#define OPTION_NOP    1
#define OPTION_COPIED 0x80 // stands in every fragment (RFC 791 section 3.1)

bool frag_read(const uint8_t *ip, unsigned ihl, uint16_t length, struct frag *frag)
{
	const struct rte_ipv4_hdr *h = (const struct rte_ipv4_hdr *)ip;
	uint16_t word = rte_be_to_cpu_16(h->fragment_offset);
	uint32_t from = (word & RTE_IPV4_HDR_OFFSET_MASK) * 8u;
	uint32_t size = length - ihl;

	*frag = (struct frag){
		.from = (uint16_t)from,
		.to = (uint16_t)(from + size),
		.last = !(word & RTE_IPV4_HDR_MF_FLAG),
	};
	return size && from + size + ihl <= UINT16_MAX && (frag->last || size % 8 == 0);
}

static void span_insert(struct frag_seen *seen, unsigned at, const struct frag *frag)
{
	memmove(&seen->span[at + 1], &seen->span[at], (seen->spans - at) * sizeof(seen->span[0]));
	seen->span[at].from = frag->from;
	seen->span[at].to = frag->to;
	seen->spans++;
}

static void span_remove(struct frag_seen *seen, unsigned at)
{
	seen->spans--;
	memmove(&seen->span[at], &seen->span[at + 1], (seen->spans - at) * sizeof(seen->span[0]));
}

enum frag_result frag_add(struct frag_seen *seen, const struct frag *frag)
{
	unsigned at = 0; // the first span that ends behind the fragment's start
	bool joins_before, joins_after;

	while (at < seen->spans && seen->span[at].to <= frag->from)
		at++;
	if (at < seen->spans && seen->span[at].from < frag->to) {
		bool inside = frag->from >= seen->span[at].from && frag->to <= seen->span[at].to;

		return inside && (!frag->last || seen->end == frag->to) ? FRAG_DUPLICATE
									: FRAG_OVERLAP;
	}
	// a second end, or something behind the end
	if (frag->last ? seen->end || at < seen->spans : seen->end && frag->to > seen->end)
		return FRAG_OVERLAP;
	joins_before = at && seen->span[at - 1].to == frag->from;
	joins_after = at < seen->spans && seen->span[at].from == frag->to;
	if (joins_before && joins_after) {
		seen->span[at - 1].to = seen->span[at].to;
		span_remove(seen, at);
	} else if (joins_before) {
		seen->span[at - 1].to = frag->to;
	} else if (joins_after) {
		seen->span[at].from = frag->from;
	} else if (seen->spans < FRAG_SPANS) {
		span_insert(seen, at, frag);
	} else {
		return FRAG_SCATTERED;
	}
	if (frag->last)
		seen->end = frag->to;
	return FRAG_NEW;
}

// Writes the options that fragments after the first have, padded to whole words. Returns their length.
// Options that are not well formed end the list.
static unsigned copied_options(const uint8_t *option, unsigned length, uint8_t *out)
{
	unsigned n = 0;

	for (unsigned at = 0, size; at < length && option[at] != OPTION_END; at += size) {
		size = option[at] == OPTION_NOP ? 1 : at + 1 < length ? option[at + 1] : 0;
		if (!size || at + size > length || (size == 1 && option[at] != OPTION_NOP))
			break;
		if (option[at] & OPTION_COPIED) {
			memcpy(out + n, option + at, size);
			n += size;
		}
	}
	while (n % 4)
		out[n++] = OPTION_END;
	return n;
}

// A piece with `size` bytes of payload from `from` on, under a header of `ihl` bytes whose fields but
// length, offset and checksum are right.
static struct rte_mbuf *piece_new(struct rte_mempool *pool, const struct rte_mbuf *mbuf,
	uint32_t from, const uint8_t *header, unsigned ihl, uint16_t size, uint16_t offset)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ipv4_hdr *h;
	const void *data;

	if (!m)
		return NULL;
	h = (struct rte_ipv4_hdr *)rte_pktmbuf_append(m, (uint16_t)(ihl + size));
	memcpy(h, header, ihl);
	data = rte_pktmbuf_read(mbuf, from, size, (uint8_t *)h + ihl);
	if (data != (uint8_t *)h + ihl)
		memcpy((uint8_t *)h + ihl, data, size);
	h->version_ihl = (uint8_t)(0x40 | ihl / 4);
	h->total_length = rte_cpu_to_be_16((uint16_t)(ihl + size));
	h->fragment_offset = rte_cpu_to_be_16(offset);
	h->hdr_checksum = 0;
	h->hdr_checksum = (uint16_t)~csum_fold(csum_sum(h, ihl));
	return m;
}

unsigned frag_split(struct rte_mempool *pool, const struct rte_mbuf *mbuf, const uint8_t *ip,
	uint16_t mtu, struct rte_mbuf **piece, unsigned room)
{
	const struct rte_ipv4_hdr *h = (const struct rte_ipv4_hdr *)ip;
	uint16_t word = rte_be_to_cpu_16(h->fragment_offset);
	unsigned ihl = (ip[0] & 0x0f) * 4u, first_ihl = ihl;
	uint32_t start = (uint32_t)(ip - rte_pktmbuf_mtod(mbuf, const uint8_t *)) + ihl;
	uint32_t length = rte_be_to_cpu_16(h->total_length) - ihl;
	uint32_t buffer = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	uint32_t at = 0;
	uint8_t header[60];
	unsigned n = 0;

	memcpy(header, ip, ihl);
	for (; at < length && n < room; n++) {
		uint32_t most = (RTE_MIN(mtu, buffer) - ihl) & ~7u;
		uint16_t size = (uint16_t)RTE_MIN(length - at, most);
		uint16_t flags = at + size < length ? RTE_IPV4_HDR_MF_FLAG : 0;

		piece[n] = piece_new(pool, mbuf, start + at, header, ihl, size,
			(uint16_t)((word + at / 8) | flags));
		if (!piece[n])
			break;
		at += size;
		ihl = IPV4_MIN +
			copied_options(ip + IPV4_MIN, first_ihl - IPV4_MIN, header + IPV4_MIN);
	}
	if (at == length)
		return n;
	rte_pktmbuf_free_bulk(piece, n);
	return 0;
}
