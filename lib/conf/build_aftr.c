// SPDX-License-Identifier: BSD-3-Clause

// Configuration to snapshot: the ends of DS-Lite softwires.

#include "conf/aftr.h"
#include "conf/build_nat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void add_inner(struct aftr *aftr, const struct ipprefix *prefix)
{
	uint32_t hosts = prefix->len < 32 ? UINT32_MAX >> prefix->len : 0;

	aftr->inner[aftr->inners++] = (struct aftr_inner){
		.address = ipaddr_be32(&prefix->addr), .mask = rte_cpu_to_be_32(~hosts)};
}

static int add_aftr(struct snapshot *s, const struct config *config, const struct config_aftr *from)
{
	uint32_t instance = aftr_instance(config, from)->id;
	struct aftr *aftr = &s->aftr[s->aftrs];
	unsigned hop;

	*aftr = (struct aftr){
		.icmp_source = ipaddr_be32(&from->addr4),
		.instance = build_instance_number(s, instance),
		.mtu = (uint16_t)from->mtu,
		.hop_limit = from->hop_limit,
		.uniform = from->uniform,
		.despite_df = from->despite_df,
	};
	memcpy(aftr->address, from->addr6.bytes, sizeof(aftr->address));
	for (unsigned i = 0; i < from->inners; i++)
		add_inner(aftr, &from->inner[i]);
	hop = build_nexthop(s,
		(struct nexthop){.kind = NEXTHOP_SERVICE,
			.service = SERVICE_DSLITE,
			.number = s->aftrs++,
			.first = build_steering_bits(s, instance)});
	return snapshot_add_route6(s, aftr->address, 128, hop);
}

int build_aftrs(struct snapshot *s, const struct config *config)
{
	int rc = 0;

	s->aftr = calloc(config->aftrs + 1, sizeof(*s->aftr));
	if (!s->aftr)
		return -ENOMEM;
	for (unsigned i = 0; i < config->aftrs && rc >= 0; i++) {
		if (config->aftr[i].enabled)
			rc = add_aftr(s, config, &config->aftr[i]);
	}
	return rc;
}
