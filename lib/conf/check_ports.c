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
			"%u. Allowed: nothing, with port-allocation-type port-range-allocation "
			"port-set/port-set-size says it",
			p->port_set_size);
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

static void check_reserved(struct judge *j, const struct config_policy *p)
{
	uint32_t left = 0;
	struct port_set set = {0};

	for (unsigned i = 0; i < p->reserved; i++) {
		const struct config_port_range *r = &p->reserved_ports[i];

		if (r->upper < r->lower)
			judge_fault(j, r->node, "upper", "%u. Allowed: %u to 65535", r->upper,
				r->lower);
		for (uint32_t port = r->lower; port <= r->upper; port++)
			set.word[port / 64] |= bit(port % 64);
	}
	for (uint32_t port = POOL_FIRST_PORT; port <= UINT16_MAX; port++)
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

void check_ports(struct judge *j, const struct config *config, const struct config_policy *p)
{
	check_port_set(j, p);
	check_pooling(j, p);
	check_reserved(j, p);
	check_rates(j, config, p);
	check_quotas(j, p);
}
