// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say, part three: which ports of which addresses a subscriber gets, and how many.

#include "conf/check_ports.h"

#include "base/bits.h"
#include "net/l4.h"

#include <string.h>

#define SECONDS_MAX (365u * 86400)

void check_seconds(struct judge *j, const struct config_policy *p, const char *leaf, uint32_t value,
	uint32_t floor)
{
	if (value < floor || value > SECONDS_MAX)
		judge_fault(j, p->node, leaf, "%u. Allowed: %u to %u seconds", value, floor,
			SECONDS_MAX);
}

static bool is(const char *value, const char *name)
{
	return value && !strcmp(value, name);
}

static void check_quotas(struct judge *j, const struct config_policy *p)
{
	for (unsigned i = 0; i < p->quotas; i++) {
		const struct config_quota *q = &p->quota[i];

		if (q->protocol && l4_of(q->protocol) == L4_COUNT)
			judge_fault(j, q->node, "quota-type", "%u. Allowed: 0 (all), 1, 6, 17, 33",
				q->protocol);
		if (!q->has_limit || !q->limit)
			judge_fault(j, q->node, "port-limit", "%s. Allowed: 1 to 65535",
				q->has_limit ? "0" : "missing");
	}
}

// The size stands in a container of RFC 8512 that only one way of allocation has, and else in our own leaf.
static void check_port_set(struct judge *j, const struct config_policy *p)
{
	uint32_t least = 1u << POOL_BLOCK_BITS_MIN, most = 1u << POOL_BLOCK_BITS_MAX;
	bool ranges = is(p->port_allocation, "port-range-allocation");
	const char *leaf = ranges ? "port-set/port-set-size" : "homeport:port-set-size";

	if (ranges && p->has_own_port_set_size)
		judge_fault(j, p->node, "homeport:port-set-size",
			"given. Allowed: nothing, with port-allocation-type port-range-allocation "
			"port-set/port-set-size says it");
	if (!is_power_of_two(p->port_set_size) || p->port_set_size < least ||
		p->port_set_size > most)
		judge_fault(j, p->node, leaf, "%u. Allowed: a power of two from %u to %u",
			p->port_set_size, least, most);
	check_seconds(j, p, "port-set/port-set-timeout", p->port_set_timeout, 1);
	if (p->has_port_set_active)
		check_seconds(
			j, p, "homeport:port-set-active-timeout", p->port_set_active_timeout, 60);
}

static void check_pooling(struct judge *j, const struct config_policy *p)
{
	if (p->soft_pairing && p->address_allocation && !is(p->address_allocation, "paired"))
		judge_fault(j, p->node, "homeport:soft-pairing",
			"true with address-allocation-type %s. Allowed: with paired",
			p->address_allocation);
}

// All ports that are never handed out.
static struct port_set reserved_of(const struct config_policy *p)
{
	struct port_set set;

	pool_reserve(&set, NULL, 0);
	for (unsigned i = 0; i < p->reserved; i++) {
		for (uint32_t port = p->reserved_ports[i].lower; port <= p->reserved_ports[i].upper;
			port++)
			set.word[port / 64] |= bit(port % 64);
	}
	return set;
}

static void check_reserved(struct judge *j, const struct config_policy *p)
{
	struct port_set set = reserved_of(p);
	uint32_t left = 0;

	for (unsigned i = 0; i < p->reserved; i++) {
		const struct config_port_range *r = &p->reserved_ports[i];

		if (r->upper < r->lower)
			judge_fault(j, r->node, "upper", "%u. Allowed: %u to 65535", r->upper,
				r->lower);
	}
	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		left += !port_set_has(&set, (uint16_t)port);
	if (left < 1u << POOL_BLOCK_BITS_MIN)
		judge_fault(j, p->node, "homeport:reserved-ports",
			"only %u ports are left to hand out. Allowed: so much that %u are left",
			left, 1u << POOL_BLOCK_BITS_MIN);
}

static void check_rates(struct judge *j, const struct config *config, const struct config_policy *p)
{
	if (p->has_mapping_burst && !p->mapping_rate)
		judge_fault(j, p->node, "homeport:mapping-burst",
			"%u. Allowed: with homeport:mapping-rate", p->mapping_burst);
	// each worker has its share, and one that has none could never end a mapping
	if (p->has_hold_down_max && p->hold_down_max < config->platform.workers)
		judge_fault(j, p->node, "timers/hold-down-max",
			"%u. Allowed: %u, one for each worker, or more", p->hold_down_max,
			config->platform.workers);
}

// What RFC 7422 section 2 makes of the numbers that are configured.
struct shares {
	uint32_t hosts;
	uint32_t outsides;
	uint32_t places; // ports of an address that are not reserved
	uint32_t size;   // ports of a host
};

static struct shares shares_of(const struct config_policy *p, const struct port_set *reserved)
{
	struct shares s = {0};

	for (unsigned i = 0; i < p->matches; i++)
		s.hosts += detnat_hosts(&p->match[i].prefix);
	for (unsigned i = 0; i < p->pools; i++)
		s.outsides += 1u << (32 - p->pool[i].prefix.len);
	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		s.places += !port_set_has(reserved, (uint16_t)port);
	if (s.outsides && s.hosts)
		s.size = s.places /
			(uint32_t)(div_round_up(s.hosts, s.outsides) + p->dynamic_factor);
	return s;
}

// Port sets are of the ports that are left over.
static void check_dynamic(
	struct judge *j, const struct config_policy *p, const struct shares *shares)
{
	uint32_t most = shares->size + (p->dynamic_factor ? 255 * p->port_set_size : 0);

	if (p->max_ports && (p->max_ports < shares->size || p->max_ports > most))
		judge_fault(j, p->deterministic, "max-ports",
			"%u. Allowed: %u, the fixed ports of a host, to %u", p->max_ports,
			shares->size, most);
	// the first may begin up to its size after the first port
	if (p->dynamic_factor && p->dynamic_factor * shares->size < 2 * p->port_set_size)
		judge_fault(j, p->deterministic, "dynamic-factor",
			"%u, which leaves %u ports on each address. Allowed: 0, or enough for two "
			"port sets",
			p->dynamic_factor, p->dynamic_factor * shares->size);
}

static void check_deterministic(struct judge *j, const struct config_policy *p)
{
	struct port_set reserved = reserved_of(p);
	struct shares shares = shares_of(p, &reserved);
	bool cryptographic = p->algorithm == DETNAT_CRYPTOGRAPHIC;
	bool round_robin = p->algorithm == DETNAT_ROUND_ROBIN;

	for (unsigned i = 0; i < p->matches; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (ipprefix_overlaps(&p->match[i].prefix, &p->match[k].prefix))
				judge_fault(j, p->match[i].node, "subnet",
					"overlaps another. Allowed with deterministic NAT: "
					"prefixes that have no host in common");
		}
	}
	if (cryptographic != (p->key != NULL))
		judge_fault(j, p->deterministic, "key",
			"%s. Allowed: 32 bytes with algorithm cryptographic, nothing with others",
			p->key ? "given" : "missing");
	if (round_robin != is(p->address_allocation, "roundrobin"))
		judge_fault(j, p->node, "address-allocation-type",
			"%s. Allowed: roundrobin with the algorithm round-robin, and only with it",
			p->address_allocation ? p->address_allocation : "missing");
	if (p->port_allocation && !is(p->port_allocation, "random") &&
		!is(p->port_allocation, "port-range-allocation"))
		judge_fault(j, p->node, "port-allocation-type",
			"%s. Allowed with deterministic NAT: random, port-range-allocation",
			p->port_allocation);
	if (shares.size < (round_robin ? shares.outsides : 1))
		judge_fault(j, p->deterministic, "algorithm",
			"%u inside hosts on %u outside addresses have %u ports each. Allowed: at "
			"least one%s",
			shares.hosts, shares.outsides, shares.size,
			round_robin ? " on every address" : "");
	else
		check_dynamic(j, p, &shares);
}

void check_ports(struct judge *j, const struct config *config, const struct config_policy *p)
{
	check_port_set(j, p);
	check_pooling(j, p);
	check_reserved(j, p);
	check_rates(j, config, p);
	check_quotas(j, p);
	if (p->deterministic)
		check_deterministic(j, p);
}
