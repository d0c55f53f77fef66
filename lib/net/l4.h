// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The transport protocols that are translated. The number also says which third of a port block is
// meant (session/portblk.h) and stands in two bits of a mapping.

#include <stdint.h>

enum l4 { L4_UDP, L4_TCP, L4_ICMP, L4_COUNT };

#define PROTOCOL_ICMP   1
#define PROTOCOL_TCP    6
#define PROTOCOL_UDP    17
#define PROTOCOL_ICMPV6 58

// The IANA number of one.
static inline uint8_t l4_protocol(enum l4 l4)
{
	static const uint8_t protocol[L4_COUNT] = {
		[L4_UDP] = PROTOCOL_UDP, [L4_TCP] = PROTOCOL_TCP, [L4_ICMP] = PROTOCOL_ICMP};

	return protocol[l4];
}

// The one with an IANA number, or L4_COUNT.
static inline enum l4 l4_of(uint8_t protocol)
{
	if (protocol == PROTOCOL_UDP)
		return L4_UDP;
	if (protocol == PROTOCOL_TCP)
		return L4_TCP;
	return protocol == PROTOCOL_ICMP ? L4_ICMP : L4_COUNT;
}
