// SPDX-License-Identifier: BSD-3-Clause

// Configuration to snapshot, part five: destinations by another name. The routes to what subscribers write to
// are marked, so that no other packet has to be asked about.

#include "conf/marks.h"
#include "conf/statics.h"

#include <errno.h>
#include <stdlib.h>

unsigned build_dstnat_count(const struct config *config)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		if (!instance->enabled)
			continue;
		count += instance->dstnats;
		for (unsigned k = 0; k < instance->policies; k++)
			count += instance->policy[k].dst_pools;
	}
	return count;
}

static bool is_not_ours(const struct nexthop *nh)
{
	switch ((enum nexthop_kind)nh->kind) {
	case NEXTHOP_NONE:
	case NEXTHOP_BLACKHOLE:
	case NEXTHOP_GATEWAY:
	case NEXTHOP_CONNECTED:
		return true;
	default:
		return false;
	}
}

static int add_entry(struct marks *marks, uint16_t instance, const struct config_static *from)
{
	uint8_t protocol[STATIC_PROTOCOLS];
	unsigned protocols = static_protocols(from, protocol);

	for (unsigned p = 0; p < protocols; p++) {
		struct claim inside =
			static_claim(from, ipaddr_be32(&from->inside.addr), true, protocol[p], 0);
		struct claim outside =
			static_claim(from, ipaddr_be32(&from->outside.addr), false, protocol[p], 0);
		struct dstnat entry = {
			.inside = inside.start,
			.outside = outside.start,
			.more = inside.end - inside.start,
			.index = from->index,
			.instance = instance,
			.policy = DSTNAT_ANY_POLICY,
			.both = protocols > 1,
		};

		dstnat_add(&marks->snapshot->dstnat, &entry);
	}
	return marks_add(marks, &from->inside);
}

static int add_pool(
	struct marks *marks, uint16_t instance, uint8_t slot, const struct config_dst_pool *from)
{
	unsigned bits = 32u - from->inside.len + ENDPOINT_ADDRESS;
	struct dstnat entry = {
		.inside = endpoint_make(ipaddr_be32(&from->inside.addr), 0, 0),
		.outside = endpoint_make(ipaddr_be32(&from->outside.addr), 0, 0),
		.more = (UINT64_C(1) << bits) - 1,
		.instance = instance,
		.policy = slot,
	};

	dstnat_add(&marks->snapshot->dstnat, &entry);
	return marks_add(marks, &from->inside);
}

static uint8_t slot_of(const struct snapshot *s, uint32_t instance, uint32_t policy)
{
	unsigned slot = 0;

	while (!s->policy[slot] || s->policy[slot]->instance_id != instance ||
		s->policy[slot]->policy_id != policy)
		slot++;
	return (uint8_t)slot;
}

static int add_instance(struct marks *marks, const struct config_instance *instance)
{
	const struct snapshot *s = marks->snapshot;
	uint16_t number = build_instance_number(s, instance->id);
	int rc = 0;

	for (unsigned i = 0; i < instance->dstnats && !rc; i++)
		rc = add_entry(marks, number, &instance->dstnat[i]);
	for (unsigned i = 0; i < instance->policies && !rc; i++) {
		const struct config_policy *policy = &instance->policy[i];
		uint8_t slot = slot_of(s, instance->id, policy->id);

		for (unsigned k = 0; k < policy->dst_pools && !rc; k++)
			rc = add_pool(marks, number, slot, &policy->dst_pool[k]);
	}
	return rc;
}

int build_dstnats(struct snapshot *s, const struct config *config)
{
	unsigned most = STATIC_PROTOCOLS * build_dstnat_count(config);
	struct marks marks;
	int rc = marks_begin(&marks, s, REALM_DSTNAT, is_not_ours);

	s->dstnat.by_inside = calloc(most + 1, sizeof(struct dstnat));
	s->dstnat.by_outside = calloc(most + 1, sizeof(struct dstnat));
	if (!s->dstnat.by_inside || !s->dstnat.by_outside)
		rc = -ENOMEM;
	for (unsigned i = 0; i < config->instances && !rc; i++) {
		if (config->instance[i].enabled)
			rc = add_instance(&marks, &config->instance[i]);
	}
	if (!rc)
		dstnat_table_sort(&s->dstnat);
	marks_end(&marks);
	return rc;
}
