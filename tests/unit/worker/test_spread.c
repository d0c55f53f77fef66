// SPDX-License-Identifier: BSD-3-Clause

// How devices are asked to spread what they receive. The NIC is a net_null that goes by the name of another driver
// and takes flow rules as i40e, ice and iavf do: one for each kind of packet, without queues and key.

#include "table/pool.h"
#include "worker/port.h"

#include "support/world.h"
#include "unit.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#define WORKERS 4
#define RULES   6
#define NEVER   UINT_MAX

#define IPV4 (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER)
#define L4   (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP)
#define ONE  (RTE_ETH_RSS_L3_SRC_ONLY | RTE_ETH_RSS_L3_DST_ONLY)

struct rte_flow {
	char pattern[4];
	uint64_t types;
	bool gone;
};

static struct {
	unsigned number;
	const char *driver; // NULL: its own, which takes no rules
	unsigned judged, refused;
	unsigned made, failed;
	struct rte_flow flow[2 * RULES];
	unsigned destroyed;
	uint64_t restored; // kinds of packets that are hashed without rules, as told last
} nic;

static struct rte_mempool *mbufs;

int __real_rte_flow_validate(uint16_t id, const struct rte_flow_attr *attr,
	const struct rte_flow_item pattern[], const struct rte_flow_action action[],
	struct rte_flow_error *error);
int __wrap_rte_flow_validate(uint16_t id, const struct rte_flow_attr *attr,
	const struct rte_flow_item pattern[], const struct rte_flow_action action[],
	struct rte_flow_error *error);
struct rte_flow *__wrap_rte_flow_create(uint16_t id, const struct rte_flow_attr *attr,
	const struct rte_flow_item pattern[], const struct rte_flow_action action[],
	struct rte_flow_error *error);
int __wrap_rte_flow_destroy(uint16_t id, struct rte_flow *flow, struct rte_flow_error *error);
int __real_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_rss_hash_update(uint16_t id, struct rte_eth_rss_conf *conf);

// E, 4, 6, T, U for the headers of a pattern.
static void letters(const struct rte_flow_item *item, char *out)
{
	for (; item->type != RTE_FLOW_ITEM_TYPE_END; item++) {
		assert_null(item->spec);
		assert_null(item->mask);
		*out++ = item->type == RTE_FLOW_ITEM_TYPE_ETH   ? 'E'
			: item->type == RTE_FLOW_ITEM_TYPE_IPV4 ? '4'
			: item->type == RTE_FLOW_ITEM_TYPE_IPV6 ? '6'
			: item->type == RTE_FLOW_ITEM_TYPE_TCP  ? 'T'
								: 'U';
	}
	*out = '\0';
}

// What the drivers refuse.
static const struct rte_flow_action_rss *rss_of(
	const struct rte_flow_attr *attr, const struct rte_flow_action *action)
{
	const struct rte_flow_action_rss *rss = action[0].conf;

	assert_true(attr->ingress && !attr->egress && !attr->priority && !attr->group);
	assert_int_equal(action[0].type, RTE_FLOW_ACTION_TYPE_RSS);
	assert_int_equal(action[1].type, RTE_FLOW_ACTION_TYPE_END);
	assert_int_equal(rss->level, 0);
	assert_int_equal(rss->key_len, 0);
	assert_int_equal(rss->queue_num, 0);
	assert_null(rss->queue);
	return rss;
}

int __wrap_rte_flow_validate(uint16_t id, const struct rte_flow_attr *attr,
	const struct rte_flow_item pattern[], const struct rte_flow_action action[],
	struct rte_flow_error *error)
{
	if (!nic.driver)
		return __real_rte_flow_validate(id, attr, pattern, action, error);
	rss_of(attr, action);
	if (nic.judged++ == nic.refused)
		return rte_flow_error_set(
			error, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, pattern, "no such pattern");
	return 0;
}

struct rte_flow *__wrap_rte_flow_create(uint16_t, const struct rte_flow_attr *attr,
	const struct rte_flow_item pattern[], const struct rte_flow_action action[],
	struct rte_flow_error *error)
{
	struct rte_flow *flow = &nic.flow[nic.made];

	if (nic.made == nic.failed) {
		rte_flow_error_set(error, ENOSPC, RTE_FLOW_ERROR_TYPE_HANDLE, NULL, NULL);
		return NULL;
	}
	nic.made++;
	letters(pattern, flow->pattern);
	flow->types = rss_of(attr, action)->types;
	return flow;
}

int __wrap_rte_flow_destroy(uint16_t, struct rte_flow *flow, struct rte_flow_error *)
{
	assert_false(flow->gone);
	flow->gone = true;
	nic.destroyed++;
	return 0;
}

int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info)
{
	int rc = __real_rte_eth_dev_info_get(id, info);

	if (nic.driver)
		info->driver_name = nic.driver;
	return rc;
}

int __wrap_rte_eth_dev_rss_hash_update(uint16_t, struct rte_eth_rss_conf *conf)
{
	assert_null(conf->rss_key);
	nic.restored = conf->rss_hf;
	return 0;
}

static int fresh_nic(void **)
{
	// DPDK makes no second virtual device of a name
	static unsigned number;

	memset(&nic, 0, sizeof(nic));
	nic.number = ++number;
	nic.driver = "net_ice";
	nic.refused = nic.failed = NEVER;
	return 0;
}

// A function of one of two NICs.
static void start(struct port *port, unsigned which, unsigned function, enum spread spread)
{
	char device[32];
	struct port_setup setup = {.device = device,
		.workers = WORKERS,
		.ports = 2,
		.mtu = 1500,
		.spread = spread,
		.mbufs = mbufs};
	struct err err = {0};

	snprintf(device, sizeof(device), "net_null%u.%u", 2 * nic.number + which, function);
	if (port_start(port, &setup, &err) < 0)
		fail_msg("%s", err.text);
}

// What is asked for goes by what the device and its driver can.
static void asked(void **)
{
	static const struct {
		const char *driver;
		uint64_t can;
		enum spread wanted, by;
		uint64_t kinds;
	} cases[] = {
		{"net_ixgbe", IPV4 | L4, SPREAD_BY_SOURCE, SPREAD_BY_BOTH, IPV4 | L4},
		{"net_hns3", IPV4 | L4 | ONE, SPREAD_BY_SOURCE, SPREAD_BY_SOURCE,
			IPV4 | L4 | RTE_ETH_RSS_L3_SRC_ONLY},
		{"net_hns3", IPV4 | L4 | ONE, SPREAD_BY_DESTINATION, SPREAD_BY_DESTINATION,
			IPV4 | L4 | RTE_ETH_RSS_L3_DST_ONLY},
		{"net_hns3", IPV4 | L4 | ONE, SPREAD_BY_BOTH, SPREAD_BY_BOTH, IPV4 | L4},
		// would hash the ports, too
		{"mlx5_pci", IPV4 | L4 | ONE, SPREAD_BY_SOURCE, SPREAD_BY_SOURCE,
			IPV4 | RTE_ETH_RSS_L3_SRC_ONLY},
		{"mlx5_auxiliary", IPV4 | L4 | ONE, SPREAD_BY_DESTINATION, SPREAD_BY_DESTINATION,
			IPV4 | RTE_ETH_RSS_L3_DST_ONLY},
		{"net_cn10k", IPV4 | L4 | ONE, SPREAD_BY_SOURCE, SPREAD_BY_SOURCE,
			IPV4 | RTE_ETH_RSS_L3_SRC_ONLY},
		{"mlx5_pci", IPV4 | L4 | ONE, SPREAD_BY_BOTH, SPREAD_BY_BOTH, IPV4 | L4},
		{"net_none", RTE_ETH_RSS_L2_PAYLOAD, SPREAD_BY_SOURCE, SPREAD_BY_ITSELF, 0},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct rte_eth_dev_info info = {.driver_name = cases[i].driver,
			.flow_type_rss_offloads = cases[i].can,
			.reta_size = 128,
			.hash_key_size = 40};
		struct rte_eth_conf conf = {0};
		struct spreading s;

		spread_configure(&s, &conf, &info, cases[i].wanted);
		assert_int_equal(s.by, cases[i].by);
		assert_int_equal(s.kinds, cases[i].kinds);
		assert_int_equal(conf.rx_adv_conf.rss_conf.rss_hf, cases[i].kinds);
		assert_int_equal(conf.rxmode.mq_mode,
			cases[i].kinds ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE);
	}
}

// The key is that by which table/pool.h deals, as long as the device's is.
static void key_of_device(void **)
{
	static const uint8_t length[] = {40, 52};

	for (unsigned i = 0; i < RTE_DIM(length); i++) {
		struct rte_eth_dev_info info = {.driver_name = "net_ice",
			.flow_type_rss_offloads = IPV4,
			.reta_size = 512,
			.hash_key_size = length[i]};
		struct rte_eth_conf conf = {0};
		const struct rte_eth_rss_conf *rss = &conf.rx_adv_conf.rss_conf;
		struct spreading s;

		spread_configure(&s, &conf, &info, SPREAD_BY_SOURCE);
		assert_int_equal(rss->rss_key_len, length[i]);
		for (unsigned k = 0; k < length[i]; k++)
			assert_int_equal(
				rss->rss_key[k], (uint8_t)(POOL_HASH_KEY >> (24 - k % 4 * 8)));
	}
}

static const struct rte_flow *rule(const char *pattern)
{
	for (unsigned i = 0; i < nic.made; i++) {
		if (!strcmp(nic.flow[i].pattern, pattern))
			return &nic.flow[i];
	}
	fail_msg("no rule for %s", pattern);
	return NULL;
}

// One for each kind, by one address alone and nothing else; they go before the device does.
static void rules_of_one_side(void **)
{
	static const struct {
		enum spread wanted;
		uint64_t side;
	} sides[] = {{SPREAD_BY_SOURCE, RTE_ETH_RSS_L3_SRC_ONLY},
		{SPREAD_BY_DESTINATION, RTE_ETH_RSS_L3_DST_ONLY}};

	for (unsigned i = 0; i < RTE_DIM(sides); i++) {
		uint64_t side = sides[i].side;
		struct port port;

		fresh_nic(NULL);
		start(&port, 0, 0, sides[i].wanted);
		assert_int_equal(port.spread.by, SPREAD_BY_BOTH);
		assert_int_equal(nic.made, 0);
		ports_spread(&port, 1);
		assert_int_equal(port.spread.by, sides[i].wanted);
		assert_int_equal(nic.made, RULES);
		assert_int_equal(rule("E4")->types, RTE_ETH_RSS_IPV4 | side);
		assert_int_equal(rule("E4T")->types, RTE_ETH_RSS_NONFRAG_IPV4_TCP | side);
		assert_int_equal(rule("E4U")->types, RTE_ETH_RSS_NONFRAG_IPV4_UDP | side);
		assert_int_equal(rule("E6")->types, RTE_ETH_RSS_IPV6 | side);
		assert_int_equal(rule("E6T")->types, RTE_ETH_RSS_NONFRAG_IPV6_TCP | side);
		assert_int_equal(rule("E6U")->types, RTE_ETH_RSS_NONFRAG_IPV6_UDP | side);
		assert_int_equal(nic.restored, 0);
		port_stop(&port);
		assert_int_equal(nic.destroyed, RULES);
	}
}

// Devices that are to hash over both addresses, and those of drivers that are not known, are not asked.
static void no_rules(void **)
{
	struct port port;

	start(&port, 0, 0, SPREAD_BY_BOTH);
	ports_spread(&port, 1);
	port_stop(&port);
	nic.driver = "net_bnxt";
	start(&port, 1, 0, SPREAD_BY_SOURCE);
	ports_spread(&port, 1);
	assert_int_equal(port.spread.by, SPREAD_BY_BOTH);
	port_stop(&port);
	assert_int_equal(nic.judged + nic.made, 0);
}

// A rule that is refused, or fails, leaves none and the hash as it was.
static void all_or_none(void **)
{
	for (unsigned i = 0; i < 2 * RULES; i++) {
		bool judged = i < RULES;
		struct port port;

		fresh_nic(NULL);
		if (judged)
			nic.refused = i;
		else
			nic.failed = i - RULES;
		start(&port, 0, 0, SPREAD_BY_SOURCE);
		ports_spread(&port, 1);
		assert_int_equal(nic.made, judged ? 0 : i - RULES);
		assert_int_equal(nic.destroyed, nic.made);
		assert_int_equal(port.spread.by, SPREAD_BY_BOTH);
		assert_true(nic.restored & RTE_ETH_RSS_IPV4);
		assert_int_equal(nic.restored, port.spread.kinds);
		port_stop(&port);
		assert_int_equal(nic.destroyed, nic.made);
	}
}

// Its reason is told, and where it has none the error is.
static void reasons(void **)
{
	struct spreading s = {.wanted = SPREAD_BY_SOURCE, .by = SPREAD_BY_BOTH};
	const char *why = NULL;

	nic.refused = 3;
	assert_int_equal(spread_by_rules(&s, 0, &why), -ENOTSUP);
	assert_string_equal(why, "no such pattern");
	nic.failed = 2;
	assert_int_equal(spread_by_rules(&s, 0, &why), -ENOSPC);
	assert_null(why);
	assert_int_equal(s.by, SPREAD_BY_BOTH);
}

// i40e's are for the whole NIC: devices of one that want different ones get none. Those of ice are not.
static void one_nic(void **)
{
	static const struct {
		const char *driver;
		unsigned nic; // that has the second device
		enum spread wanted;
		unsigned made;
	} cases[] = {
		{"net_i40e", 0, SPREAD_BY_DESTINATION, 0},
		{"net_i40e", 0, SPREAD_BY_SOURCE, 2 * RULES},
		{"net_i40e", 1, SPREAD_BY_DESTINATION, 2 * RULES},
		{"net_ice", 0, SPREAD_BY_DESTINATION, 2 * RULES},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct port port[2];

		fresh_nic(NULL);
		nic.driver = cases[i].driver;
		start(&port[0], 0, 0, SPREAD_BY_SOURCE);
		start(&port[1], cases[i].nic, 1, cases[i].wanted);
		ports_spread(port, 2);
		assert_int_equal(nic.made, cases[i].made);
		assert_int_equal(
			port[0].spread.by, cases[i].made ? SPREAD_BY_SOURCE : SPREAD_BY_BOTH);
		assert_int_equal(
			port[1].spread.by, cases[i].made ? cases[i].wanted : SPREAD_BY_BOTH);
		port_stop(&port[0]);
		port_stop(&port[1]);
		assert_int_equal(nic.destroyed, nic.made);
	}
}

// A driver that knows no rules at all.
static void refused_by_driver(void **)
{
	const char *why = NULL;
	struct port port;

	nic.driver = NULL;
	start(&port, 0, 0, SPREAD_BY_SOURCE);
	assert_int_equal(spread_by_rules(&port.spread, port.id, &why), -ENOSYS);
	assert_int_equal(nic.made, 0);
	ports_spread(&port, 1);
	assert_int_equal(port.spread.by, SPREAD_BY_BOTH);
	port_stop(&port);
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(asked, fresh_nic),
		cmocka_unit_test_setup(key_of_device, fresh_nic),
		cmocka_unit_test_setup(rules_of_one_side, fresh_nic),
		cmocka_unit_test_setup(no_rules, fresh_nic),
		cmocka_unit_test_setup(all_or_none, fresh_nic),
		cmocka_unit_test_setup(reasons, fresh_nic),
		cmocka_unit_test_setup(one_nic, fresh_nic),
		cmocka_unit_test_setup(refused_by_driver, fresh_nic),
	};

	world_eal(argv[0], false, 64);
	mbufs = rte_pktmbuf_pool_create(
		"port", 4095, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return mbufs ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
