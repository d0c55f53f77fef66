// SPDX-License-Identifier: BSD-3-Clause

#include "worker/port.h"

#include "base/log.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DESCRIPTORS_MAX 1024
#define DESCRIPTORS_MIN 32
// DPDK 22.11's TAP driver puts the file descriptors of all queues in a message that has room for eight, and writes
// on behind its end.
#define TAP_QUEUES 4

// The name DPDK gives a device is what stands before the first comma.
static int find(const char *device, uint16_t *id, struct err *err)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	size_t length = strcspn(device, ",");
	int rc;

	if (length >= sizeof(name))
		return err_set(err, "device %s: the name has more than %zu characters", device,
			sizeof(name) - 1);
	memcpy(name, device, length);
	name[length] = '\0';
	if (!rte_eth_dev_get_port_by_name(name, id))
		return 0;
	rc = rte_dev_probe(device);
	if (rc < 0)
		return err_code(err, rc, "device %s: %s", device, rte_strerror(-rc));
	if (rte_eth_dev_get_port_by_name(name, id))
		return err_code(
			err, -ENODEV, "device %s: there is no such Ethernet device", device);
	return 0;
}

static bool has_queue_each(const struct rte_eth_dev_info *info, unsigned workers)
{
	if (!strcmp(info->driver_name, "net_tap") && workers > TAP_QUEUES)
		return false;
	return info->max_rx_queues >= workers && info->max_tx_queues >= workers;
}

// Those of a receive queue: all queues together hold no more than half of the buffers that they are filled with.
static uint16_t descriptors_of(const struct port_setup *setup, unsigned queues)
{
	unsigned share = setup->mbufs->size / 2 / (setup->ports * queues);
	unsigned n = DESCRIPTORS_MAX;

	while (n > share && n > DESCRIPTORS_MIN)
		n /= 2;
	return (uint16_t)n;
}

static int configure(struct port *port, const struct port_setup *setup,
	const struct rte_eth_dev_info *info, struct err *err)
{
	struct rte_eth_conf conf = {.rxmode = {.mtu = setup->mtu}};
	uint16_t descriptors_rx, descriptors_tx = DESCRIPTORS_MAX;
	int rc;

	port->queues = has_queue_each(info, setup->workers) ? (uint16_t)setup->workers : 1;
	descriptors_rx = descriptors_of(setup, port->queues);
	port->owner = (uint16_t)setup->owner;
	if (info->max_mtu && setup->mtu > info->max_mtu)
		return err_set(err, "device %s: MTU %u, allowed up to %u", setup->device,
			setup->mtu, info->max_mtu);
	if (port->queues > 1)
		spread_configure(&port->spread, &conf, info, setup->spread);
	rc = rte_eth_dev_configure(port->id, port->queues, port->queues, &conf);
	if (rc < 0)
		return err_code(err, rc, "device %s: %u queues, MTU %u: %s", setup->device,
			port->queues, setup->mtu, rte_strerror(-rc));
	rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &descriptors_rx, &descriptors_tx);
	for (uint16_t q = 0; q < port->queues && rc >= 0; q++) {
		rc = rte_eth_rx_queue_setup(
			port->id, q, descriptors_rx, SOCKET_ID_ANY, NULL, setup->mbufs);
		if (rc >= 0)
			rc = rte_eth_tx_queue_setup(
				port->id, q, descriptors_tx, SOCKET_ID_ANY, NULL);
	}
	if (rc < 0)
		return err_code(err, rc, "device %s: queue: %s", setup->device, rte_strerror(-rc));
	return 0;
}

// What a device cannot do is done in software (worker/link.c), so a refusal is only worth a word.
static void set_addresses(const struct port *port, const struct port_setup *setup)
{
	bool promiscuous = setup->promiscuous;

	if (setup->mac) {
		struct rte_ether_addr mac = *setup->mac;

		if (rte_eth_dev_default_mac_addr_set(port->id, &mac) < 0)
			promiscuous = true;
	}
	if (promiscuous && rte_eth_promiscuous_enable(port->id) < 0)
		log_debug("port", "%s: cannot be made promiscuous", setup->device);
	// neighbour solicitations come by multicast
	if (rte_eth_allmulticast_enable(port->id) < 0)
		log_debug("port", "%s: cannot be told to pass multicast", setup->device);
}

int port_start(struct port *port, const struct port_setup *setup, struct err *err)
{
	struct rte_eth_dev_info info;
	int rc;

	*port = (struct port){0};
	rc = find(setup->device, &port->id, err);
	if (rc < 0)
		return rc;
	port->started = true; // from here on port_stop() has something to close
	rc = rte_eth_dev_info_get(port->id, &info);
	if (rc < 0)
		return err_code(err, rc, "device %s: %s", setup->device, rte_strerror(-rc));
	rc = configure(port, setup, &info, err);
	if (rc < 0)
		return rc;
	set_addresses(port, setup);
	rc = rte_eth_dev_start(port->id);
	if (rc < 0)
		return err_code(err, rc, "device %s: start: %s", setup->device, rte_strerror(-rc));
	// costs no more than packets that have to be handed over
	rc = spread_start(&port->spread, port->id, &info, port->queues);
	if (rc < 0)
		log_warning("port", "%s: redirection table: %s", setup->device, rte_strerror(-rc));
	rte_eth_macaddr_get(port->id, &port->mac);
	port->mtu_max = info.max_mtu;
	port->file = !strncmp(setup->device, "net_pcap", 8) && strstr(setup->device, "rx_pcap=") &&
		!strstr(setup->device, "infinite_rx=1");
	log_info("port", "%s: " RTE_ETHER_ADDR_PRT_FMT ", %u queue%s", setup->device,
		RTE_ETHER_ADDR_BYTES(&port->mac), port->queues, port->queues == 1 ? "" : "s");
	return 0;
}

// A NIC's devices are the functions of one PCI device.
static bool same_nic(uint16_t a, uint16_t b)
{
	char name[2][RTE_ETH_NAME_MAX_LEN];
	size_t length;

	if (rte_eth_dev_get_name_by_port(a, name[0]) || rte_eth_dev_get_name_by_port(b, name[1]))
		return false;
	length = strcspn(name[0], ".");
	return length == strcspn(name[1], ".") && !memcmp(name[0], name[1], length);
}

// Whether a device of the same NIC wants another hash than this one.
static bool contested(const struct port *port, unsigned ports, unsigned i)
{
	for (unsigned k = 0; k < ports; k++) {
		if (port[k].spread.wanted != port[i].spread.wanted &&
			same_nic(port[k].id, port[i].id))
			return true;
	}
	return false;
}

// By flow rules where the device needs and takes them. Says what came of it.
static void spread_on(struct port *port, unsigned ports, unsigned i,
	const struct rte_eth_dev_info *info, const char *name)
{
	struct spreading *spread = &port[i].spread;
	const char *why = NULL;
	int rc = 0;

	if (spread_wants_rules(spread, info)) {
		if (spread_shares_rules(info) && contested(port, ports, i))
			why = "another device of its NIC wants another address";
		else
			rc = spread_by_rules(spread, port[i].id, &why);
	}
	if (rc < 0 || why)
		log_info("port", "%s: no flow rules to hash %s alone: %s", name,
			spread_name(spread->wanted), why ? why : rte_strerror(-rc));
	log_info("port", "%s: spreads packets %s%s", name, spread_name(spread->by),
		spread->rules ? ", with flow rules" : "");
}

void ports_spread(struct port *port, unsigned ports)
{
	for (unsigned i = 0; i < ports; i++) {
		struct rte_eth_dev_info info;
		char name[RTE_ETH_NAME_MAX_LEN];

		if (port[i].queues > 1 && rte_eth_dev_info_get(port[i].id, &info) >= 0 &&
			!rte_eth_dev_get_name_by_port(port[i].id, name))
			spread_on(port, ports, i, &info, name);
	}
}

void port_stop(struct port *port)
{
	if (!port->started)
		return;
	spread_stop(&port->spread, port->id);
	rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	port->started = false;
}

bool port_link_is_up(const struct port *port)
{
	struct rte_eth_link link;

	return port->started && !rte_eth_link_get_nowait(port->id, &link) &&
		link.link_status == RTE_ETH_LINK_UP;
}

uint64_t port_speed_bps(const struct port *port)
{
	struct rte_eth_link link;

	if (!port->started || rte_eth_link_get_nowait(port->id, &link) ||
		link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN)
		return 0;
	return (uint64_t)link.link_speed * 1000000;
}
