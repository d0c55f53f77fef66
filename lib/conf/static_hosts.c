// SPDX-License-Identifier: BSD-3-Clause

// Inside hosts of static mappings that have no IPv4 address of their own: behind NAT64, or behind a B4.

#include "conf/static_hosts.h"

#include "conf/aftr.h"
#include "conf/nat64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool instance_has_hosts(const struct config_instance *instance)
{
	return nat64_is(instance) || instance_is_dslite(instance);
}

const struct config_policy *static_policy(
	const struct config_instance *instance, const struct config_static *s)
{
	const struct ipaddr *addr = nat64_is(instance) ? &s->inside.addr : &s->b4;
	const struct config_policy *best = NULL;
	int longest = -1;

	for (unsigned i = 0; i < instance->policies; i++) {
		const struct config_policy *policy = &instance->policy[i];

		for (unsigned k = 0; k < policy->matches; k++) {
			const struct ipprefix *match = &policy->match[k].prefix;

			if (match->len <= longest || !ipprefix_has(match, addr))
				continue;
			best = policy;
			longest = match->len;
		}
	}
	return best;
}

int static_aftr(const struct config *config, const struct config_instance *instance,
	const struct config_static *s)
{
	int number = 0;

	for (unsigned i = 0; i < config->aftrs; i++) {
		const struct config_aftr *aftr = &config->aftr[i];

		if (!aftr->enabled)
			continue;
		for (unsigned k = 0; k < aftr->inners && aftr_instance(config, aftr) == instance;
			k++) {
			if (ipprefix_covers(&aftr->inner[k], &s->inside))
				return number;
		}
		number++;
	}
	return -1;
}

// Where softwires move, a host is known by the prefix of the subscriber, wherever in it his B4 is.
static struct ipprefix known_by(
	const struct config_instance *instance, const struct config_static *s)
{
	const struct config_policy *policy = static_policy(instance, s);
	const struct softwire_rules rules = {
		.each_subscriber = policy->softwires.each_subscriber,
		.migrate = policy->softwires.migrate,
	};

	if (nat64_is(instance))
		return ipprefix_make(&s->inside.addr, 128);
	return ipprefix_make(&s->b4, softwires_move(&rules) ? subscriber_len(policy) : 128);
}

static bool is_there(const struct config_instance *instance, const struct config_static *s)
{
	return s->has_inside && static_policy(instance, s) &&
		(nat64_is(instance) ? s->inside.addr.family == 6
				    : s->has_b4 && s->inside.addr.family == 4);
}

static uint16_t number_of(const struct static_hosts *h, const struct config_instance *instance)
{
	if (h->snapshot)
		return build_instance_number(h->snapshot, instance->id);
	return (uint16_t)(instance - h->config->instance);
}

static rte_be32_t inner_of(const struct config_instance *instance, const struct config_static *s)
{
	return nat64_is(instance) ? 0 : ipaddr_be32(&s->inside.addr);
}

static struct static_host make(const struct static_hosts *h, const struct config_instance *instance,
	const struct config_static *s)
{
	const uint8_t *address = nat64_is(instance) ? s->inside.addr.bytes : s->b4.bytes;
	struct ipprefix prefix = known_by(instance, s);
	struct static_host host = {
		.inner = inner_of(instance, s),
		.instance = number_of(h, instance),
	};

	memcpy(host.prefix, prefix.addr.bytes, sizeof(host.prefix));
	memcpy(host.address, address, sizeof(host.address));
	if (!h->snapshot)
		return host;
	host.policy = (uint8_t)snapshot_policy_of6(h->snapshot, host.instance, address);
	host.bits = build_steering_bits(h->snapshot, instance->id);
	if (host.inner)
		host.aftr = (uint8_t)static_aftr(h->config, instance, s);
	return host;
}

int static_hosts_make(struct static_hosts *h)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < h->config->instances; i++)
		count += h->config->instance[i].statics;
	h->table.host = calloc(count + 1u, sizeof(*h->table.host));
	if (!h->table.host)
		return -ENOMEM;
	count = 0;
	for (unsigned i = 0; i < h->config->instances; i++) {
		const struct config_instance *instance = &h->config->instance[i];

		if (!instance->enabled || !instance_has_hosts(instance))
			continue;
		for (unsigned k = 0; k < instance->statics; k++) {
			if (is_there(instance, &instance->static_mapping[k]))
				h->table.host[++count] =
					make(h, instance, &instance->static_mapping[k]);
		}
	}
	static_hosts_sort(&h->table, count);
	return 0;
}

rte_be32_t static_hosts_inside(const struct static_hosts *h, const struct config_instance *instance,
	const struct config_static *s)
{
	struct ipprefix prefix;

	if (!instance_has_hosts(instance))
		return ipaddr_be32(&s->inside.addr);
	if (!is_there(instance, s))
		return 0;
	prefix = known_by(instance, s);
	return static_place(static_host_number(
		&h->table, number_of(h, instance), prefix.addr.bytes, inner_of(instance, s)));
}
