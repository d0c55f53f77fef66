// SPDX-License-Identifier: BSD-3-Clause

#include "base/ipaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ipaddr ipaddr_v4(uint32_t be32)
{
	struct ipaddr a = {.family = 4};

	memcpy(a.bytes, &be32, 4);
	return a;
}

struct ipaddr ipaddr_v6(const uint8_t bytes[16])
{
	struct ipaddr a = {.family = 6};

	memcpy(a.bytes, bytes, 16);
	return a;
}

uint32_t ipaddr_be32(const struct ipaddr *a)
{
	uint32_t v;

	if (a->family != 4)
		return 0;
	memcpy(&v, a->bytes, 4);
	return v;
}

int ipaddr_parse(const char *text, struct ipaddr *out)
{
	struct ipaddr a = {0};

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = 6;
	else
		return -EINVAL;
	*out = a;
	return 0;
}

int ipprefix_parse(const char *text, struct ipprefix *out, bool *had_host_bits)
{
	char addr[IPADDR_TEXT];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	struct ipaddr a;
	unsigned len;

	if (length >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, length);
	addr[length] = '\0';
	if (ipaddr_parse(addr, &a) < 0)
		return -EINVAL;
	len = ipaddr_bits(&a);
	if (slash) {
		// one to three digits and nothing else: strtoul alone would take " +8" too
		size_t digits = strspn(slash + 1, "0123456789");

		if (!digits || digits > 3 || slash[1 + digits])
			return -EINVAL;
		if (strtoul(slash + 1, NULL, 10) > len)
			return -EINVAL;
		len = (unsigned)strtoul(slash + 1, NULL, 10);
	}
	*out = ipprefix_make(&a, len);
	if (had_host_bits)
		*had_host_bits = ipaddr_compare(&a, &out->addr) != 0;
	return 0;
}

const char *ipaddr_format(const struct ipaddr *a, char *out)
{
	if (!a->family)
		return strcpy(out, "-");
	return inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, out, IPADDR_TEXT);
}

const char *ipprefix_format(const struct ipprefix *p, char *out)
{
	char addr[IPADDR_TEXT];

	snprintf(out, IPPREFIX_TEXT, "%s/%u", ipaddr_format(&p->addr, addr), p->len);
	return out;
}

int ipaddr_compare(const struct ipaddr *a, const struct ipaddr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool ipaddr_is_link_local(const struct ipaddr *a)
{
	return a->family == 6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

bool ipaddr_is_any(const struct ipaddr *a)
{
	static const uint8_t zero[sizeof(a->bytes)];

	return !memcmp(a->bytes, zero, sizeof(zero));
}

unsigned ipaddr_bits(const struct ipaddr *a)
{
	return a->family == 4 ? 32 : 128;
}

struct ipprefix ipprefix_make(const struct ipaddr *a, unsigned len)
{
	struct ipprefix p = {.addr = {.family = a->family}, .len = (uint8_t)len};

	memcpy(p.addr.bytes, a->bytes, len / 8);
	if (len % 8)
		p.addr.bytes[len / 8] = a->bytes[len / 8] & (uint8_t)(0xff00 >> (len % 8));
	return p;
}

bool ipprefix_has(const struct ipprefix *p, const struct ipaddr *a)
{
	struct ipprefix cut;

	if (p->addr.family != a->family)
		return false;
	cut = ipprefix_make(a, p->len);
	return !ipaddr_compare(&cut.addr, &p->addr);
}

bool ipprefix_covers(const struct ipprefix *outer, const struct ipprefix *inner)
{
	return outer->len <= inner->len && ipprefix_has(outer, &inner->addr);
}

bool ipprefix_overlaps(const struct ipprefix *a, const struct ipprefix *b)
{
	return ipprefix_covers(a, b) || ipprefix_covers(b, a);
}

socklen_t ipaddr_to_sockaddr(const struct ipaddr *a, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (a->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->bytes, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a->bytes, 16);
	return sizeof(*in6);
}

int ipaddr_from_sockaddr(const struct sockaddr *sa, struct ipaddr *out, uint16_t *port)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		*out = ipaddr_v4(in.sin_addr.s_addr);
		*port = ntohs(in.sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		*out = ipaddr_v6(in6.sin6_addr.s6_addr);
		*port = ntohs(in6.sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}
