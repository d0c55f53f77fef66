// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The transport protocols that are translated. The number also says which row of a port block is meant
// (session/portblk.h) and stands in three bits of a mapping. Those from L4_SLOTS on are too rare for a row: what
// stands behind their outside ports is found by an index.

#include <stdint.h>

enum l4 { L4_UDP, L4_TCP, L4_ICMP, L4_SLOTS, L4_DCCP = L4_SLOTS, L4_COUNT };

#define PROTOCOL_ICMP   1
#define PROTOCOL_IPV4   4
#define PROTOCOL_TCP    6
#define PROTOCOL_UDP    17
#define PROTOCOL_DCCP   33
#define PROTOCOL_ICMPV6 58

// The IANA number of one.
static inline uint8_t l4_protocol(enum l4 l4)
{
	static const uint8_t protocol[L4_COUNT] = {
		[L4_UDP] = PROTOCOL_UDP,
		[L4_TCP] = PROTOCOL_TCP,
		[L4_ICMP] = PROTOCOL_ICMP,
		[L4_DCCP] = PROTOCOL_DCCP,
	};

	return protocol[l4];
}

// The one with an IANA number, or L4_COUNT.
static inline enum l4 l4_of(uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_UDP:
		return L4_UDP;
	case PROTOCOL_TCP:
		return L4_TCP;
	case PROTOCOL_ICMP:
		return L4_ICMP;
	case PROTOCOL_DCCP:
		return L4_DCCP;
	default:
		return L4_COUNT;
	}
}
