// SPDX-License-Identifier: BSD-3-Clause

#include "worker/spread.h"

#include "table/pool.h"

#include <rte_ethdev.h>
#include <rte_flow.h>

#include <string.h>

#define KEY_MAX   52
#define TABLE_MAX 2048 // entries of a redirection table

// The kinds of packets that have a rule: all that are hashed otherwise, for i40e takes the first rule to mean that no
// others are.
static const struct {
	enum rte_flow_item_type item[4]; // to RTE_FLOW_ITEM_TYPE_END, which is 0
	uint64_t types;
} kind[SPREAD_RULES] = {
	{{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4}, RTE_ETH_RSS_IPV4},
	{{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4, RTE_FLOW_ITEM_TYPE_TCP},
		RTE_ETH_RSS_NONFRAG_IPV4_TCP},
	{{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV4, RTE_FLOW_ITEM_TYPE_UDP},
		RTE_ETH_RSS_NONFRAG_IPV4_UDP},
	{{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV6}, RTE_ETH_RSS_IPV6},
	{{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV6, RTE_FLOW_ITEM_TYPE_TCP},
		RTE_ETH_RSS_NONFRAG_IPV6_TCP},
	{{RTE_FLOW_ITEM_TYPE_ETH, RTE_FLOW_ITEM_TYPE_IPV6, RTE_FLOW_ITEM_TYPE_UDP},
		RTE_ETH_RSS_NONFRAG_IPV6_UDP},
};

static uint64_t side_of(enum spread spread)
{
	return spread == SPREAD_BY_SOURCE         ? RTE_ETH_RSS_L3_SRC_ONLY
		: spread == SPREAD_BY_DESTINATION ? RTE_ETH_RSS_L3_DST_ONLY
						  : 0;
}

// Drivers that hash ports with one address alone, too, where packets of TCP or UDP are named, and all packets by
// address where they are not.
static bool adds_ports(const char *driver)
{
	return !strncmp(driver, "mlx5_", 5) || !strcmp(driver, "net_cn9k") ||
		!strcmp(driver, "net_cn10k");
}

void spread_configure(struct spreading *s, struct rte_eth_conf *conf,
	const struct rte_eth_dev_info *info, enum spread wanted)
{
	static uint8_t key[KEY_MAX];
	uint64_t can = info->flow_type_rss_offloads;
	uint64_t side = can & side_of(wanted);
	// of TCP and UDP too: many devices hash those as their own kinds or not at all
	uint64_t kinds = can & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);

	*s = (struct spreading){.wanted = wanted};
	if (!kinds || !info->reta_size || info->reta_size > TABLE_MAX)
		return;
	if (side && adds_ports(info->driver_name))
		kinds &= RTE_ETH_RSS_IP;
	s->kinds = kinds | side;
	s->by = side ? wanted : SPREAD_BY_BOTH;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = s->kinds;
	for (unsigned i = 0; i < KEY_MAX; i++)
		key[i] = (uint8_t)(POOL_HASH_KEY >> (24 - i % 4 * 8));
	if (info->hash_key_size && info->hash_key_size <= KEY_MAX) {
		conf->rx_adv_conf.rss_conf.rss_key = key;
		conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
	}
}

int spread_start(
	struct spreading *s, uint16_t id, const struct rte_eth_dev_info *info, unsigned workers)
{
	struct rte_eth_rss_reta_entry64 table[TABLE_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};
	int rc;

	if (s->by == SPREAD_BY_ITSELF)
		return 0;
	for (unsigned i = 0; i < info->reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= RTE_BIT64(i % RTE_ETH_RETA_GROUP_SIZE);
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % POOL_RETA_SIZE % workers);
	}
	rc = rte_eth_dev_rss_reta_update(id, table, info->reta_size);
	if (rc < 0)
		s->by = SPREAD_BY_ITSELF;
	return rc;
}

// Drivers of which the sources of DPDK 22.11 tell that they take the rules, and mean by them what is meant.
static bool takes_rules(const char *driver)
{
	return !strcmp(driver, "net_i40e") || !strcmp(driver, "net_ice") ||
		!strcmp(driver, "net_iavf");
}

bool spread_wants_rules(const struct spreading *s, const struct rte_eth_dev_info *info)
{
	return s->by != SPREAD_BY_ITSELF && s->by != s->wanted && takes_rules(info->driver_name);
}

bool spread_shares_rules(const struct rte_eth_dev_info *info)
{
	return !strcmp(info->driver_name, "net_i40e");
}

// Has a rule judged, or made if there is a place for it.
static int ask(uint16_t id, unsigned which, uint64_t side, struct rte_flow **made, const char **why)
{
	static const struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_action_rss rss = {.types = kind[which].types | side};
	struct rte_flow_action action[] = {{.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss},
		{.type = RTE_FLOW_ACTION_TYPE_END}};
	struct rte_flow_item pattern[4] = {0};
	struct rte_flow_error error = {0};
	int rc = 0;

	for (unsigned i = 0; i < 4; i++)
		pattern[i].type = kind[which].item[i];
	if (!made)
		rc = rte_flow_validate(id, &attr, pattern, action, &error);
	else if (!(*made = rte_flow_create(id, &attr, pattern, action, &error)))
		rc = -rte_errno;
	if (rc < 0)
		*why = error.message;
	return rc;
}

int spread_by_rules(struct spreading *s, uint16_t id, const char **why)
{
	// what is hashed without rules; the key stays
	struct rte_eth_rss_conf before = {.rss_hf = s->kinds};
	uint64_t side = side_of(s->wanted);
	int rc = 0;

	for (unsigned i = 0; i < SPREAD_RULES && rc >= 0; i++)
		rc = ask(id, i, side, NULL, why);
	while (s->rules < SPREAD_RULES && rc >= 0) {
		rc = ask(id, s->rules, side, &s->rule[s->rules], why);
		if (rc >= 0)
			s->rules++;
	}
	if (rc < 0) {
		spread_stop(s, id);
		rte_eth_dev_rss_hash_update(id, &before);
		return rc;
	}
	s->by = s->wanted;
	return 0;
}

void spread_stop(struct spreading *s, uint16_t id)
{
	struct rte_flow_error error;

	// what a driver does not let go of goes with the device
	while (s->rules)
		rte_flow_destroy(id, s->rule[--s->rules], &error);
}

const char *spread_name(enum spread by)
{
	static const char *const name[] = {[SPREAD_BY_ITSELF] = "in its own way",
		[SPREAD_BY_BOTH] = "by source and destination",
		[SPREAD_BY_SOURCE] = "by source",
		[SPREAD_BY_DESTINATION] = "by destination"};

	return name[by];
}
