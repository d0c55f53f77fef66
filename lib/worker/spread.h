// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// How a device with a queue for each worker spreads what it receives, so that packets land at the worker that has
// them by themselves as far as the device can: by the source alone where subscribers are, by the destination alone
// where outside addresses are, by the hash of table/pool.h. What lands elsewhere is handed over (worker/steer.c).
//
// A device is asked in its configuration. Some drivers offer a hash over one address only by flow rules, which are
// made when it has started: one for each kind of packet, without queues or key, for those of the device stay.

#include <stdbool.h>
#include <stdint.h>

#define SPREAD_RULES 6

struct rte_eth_dev_info;
struct rte_eth_conf;
struct rte_flow;

enum spread { SPREAD_BY_ITSELF, SPREAD_BY_BOTH, SPREAD_BY_SOURCE, SPREAD_BY_DESTINATION };

struct spreading {
	enum spread wanted;
	enum spread by; // what the device does
	uint64_t kinds; // of packets that its configuration has hashed
	struct rte_flow *rule[SPREAD_RULES];
	unsigned rules;
};

// Adds what a device can do of it to its configuration.
void spread_configure(struct spreading *s, struct rte_eth_conf *conf,
	const struct rte_eth_dev_info *info, enum spread wanted);

// Writes the redirection table of a started device. Returns 0 or -errno.
int spread_start(
	struct spreading *s, uint16_t id, const struct rte_eth_dev_info *info, unsigned workers);

// Whether flow rules might do what the configuration of the device could not.
bool spread_wants_rules(const struct spreading *s, const struct rte_eth_dev_info *info);

// Whether the rules of one device hold for all of the same NIC.
bool spread_shares_rules(const struct rte_eth_dev_info *info);

// Gives a started device all those rules or, after a failure, none: returns 0, or -errno with the driver's reason in
// `why` (NULL: it gave none) and the device as it was.
int spread_by_rules(struct spreading *s, uint16_t id, const char **why);

// Takes them back. Before the device stops.
void spread_stop(struct spreading *s, uint16_t id);

const char *spread_name(enum spread by);
