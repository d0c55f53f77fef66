// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A DPDK port: one device of the configuration, with as many queues as there are workers if it has
// them. A port with fewer belongs to one worker, to which the others hand their frames.

#include "base/err.h"
#include "worker/spread.h"

#include <rte_ether.h>

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

struct port {
	uint16_t id;     // DPDK's number
	uint16_t queues; // of each kind: one a worker, or 1
	uint16_t owner;  // worker that has the only queue
	bool started;
	bool file; // reads packets from a file that ends (net_pcap with rx_pcap)
	uint16_t mtu_max;
	struct spreading spread;
	struct rte_ether_addr mac;
};

// What a device is set up for.
struct port_setup {
	const char *device; // PCI address, or vdev string as `net_pcap0,rx_pcap=in.pcap`
	unsigned workers;
	unsigned owner;
	unsigned ports; // that share the buffers
	enum spread spread;
	uint16_t mtu;
	bool promiscuous; // some interface wants it, or a MAC address the device cannot be given
	const struct rte_ether_addr
		*mac; // to be given to the device if it can; NULL: its own stays
	struct rte_mempool *mbufs;
};

// Finds or makes the device, sets it up and starts it. The reason for a failure stands in err.
int port_start(struct port *port, const struct port_setup *setup, struct err *err);

// Once all have started: has those that need it spread what they receive by flow rules, and tells what each does.
void ports_spread(struct port *port, unsigned ports);

// Stops and closes the device. A zeroed port is allowed.
void port_stop(struct port *port);

bool port_link_is_up(const struct port *port);
uint64_t port_speed_bps(const struct port *port);
