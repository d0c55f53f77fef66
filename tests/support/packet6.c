// SPDX-License-Identifier: BSD-3-Clause

#include "support/packet6.h"

#include <arpa/inet.h>
#include <string.h>

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

uint16_t packet6_make(uint8_t *ip, const char *src, const char *dst, uint8_t protocol,
	const void *payload, uint16_t length)
{
	memset(ip, 0, 40);
	ip[0] = 0x60;
	put16(ip + 4, length);
	ip[6] = protocol;
	ip[7] = 64;
	inet_pton(AF_INET6, src, ip + 8);
	inet_pton(AF_INET6, dst, ip + 24);
	memcpy(ip + 40, payload, length);
	return (uint16_t)(40 + length);
}

uint16_t packet6_udp(uint8_t *ip, const char *src, const char *dst, uint16_t src_port,
	uint16_t dst_port, uint16_t data)
{
	uint8_t udp[8 + UINT16_MAX];
	uint16_t length;

	put16(udp, src_port);
	put16(udp + 2, dst_port);
	put16(udp + 4, 8u + data);
	put16(udp + 6, 0);
	for (unsigned i = 0; i < data; i++)
		udp[8 + i] = (uint8_t)(i * 7 + 1);
	length = packet6_make(ip, src, dst, 17, udp, (uint16_t)(8 + data));
	put16(ip + 46, (uint16_t)~packet6_sum(ip, 40, 17));
	return length;
}

uint16_t packet6_sum(const uint8_t *ip, unsigned at, uint8_t protocol)
{
	unsigned length = (unsigned)(ip[4] << 8 | ip[5]) + 40 - at;
	uint64_t sum = length + protocol;

	for (unsigned i = 8; i < 40; i++)
		sum += i & 1 ? ip[i] : (unsigned)ip[i] << 8;
	for (unsigned i = 0; i < length; i++)
		sum += i & 1 ? ip[at + i] : (unsigned)ip[at + i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}
