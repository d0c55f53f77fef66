// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// IP addresses and prefixes of both families, for the control side: text, comparison, containment.
// Packet code works on bare 32-bit and 128-bit values in network byte order instead.

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define IPADDR_TEXT   48 // bytes for any address with a terminating zero
#define IPPREFIX_TEXT 52

struct ipaddr {
	uint8_t family;    // 4 or 6; 0 is "none"
	uint8_t bytes[16]; // network byte order; IPv4 in the first four, the rest zero
};

struct ipprefix {
	struct ipaddr addr; // host bits are zero
	uint8_t len;
};

struct ipaddr ipaddr_v4(uint32_t be32);
struct ipaddr ipaddr_v6(const uint8_t bytes[16]);

// The IPv4 address as a big-endian 32-bit value; 0 for IPv6.
uint32_t ipaddr_be32(const struct ipaddr *a);

// Reads an address without zone, port or prefix length. Returns -EINVAL.
int ipaddr_parse(const char *text, struct ipaddr *out);

// Reads "ADDRESS/LENGTH", or a bare address as a host prefix. Clears the host bits; *had_host_bits
// (may be NULL) tells whether any was set. Returns -EINVAL.
int ipprefix_parse(const char *text, struct ipprefix *out, bool *had_host_bits);

// Write text into out, which holds IPADDR_TEXT or IPPREFIX_TEXT bytes, and return it.
const char *ipaddr_format(const struct ipaddr *a, char *out);
const char *ipprefix_format(const struct ipprefix *p, char *out);

// memcmp order: IPv4 before IPv6, then by bytes.
int ipaddr_compare(const struct ipaddr *a, const struct ipaddr *b);

// Whether it is in fe80::/10 (RFC 4291 section 2.5.6).
bool ipaddr_is_link_local(const struct ipaddr *a);

// 0.0.0.0 or ::.
bool ipaddr_is_any(const struct ipaddr *a);

// Bits of an address of that family: 32 or 128.
unsigned ipaddr_bits(const struct ipaddr *a);

struct ipprefix ipprefix_make(const struct ipaddr *a, unsigned len);
bool ipprefix_has(const struct ipprefix *p, const struct ipaddr *a);
bool ipprefix_covers(const struct ipprefix *outer, const struct ipprefix *inner);
bool ipprefix_overlaps(const struct ipprefix *a, const struct ipprefix *b);

// Socket address and back. ipaddr_to_sockaddr returns the length used; port is in host order.
socklen_t ipaddr_to_sockaddr(const struct ipaddr *a, uint16_t port, struct sockaddr_storage *out);
int ipaddr_from_sockaddr(const struct sockaddr *sa, struct ipaddr *out, uint16_t *port);
