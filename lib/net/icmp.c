// SPDX-License-Identifier: BSD-3-Clause

#include "net/icmp.h"

#include "net/csum.h"

#include <rte_ether.h>
#include <rte_ip.h>

#include <string.h>

#define QUOTE_MAX (576 - 20 - 8)
#define ADDED     (20 + 8)

// The sender of what we answer becomes the receiver.
static void turn_frame(struct rte_ether_hdr *ether)
{
	struct rte_ether_addr station = ether->dst_addr;

	ether->dst_addr = ether->src_addr;
	ether->src_addr = station;
}

bool icmp_error_make(struct rte_mbuf *mbuf, uint8_t *ip, const struct icmp_error *error)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	size_t l2 = (size_t)(ip - frame);
	uint16_t quote = (uint16_t)(rte_pktmbuf_data_len(mbuf) - l2);
	uint16_t length = rte_be_to_cpu_16(((struct rte_ipv4_hdr *)ip)->total_length);
	rte_be32_t to = ((struct rte_ipv4_hdr *)ip)->src_addr;
	struct rte_ipv4_hdr *outer;
	uint8_t *icmp;
	uint16_t sum;

	if (rte_is_multicast_ether_addr((struct rte_ether_addr *)frame) ||
		rte_pktmbuf_headroom(mbuf) < ADDED)
		return false;
	if (quote > length)
		quote = length;
	if (quote > QUOTE_MAX)
		quote = QUOTE_MAX;
	rte_pktmbuf_free(mbuf->next);
	mbuf->next = NULL;
	mbuf->nb_segs = 1;
	memmove(frame - ADDED, frame, l2);
	mbuf->data_off = (uint16_t)(mbuf->data_off - ADDED);
	mbuf->data_len = (uint16_t)(l2 + ADDED + quote);
	mbuf->pkt_len = mbuf->data_len;
	turn_frame((struct rte_ether_hdr *)(frame - ADDED));

	outer = (struct rte_ipv4_hdr *)(ip - ADDED);
	*outer = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.type_of_service = 0xc0, // internetwork control (RFC 1812 section 4.3.2.5)
		.total_length = rte_cpu_to_be_16((uint16_t)(ADDED + quote)),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG), // atomic, so no id (RFC 6864)
		.time_to_live = 64,
		.next_proto_id = 1,
		.src_addr = error->source,
		.dst_addr = to,
	};
	outer->hdr_checksum = (uint16_t)~csum_fold(csum_sum(outer, sizeof(*outer)));
	icmp = (uint8_t *)(outer + 1);
	memset(icmp, 0, 8);
	icmp[0] = error->type;
	icmp[1] = error->code;
	icmp[6] = (uint8_t)(error->mtu >> 8);
	icmp[7] = (uint8_t)error->mtu;
	sum = (uint16_t)~csum_fold(csum_sum(icmp, 8u + quote));
	memcpy(icmp + 2, &sum, sizeof(sum));
	return true;
}
