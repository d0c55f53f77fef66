// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How a device with a queue for each worker spreads what it receives, so that packets land at the worker that has
// them by themselves as far as the device can: by the source alone where subscribers are, by the destination alone
// where outside addresses are, by the hash of table/pool.h. What lands elsewhere is handed over (worker/steer.c).

#include <stdint.h>

struct rte_eth_dev_info;
struct rte_eth_conf;

enum spread { SPREAD_BY_SOURCE, SPREAD_BY_DESTINATION, SPREAD_BY_BOTH };

// Adds what a device can do of it to its configuration. Returns what that is, in words; NULL: nothing.
const char *spread_configure(
	struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, enum spread spread);

// Writes the redirection table of a started device. Returns 0 or -errno.
int spread_start(uint16_t id, const struct rte_eth_dev_info *info, unsigned workers);
