// SPDX-License-Identifier: BSD-3-Clause

#include "net/local.h"

#include "net/csum.h"
#include "net/hdr.h"
#include "net/hdr6.h"

#include <rte_ip.h>

#include <string.h>

#define ARP_LENGTH 28

#define ND_SOLICITATION      135
#define ND_ADVERTISEMENT     136
#define ND_SOURCE_MAC_OPTION 1
#define ND_TARGET_MAC_OPTION 2
#define ND_FLAG_ROUTER       0x80
#define ND_FLAG_SOLICITED    0x40
#define ND_FLAG_OVERRIDE     0x20
#define ND_LENGTH            24 // without options
#define ND_WITH_OPTION       (ND_LENGTH + 8)

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// The answer goes where the question came from, and comes from this station.
static void turn_frame(struct rte_mbuf *mbuf, const struct rte_ether_addr *mac)
{
	struct rte_ether_hdr *ether = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);

	ether->dst_addr = ether->src_addr;
	ether->src_addr = *mac;
}

bool arp_read(const uint8_t *data, uint32_t length, struct arp *arp)
{
	// hardware type 1, protocol type IPv4, 6 and 4 bytes of address
	static const uint8_t ethernet_ipv4[6] = {0, 1, 8, 0, 6, 4};

	if (length < ARP_LENGTH || memcmp(data, ethernet_ipv4, sizeof(ethernet_ipv4)))
		return false;
	arp->operation = get16(data + 6);
	memcpy(&arp->sender_mac, data + 8, 6);
	memcpy(&arp->sender, data + 14, 4);
	memcpy(&arp->target, data + 24, 4);
	return rte_is_valid_assigned_ether_addr(&arp->sender_mac);
}

void arp_write(uint8_t *data, enum arp_operation operation, const struct rte_ether_addr *sender_mac,
	rte_be32_t sender, const struct rte_ether_addr *target_mac, rte_be32_t target)
{
	static const uint8_t ethernet_ipv4[6] = {0, 1, 8, 0, 6, 4};

	memcpy(data, ethernet_ipv4, sizeof(ethernet_ipv4));
	put16(data + 6, (uint16_t)operation);
	memcpy(data + 8, sender_mac, 6);
	memcpy(data + 14, &sender, 4);
	memcpy(data + 18, target_mac, 6);
	memcpy(data + 24, &target, 4);
}

void arp_answer(struct rte_mbuf *mbuf, uint8_t *data, const struct rte_ether_addr *mac)
{
	struct rte_ether_addr asker;
	rte_be32_t sender, target;

	memcpy(&asker, data + 8, 6);
	memcpy(&sender, data + 14, 4);
	memcpy(&target, data + 24, 4);
	turn_frame(mbuf, mac);
	arp_write(data, ARP_REPLY, mac, target, &asker, sender);
}

// The sum of an ICMPv6 message with its pseudo-header (RFC 8200 section 8.1), unfolded.
static uint64_t icmp6_sum(const uint8_t *ip, uint32_t length)
{
	return csum_sum(ip + IPV6_SOURCE, 32) + csum_sum(ip + IPV6_MIN, length) +
		rte_cpu_to_be_32(length) + rte_cpu_to_be_32(PROTOCOL_ICMPV6);
}

// The length of the ICMPv6 message in an IPv6 packet without extension headers, of which `length` bytes
// are there; 0 if it is something else, cut short, or its checksum is wrong.
static uint32_t icmp6_length(const uint8_t *ip, uint32_t length)
{
	uint32_t payload;

	if (length < IPV6_MIN + 8 || ip[0] >> 4 != 6 || ip[6] != PROTOCOL_ICMPV6)
		return 0;
	payload = get16(ip + 4);
	if (payload < 8 || payload > length - IPV6_MIN)
		return 0;
	return csum_fold(icmp6_sum(ip, payload)) == 0xffff ? payload : 0;
}

static void icmp6_finish(uint8_t *ip, uint32_t length)
{
	uint8_t *icmp = ip + IPV6_MIN;
	uint16_t sum;

	put16(icmp + 2, 0);
	sum = (uint16_t)~csum_fold(icmp6_sum(ip, length));
	memcpy(icmp + 2, &sum, sizeof(sum));
}

// Looks for one option among those at p. Returns false if they are malformed (RFC 4861 section 4.6: an
// option of length 0 spoils the message).
static bool find_mac(const uint8_t *p, uint32_t length, uint8_t wanted, struct nd *nd)
{
	while (length) {
		uint32_t size = length < 2 ? 0 : p[1] * 8u;

		if (!size || size > length)
			return false;
		if (p[0] == wanted && size == 8) {
			memcpy(&nd->mac, p + 2, 6);
			nd->has_mac = rte_is_valid_assigned_ether_addr(&nd->mac);
		}
		p += size;
		length -= size;
	}
	return true;
}

bool nd_read(const uint8_t *ip, uint32_t length, struct nd *nd)
{
	const uint8_t *icmp = ip + IPV6_MIN;
	uint32_t payload = icmp6_length(ip, length);

	if (payload < ND_LENGTH || ip[IPV6_HOP_LIMIT] != 255 || icmp[1] != 0)
		return false;
	if (icmp[0] != ND_SOLICITATION && icmp[0] != ND_ADVERTISEMENT)
		return false;
	*nd = (struct nd){
		.solicitation = icmp[0] == ND_SOLICITATION,
		.solicited = icmp[4] & ND_FLAG_SOLICITED,
	};
	memcpy(nd->source, ip + IPV6_SOURCE, 16);
	memcpy(nd->target, icmp + 8, 16);
	if (nd->target[0] == 0xff)
		return false;
	return find_mac(icmp + ND_LENGTH, payload - ND_LENGTH,
		nd->solicitation ? ND_SOURCE_MAC_OPTION : ND_TARGET_MAC_OPTION, nd);
}

bool nd_answer(
	struct rte_mbuf *mbuf, uint8_t *ip, const struct nd *nd, const struct rte_ether_addr *mac)
{
	static const uint8_t unspecified[16];
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const struct rte_ether_addr all_nodes_mac = {{0x33, 0x33, 0, 0, 0, 1}};
	bool duplicate_detection = !memcmp(nd->source, unspecified, 16);
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint32_t size = (uint32_t)(ip - frame) + IPV6_MIN + ND_WITH_OPTION;
	uint8_t *icmp = ip + IPV6_MIN;

	// a solicitation without option is shorter than its answer; the buffer behind it is ours
	if (mbuf->next || size > rte_pktmbuf_data_len(mbuf) + rte_pktmbuf_tailroom(mbuf))
		return false;
	mbuf->data_len = (uint16_t)size;
	mbuf->pkt_len = size;
	turn_frame(mbuf, mac);
	if (duplicate_detection)
		((struct rte_ether_hdr *)frame)->dst_addr = all_nodes_mac;
	put16(ip + 4, ND_WITH_OPTION);
	ip[IPV6_HOP_LIMIT] = 255;
	memcpy(ip + IPV6_DESTINATION, duplicate_detection ? all_nodes : nd->source, 16);
	memcpy(ip + IPV6_SOURCE, nd->target, 16);
	icmp[0] = ND_ADVERTISEMENT;
	icmp[4] = ND_FLAG_ROUTER | ND_FLAG_OVERRIDE | (duplicate_detection ? 0 : ND_FLAG_SOLICITED);
	icmp[5] = icmp[6] = icmp[7] = 0;
	icmp[ND_LENGTH] = ND_TARGET_MAC_OPTION;
	icmp[ND_LENGTH + 1] = 1;
	memcpy(icmp + ND_LENGTH + 2, mac, 6);
	icmp6_finish(ip, ND_WITH_OPTION);
	return true;
}

void nd_ask(uint8_t *ip, const uint8_t source[16], const struct rte_ether_addr *mac,
	const uint8_t target[16], bool to_group)
{
	// solicited-node multicast address (RFC 4291 section 2.7.1)
	static const uint8_t group[16] = {0xff, 2, [11] = 1, 0xff};
	uint8_t *icmp = ip + IPV6_MIN;

	memset(ip, 0, ND_SOLICITATION_BYTES);
	ip[0] = 0x60;
	put16(ip + 4, ND_WITH_OPTION);
	ip[6] = PROTOCOL_ICMPV6;
	ip[IPV6_HOP_LIMIT] = 255;
	memcpy(ip + IPV6_SOURCE, source, 16);
	memcpy(ip + IPV6_DESTINATION, target, 16);
	if (to_group)
		memcpy(ip + IPV6_DESTINATION, group, 13);
	icmp[0] = ND_SOLICITATION;
	memcpy(icmp + 8, target, 16);
	icmp[ND_LENGTH] = ND_SOURCE_MAC_OPTION;
	icmp[ND_LENGTH + 1] = 1;
	memcpy(icmp + ND_LENGTH + 2, mac, 6);
	icmp6_finish(ip, ND_WITH_OPTION);
}

struct rte_ether_addr nd_group_mac(const uint8_t target[16])
{
	return (struct rte_ether_addr){{0x33, 0x33, 0xff, target[13], target[14], target[15]}};
}

void echo_answer4(
	struct rte_mbuf *mbuf, uint8_t *ip, uint8_t *icmp, const struct rte_ether_addr *mac)
{
	struct rte_ipv4_hdr *h = (struct rte_ipv4_hdr *)ip;
	rte_be32_t asker = h->src_addr;
	uint16_t sum;

	turn_frame(mbuf, mac);
	h->src_addr = h->dst_addr;
	h->dst_addr = asker;
	h->hdr_checksum = csum_apply(h->hdr_checksum,
		csum_change16(h->time_to_live, 64)); // the TTL is the first byte of its word
	h->time_to_live = 64;
	memcpy(&sum, icmp + 2, sizeof(sum));
	sum = csum_apply(sum, csum_change16(ICMP_ECHO, ICMP_ECHO_REPLY));
	memcpy(icmp + 2, &sum, sizeof(sum));
	icmp[0] = ICMP_ECHO_REPLY;
}

bool echo_answer6(
	struct rte_mbuf *mbuf, uint8_t *ip, uint32_t length, const struct rte_ether_addr *mac)
{
	uint32_t payload = icmp6_length(ip, length);
	uint8_t *icmp = ip + IPV6_MIN;
	uint8_t asker[16];

	if (!payload || icmp[0] != ICMP6_ECHO || icmp[1])
		return false;
	turn_frame(mbuf, mac);
	memcpy(asker, ip + IPV6_SOURCE, 16);
	memcpy(ip + IPV6_SOURCE, ip + IPV6_DESTINATION, 16);
	memcpy(ip + IPV6_DESTINATION, asker, 16);
	ip[IPV6_HOP_LIMIT] = 64;
	icmp[0] = ICMP6_ECHO_REPLY;
	icmp6_finish(ip, payload);
	return true;
}
