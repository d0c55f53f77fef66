// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say, part one: interfaces, routes and the box. The translators are in check_nat.c.

#include "conf/check.h"

#include "conf/aftr.h"
#include "conf/check_nat.h"
#include "conf/check_softwire.h"
#include "conf/homes.h"
#include "conf/judge.h"
#include "conf/management.h"
#include "conf/native.h"
#include "conf/tree.h"
#include "conf/upstreams.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MTU_MIN      576  // RFC 791: every host takes that
#define IPV6_MTU_MIN 1280 // RFC 8200 section 5
#define MTU_MAX      9600 // what fits a buffer with the largest headers we add

static void check_device(struct judge *j, const struct config *config, unsigned at)
{
	const struct config_iface *f = &config->iface[at];

	if (!f->type || !strstr(f->type, "ethernetCsmacd"))
		judge_fault(j, f->node, "type", "%s. Allowed: iana-if-type:ethernetCsmacd",
			f->type ? f->type : "missing");
	if (strlen(f->name) >= SNAPSHOT_NAME)
		judge_fault(j, f->node, "name", "%zu characters. Allowed: 1 to %d", strlen(f->name),
			SNAPSHOT_NAME - 1);
	if (!f->realm)
		judge_fault(
			j, f->node, "homeport:realm", "missing. Allowed: internal, external, both");
	if (!f->device) {
		judge_fault(j, f->node, "homeport:device",
			"missing. Allowed: a PCI address or a DPDK virtual device");
		return;
	}
	for (unsigned i = 0; i < at; i++) {
		const struct config_iface *other = &config->iface[i];

		if (other->device && !strcmp(other->device, f->device) && other->vlan == f->vlan)
			judge_fault(j, f->node, f->vlan ? "homeport:vlan" : "homeport:device",
				"interface %s has the same device and the same VLAN (%u). Allowed: "
				"one interface for each VLAN of a device, and one without",
				other->name, f->vlan);
	}
}

static void check_host_device(struct judge *j, const struct config *config, unsigned at)
{
	const struct config_iface *f = &config->iface[at];

	for (unsigned i = 0; f->host_device && i < at; i++) {
		const struct config_iface *other = &config->iface[i];

		if (other->host_device && !strcmp(other->host_device, f->host_device))
			judge_fault(j, f->node, "homeport:host-device",
				"%s is that of interface %s. Allowed: a name for each interface",
				f->host_device, other->name);
	}
	if (f->host_device && !f->addrs)
		judge_fault(j, f->node, "homeport:host-device",
			"%s, but the interface has no address. Allowed: on an interface that has one",
			f->host_device);
}

static void check_mac(struct judge *j, const struct lyd_node *node, const char *leaf,
	const char *text, bool valid, const struct rte_ether_addr *mac)
{
	if (text && (!valid || !rte_is_valid_assigned_ether_addr(mac)))
		judge_fault(j, node, leaf, "%s. Allowed: a unicast address of six bytes", text);
}

// An address that a station can have: not unspecified, loopback or multicast, and neither the first nor
// the last of an IPv4 network that has both.
static bool is_station(const struct ipaddr *addr, unsigned len)
{
	uint32_t host = rte_be_to_cpu_32(ipaddr_be32(addr));
	uint32_t hosts = len < 32 ? UINT32_MAX >> len : 0;

	if (addr->family == 6) {
		struct in6_addr in6;

		memcpy(&in6, addr->bytes, sizeof(in6));
		return !IN6_IS_ADDR_UNSPECIFIED(&in6) && !IN6_IS_ADDR_LOOPBACK(&in6) &&
			!IN6_IS_ADDR_MULTICAST(&in6) && !IN6_IS_ADDR_V4MAPPED(&in6);
	}
	if (host >> 24 == 0 || host >> 24 == 127 || host >> 24 >= 224)
		return false;
	return len > 30 || ((host & hosts) != 0 && (host & hosts) != hosts);
}

static void check_addr(struct judge *j, const struct config *config, unsigned at, unsigned a)
{
	const struct config_iface *f = &config->iface[at];
	const struct config_addr *addr = &f->addr[a];
	struct ipprefix net = ipprefix_make(&addr->addr, addr->len);
	char text[IPADDR_TEXT], other_text[IPPREFIX_TEXT];

	if (!is_station(&addr->addr, addr->len))
		judge_fault(j, addr->node, "ip",
			"%s/%u. Allowed: a unicast address that is not its network's first or last",
			ipaddr_format(&addr->addr, text), addr->len);
	for (unsigned i = 0; i <= at; i++) {
		const struct config_iface *other = &config->iface[i];

		for (unsigned k = 0; k < (i == at ? a : other->addrs); k++) {
			struct ipprefix theirs =
				ipprefix_make(&other->addr[k].addr, other->addr[k].len);

			if (i == at && ipaddr_compare(&addr->addr, &other->addr[k].addr))
				continue; // one interface may have several addresses of a network
			if (i != at && ipaddr_is_link_local(&net.addr) &&
				ipaddr_is_link_local(&theirs.addr))
				continue; // and each link has the one of link-local addresses
			if (ipprefix_overlaps(&net, &theirs))
				judge_fault(j, addr->node, "ip",
					"%s/%u overlaps %s of interface %s. Allowed: a network on "
					"one interface only",
					ipaddr_format(&addr->addr, text), addr->len,
					ipprefix_format(&theirs, other_text), other->name);
		}
	}
}

static bool is_on_link(const struct config_iface *f, const struct ipaddr *addr)
{
	for (unsigned i = 0; i < f->addrs; i++) {
		struct ipprefix net = ipprefix_make(&f->addr[i].addr, f->addr[i].len);

		if (ipprefix_has(&net, addr))
			return true;
	}
	return false;
}

static bool is_own(const struct config *config, const struct ipaddr *addr)
{
	for (unsigned i = 0; i < config->ifaces; i++) {
		for (unsigned k = 0; k < config->iface[i].addrs; k++) {
			if (!ipaddr_compare(&config->iface[i].addr[k].addr, addr))
				return true;
		}
	}
	return false;
}

static void check_neighbour(struct judge *j, const struct config *config,
	const struct config_iface *f, const struct config_neighbour *n)
{
	char text[IPADDR_TEXT];

	check_mac(j, n->node, "link-layer-address", n->mac_text, n->mac_valid, &n->mac);
	if (!is_on_link(f, &n->addr))
		judge_fault(j, n->node, "ip",
			"%s is in no network of the interface. Allowed: an address of one of them",
			ipaddr_format(&n->addr, text));
	else if (is_own(config, &n->addr))
		judge_fault(j, n->node, "ip", "%s is the box's own. Allowed: another station's",
			ipaddr_format(&n->addr, text));
}

static unsigned count_devices(const struct config *config)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->ifaces; i++) {
		bool seen = !config->iface[i].device;

		for (unsigned k = 0; k < i && !seen; k++)
			seen = config->iface[k].device &&
				!strcmp(config->iface[i].device, config->iface[k].device);
		count += !seen;
	}
	return count;
}

static void check_ifaces(struct judge *j, const struct config *config)
{
	uint8_t realms = 0;

	for (unsigned i = 0; i < config->ifaces; i++) {
		const struct config_iface *f = &config->iface[i];

		realms |= f->realm;
		check_device(j, config, i);
		check_host_device(j, config, i);
		check_mac(j, f->node, "homeport:mac-address", f->mac_text, f->mac_valid, &f->mac);
		if (f->mtu < MTU_MIN || f->mtu > MTU_MAX)
			judge_fault(j, f->node, "ietf-ip:ipv4/mtu", "%u. Allowed: %d to %d", f->mtu,
				MTU_MIN, MTU_MAX);
		if (f->mtu6 < IPV6_MTU_MIN || f->mtu6 > MTU_MAX)
			judge_fault(j, f->node, "ietf-ip:ipv6/mtu", "%u. Allowed: %d to %d",
				f->mtu6, IPV6_MTU_MIN, MTU_MAX);
		if (!f->has_ipv4)
			judge_fault(j, f->node, "ietf-ip:ipv4/enabled",
				"false. Allowed: true; to have no IPv4 leave the container out");
		if (!f->forwarding)
			judge_fault(j, f->node, "ietf-ip:ipv4/forwarding",
				"false. Allowed: true; to stop an interface set enabled to false");
		for (unsigned k = 0; k < f->addrs; k++)
			check_addr(j, config, i, k);
		for (unsigned k = 0; k < f->neighbours; k++)
			check_neighbour(j, config, f, &f->neighbour[k]);
	}
	if (config->ifaces > SNAPSHOT_MAX_IFACES)
		judge_text(j, "/ietf-interfaces:interfaces: %u interfaces. Allowed: up to %d",
			config->ifaces, SNAPSHOT_MAX_IFACES);
	if (count_devices(config) > SNAPSHOT_MAX_PORTS)
		judge_text(j, "/ietf-interfaces:interfaces: %u devices. Allowed: up to %d",
			count_devices(config), SNAPSHOT_MAX_PORTS);
	if (realms != REALM_BOTH)
		judge_text(j,
			"/ietf-interfaces:interfaces: no interface has homeport:realm %s. Allowed: "
			"at least one internal and one external, or one that is both",
			realms & REALM_INTERNAL ? "external" : "internal");
}

// A neighbour that packets are sent to, at an address in a leaf.
static void check_gateway(struct judge *j, const struct config *config, const struct lyd_node *node,
	const char *leaf, const struct ipaddr *address, const char *iface)
{
	char text[IPADDR_TEXT];
	bool found = false;

	if (is_own(config, address)) {
		judge_fault(j, node, leaf, "%s is the box's own. Allowed: a neighbour's",
			ipaddr_format(address, text));
		return;
	}
	for (unsigned i = 0; i < config->ifaces; i++) {
		const struct config_iface *f = &config->iface[i];

		if (!iface || !strcmp(iface, f->name))
			found |= is_on_link(f, address);
	}
	if (!found)
		judge_fault(j, node, leaf,
			"%s is in no network of %s%s. Allowed: an address of one of them",
			ipaddr_format(address, text), iface ? "interface " : "any interface",
			iface ? iface : "");
}

static void check_hop(struct judge *j, const struct config *config, const struct config_route *r)
{
	if (r->has_address)
		check_gateway(
			j, config, r->node, "next-hop/next-hop-address", &r->address, r->iface);
	else
		judge_fault(j, r->node, "next-hop",
			"no next-hop-address. Allowed: the address of a neighbour, or "
			"special-next-hop blackhole");
}

// Whether there can be a way to some address of a prefix, as far as can be told from it alone.
static bool is_routable(const struct ipprefix *prefix)
{
	static const struct ipprefix nobody = {.addr = {.family = 6}, .len = 8};
	uint8_t first = prefix->addr.bytes[0];

	if (prefix->addr.family == 4)
		return first != 127 && first < 224;
	// ::/8 has the unspecified, the loopback and the IPv4-mapped addresses
	return !ipaddr_is_link_local(&prefix->addr) && first != 0xff &&
		!ipprefix_covers(&nobody, prefix);
}

static void check_routes(struct judge *j, const struct config *config)
{
	char text[IPPREFIX_TEXT];

	for (unsigned i = 0; i < config->routes; i++) {
		const struct config_route *r = &config->route[i];

		if (!is_routable(&r->destination))
			judge_fault(j, r->node, "destination-prefix",
				"%s. Allowed: a unicast network that is neither loopback nor "
				"link-local",
				ipprefix_format(&r->destination, text));
		for (unsigned k = 0; k < i; k++) {
			if (config->route[k].destination.len == r->destination.len &&
				ipprefix_overlaps(&config->route[k].destination, &r->destination))
				judge_fault(j, r->node, "destination-prefix",
					"%s stands twice. Allowed: one route for each destination",
					ipprefix_format(&r->destination, text));
		}
		if (r->kind == ROUTE_OTHER)
			judge_fault(j, r->node, "next-hop/special-next-hop",
				"%s. Allowed: blackhole", r->special);
		else if (r->kind == ROUTE_NEXT_HOP)
			check_hop(j, config, r);
	}
}

static void check_fragments(struct judge *j, const struct config_platform *p)
{
	// a flood of fragments must leave buffers for the packets that are whole
	if (p->max_waiting_fragments > p->packet_buffers / 2)
		judge_fault(j, p->node, "fragments/max-waiting",
			"%u. Allowed: up to %u, half of packet-buffers", p->max_waiting_fragments,
			p->packet_buffers / 2);
	if (p->reassembly.max_waiting > p->packet_buffers / 4)
		judge_fault(j, p->node, "reassembly/max-waiting",
			"%u. Allowed: up to %u, a quarter of packet-buffers",
			p->reassembly.max_waiting, p->packet_buffers / 4);
}

static void check_platform(struct judge *j, const struct config *config)
{
	// what the configuration says elsewhere, or what must stay as it is
	static const char *const taken[] = {"-m", "-l", "-c", "-n", "-s", "-S", "-a", "-b", "-h",
		"--lcores", "--main-lcore", "--no-huge", "--in-memory", "--legacy-mem",
		"--socket-mem", "--socket-limit", "--proc-type", "--vdev", "--allow", "--block",
		"--no-pci", "--help"};

	for (unsigned i = 0; i < config->platform.eal_options; i++) {
		const char *word = config->platform.eal_option[i];
		// a short option may have its value behind it
		size_t length =
			word[0] == '-' && word[1] != '-' ? strnlen(word, 2) : strcspn(word, "=");

		for (unsigned k = 0; k < sizeof(taken) / sizeof(taken[0]); k++) {
			if (strlen(taken[k]) == length && !strncmp(taken[k], word, length))
				judge_fault(j, config->platform.node, "eal-option",
					"%s is set by other leaves. Allowed: options of DPDK that "
					"neither choose cores, memory nor devices",
					word);
		}
	}
}

static void check_hook(struct judge *j, const struct config *config)
{
	if (config->hook && access(config->hook, X_OK) < 0)
		judge_text(j,
			"/homeport:homeport/dots/hook: %s: %s. Allowed: a program that can be run",
			config->hook, strerror(errno));
}

void check_kernel_address(struct judge *j, const struct config *config, const struct lyd_node *node,
	const struct ipaddr *addr)
{
	char text[IPADDR_TEXT];

	for (unsigned i = 0; i < config->ifaces; i++) {
		const struct config_iface *iface = &config->iface[i];

		for (unsigned k = 0; k < iface->addrs && !iface->host_device; k++) {
			if (!ipaddr_compare(&iface->addr[k].addr, addr))
				judge_fault(j, node, "address",
					"%s is an address of interface %s, which has no "
					"homeport:host-device. Allowed: an address of an interface "
					"that has one, or of the kernel's",
					ipaddr_format(addr, text), iface->name);
		}
	}
}

unsigned check_config(
	const struct config *config, void (*report)(void *ctx, const char *text), void *ctx)
{
	struct judge judge = {.report = report, .ctx = ctx};

	check_ifaces(&judge, config);
	check_routes(&judge, config);
	check_native(&judge, config);
	check_nat(&judge, config);
	check_aftrs(&judge, config);
	check_softwires(&judge, config);
	check_platform(&judge, config);
	check_fragments(&judge, &config->platform);
	check_upstreams(&judge, config);
	if (config->scrubber.family)
		check_gateway(&judge, config, config->scrubber_node, "next-hop-address",
			&config->scrubber, NULL);
	if (config->scrubber6.family)
		check_gateway(&judge, config, config->scrubber_node, "ipv6-next-hop-address",
			&config->scrubber6, NULL);
	check_homes(&judge, config);
	check_management(&judge, config);
	check_hook(&judge, config);
	return judge.faults;
}
