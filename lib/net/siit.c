// SPDX-License-Identifier: BSD-3-Clause

// A packet that is no error keeps its transport header where it is: the IP header before it is written anew, and
// the transport checksum takes the difference of the pseudo-headers. An error is put together in a scratch buffer,
// since what it quotes is translated too and behind that there may be extensions (RFC 4884).

#include "net/siit.h"

#include "net/csum.h"
#include "net/hdr.h"
#include "net/hdr6.h"
#include "net/load.h"
#include "net/mbuf.h"
#include "net/siit_header.h"
#include "net/siit_icmp.h"

#include <rte_ip.h>

#include <string.h>

#define ICMP_HEADER  8
#define EXTENDED_MIN 128  // bytes that a quote has before extensions (RFC 4884 section 5)
#define ERROR_MAX    1280 // of an ICMPv6 error (RFC 4443 section 2.4c)

#define TCP_CHECKSUM_AT  16
#define UDP_CHECKSUM_AT  6
#define DCCP_CHECKSUM_AT 6
#define ICMP_CHECKSUM_AT 2

// What the pseudo-header adds that ICMPv6 has and ICMP has not, besides addresses.
static uint32_t pseudo_icmp6(uint32_t length)
{
	return rte_cpu_to_be_16((uint16_t)length) + (uint32_t)RTE_BE16(PROTOCOL_ICMPV6);
}

static uint8_t query_to4(uint8_t type)
{
	return type == ICMP6_ECHO ? ICMP_ECHO : ICMP_ECHO_REPLY;
}

static uint8_t query_to6(uint8_t type)
{
	return type == ICMP_ECHO ? ICMP6_ECHO : ICMP6_ECHO_REPLY;
}

// Mends the checksum of a transport header of which `room` bytes are here, for a pseudo-header whose addresses had
// the sum `from` and have the sum `to`. A protocol that is not known keeps what it has (RFC 7915 section 4.5).
static void mend(uint8_t *l4, uint32_t room, uint8_t protocol, uint16_t from, uint16_t to)
{
	uint32_t change = csum_change16(from, to);
	unsigned at;

	switch (protocol) {
	case PROTOCOL_TCP:
		at = TCP_CHECKSUM_AT;
		break;
	case PROTOCOL_UDP:
		if (room >= UDP_CHECKSUM_AT + 2)
			store16(l4 + UDP_CHECKSUM_AT,
				csum_apply_udp(load16(l4 + UDP_CHECKSUM_AT), change));
		return;
	case PROTOCOL_DCCP:
		at = DCCP_CHECKSUM_AT;
		break;
	default:
		return;
	}
	if (room >= at + 2)
		store16(l4 + at, csum_apply(load16(l4 + at), change));
}

// Makes a query of the one family that of the other. Adding what the pseudo-header says is taking away its
// complement, so `pseudo` is that where it goes.
static void turn_query(uint8_t *l4, uint8_t type, uint32_t pseudo)
{
	uint16_t was = load16(l4);
	uint32_t change;

	l4[0] = type;
	change = csum_change16(was, load16(l4)) + csum_fold32(pseudo);
	store16(l4 + ICMP_CHECKSUM_AT, csum_apply(load16(l4 + ICMP_CHECKSUM_AT), change));
}

static void turn_query_to4(uint8_t *l4, const struct siit_header *h)
{
	uint16_t pseudo = csum_fold32(h->sum + pseudo_icmp6(h->payload));

	turn_query(l4, query_to4(l4[0]), (uint16_t)~pseudo);
}

static void turn_query_to6(uint8_t *l4, const struct siit_header *h, uint16_t sum)
{
	turn_query(l4, query_to6(l4[0]), sum + pseudo_icmp6(h->payload));
}

// The packet begins at `ip` now, somewhere else in its first segment, or in the headroom.
static void settle(struct burst *b, unsigned i, uint8_t *ip, uint16_t length, uint16_t ihl)
{
	struct rte_mbuf *m = b->mbuf[i];
	long grown = rte_pktmbuf_mtod(m, uint8_t *) - ip;

	b->room[i] = (uint16_t)(b->room[i] + (b->ip[i] - ip));
	b->ip[i] = ip;
	b->length[i] = length;
	b->ihl[i] = (uint8_t)ihl;
	if (grown > 0)
		rte_pktmbuf_prepend(m, (uint16_t)grown);
}

static bool end(struct burst *b, unsigned i, enum verdict verdict)
{
	burst_end(b, i, verdict);
	return false;
}

static bool plain_to4(struct burst *b, unsigned i, struct siit_header *h, const struct siit4 *to)
{
	uint8_t *l4 = b->ip[i] + h->size, *ip = l4 - IPV4_MIN;

	if (h->protocol == PROTOCOL_ICMPV6) {
		// its checksum is over the length of the datagram, which a fragment does not tell
		if (h->more || h->offset)
			return end(b, i, V_FRAGMENT_ICMP);
		if (!icmp6_is_query(l4[0]))
			return end(b, i, V_ICMP_TYPE);
		turn_query_to4(l4, h);
		b->flags[i] = l4[0];
	} else if (!h->offset) {
		mend(l4, h->payload, h->protocol, h->sum, siit_sum4(to->src, to->dst));
	}
	siit_write4(ip, h, to->src, to->dst, to->id);
	settle(b, i, ip, (uint16_t)(IPV4_MIN + h->payload), IPV4_MIN);
	return true;
}

// Gives a UDP datagram the checksum that it was sent without. Returns false if what it says of its length is
// wrong.
static bool sum_udp(struct burst *b, unsigned i, const struct siit_header *h, uint16_t addresses)
{
	const struct rte_mbuf *m = b->mbuf[i];
	uint8_t *l4 = b->ip[i] + h->size;
	uint32_t at = (uint32_t)(l4 - rte_pktmbuf_mtod(m, uint8_t *));
	uint16_t length = host16(l4 + 4), sum;

	if (length < 8 || length > h->payload || rte_raw_cksum_mbuf(m, at, length, &sum) < 0)
		return false;
	sum = (uint16_t)~csum_fold32(
		(uint32_t)sum + addresses + load16(l4 + 4) + RTE_BE16(PROTOCOL_UDP));
	store16(l4 + UDP_CHECKSUM_AT, sum ? sum : 0xffff);
	return true;
}

static bool plain_to6(struct burst *b, unsigned i, struct siit_header *h, const struct siit6 *to)
{
	uint8_t *l4 = b->ip[i] + h->size, *ip = l4 - siit_size6(h);
	uint16_t sum;

	if (!mbuf_has_room(b->mbuf[i], ip))
		return end(b, i, V_BUFFER);
	sum = siit_sum6(to->src, to->dst);
	if (h->protocol == PROTOCOL_ICMPV6) {
		if (h->is_fragment)
			return end(b, i, V_FRAGMENT_ICMP);
		if (!icmp_is_query(l4[0]))
			return end(b, i, V_ICMP_TYPE);
		turn_query_to6(l4, h, sum);
		b->flags[i] = l4[0];
	} else if (h->protocol == PROTOCOL_UDP && !h->offset && !load16(l4 + UDP_CHECKSUM_AT)) {
		if (h->is_fragment || !to->sum_udp || !sum_udp(b, i, h, sum))
			return end(b, i, V_UDP_CHECKSUM);
	} else if (!h->offset) {
		mend(l4, h->payload, h->protocol, h->sum, sum);
	} else if (h->protocol == PROTOCOL_UDP && b->flags[i]) {
		// the first fragment of that datagram cannot get a checksum, so the others are of no use
		return end(b, i, V_UDP_CHECKSUM);
	}
	siit_write6(ip, h, to->src, to->dst);
	settle(b, i, ip, (uint16_t)(siit_size6(h) + h->payload), (uint16_t)siit_size6(h));
	return true;
}

// An ICMP error of either family, in parts.
struct error {
	struct siit_header ip;
	struct siit_error says;
	uint8_t *quote;
	uint16_t quote_length;
	struct siit_header quoted;
	const uint8_t *extensions; // RFC 4884
	uint16_t extensions_length;
};

// Whether errors of a type may have extensions, and then where the length of the quote stands.
static bool may_extend4(uint8_t type)
{
	return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
		type == ICMP_PARAMETER_PROBLEM;
}

static bool may_extend6(uint8_t type)
{
	return type == ICMP6_UNREACHABLE || type == ICMP6_TIME_EXCEEDED;
}

// Finds the quote and the extensions behind it; `quote` is how long the first says it is, 0: it does not.
static void part(struct error *e, uint8_t *icmp, uint32_t length, uint32_t quote)
{
	e->quote = icmp + ICMP_HEADER;
	e->quote_length = (uint16_t)(length - ICMP_HEADER);
	if (quote < EXTENDED_MIN || quote >= e->quote_length)
		return;
	e->extensions = e->quote + quote;
	e->extensions_length = (uint16_t)(e->quote_length - quote);
	e->quote_length = (uint16_t)quote;
}

// Bytes of packet i from its IP header on that are its own and in the first segment.
static uint32_t bytes_here(const struct burst *b, unsigned i)
{
	return b->length[i] < b->room[i] ? b->length[i] : b->room[i];
}

// Whether a quoted packet is one whose errors are translated: not an error (RFC 7915 sections 4.3 and 5.3), and
// with the eight bytes that each error quotes.
static bool is_quotable(const struct error *e, bool v6)
{
	uint8_t type;

	if (e->quote_length < e->quoted.size + 8u)
		return false;
	if (e->quoted.protocol != PROTOCOL_ICMPV6)
		return true;
	type = e->quote[e->quoted.size];
	return !e->quoted.offset && (v6 ? icmp6_is_query(type) : icmp_is_query(type));
}

static bool read_error4(const struct burst *b, unsigned i, struct error *e)
{
	uint8_t *icmp = b->ip[i] + b->ihl[i], *ip;
	uint32_t here = bytes_here(b, i) - b->ihl[i];

	*e = (struct error){.says = {.type = icmp[0], .code = icmp[1]}};
	siit_read4(b->ip[i], &e->ip);
	if (here < ICMP_HEADER + IPV4_MIN)
		return false;
	part(e, icmp, here, may_extend4(icmp[0]) ? icmp[5] * 4u : 0);
	ip = e->quote;
	if (ip[0] >> 4 != 4 || (ip[0] & 0x0f) * 4u < IPV4_MIN ||
		host16(ip + 2) < (ip[0] & 0x0f) * 4u + 8 || !siit_read4(ip, &e->quoted))
		return false;
	if (icmp[0] == ICMP_PARAMETER_PROBLEM)
		e->says.word = icmp[4];
	else if (icmp[0] == ICMP_UNREACHABLE)
		e->says.word = host16(icmp + 6);
	return is_quotable(e, false);
}

static bool read_error6(const struct burst *b, unsigned i, struct error *e)
{
	uint8_t *icmp = b->ip[i] + b->ihl[i];
	uint32_t here = bytes_here(b, i) - b->ihl[i];

	*e = (struct error){.says = {.type = icmp[0], .code = icmp[1]}};
	if (siit_read6(b->ip[i], bytes_here(b, i), &e->ip) != V_COUNT ||
		here < ICMP_HEADER + IPV6_MIN)
		return false;
	part(e, icmp, here, may_extend6(icmp[0]) ? icmp[4] * 8u : 0);
	if (e->quote[0] >> 4 != 6 || siit_read6(e->quote, e->quote_length, &e->quoted) != V_COUNT)
		return false;
	e->says.word = rte_be_to_cpu_32(load32(icmp + 4));
	return is_quotable(e, true);
}

bool siit_quoted4(const struct burst *b, unsigned i, struct siit_quoted *q)
{
	struct error e;

	if (!read_error4(b, i, &e))
		return false;
	*q = (struct siit_quoted){e.quote + 12, e.quote + 16};
	return true;
}

bool siit_quoted6(const struct burst *b, unsigned i, struct siit_quoted *q)
{
	struct error e;

	if (!read_error6(b, i, &e))
		return false;
	*q = (struct siit_quoted){e.quote + IPV6_SOURCE, e.quote + IPV6_DESTINATION};
	return true;
}

// Puts quote and extensions at `at` behind `header` bytes, which the translated IP header of the quote takes there.
// An extension that does not fit in `most` bytes goes, and the quote keeps the rest (RFC 7915 section 4.2).
// Returns how many bytes there are then, and in *words, in units of `unit` bytes, how many of them are the quote
// that extensions follow.
static uint32_t put_quote(const struct error *e, uint8_t *at, uint32_t header, uint32_t most,
	unsigned unit, uint8_t *words)
{
	uint32_t data = e->quote_length - e->quoted.size, length = header + data;
	uint32_t padded = RTE_ALIGN_CEIL(RTE_MAX(length, (uint32_t)EXTENDED_MIN), unit);

	*words = 0;
	if (e->extensions && padded + e->extensions_length <= most && padded / unit <= UINT8_MAX) {
		memset(at + length, 0, padded - length);
		memcpy(at + padded, e->extensions, e->extensions_length);
		*words = (uint8_t)(padded / unit);
		length = padded + e->extensions_length;
	} else if (length > most) {
		data -= length - most;
		length = most;
	}
	memcpy(at + header, e->quote + e->quoted.size, data);
	return length;
}

// Puts an error that has been put together in place of packet i, so that both end at the same byte.
static bool replace(
	struct burst *b, unsigned i, const uint8_t *error, uint32_t length, uint16_t ihl)
{
	struct rte_mbuf *m = b->mbuf[i];
	uint8_t *last = b->ip[i] + bytes_here(b, i), *ip = last - length;

	if (!mbuf_has_room(b->mbuf[i], ip))
		return end(b, i, V_BUFFER);
	rte_pktmbuf_free(m->next);
	m->next = NULL;
	m->nb_segs = 1;
	m->data_len = (uint16_t)(last - rte_pktmbuf_mtod(m, uint8_t *));
	m->pkt_len = m->data_len;
	b->room[i] = (uint16_t)(last - b->ip[i]);
	memcpy(ip, error, length);
	settle(b, i, ip, (uint16_t)length, ihl);
	return true;
}

static bool error_to4(struct burst *b, unsigned i, const struct siit4 *to)
{
	const struct siit_mtu mtu = {.mtu4 = to->mtu4, .mtu6 = to->mtu6};
	uint8_t made[ERROR_MAX + 64], *icmp = made + IPV4_MIN, *quote = icmp + ICMP_HEADER;
	struct error e;
	uint32_t length;
	uint8_t words;

	if (!read_error6(b, i, &e))
		return end(b, i, V_ICMP_QUOTE);
	if (!siit_error_to4(&e.says, &mtu))
		return end(b, i, V_ICMP_TYPE);
	length = put_quote(&e, quote, IPV4_MIN, ERROR_MAX, 4, &words);
	siit_write4(quote, &e.quoted, to->quoted_src, to->quoted_dst, 0);
	if (e.quoted.protocol == PROTOCOL_ICMPV6)
		turn_query_to4(quote + IPV4_MIN, &e.quoted);
	else if (!e.quoted.offset)
		mend(quote + IPV4_MIN, length - IPV4_MIN, e.quoted.protocol, e.quoted.sum,
			siit_sum4(to->quoted_src, to->quoted_dst));
	memset(icmp, 0, ICMP_HEADER);
	icmp[0] = e.says.type;
	icmp[1] = e.says.code;
	if (e.says.type == ICMP_PARAMETER_PROBLEM)
		icmp[4] = (uint8_t)e.says.word;
	else
		store_host16(icmp + 6, (uint16_t)e.says.word);
	icmp[5] = words;
	length += ICMP_HEADER;
	store16(icmp + ICMP_CHECKSUM_AT, (uint16_t)~csum_fold(csum_sum(icmp, length)));
	e.ip.payload = (uint16_t)length;
	e.ip.is_fragment = false;
	siit_write4(made, &e.ip, to->src, to->dst, to->id);
	b->flags[i] = icmp[0];
	return replace(b, i, made, IPV4_MIN + length, IPV4_MIN);
}

static bool error_to6(struct burst *b, unsigned i, const struct siit6 *to)
{
	uint8_t made[ERROR_MAX + 64], *icmp = made + IPV6_MIN, *quote = icmp + ICMP_HEADER;
	uint8_t words;
	struct siit_mtu mtu = {.mtu4 = to->mtu4, .mtu6 = to->mtu6};
	struct error e;
	uint32_t length, header, word;
	uint16_t sum;

	if (!read_error4(b, i, &e))
		return end(b, i, V_ICMP_QUOTE);
	mtu.quoted = (uint16_t)(e.quoted.size + e.quoted.payload);
	if (!siit_error_to6(&e.says, &mtu))
		return end(b, i, V_ICMP_TYPE);
	if (!may_extend6(e.says.type))
		e.extensions = NULL;
	header = siit_size6(&e.quoted);
	length = put_quote(&e, quote, header, ERROR_MAX - IPV6_MIN - ICMP_HEADER, 8, &words);
	siit_write6(quote, &e.quoted, to->quoted_src, to->quoted_dst);
	sum = siit_sum6(to->quoted_src, to->quoted_dst);
	if (e.quoted.protocol == PROTOCOL_ICMPV6)
		turn_query_to6(quote + header, &e.quoted, sum);
	else if (!e.quoted.offset)
		mend(quote + header, length - header, e.quoted.protocol, e.quoted.sum, sum);
	memset(icmp, 0, ICMP_HEADER);
	icmp[0] = e.says.type;
	icmp[1] = e.says.code;
	word = rte_cpu_to_be_32(e.says.word);
	memcpy(icmp + 4, &word, sizeof(word));
	if (may_extend6(icmp[0]))
		icmp[4] = words;
	length += ICMP_HEADER;
	e.ip.payload = (uint16_t)length;
	e.ip.is_fragment = false;
	siit_write6(made, &e.ip, to->src, to->dst);
	sum = csum_fold(
		csum_sum(icmp, length) + siit_sum6(to->src, to->dst) + pseudo_icmp6(length));
	store16(icmp + ICMP_CHECKSUM_AT, (uint16_t)~sum);
	b->flags[i] = icmp[0];
	return replace(b, i, made, IPV6_MIN + length, IPV6_MIN);
}

bool siit_to_ipv4(struct burst *b, unsigned i, const struct siit4 *to)
{
	struct siit_header h;
	enum verdict verdict;
	bool done;

	if (b->icmp_error & bit(i)) {
		done = error_to4(b, i, to);
	} else {
		verdict = siit_read6(b->ip[i], bytes_here(b, i), &h);
		if (verdict != V_COUNT)
			return end(b, i, verdict);
		done = plain_to4(b, i, &h, to);
	}
	if (!done)
		return false;
	b->v6 &= ~bit(i);
	b->src[i] = to->src;
	b->dst[i] = to->dst;
	return true;
}

bool siit_to_ipv6(struct burst *b, unsigned i, const struct siit6 *to)
{
	struct siit_header h;

	if (b->icmp_error & bit(i)) {
		if (!error_to6(b, i, to))
			return false;
	} else {
		if (!siit_read4(b->ip[i], &h))
			return end(b, i, V_PROTOCOL);
		if (!plain_to6(b, i, &h, to))
			return false;
	}
	b->v6 |= bit(i);
	return true;
}

unsigned siit_growth(const struct burst *b, unsigned i)
{
	return IPV6_MIN - b->ihl[i] + (b->fragments & bit(i) ? IPV6_FRAGMENT : 0);
}
