// SPDX-License-Identifier: BSD-3-Clause

#include "xlate/rewrite.h"

// Mends the transport checksum inside the quote, if it was quoted that far; whether it was right is
// not asked (RFC 5508 REQ-3c).
static void quoted_checksum(
	const struct quoted *q, uint32_t addresses, uint32_t ports, uint32_t *outer)
{
	static const uint8_t offset[L4_COUNT] = {[L4_UDP] = UDP_CHECKSUM,
		[L4_TCP] = TCP_CHECKSUM,
		[L4_ICMP] = ICMP_CHECKSUM,
		[L4_DCCP] = DCCP_CHECKSUM};
	uint8_t *field;
	uint16_t sum;

	if (q->proto == L4_COUNT || q->l4_length < offset[q->proto] + 2)
		return;
	field = q->l4 + offset[q->proto];
	memcpy(&sum, field, sizeof(sum));
	if (q->proto == L4_UDP)
		sum = csum_apply_udp(sum, addresses + ports);
	else
		sum = csum_apply(sum, q->proto == L4_ICMP ? ports : addresses + ports);
	rewrite16(field, sum, outer);
}

void rewrite_quoted(struct burst *b, unsigned i, const struct quoted *q, unsigned address_at,
	unsigned port_at, rte_be32_t address, rte_be16_t port)
{
	uint8_t *icmp = b->ip[i] + b->ihl[i];
	uint32_t addresses = 0, ports = 0, outer;
	uint16_t sum;

	rewrite32(q->ip + address_at, address, &addresses);
	if (q->proto != L4_COUNT)
		rewrite16(q->l4 + (q->proto == L4_ICMP ? ICMP_ID : port_at), port, &ports);
	outer = addresses + ports;
	memcpy(&sum, q->ip + 10, sizeof(sum));
	rewrite16(q->ip + 10, csum_apply(sum, addresses), &outer);
	quoted_checksum(q, addresses, ports, &outer);
	memcpy(&sum, icmp + ICMP_CHECKSUM, sizeof(sum));
	sum = csum_apply(sum, outer);
	memcpy(icmp + ICMP_CHECKSUM, &sum, sizeof(sum));
}
