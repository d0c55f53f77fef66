// SPDX-License-Identifier: BSD-3-Clause

#include "dots/inward.h"

#include "base/bits.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

// Questions about mappings for one subscriber: each waits for a worker.
#define LOOKUPS_MAX 16
// Pieces of one reported range: port sets have more than one, and lie between each other.
#define PIECES_MAX 1024

struct inward {
	struct resolver *resolver;
	const struct suspect *suspect;
	const struct scope *asked;
	struct scope *scope;
};

static void *copy(const void *from, size_t size, unsigned n)
{
	void *to = n ? malloc(size * n) : NULL;

	if (to)
		memcpy(to, from, size * n);
	return to;
}

// Each at most once. Return false if memory runs out.
static bool add_source(struct scope *scope, const struct ipaddr *addr)
{
	struct ipprefix source = ipprefix_make(addr, ipaddr_bits(addr));
	struct ipprefix *more;

	for (unsigned i = 0; i < scope->sources; i++) {
		if (ipprefix_covers(&scope->source[i], &source))
			return true;
	}
	more = reallocarray(scope->source, scope->sources + 1, sizeof(*more));
	if (!more)
		return false;
	scope->source = more;
	scope->source[scope->sources++] = source;
	return true;
}

static bool add_ports(struct scope *scope, uint16_t lower, uint16_t upper)
{
	struct port_range *more;

	for (unsigned i = 0; i < scope->source_ports; i++) {
		if (scope->source_port[i].lower == lower)
			return true;
	}
	more = reallocarray(scope->source_port, scope->source_ports + 1, sizeof(*more));
	if (!more)
		return false;
	scope->source_port = more;
	scope->source_port[scope->source_ports++] = (struct port_range){lower, upper};
	return true;
}

static bool is_his(const struct inward *in, const struct holder *holder)
{
	return subkey_equal(&holder->subscriber, &in->suspect->holder.subscriber);
}

// ------------------------------------------------------------------ translated sources

// Asks about one outside port. Returns the suspect's holding of it, or NULL.
static const struct holder *find_port(const struct inward *in, uint16_t port, uint8_t protocol,
	bool with_mapping, struct holder holder[2])
{
	const struct ipaddr *outside = &in->suspect->holder.outside;
	struct resolve_req req = {
		.outside = ipprefix_make(outside, ipaddr_bits(outside)),
		.lower = port,
		.upper = port,
		.protocol = protocol,
		.with_mapping = with_mapping,
	};
	struct resolve_answer answer = {.holder = holder, .room = 2};

	if (resolve_outside(in->resolver, &req, &answer) < 0)
		return NULL;
	for (unsigned i = 0; i < answer.count && i < answer.room; i++) {
		if (is_his(in, &holder[i]))
			return &holder[i];
	}
	return NULL;
}

// Adds what is behind a port by any of the protocols. Returns false if nothing is known to be, though it is his.
static bool find_mappings(const struct inward *in, uint16_t port, unsigned *lookups)
{
	const struct scope *asked = in->asked;
	bool found = false, his = false;

	for (unsigned k = 0; k == 0 || k < asked->protocols; k++) {
		uint8_t protocol = asked->protocols ? asked->protocol[k] : 0;
		struct holder holder[2];
		const struct holder *h = find_port(in, port, protocol, false, holder);

		his |= h != NULL;
		if (h && (*lookups)++ < LOOKUPS_MAX)
			h = find_port(in, port, protocol, true, holder);
		found |= h && h->mapped && add_source(in->scope, &h->inside) &&
			add_ports(in->scope, h->inside_port, h->inside_port);
	}
	// a port of somebody else's is not this home's affair
	return found || !his;
}

// The inside hosts and ports that stand for the ports reported, if each is one port with a live mapping. Returns
// false if they are not known all.
static bool find_hosts(const struct inward *in)
{
	const struct scope *asked = in->asked;
	unsigned lookups = 0;

	for (unsigned i = 0; i < asked->source_ports; i++) {
		const struct port_range *range = &asked->source_port[i];

		if (range->lower != range->upper || !find_mappings(in, range->lower, &lookups))
			return false;
	}
	return in->scope->source_ports != 0;
}

// NA-03: the targets as a host behind NAT64 knows them, and with them the protocol: what is ICMP outside is ICMPv6 to
// an IPv6 host, whose types are others. Returns false if he knows them as they are.
static bool rename_targets(const struct inward *in)
{
	struct scope *scope = in->scope;
	unsigned renamed = 0;

	for (unsigned i = 0; i < scope->targets; i++) {
		struct ipprefix inside;

		if (resolve_inside_name(in->resolver, &in->suspect->holder.subscriber,
			    &scope->target[i], &inside))
			scope->target[renamed++] = inside;
	}
	if (!renamed)
		return false;
	// what has no such name he cannot reach
	scope->targets = renamed;
	for (unsigned i = 0; i < scope->protocols; i++) {
		if (scope->protocol[i] == IPPROTO_ICMP)
			scope->protocol[i] = IPPROTO_ICMPV6;
	}
	scope->source_types = 0;
	return true;
}

// NA-01: the subscriber's own address, or those of his hosts, and their ports. Without ports his home sees all of
// them.
static bool translate(const struct inward *in)
{
	struct ipprefix subscriber = subkey_prefix(&in->suspect->holder.subscriber);
	struct scope *scope = in->scope;
	bool renamed = rename_targets(in);

	if (find_hosts(in))
		return true;
	// a host behind a B4 has an address that only a mapping tells
	if (subscriber.addr.family == 6 && !renamed)
		return false;
	free(scope->source_port);
	free(scope->source);
	scope->source_port = NULL;
	scope->source_ports = 0;
	scope->source = copy(&subscriber, sizeof(subscriber), 1);
	scope->sources = scope->source != NULL;
	return scope->source != NULL;
}

// ------------------------------------------------------------------ sources that pass as they are

// NA-02: of an address that many share the ports are part of the name, and go with it always. Those he has among
// the ports from lower to upper of an address or prefix.
static bool add_share(const struct inward *in, const struct ipprefix *source, uint16_t lower,
	uint16_t upper, struct holder *holder)
{
	struct resolve_req req = {.outside = *source, .lower = lower, .upper = upper};
	struct resolve_answer answer = {.holder = holder, .room = PIECES_MAX};

	if (resolve_outside(in->resolver, &req, &answer) < 0)
		return true;
	if (answer.count > answer.room)
		return false;
	for (unsigned i = 0; i < answer.count; i++) {
		if (is_his(in, &holder[i]) &&
			(!add_source(in->scope, &holder[i].outside) ||
				!add_ports(in->scope, holder[i].lower, holder[i].upper)))
			return false;
	}
	return true;
}

static bool share(const struct inward *in)
{
	const struct holder *known = &in->suspect->holder;
	const struct scope *asked = in->asked;
	struct holder *holder = malloc(PIECES_MAX * sizeof(*holder));
	bool whole = holder != NULL;

	for (unsigned i = 0; i < asked->sources && whole; i++) {
		const struct ipprefix *source = &asked->source[i];

		if (source->addr.family != 4)
			continue;
		if (!asked->source_ports)
			whole = add_share(in, source, 0, UINT16_MAX, holder);
		for (unsigned k = 0; k < asked->source_ports && whole; k++)
			whole = add_share(in, source, asked->source_port[k].lower,
				asked->source_port[k].upper, holder);
	}
	free(holder);
	// he had them when it was reported, and has them no more
	if (whole && !in->scope->sources)
		whole = add_source(in->scope, &known->outside) &&
			add_ports(in->scope, known->lower, known->upper);
	return whole;
}

// Native IPv6 looks the same inside: of the sources reported those of the home, and the ports.
static bool keep_sources(const struct inward *in)
{
	struct ipprefix home = subkey_prefix(&in->suspect->holder.subscriber);
	const struct scope *asked = in->asked;
	struct scope *scope = in->scope;

	scope->source = calloc(asked->sources, sizeof(*scope->source));
	scope->source_port =
		copy(asked->source_port, sizeof(*asked->source_port), asked->source_ports);
	if (!scope->source || (asked->source_ports && !scope->source_port))
		return false;
	scope->source_ports = asked->source_ports;
	for (unsigned i = 0; i < asked->sources; i++) {
		const struct ipprefix *source = &asked->source[i];

		if (ipprefix_overlaps(source, &home))
			scope->source[scope->sources++] = source->len > home.len ? *source : home;
	}
	return true;
}

// ------------------------------------------------------------------ the whole request

// What is the same inside. Names and aliases of the target mean nothing at home.
static bool copy_rest(const struct inward *in)
{
	const struct scope *asked = in->asked;
	struct scope *scope = in->scope;

	*scope = (struct scope){
		.target = calloc(asked->targets, sizeof(*asked->target)),
		.target_port =
			copy(asked->target_port, sizeof(*asked->target_port), asked->target_ports),
		.target_ports = asked->target_ports,
		.protocol = copy(asked->protocol, sizeof(*asked->protocol), asked->protocols),
		.protocols = asked->protocols,
		.source_type =
			copy(asked->source_type, sizeof(*asked->source_type), asked->source_types),
		.source_types = asked->source_types,
	};
	if (!scope->target || (asked->target_ports && !scope->target_port) ||
		(asked->protocols && !scope->protocol) ||
		(asked->source_types && !scope->source_type))
		return false;
	// of each IP version that the sources found are of (RFC 9066 section 5.3.1)
	for (unsigned i = 0; i < asked->targets; i++) {
		if (asked->target[i].addr.family == 4 ? in->suspect->ipv4 : in->suspect->ipv6)
			scope->target[scope->targets++] = asked->target[i];
	}
	return true;
}

static bool name_sources(const struct inward *in)
{
	switch (in->suspect->holder.subscriber.instance) {
	case SUBKEY_NATIVE:
		return keep_sources(in);
	case SUBKEY_SOFTWIRE:
		return share(in);
	default:
		return translate(in);
	}
}

bool inward_scope(struct resolver *resolver, const struct suspect *suspect,
	const struct scope *asked, struct scope *scope)
{
	struct inward in = {
		.resolver = resolver, .suspect = suspect, .asked = asked, .scope = scope};

	if (copy_rest(&in) && name_sources(&in))
		return true;
	scope_free(scope);
	return false;
}
