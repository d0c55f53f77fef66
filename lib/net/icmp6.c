// SPDX-License-Identifier: BSD-3-Clause

#include "net/icmp6.h"

#include "net/csum.h"
#include "net/hdr6.h"

#include <rte_ether.h>
#include <rte_ip.h>

#include <string.h>

#define ADDED     (IPV6_MIN + 8)
#define QUOTE_MAX (IPV6_MTU_MIN - ADDED)

// The sender of what we answer becomes the receiver.
static void turn_frame(struct rte_ether_hdr *ether)
{
	struct rte_ether_addr station = ether->dst_addr;

	ether->dst_addr = ether->src_addr;
	ether->src_addr = station;
}

// How many bytes of the packet are quoted.
static uint16_t quote_of(const uint8_t *ip, uint32_t there)
{
	uint32_t length;
	rte_be16_t payload;

	memcpy(&payload, ip + IPV6_LENGTH, sizeof(payload));
	length = IPV6_MIN + (uint32_t)rte_be_to_cpu_16(payload);
	if (length > there)
		length = there;
	return (uint16_t)(length < QUOTE_MAX ? length : QUOTE_MAX);
}

static void write_error(uint8_t *ip, uint16_t quote, const struct icmp6_error *error)
{
	struct rte_ipv6_hdr *outer = (struct rte_ipv6_hdr *)ip;
	uint8_t *icmp = (uint8_t *)(outer + 1);
	rte_be32_t word = rte_cpu_to_be_32(error->word);
	uint16_t sum;

	*outer = (struct rte_ipv6_hdr){
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16((uint16_t)(8 + quote)),
		.proto = PROTOCOL_ICMPV6,
		.hop_limits = 64,
	};
	memcpy(outer->src_addr, error->source, sizeof(outer->src_addr));
	memcpy(outer->dst_addr, ip + ADDED + IPV6_SOURCE, sizeof(outer->dst_addr));
	memset(icmp, 0, 4);
	icmp[0] = error->type;
	icmp[1] = error->code;
	memcpy(icmp + 4, &word, sizeof(word));
	// source, destination and message, and the rest of the pseudo-header (RFC 8200 section 8.1)
	sum = (uint16_t)~csum_fold(csum_sum(ip + IPV6_SOURCE, 32 + 8u + quote) +
		rte_cpu_to_be_32(8u + quote) + rte_cpu_to_be_32(PROTOCOL_ICMPV6));
	memcpy(icmp + 2, &sum, sizeof(sum));
}

uint16_t icmp6_error_make(struct rte_mbuf *mbuf, uint8_t *ip, const struct icmp6_error *error)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	size_t l2 = (size_t)(ip - frame);
	uint16_t quote = quote_of(ip, (uint32_t)(rte_pktmbuf_data_len(mbuf) - l2));

	if (frame[0] & 1 || // to a group
		rte_pktmbuf_headroom(mbuf) < ADDED)
		return 0;
	rte_pktmbuf_free(mbuf->next);
	mbuf->next = NULL;
	mbuf->nb_segs = 1;
	memmove(frame - ADDED, frame, l2);
	mbuf->data_off = (uint16_t)(mbuf->data_off - ADDED);
	mbuf->data_len = (uint16_t)(l2 + ADDED + quote);
	mbuf->pkt_len = mbuf->data_len;
	turn_frame((struct rte_ether_hdr *)(frame - ADDED));
	write_error(ip - ADDED, quote, error);
	return (uint16_t)(ADDED + quote);
}
