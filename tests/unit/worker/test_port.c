// SPDX-License-Identifier: BSD-3-Clause

// Devices as they are set up: net_null, which remembers how it was asked to spread what it receives.

#include "worker/port.h"

#include "support/world.h"
#include "unit.h"

#include <rte_ethdev.h>

#define WORKERS 6
#define TABLE   128

static struct rte_mempool *mbufs;

static struct port started(const char *device, unsigned workers)
{
	struct port_setup setup = {.device = device,
		.workers = workers,
		.ports = 1,
		.mtu = 1500,
		.spread = SPREAD_BY_SOURCE,
		.mbufs = mbufs};
	struct port port;
	struct err err = {0};

	if (port_start(&port, &setup, &err) < 0)
		fail_msg("%s", err.text);
	return port;
}

// The redirection table names the workers as table/pool.h deals hosts.
static void spread_over_queues(void **)
{
	struct rte_eth_rss_reta_entry64 table[TABLE / RTE_ETH_RETA_GROUP_SIZE];
	struct port port = started("net_null0", WORKERS);
	struct rte_eth_rss_conf conf = {0};

	assert_int_equal(port.queues, WORKERS);
	memset(table, UINT8_MAX, sizeof(table));
	assert_int_equal(rte_eth_dev_rss_reta_query(port.id, table, TABLE), 0);
	for (unsigned i = 0; i < TABLE; i++)
		assert_int_equal(
			table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE],
			i % WORKERS);
	assert_int_equal(rte_eth_dev_rss_hash_conf_get(port.id, &conf), 0);
	assert_true(conf.rss_hf & RTE_ETH_RSS_IPV4);
	port_stop(&port);
}

// One queue has nothing to spread over.
static void one_queue(void **)
{
	struct port port = started("net_null1", 1);

	assert_int_equal(port.queues, 1);
	port_stop(&port);
}

int main(int, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spread_over_queues),
		cmocka_unit_test(one_queue),
	};

	world_eal(argv[0], false, 64);
	mbufs = rte_pktmbuf_pool_create(
		"port", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	return mbufs ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
