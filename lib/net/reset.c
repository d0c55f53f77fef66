// SPDX-License-Identifier: BSD-3-Clause

#include "net/reset.h"

#include "net/csum.h"
#include "net/l4.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#define SYN_OR_FIN (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG)

// How far a segment's sender would be after it.
static uint32_t sequence_after(
	const struct rte_ipv4_hdr *ip, const struct rte_tcp_hdr *tcp, unsigned ihl)
{
	uint32_t length = rte_be_to_cpu_16(ip->total_length);
	uint32_t headers = ihl + (tcp->data_off >> 4) * 4u;
	uint32_t data = length > headers ? length - headers : 0;

	return rte_be_to_cpu_32(tcp->sent_seq) + data +
		(uint32_t)__builtin_popcount(tcp->tcp_flags & SYN_OR_FIN);
}

bool reset_make(struct rte_mbuf *mbuf, uint8_t *ip, unsigned ihl)
{
	struct rte_ether_hdr *ether = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	struct rte_ether_addr station = ether->dst_addr;
	struct rte_ipv4_hdr *header = (struct rte_ipv4_hdr *)ip;
	struct rte_ipv4_hdr from = *header;
	struct rte_tcp_hdr segment = *(struct rte_tcp_hdr *)(ip + ihl);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(header + 1);
	bool acknowledges = segment.tcp_flags & RTE_TCP_ACK_FLAG;

	if (segment.tcp_flags & RTE_TCP_RST_FLAG || rte_is_multicast_ether_addr(&station))
		return false;
	ether->dst_addr = ether->src_addr;
	ether->src_addr = station;
	*header = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.total_length = RTE_BE16(sizeof(*header) + sizeof(*tcp)),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG), // atomic, so no id (RFC 6864)
		.time_to_live = 64,
		.next_proto_id = PROTOCOL_TCP,
		.src_addr = from.dst_addr,
		.dst_addr = from.src_addr,
	};
	header->hdr_checksum = (uint16_t)~csum_fold(csum_sum(header, sizeof(*header)));
	*tcp = (struct rte_tcp_hdr){
		.src_port = segment.dst_port,
		.dst_port = segment.src_port,
		.sent_seq = acknowledges ? segment.recv_ack : 0,
		.recv_ack =
			acknowledges ? 0 : rte_cpu_to_be_32(sequence_after(&from, &segment, ihl)),
		.data_off = sizeof(*tcp) / 4 << 4,
		.tcp_flags = acknowledges ? RTE_TCP_RST_FLAG : RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG,
	};
	tcp->cksum = (uint16_t)~csum_fold(csum_sum(tcp, sizeof(*tcp)) +
		csum_sum(&header->src_addr, 8) + RTE_BE16(sizeof(*tcp)) + RTE_BE16(PROTOCOL_TCP));
	rte_pktmbuf_free(mbuf->next);
	mbuf->next = NULL;
	mbuf->nb_segs = 1;
	mbuf->data_len = (uint16_t)((uint8_t *)(tcp + 1) - (uint8_t *)ether);
	mbuf->pkt_len = mbuf->data_len;
	return true;
}
