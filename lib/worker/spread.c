// SPDX-License-Identifier: BSD-3-Clause

#include "worker/spread.h"

#include "table/pool.h"

#include <rte_ethdev.h>

#include <errno.h>

#define KEY_MAX   52
#define TABLE_MAX 2048 // entries of a redirection table

// All of the key that table/pool.c has the beginning of; what is longer goes on with zeros.
static uint8_t key[KEY_MAX] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25,
	0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb,
	0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

const char *spread_configure(
	struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, enum spread spread)
{
	static const uint64_t one_side[] = {[SPREAD_BY_SOURCE] = RTE_ETH_RSS_L3_SRC_ONLY,
		[SPREAD_BY_DESTINATION] = RTE_ETH_RSS_L3_DST_ONLY,
		[SPREAD_BY_BOTH] = 0};
	uint64_t can = info->flow_type_rss_offloads;
	// of TCP and UDP too: many devices hash those as their own kinds or not at all
	uint64_t kinds = can & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);

	if (!kinds || !info->reta_size || info->reta_size > TABLE_MAX)
		return NULL;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = kinds | (can & one_side[spread]);
	if (info->hash_key_size && info->hash_key_size <= KEY_MAX) {
		conf->rx_adv_conf.rss_conf.rss_key = key;
		conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
	}
	if (!(can & one_side[spread]))
		return "source and destination";
	return spread == SPREAD_BY_SOURCE ? "source" : "destination";
}

int spread_start(uint16_t id, const struct rte_eth_dev_info *info, unsigned workers)
{
	struct rte_eth_rss_reta_entry64 table[TABLE_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (unsigned i = 0; i < info->reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= RTE_BIT64(i % RTE_ETH_RETA_GROUP_SIZE);
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % POOL_RETA_SIZE % workers);
	}
	return rte_eth_dev_rss_reta_update(id, table, info->reta_size);
}
