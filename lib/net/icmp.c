// SPDX-License-Identifier: BSD-3-Clause

#include "net/icmp.h"

#include "net/csum.h"

#include <rte_ether.h>
#include <rte_ip.h>

#include <string.h>

#define QUOTE_MAX (576 - ICMP_ERROR_ADDED) // RFC 1812 section 4.3.2.3

// The sender of what we answer becomes the receiver.
static void turn_frame(struct rte_ether_hdr *ether)
{
	struct rte_ether_addr station = ether->dst_addr;

	ether->dst_addr = ether->src_addr;
	ether->src_addr = station;
}

uint16_t icmp_error_write(uint8_t *at, const struct icmp_error *error, uint32_t quote)
{
	uint8_t *icmp = at + sizeof(struct rte_ipv4_hdr);
	struct rte_ipv4_hdr *outer = (struct rte_ipv4_hdr *)at;
	uint16_t length = (uint16_t)(ICMP_ERROR_ADDED + RTE_MIN(quote, (uint32_t)QUOTE_MAX));
	uint16_t sum;

	*outer = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.type_of_service = 0xc0, // internetwork control (RFC 1812 section 4.3.2.5)
		.total_length = rte_cpu_to_be_16(length),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG), // atomic, so no id (RFC 6864)
		.time_to_live = 64,
		.next_proto_id = 1,
		.src_addr = error->source,
		.dst_addr = ((struct rte_ipv4_hdr *)(at + ICMP_ERROR_ADDED))->src_addr,
	};
	outer->hdr_checksum = (uint16_t)~csum_fold(csum_sum(outer, sizeof(*outer)));
	memset(icmp, 0, 8);
	icmp[0] = error->type;
	icmp[1] = error->code;
	icmp[6] = (uint8_t)(error->mtu >> 8);
	icmp[7] = (uint8_t)error->mtu;
	sum = (uint16_t)~csum_fold(csum_sum(icmp, length - sizeof(*outer)));
	memcpy(icmp + 2, &sum, sizeof(sum));
	return length;
}

uint16_t icmp_error_make(struct rte_mbuf *mbuf, uint8_t *ip, const struct icmp_error *error)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	size_t l2 = (size_t)(ip - frame);
	uint16_t quote = (uint16_t)(rte_pktmbuf_data_len(mbuf) - l2);
	uint16_t length = rte_be_to_cpu_16(((struct rte_ipv4_hdr *)ip)->total_length);

	if (frame[0] & 1 || // to a group
		rte_pktmbuf_headroom(mbuf) < ICMP_ERROR_ADDED)
		return 0;
	rte_pktmbuf_free(mbuf->next);
	mbuf->next = NULL;
	mbuf->nb_segs = 1;
	frame -= ICMP_ERROR_ADDED;
	memmove(frame, frame + ICMP_ERROR_ADDED, l2);
	length = icmp_error_write(ip - ICMP_ERROR_ADDED, error, RTE_MIN(length, quote));
	mbuf->data_off = (uint16_t)(mbuf->data_off - ICMP_ERROR_ADDED);
	mbuf->data_len = (uint16_t)(l2 + length);
	mbuf->pkt_len = mbuf->data_len;
	turn_frame((struct rte_ether_hdr *)frame);
	return length;
}
