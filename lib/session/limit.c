// SPDX-License-Identifier: BSD-3-Clause

#include "session/limit.h"

#include "base/bits.h"

struct load {
	uint64_t subscribers;
	uint64_t mappings[POLICY_PROTOCOLS];
};

static void add_slot(struct load *load, const struct nat *nat, unsigned slot)
{
	load->subscribers += count_read(&nat->subscribers.count[slot]);
	for (enum l4 l4 = 0; l4 < L4_COUNT; l4++)
		load->mappings[l4] += count_read(&nat->bib.count[slot][l4]);
}

static void add_worker(struct load *load, const struct nat *nat, const struct nat_policy *policy)
{
	unsigned bit_number;

	for (unsigned word = 0; word < sizeof(policy->siblings) / 8; word++) {
		for (uint64_t todo = policy->siblings[word]; bit_take(&todo, &bit_number);)
			add_slot(load, nat, 64 * word + bit_number);
	}
}

enum verdict limit_check(
	const struct nat *nat, const struct flow *flow, const struct nat_policy *policy)
{
	const struct nat_limits *limits = &policy->limits;
	struct subkey key = nat_subkey(nat, flow->inside, policy);
	struct load load = {0};
	uint64_t mappings = 0;

	for (unsigned i = 0; i < nat->peers; i++)
		add_worker(&load, nat->peer[i], policy);
	for (enum l4 l4 = 0; l4 < L4_COUNT; l4++)
		mappings += load.mappings[l4];
	if (mappings >= limits->mappings || load.mappings[flow->l4] >= limits->protocol[flow->l4])
		return V_MAPPING_LIMIT;
	if (load.subscribers >= limits->subscribers && !subscriber_find(&nat->subscribers, &key))
		return V_SUBSCRIBER_LIMIT;
	return V_NAT44_OUT;
}
