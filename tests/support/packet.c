// SPDX-License-Identifier: BSD-3-Clause

#include "support/packet.h"

#include <string.h>

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// Bytes as big-endian words, an odd last one followed by zero.
static uint32_t add(uint32_t sum, const uint8_t *p, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static unsigned ihl_of(const uint8_t *ip)
{
	return (ip[0] & 15u) * 4;
}

static unsigned checksum_at(uint8_t protocol)
{
	if (protocol == PROTOCOL_UDP || protocol == PROTOCOL_DCCP)
		return 6;
	return protocol == PROTOCOL_TCP ? 16 : 2;
}

unsigned packet_least(enum l4 l4)
{
	return l4 == L4_TCP ? 40 : 28;
}

uint16_t packet_sum(const uint8_t *ip)
{
	return (uint16_t)add(0, ip, ihl_of(ip));
}

uint16_t packet_sum_l4(const uint8_t *ip, uint16_t length)
{
	unsigned ihl = ihl_of(ip);
	uint32_t sum = 0;

	if (ip[9] != PROTOCOL_ICMP) {
		uint8_t rest[4] = {0, ip[9]};

		put16(rest + 2, length - ihl);
		sum = add(add(0, ip + 12, 8), rest, sizeof(rest));
	}
	return (uint16_t)add(sum, ip + ihl, length - ihl);
}

void packet_mend(uint8_t *ip, uint16_t length)
{
	uint8_t *field = ip + ihl_of(ip) + checksum_at(ip[9]);
	unsigned sum;

	put16(ip + 10, 0);
	put16(ip + 10, ~packet_sum(ip) & 0xffffu);
	put16(field, 0);
	sum = ~packet_sum_l4(ip, length) & 0xffffu;
	put16(field, sum || ip[9] != PROTOCOL_UDP ? sum : 0xffff);
}

static void header(
	uint8_t *ip, uint16_t length, rte_be32_t src, rte_be32_t dst, uint8_t protocol, uint8_t ttl)
{
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, length);
	ip[6] = 0x40;
	ip[8] = ttl;
	ip[9] = protocol;
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
}

void packet_make(uint8_t *ip, uint16_t length, const struct tuple *t, uint8_t flags, uint8_t ttl)
{
	uint8_t *l4 = ip + 20;

	header(ip, length, t->src, t->dst, l4_protocol(t->l4), ttl);
	if (t->l4 == L4_ICMP) {
		l4[0] = flags;
		l4[1] = 0;
		memcpy(l4 + 4, &t->src_port, 2);
	} else {
		memcpy(l4, &t->src_port, 2);
		memcpy(l4 + 2, &t->dst_port, 2);
	}
	if (t->l4 == L4_UDP)
		put16(l4 + 4, length - 20u);
	if (t->l4 == L4_TCP) {
		l4[12] = 0x50;
		l4[13] = flags;
	}
	packet_mend(ip, length);
}

uint16_t packet_make_error(uint8_t *ip, rte_be32_t src, rte_be32_t dst, uint8_t type, uint8_t code,
	const uint8_t *quoted, uint16_t quoted_length)
{
	uint16_t length = (uint16_t)(28 + quoted_length);

	header(ip, length, src, dst, PROTOCOL_ICMP, 64);
	memset(ip + 20, 0, 8);
	ip[20] = type;
	ip[21] = code;
	memcpy(ip + 28, quoted, quoted_length);
	packet_mend(ip, length);
	return length;
}

struct tuple packet_tuple(const uint8_t *ip)
{
	const uint8_t *l4 = ip + ihl_of(ip);
	struct tuple t = {.l4 = l4_of(ip[9])};

	memcpy(&t.src, ip + 12, 4);
	memcpy(&t.dst, ip + 16, 4);
	if (t.l4 == L4_ICMP) {
		memcpy(&t.src_port, l4 + 4, 2);
		t.dst_port = t.src_port;
	} else {
		memcpy(&t.src_port, l4, 2);
		memcpy(&t.dst_port, l4 + 2, 2);
	}
	return t;
}
