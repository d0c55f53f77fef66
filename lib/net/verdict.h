// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>

// Every way in which a packet can leave the box, in the order in which a packet meets them. This one
// list yields the enum, the counter's name and its help text, so the command line, the metrics and
// docs/counters.md cannot disagree. Received packets = the sum of all verdicts: each packet test
// asserts it.
//
// VERDICT(enum, counter name, kind, help)
//   FORWARD  sent on              LOCAL  taken by the box itself
//   DROP     discarded            (an ICMP error may have been sent back: see `icmp-errors-sent`)

#define VERDICTS(VERDICT)                                                                          \
	/* forwarded */                                                                            \
	VERDICT(V_NAT44_OUT, "nat44-out", FORWARD, "translated from inside to outside")            \
	VERDICT(V_NAT44_IN, "nat44-in", FORWARD, "translated from outside to inside")              \
	VERDICT(V_NAT44_HAIRPIN, "nat44-hairpin", FORWARD,                                         \
		"translated from one inside host to another by its outside address")               \
	VERDICT(V_NAT64_OUT, "nat64-out", FORWARD, "from an IPv6 host, translated to IPv4")        \
	VERDICT(V_NAT64_IN, "nat64-in", FORWARD, "translated from IPv4 to an IPv6 host")           \
	VERDICT(V_NAT64_HAIRPIN, "nat64-hairpin", FORWARD,                                         \
		"from one inside host to the outside address of another, which is an IPv6 host")   \
	VERDICT(V_DSLITE_OUT, "ds-lite-out", FORWARD, "out of a DS-Lite softwire and translated")  \
	VERDICT(V_DSLITE_IN, "ds-lite-in", FORWARD, "translated and into a DS-Lite softwire")      \
	VERDICT(V_DSLITE_HAIRPIN, "ds-lite-hairpin", FORWARD,                                      \
		"from one inside host to the outside address of another, which is behind a B4")    \
	VERDICT(V_PASS_THROUGH, "pass-through", FORWARD,                                           \
		"between an inside host and a destination that is not translated, either way")     \
	VERDICT(V_ROUTED, "routed", FORWARD, "routed between inside networks without translation") \
	VERDICT(V_SOFTWIRE_OUT, "softwire-out", FORWARD, "out of a lw4o6 or MAP-E softwire")       \
	VERDICT(V_SOFTWIRE_IN, "softwire-in", FORWARD, "into a lw4o6 or MAP-E softwire")           \
	VERDICT(V_SOFTWIRE_HAIRPIN, "softwire-hairpin", FORWARD,                                   \
		"from one subscriber of the box into another's lw4o6 or MAP-E softwire")           \
	VERDICT(V_MAPT_OUT, "map-t-out", FORWARD, "from a MAP-T subscriber, translated to IPv4")   \
	VERDICT(V_MAPT_IN, "map-t-in", FORWARD, "translated from IPv4 to a MAP-T subscriber")      \
	VERDICT(V_MAPT_HAIRPIN, "map-t-hairpin", FORWARD,                                          \
		"from one subscriber of the box, translated to another who has MAP-T")             \
	VERDICT(V_SOFTWIRE_RELAYED, "softwire-relayed", FORWARD,                                   \
		"ICMPv6 error about a tunnel packet, sent on to the sender of what was in it")     \
	VERDICT(V_ROUTED6, "routed-ipv6", FORWARD, "IPv6 packet routed as it is")                  \
	VERDICT(V_REDIRECTED, "redirected", FORWARD,                                               \
		"sent to the scrubber by a mitigation, translated or not as it would have been")   \
	/* for the box itself */                                                                   \
	VERDICT(V_ARP, "arp", LOCAL, "ARP message answered or learned from")                       \
	VERDICT(V_NEIGHBOUR_DISCOVERY, "neighbour-discovery", LOCAL,                               \
		"IPv6 neighbour solicitation answered, or another ND message taken note of")       \
	VERDICT(V_ECHO, "echo", LOCAL, "ICMP echo request to an address of the box answered")      \
	VERDICT(V_PUNTED, "punted", LOCAL,                                                         \
		"for an address of the box, given to the kernel's stack")                          \
	VERDICT(V_REASSEMBLED, "reassembled", LOCAL,                                               \
		"fragment of a tunnel packet, put behind another that counts for all of it")       \
	/* frames */                                                                               \
	VERDICT(V_FRAME_SHORT, "drop-frame-short", DROP, "frame ends inside its headers")          \
	VERDICT(V_VLAN, "drop-vlan", DROP, "no interface has this VLAN, or the interface is off")  \
	VERDICT(V_MAC, "drop-mac", DROP, "unicast frame for another station")                      \
	VERDICT(V_ETHERTYPE, "drop-ethertype", DROP, "neither IPv4, IPv6 nor ARP")                 \
	/* IP headers */                                                                           \
	VERDICT(V_IP_HEADER, "drop-ip-header", DROP, "bad version, header length or total length") \
	VERDICT(V_IP_CHECKSUM, "drop-ip-checksum", DROP, "bad IPv4 header checksum")               \
	VERDICT(V_IP_SOURCE, "drop-ip-source", DROP, "source address that no packet may have")     \
	VERDICT(V_IP_DESTINATION, "drop-ip-destination", DROP,                                     \
		"destination that no packet may have: unspecified or loopback")                    \
	VERDICT(V_MULTICAST, "drop-multicast", DROP,                                               \
		"multicast or broadcast destination, that of a connected network included")        \
	VERDICT(V_HEADER_CHAIN, "drop-header-chain", DROP,                                         \
		"IPv6 extension headers cut short, out of order or longer than 255 bytes")         \
	VERDICT(V_L4_SHORT, "drop-l4-short", DROP, "datagram ends inside its transport header")    \
	VERDICT(V_PORT_ZERO, "drop-port-zero", DROP, "port 0")                                     \
	VERDICT(V_ICMP_CHECKSUM, "drop-icmp-checksum", DROP, "bad ICMP checksum")                  \
	VERDICT(V_ICMP_TYPE, "drop-icmp-type", DROP, "ICMP type that is not translated")           \
	VERDICT(V_ICMP_QUOTE, "drop-icmp-quote", DROP,                                             \
		"ICMP error whose quoted packet is cut short or not translatable")                 \
	/* where to */                                                                             \
	VERDICT(V_SOURCE_ROUTE, "drop-source-route", DROP,                                         \
		"IPv4 option or IPv6 routing header of type 0 asks for a route that is not at "    \
		"its end")                                                                         \
	VERDICT(V_LAND, "drop-land", DROP, "source and destination are the same address")          \
	VERDICT(V_NO_ROUTE, "drop-no-route", DROP, "no route to the destination")                  \
	VERDICT(V_BLACKHOLE, "drop-blackhole", DROP, "route says to discard")                      \
	VERDICT(V_LOCAL, "drop-local", DROP, "for an address of the box that nothing answers")     \
	VERDICT(V_PUNT_LIMIT, "drop-punt-limit", DROP,                                             \
		"for the kernel's stack, beyond what an interface may send it")                    \
	VERDICT(V_IPV6, "drop-ipv6", DROP, "IPv6 packet on an interface that forwards none")       \
	VERDICT(V_SCOPE, "drop-scope", DROP,                                                       \
		"link-local source or destination, which stays on its link")                       \
	VERDICT(V_REALM, "drop-realm", DROP,                                                       \
		"from outside to an address that is neither inside, in a pool nor the box's")      \
	VERDICT(V_TTL, "drop-ttl", DROP, "time to live or hop limit reached zero")                 \
	/* fragments */                                                                            \
	VERDICT(V_FRAGMENT, "drop-fragment", DROP, "fragment, where the policy drops them")        \
	VERDICT(V_FRAGMENT_HEADER, "drop-fragment-header", DROP,                                   \
		"fragment of a size or at a place that none can have, or a first one without its " \
		"whole transport header, or of an ICMP error")                                     \
	VERDICT(V_FRAGMENT_ICMP, "drop-fragment-icmp", DROP,                                       \
		"fragment of an ICMP message that would go from IPv4 to IPv6 or back, and whose "  \
		"checksum tells of the whole length")                                              \
	VERDICT(V_FRAGMENT_ORDER, "drop-fragment-order", DROP,                                     \
		"came before the first of its datagram, where the policy wants them in order")     \
	VERDICT(V_FRAGMENT_DUPLICATE, "drop-fragment-duplicate", DROP,                             \
		"tells nothing that another fragment of the datagram did not")                     \
	VERDICT(V_FRAGMENT_BROKEN, "drop-fragment-broken", DROP,                                   \
		"overlaps another fragment, or its datagram was given up before")                  \
	VERDICT(V_FRAGMENT_LIMIT, "drop-fragment-limit", DROP,                                     \
		"too many fragments: of the datagram, of its source, or waiting under its policy") \
	VERDICT(V_FRAGMENT_MEMORY, "drop-fragment-memory", DROP,                                   \
		"made room for fragments of newer datagrams")                                      \
	VERDICT(V_FRAGMENT_TIMEOUT, "drop-fragment-timeout", DROP,                                 \
		"the first fragment of its datagram did not come in time, or not all of a tunnel " \
		"packet")                                                                          \
	/* tunnels */                                                                              \
	VERDICT(V_TUNNEL_PROTOCOL, "drop-tunnel-protocol", DROP,                                   \
		"to the end of a tunnel, but neither IPv4 in IPv6 nor an ICMPv6 error")            \
	VERDICT(V_TUNNEL_INSIDE, "drop-tunnel-inside", DROP,                                       \
		"no IPv4 packet in the tunnel packet, or one that is longer than that")            \
	VERDICT(V_TUNNEL_CONGESTION, "drop-tunnel-congestion", DROP,                               \
		"met congestion in a tunnel, and its ends would not understand the mark")          \
	VERDICT(V_INNER_SOURCE, "drop-inner-source", DROP,                                         \
		"out of a DS-Lite softwire, and its source is none that a host there may have")    \
	VERDICT(V_B4_CHANGE, "drop-b4-change", DROP,                                               \
		"from another address of a subscriber's B4, too soon after it changed")            \
	VERDICT(V_SOFTWIRE_LIMIT, "drop-softwire-limit", DROP,                                     \
		"the subscriber has all the softwires it may have")                                \
	/* translation */                                                                          \
	VERDICT(V_UDP_CHECKSUM, "drop-udp-checksum", DROP,                                         \
		"UDP datagram without checksum, which IPv6 wants, that can get none here")         \
	VERDICT(V_PROTOCOL, "drop-protocol", DROP, "transport protocol that is not translated")    \
	VERDICT(V_POLICY, "drop-policy", DROP, "inside source matches no NAT policy")              \
	VERDICT(V_SPOOFED, "drop-spoofed", DROP,                                                   \
		"source is an outside address of the box, an inside one arriving from outside, "   \
		"or an IPv6 one from inside that is not inside")                                   \
	VERDICT(V_PREF64, "drop-pref64", DROP,                                                     \
		"the NAT64 policy has no prefix for the IPv4 address, or another than was used, "  \
		"or it is not to be behind the well-known prefix")                                 \
	VERDICT(V_NO_SOFTWIRE, "drop-no-softwire", DROP,                                           \
		"to an address and port that no binding or mapping rule has")                      \
	VERDICT(V_SOFTWIRE_SOURCE, "drop-softwire-source", DROP,                                   \
		"from a softwire, or by MAP-T, of who does not have the source address and port")  \
	VERDICT(V_PATH_MRU, "drop-path-mru", DROP, "from a softwire, larger than its path MRU")    \
	VERDICT(V_ICMP_POLICY, "drop-icmp-policy", DROP,                                           \
		"ICMP from outside that the border relay lets in none or no more of")              \
	VERDICT(V_NO_MAPPING, "drop-no-mapping", DROP, "from outside, no mapping")                 \
	VERDICT(V_FILTERED, "drop-filtered", DROP,                                                 \
		"from outside, and the mapping's host has not written to there")                   \
	VERDICT(V_NOT_SYN, "drop-not-syn", DROP,                                                   \
		"TCP segment that is no first SYN, or DCCP packet that is no Request")             \
	VERDICT(V_HAIRPINNING, "drop-hairpinning", DROP,                                           \
		"from one subscriber to another, where hairpinning is switched off for either")    \
	VERDICT(V_ACL, "drop-acl", DROP, "matched a mitigation")                                   \
	VERDICT(V_ACL_RATE, "drop-acl-rate", DROP, "exceeded the rate of a mitigation")            \
	VERDICT(V_QUARANTINE, "drop-quarantine", DROP, "subscriber is in quarantine")              \
	VERDICT(V_MAPPING_RATE, "drop-mapping-rate", DROP,                                         \
		"subscriber opens mappings faster than its policy allows")                         \
	VERDICT(V_QUOTA, "drop-quota", DROP, "subscriber has all the ports its quota allows")      \
	VERDICT(V_BLOCK_LIMIT, "drop-block-limit", DROP,                                           \
		"subscriber's port blocks are full and it may have no more")                       \
	VERDICT(V_HOLD_DOWN, "drop-hold-down", DROP,                                               \
		"port blocks are not given out yet, since those in use before the start rest")     \
	VERDICT(V_POOL, "drop-pool", DROP, "no free port block, or none on the paired address")    \
	VERDICT(V_SUBSCRIBER_LIMIT, "drop-subscriber-limit", DROP,                                 \
		"the NAT instance serves as many subscribers as it may")                           \
	VERDICT(V_MAPPING_LIMIT, "drop-mapping-limit", DROP,                                       \
		"the NAT instance has as many mappings as it may")                                 \
	VERDICT(V_HOST_MEMORY, "drop-host-memory", DROP,                                           \
		"table of inside hosts without an IPv4 address is full")                           \
	VERDICT(V_SUBSCRIBER_MEMORY, "drop-subscriber-memory", DROP, "subscriber table is full")   \
	VERDICT(V_MAPPING_MEMORY, "drop-mapping-memory", DROP, "mapping table is full")            \
	VERDICT(V_SESSION_MEMORY, "drop-session-memory", DROP, "session table is full")            \
	VERDICT(V_SESSION_LIMIT, "drop-session-limit", DROP,                                       \
		"mapping or subscriber has all the sessions it may have")                          \
	VERDICT(V_BLOCK_MEMORY, "drop-block-memory", DROP, "port block table is full")             \
	VERDICT(V_LOG_FULL, "drop-log-full", DROP,                                                 \
		"no room to record a port block, so none was given")                               \
	/* out */                                                                                  \
	VERDICT(V_TOO_BIG, "drop-too-big", DROP,                                                   \
		"larger than the MTU of the way out, and not to be fragmented")                    \
	VERDICT(V_BUFFER, "drop-buffer", DROP, "no free packet buffer to fragment it")             \
	VERDICT(V_NEIGHBOUR, "drop-neighbour", DROP, "next hop did not answer, or too many wait")  \
	VERDICT(V_RING, "drop-ring", DROP, "queue to another worker or to the control is full")    \
	VERDICT(V_TRANSMIT, "drop-transmit", DROP, "transmit queue is full")

#define VERDICT_ENUM(id, name, kind, help) id,
enum verdict { VERDICTS(VERDICT_ENUM) V_COUNT };
#undef VERDICT_ENUM

enum verdict_kind { FORWARD, LOCAL, DROP };

struct verdict_info {
	const char *name;
	enum verdict_kind kind;
	const char *help;
};

extern const struct verdict_info verdict_info[V_COUNT];

// Whether a packet met it because there is no room or no right to one more mapping or session: its sender
// is told (RFC 6888 REQ-11).
bool verdict_is_refusal(enum verdict verdict);
