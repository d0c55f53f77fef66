// SPDX-License-Identifier: BSD-3-Clause

// Configuration to snapshot, part four: destinations that are not translated. The routes to them are marked,
// so that no other packet has to be asked about.

#include "conf/build_nat.h"
#include "conf/marks.h"

#include <rte_rib.h>

#include <errno.h>
#include <stdlib.h>

static bool leads_outside(const struct nexthop *nh)
{
	return (nh->kind == NEXTHOP_GATEWAY || nh->kind == NEXTHOP_CONNECTED) &&
		nh->realm & REALM_EXTERNAL;
}

uint16_t build_instance_number(const struct snapshot *s, uint32_t id)
{
	unsigned slot = 0;

	while (!s->policy[slot] || s->policy[slot]->instance_id != id)
		slot++;
	return s->policy[slot]->instance;
}

static void add_entry(struct snapshot *s, const struct config_pass_through *from, uint16_t instance)
{
	s->pass_through.entry[s->pass_through.count++] = (struct pass_through){
		.instance = instance,
		.port = rte_cpu_to_be_16(from->port),
		.address = ipaddr_be32(&from->prefix.addr),
		.mask = rte_cpu_to_be_32(rte_rib_depth_to_mask(from->prefix.len)),
	};
}

unsigned build_pass_count(const struct config *config)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->instances; i++)
		count += config->instance[i].enabled ? config->instance[i].pass_throughs : 0;
	return count;
}

int build_pass(struct snapshot *s, const struct config *config)
{
	struct marks marks;
	int rc = marks_begin(&marks, s, REALM_ASK, leads_outside);

	s->pass_through.entry =
		calloc(build_pass_count(config) + 1, sizeof(*s->pass_through.entry));
	if (!s->pass_through.entry)
		rc = -ENOMEM;
	for (unsigned i = 0; i < config->instances && !rc; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->pass_throughs && !rc; k++) {
			const struct config_pass_through *from = &instance->pass_through[k];

			add_entry(s, from, build_instance_number(s, instance->id));
			rc = marks_add(&marks, &from->prefix);
		}
	}
	marks_end(&marks);
	return rc;
}
