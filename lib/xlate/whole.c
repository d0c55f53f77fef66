// SPDX-License-Identifier: BSD-3-Clause

#include "xlate/whole.h"

#include "xlate/rewrite.h"

#define PROTOCOL_AT 9 // in an IPv4 header

static const struct static_mapping *allowed(
	const struct snapshot *snapshot, const struct static_mapping *by, uint8_t protocol)
{
	if (!by || by->protocol)
		return NULL;
	return policy_has_portless(snapshot->policy[by->policy], protocol) ? by : NULL;
}

const struct static_mapping *whole_find_out(
	const struct snapshot *snapshot, const struct burst *b, unsigned i)
{
	rte_be32_t inside = b->src[i];
	uint8_t protocol = b->ip[i][PROTOCOL_AT];
	struct quoted q;

	if (b->icmp_error & bit(i)) {
		// who sent the quoted packet must be whom the error is for
		if (!hdr_quoted_bare(b, i, &q) || q.src != b->dst[i])
			return NULL;
		inside = q.dst;
		protocol = q.ip[PROTOCOL_AT];
	}
	return allowed(
		snapshot, static_by_inside(&snapshot->statics, inside, protocol, 0), protocol);
}

const struct static_mapping *whole_find_in(
	const struct snapshot *snapshot, const struct burst *b, unsigned i)
{
	uint8_t protocol = b->ip[i][PROTOCOL_AT];
	struct quoted q;

	if (b->icmp_error & bit(i)) {
		if (!hdr_quoted_bare(b, i, &q) || q.src != b->dst[i])
			return NULL;
		protocol = q.ip[PROTOCOL_AT];
	}
	return allowed(
		snapshot, static_by_outside(&snapshot->statics, b->dst[i], protocol, 0), protocol);
}

void whole_translate_out(struct burst *b, unsigned i, const struct static_mapping *by)
{
	struct quoted q;

	if (b->icmp_error & bit(i) && hdr_quoted_bare(b, i, &q))
		rewrite_quoted(b, i, &q, IPV4_DESTINATION, 0, by->outside, 0);
	rewrite_address(b, i, IPV4_SOURCE, by->outside, 1);
	b->src[i] = by->outside;
}

void whole_translate_in(struct burst *b, unsigned i, const struct static_mapping *by, bool keep_ttl)
{
	struct quoted q;

	if (b->icmp_error & bit(i) && hdr_quoted_bare(b, i, &q))
		rewrite_quoted(b, i, &q, IPV4_SOURCE, 0, by->inside, 0);
	rewrite_address(b, i, IPV4_DESTINATION, by->inside, keep_ttl ? 0 : 1);
	b->dst[i] = by->inside;
}
