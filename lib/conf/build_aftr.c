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

// The number of a NAT instance, and how many bits of a source are the same for all hosts of a subscriber, whichever
// policy it has.
static uint16_t number_of(const struct snapshot *s, uint32_t id, uint32_t *bits)
{
	uint16_t number = 0;

	*bits = 128;
	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = s->policy[slot];

		if (!policy || policy->instance_id != id)
			continue;
		number = policy->instance;
		if (policy->subscriber_len < *bits)
			*bits = policy->subscriber_len;
	}
	return number;
}

static int add_aftr(struct snapshot *s, const struct config *config, const struct config_aftr *from)
{
	// RFC 6333 section 11, RFC 1918
	static const char *const usual[] = {
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "192.0.0.0/29"};
	struct aftr *aftr = &s->aftr[s->aftrs];
	uint32_t bits;
	unsigned hop;

	*aftr = (struct aftr){
		.icmp_source = ipaddr_be32(&from->addr4),
		.instance = number_of(s, aftr_instance(config, from)->id, &bits),
		.mtu = (uint16_t)from->mtu,
		.hop_limit = from->hop_limit,
		.uniform = from->uniform,
		.despite_df = from->despite_df,
	};
	memcpy(aftr->address, from->addr6.bytes, sizeof(aftr->address));
	for (unsigned i = 0; i < from->inners; i++)
		add_inner(aftr, &from->inner[i]);
	for (unsigned i = 0; !from->inners && i < sizeof(usual) / sizeof(usual[0]); i++) {
		struct ipprefix prefix;

		ipprefix_parse(usual[i], &prefix, NULL);
		add_inner(aftr, &prefix);
	}
	hop = build_nexthop(s,
		(struct nexthop){.kind = NEXTHOP_SERVICE,
			.service = SERVICE_DSLITE,
			.number = s->aftrs++,
			.first = bits});
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
