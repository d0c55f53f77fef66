// SPDX-License-Identifier: BSD-3-Clause

#include "ctl/commands.h"
#include "table/neighbour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *mac_text(const uint8_t *mac)
{
	return json_sprintf(
		"%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static json_t *statistics(const struct call *call, const struct ctl_iface *state)
{
	json_t *s = json_object();

	json_object_set_new(s, "discontinuity-time", json_time(call->source->started));
	json_object_set_new(s, "in-octets", json_number64(state->rx_bytes));
	json_object_set_new(
		s, "in-unicast-pkts", json_number64(state->rx_packets - state->rx_multicast));
	json_object_set_new(s, "in-multicast-pkts", json_number64(state->rx_multicast));
	json_object_set_new(s, "in-discards", json_integer((uint32_t)state->rx_drops));
	json_object_set_new(s, "out-octets", json_number64(state->tx_bytes));
	json_object_set_new(s, "out-unicast-pkts", json_number64(state->tx_packets));
	json_object_set_new(s, "out-discards", json_integer((uint32_t)state->tx_drops));
	return s;
}

// The neighbours of one family, for ietf-ip's list.
static json_t *neighbours(const struct call *call, unsigned number, unsigned family)
{
	static const char *const origin[] = {[CTL_NEIGHBOUR_INCOMPLETE] = "other",
		[CTL_NEIGHBOUR_LEARNED] = "dynamic",
		[CTL_NEIGHBOUR_STATIC] = "static"};
	const struct neighbour_table *table = call->source->neighbours;
	json_t *list = json_array();

	for (uint32_t n = 0; n < neighbour_size(table); n++) {
		uint64_t mac = neighbour_mac(table, n);
		struct ipaddr addr;
		uint8_t iface;
		json_t *entry;

		if (!mac || !neighbour_get(table, n, &iface, &addr) || iface != number ||
			addr.family != family)
			continue;
		entry = json_object();
		json_object_set_new(entry, "ip", json_address(&addr));
		json_object_set_new(entry, "link-layer-address", mac_text((uint8_t *)&mac));
		json_object_set_new(entry, "origin",
			json_string(origin[call->source->neighbour(call->source->ctx, n)]));
		json_array_append_new(list, entry);
	}
	return list;
}

static json_t *ip(
	const struct call *call, const struct iface *iface, unsigned number, unsigned family)
{
	json_t *ip = json_object();
	json_t *list = json_array();

	json_object_set_new(ip, "mtu", json_integer(family == 4 ? iface->mtu : iface->mtu6));
	for (unsigned i = 0; i < iface->addrs; i++) {
		const struct iface_addr *a = &iface->addr[i];
		json_t *entry;

		if (a->addr.family != family)
			continue;
		entry = json_object();
		json_object_set_new(entry, "ip", json_address(&a->addr));
		json_object_set_new(entry, "prefix-length", json_integer(a->len));
		json_object_set_new(entry, "origin", json_string("static"));
		json_array_append_new(list, entry);
	}
	json_object_set_new(ip, "address", list);
	json_object_set_new(ip, "neighbor", neighbours(call, number, family));
	return ip;
}

static json_t *interface(const struct call *call, const struct iface *iface, unsigned number)
{
	static const char *const realm[] = {[REALM_INTERNAL] = "internal",
		[REALM_EXTERNAL] = "external",
		[REALM_BOTH] = "both"};
	const struct snapshot *s = call->source->snapshot(call->source->ctx);
	struct ctl_iface state;
	json_t *e = json_object();

	call->source->iface(call->source->ctx, number, &state);
	json_object_set_new(e, "name", json_string(iface->name));
	json_object_set_new(e, "type", json_string("iana-if-type:ethernetCsmacd"));
	json_object_set_new(e, "enabled", json_boolean(iface->enabled));
	json_object_set_new(
		e, "oper-status", json_string(iface->enabled && state.up ? "up" : "down"));
	json_object_set_new(e, "phys-address", mac_text(state.mac.addr_bytes));
	if (state.speed_bps)
		json_object_set_new(e, "speed", json_number64(state.speed_bps));
	json_object_set_new(e, "statistics", statistics(call, &state));
	json_object_set_new(e, "ietf-ip:ipv4", ip(call, iface, number, 4));
	json_object_set_new(e, "ietf-ip:ipv6", ip(call, iface, number, 6));
	json_object_set_new(e, "homeport:device", json_string(s->device[iface->port]));
	json_object_set_new(e, "homeport:realm", json_string(realm[iface->realm]));
	if (iface->host_device[0])
		json_object_set_new(e, "homeport:host-device", json_string(iface->host_device));
	if (iface->vlan)
		json_object_set_new(e, "homeport:vlan", json_integer(iface->vlan));
	return e;
}

void show_interfaces(struct call *call)
{
	const struct snapshot *s = call->source->snapshot(call->source->ctx);
	json_t *list = json_array();

	for (unsigned i = 0; i < s->ifaces; i++) {
		if (s->iface[i].name[0])
			json_array_append_new(list, interface(call, &s->iface[i], i));
	}
	call_json(call, json_pack("{s:{s:o}}", "ietf-interfaces:interfaces", "interface", list));
	call_end(call);
}

static json_t *verdicts(const struct ctl_totals *totals)
{
	static const char *const kind[] = {
		[FORWARD] = "forward", [LOCAL] = "local", [DROP] = "drop"};
	json_t *list = json_array();

	for (unsigned i = 0; i < V_COUNT; i++)
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:o}", "name", verdict_info[i].name, "kind",
				kind[verdict_info[i].kind], "packets",
				json_number64(totals->verdict[i])));
	return list;
}

static json_t *host(const struct ctl_host *h)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "delivered", json_number64(h->delivered),
		"refused", json_number64(h->refused), "sent", json_number64(h->sent), "unroutable",
		json_number64(h->unroutable));
}

void show_counters(struct call *call)
{
	struct ctl_totals totals;

	call->source->totals(call->source->ctx, &totals);
	call_json(call,
		json_pack("{s:{s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}}}",
			"homeport:homeport", "statistics", "received",
			json_number64(totals.received), "verdict", verdicts(&totals),
			"icmp-errors-sent", json_number64(totals.icmp_errors_sent),
			"icmp-errors-withheld", json_number64(totals.icmp_errors_withheld),
			"syns-held", json_number64(totals.syns_held), "syns-not-held",
			json_number64(totals.syns_not_held), "tcp-resets-sent",
			json_number64(totals.resets_sent), "steered", json_number64(totals.steered),
			"copies", json_number64(totals.copies), "copies-missed",
			json_number64(totals.copies_missed), "host", host(&totals.host), "worker",
			all_workers(call)));
	call_end(call);
}

void show_config(struct call *call)
{
	char *text = call->source->config(call->source->ctx);
	json_t *value = text ? json_loads(text, 0, NULL) : NULL;

	free(text);
	call_json(call, value);
	call_end(call);
}
