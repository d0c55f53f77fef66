// SPDX-License-Identifier: BSD-3-Clause

// What the metrics listener tells: the same numbers as the control socket, in tables of families. A
// family is a member of some row; what walks over the rows gives each its labels.

#include "base/bits.h"
#include "dots/list.h"
#include "export/metrics.h"

#include "box.h"

#include <stdio.h>
#include <string.h>

struct column {
	const char *name;
	enum exposition_kind kind;
	const char *help;
	size_t at, size; // of the member: a bool or an unsigned of 4 or 8 bytes
};

#define MEMBER(type, member) offsetof(type, member), sizeof(((type *)0)->member)

struct sheet {
	struct exposition *e;
	const struct column *column;
	struct box *box;
};

#define NUMBER_TEXT 12

static void add(const struct sheet *sheet, const struct exposition_label *labels, const void *row)
{
	const uint8_t *member = (const uint8_t *)row + sheet->column->at;
	uint64_t wide;
	uint32_t narrow;

	switch (sheet->column->size) {
	case sizeof(bool):
		wide = *member;
		break;
	case sizeof(narrow):
		memcpy(&narrow, member, sizeof(narrow));
		wide = narrow;
		break;
	default:
		memcpy(&wide, member, sizeof(wide));
	}
	exposition_sample(sheet->e, labels, wide);
}

static void fill(struct box *box, struct exposition *e, const struct column *column,
	unsigned columns, void (*walk)(const struct sheet *sheet))
{
	for (unsigned i = 0; i < columns; i++) {
		const struct sheet sheet = {e, &column[i], box};

		exposition_family(e, column[i].name, column[i].kind, column[i].help);
		walk(&sheet);
	}
}

// ------------------------------------------------------------------ packets

static const struct column total_column[] = {
	{"homeport_received_packets_total", EXPOSITION_COUNTER, "Packets received.",
		MEMBER(struct ctl_totals, received)},
	{"homeport_icmp_errors_sent_total", EXPOSITION_COUNTER, "ICMP errors sent.",
		MEMBER(struct ctl_totals, icmp_errors_sent)},
	{"homeport_icmp_errors_withheld_total", EXPOSITION_COUNTER,
		"ICMP errors beyond the rate that is allowed.",
		MEMBER(struct ctl_totals, icmp_errors_withheld)},
	{"homeport_steered_packets_total", EXPOSITION_COUNTER,
		"Packets handed from one worker to another.", MEMBER(struct ctl_totals, steered)},
	{"homeport_host_delivered_packets_total", EXPOSITION_COUNTER,
		"Packets given to the kernel's stack.", MEMBER(struct ctl_totals, host.delivered)},
	{"homeport_host_refused_packets_total", EXPOSITION_COUNTER,
		"Packets that the kernel's stack did not take.",
		MEMBER(struct ctl_totals, host.refused)},
};

static void walk_totals(const struct sheet *sheet)
{
	struct ctl_totals totals;

	sheet->box->source.totals(sheet->box, &totals);
	add(sheet, NULL, &totals);
}

static const struct column verdict_column[] = {
	{"homeport_packets_total", EXPOSITION_COUNTER,
		"Packets by what became of them; the sum is those received.", 0, sizeof(uint64_t)},
};

static void walk_verdicts(const struct sheet *sheet)
{
	static const char *const kind[] = {
		[FORWARD] = "forward", [LOCAL] = "local", [DROP] = "drop"};
	struct ctl_totals totals;

	sheet->box->source.totals(sheet->box, &totals);
	for (unsigned v = 0; v < V_COUNT; v++) {
		const struct exposition_label labels[] = {{"verdict", verdict_info[v].name},
			{"kind", kind[verdict_info[v].kind]}, {NULL, NULL}};

		add(sheet, labels, &totals.verdict[v]);
	}
}

static const struct column worker_column[] = {
	{"homeport_worker_received_packets_total", EXPOSITION_COUNTER,
		"Packets received by a worker.", MEMBER(struct ctl_worker, received)},
	{"homeport_worker_handed_over_packets_total", EXPOSITION_COUNTER,
		"Packets that a worker handed to others.", MEMBER(struct ctl_worker, handed_over)},
	{"homeport_worker_taken_over_packets_total", EXPOSITION_COUNTER,
		"Packets that a worker took from others.", MEMBER(struct ctl_worker, taken_over)},
	{"homeport_worker_busy_milliseconds_total", EXPOSITION_COUNTER,
		"Time of a worker's turns that found something to do.",
		MEMBER(struct ctl_worker, busy_ms)},
	{"homeport_worker_time_milliseconds_total", EXPOSITION_COUNTER, "Time of all its turns.",
		MEMBER(struct ctl_worker, time_ms)},
	{"homeport_worker_port_sets", EXPOSITION_GAUGE, "Port sets granted or resting of a worker.",
		MEMBER(struct ctl_worker, port_sets)},
	{"homeport_worker_given_port_sets_total", EXPOSITION_COUNTER,
		"Free port sets that a worker gave to others.",
		MEMBER(struct ctl_worker, sets_given)},
	{"homeport_worker_taken_port_sets_total", EXPOSITION_COUNTER,
		"Free port sets that a worker got from others.",
		MEMBER(struct ctl_worker, sets_taken)},
	{"homeport_worker_mappings", EXPOSITION_GAUGE, "Mappings of a worker.",
		MEMBER(struct ctl_worker, mappings)},
	{"homeport_worker_sessions", EXPOSITION_GAUGE, "Sessions of a worker.",
		MEMBER(struct ctl_worker, sessions)},
	{"homeport_worker_subscribers", EXPOSITION_GAUGE, "Subscribers of a worker.",
		MEMBER(struct ctl_worker, subscribers)},
};

static void walk_workers(const struct sheet *sheet)
{
	for (unsigned i = 0; i < sheet->box->source.workers; i++) {
		char number[NUMBER_TEXT];
		const struct exposition_label labels[] = {{"worker", number}, {NULL, NULL}};
		struct ctl_worker row;

		snprintf(number, sizeof(number), "%u", i);
		sheet->box->source.worker(sheet->box, i, &row);
		add(sheet, labels, &row);
	}
}

static const struct column iface_column[] = {
	{"homeport_interface_up", EXPOSITION_GAUGE, "Whether an interface has a link.",
		MEMBER(struct ctl_iface, up)},
	{"homeport_interface_received_packets_total", EXPOSITION_COUNTER, "Packets received.",
		MEMBER(struct ctl_iface, rx_packets)},
	{"homeport_interface_received_bytes_total", EXPOSITION_COUNTER, "Bytes received.",
		MEMBER(struct ctl_iface, rx_bytes)},
	{"homeport_interface_received_dropped_total", EXPOSITION_COUNTER,
		"Packets received and discarded.", MEMBER(struct ctl_iface, rx_drops)},
	{"homeport_interface_sent_packets_total", EXPOSITION_COUNTER, "Packets sent.",
		MEMBER(struct ctl_iface, tx_packets)},
	{"homeport_interface_sent_bytes_total", EXPOSITION_COUNTER, "Bytes sent.",
		MEMBER(struct ctl_iface, tx_bytes)},
	{"homeport_interface_sent_dropped_total", EXPOSITION_COUNTER,
		"Packets that could not be sent.", MEMBER(struct ctl_iface, tx_drops)},
};

static void walk_ifaces(const struct sheet *sheet)
{
	const struct snapshot *s = sheet->box->snapshot;

	for (unsigned i = 0; i < s->ifaces; i++) {
		const struct exposition_label labels[] = {
			{"interface", s->iface[i].name}, {NULL, NULL}};
		struct ctl_iface row;

		if (!s->iface[i].name[0])
			continue;
		sheet->box->source.iface(sheet->box, i, &row);
		add(sheet, labels, &row);
	}
}

// ------------------------------------------------------------------ pools

static const struct column pool_column[] = {
	{"homeport_pool_addresses", EXPOSITION_GAUGE, "Outside addresses of a pool.",
		MEMBER(struct ctl_pool_use, addresses)},
	{"homeport_pool_addresses_used", EXPOSITION_GAUGE, "Of those, addresses in use.",
		MEMBER(struct ctl_pool_use, addresses_used)},
	{"homeport_pool_ports_used", EXPOSITION_GAUGE, "Ports that subscribers have.",
		MEMBER(struct ctl_pool_use, ports_used)},
	{"homeport_pool_ports_free", EXPOSITION_GAUGE, "Ports that they may still get.",
		MEMBER(struct ctl_pool_use, ports_free)},
};

static void walk_pools(const struct sheet *sheet)
{
	const struct snapshot *s = sheet->box->snapshot;

	for (unsigned slot = 0; slot < SNAPSHOT_MAX_POLICIES; slot++) {
		const struct nat_policy *policy = s->policy[slot];

		for (unsigned i = 0; policy && i < policy->prefixes; i++) {
			const struct nat_prefix *p = &policy->prefix[i];
			char instance[NUMBER_TEXT], number[NUMBER_TEXT], pool[NUMBER_TEXT];
			const struct exposition_label labels[] = {{"instance", instance},
				{"policy", number}, {"pool", pool}, {NULL, NULL}};
			struct ctl_pool_use row;

			snprintf(instance, sizeof(instance), "%u", policy->instance_id);
			snprintf(number, sizeof(number), "%u", policy->policy_id);
			snprintf(pool, sizeof(pool), "%u", p->id);
			sheet->box->source.pool_use(
				sheet->box, slot, p->number, p->addresses, &row);
			add(sheet, labels, &row);
		}
	}
}

// ------------------------------------------------------------------ DOTS

static const struct column upstream_column[] = {
	{"homeport_dots_session_up", EXPOSITION_GAUGE,
		"Whether there is a session with an upstream network.",
		MEMBER(struct dots_session_row, up)},
	{"homeport_dots_mitigations", EXPOSITION_GAUGE, "Mitigations in force for an upstream.",
		MEMBER(struct dots_session_row, mitigations)},
	{"homeport_dots_sessions_total", EXPOSITION_COUNTER, "Sessions with an upstream.",
		MEMBER(struct dots_session_row, sessions)},
	{"homeport_dots_failures_total", EXPOSITION_COUNTER, "Attempts at one that failed.",
		MEMBER(struct dots_session_row, failures)},
	{"homeport_dots_requests_total", EXPOSITION_COUNTER, "Requests of an upstream.",
		MEMBER(struct dots_session_row, requests)},
	{"homeport_dots_requests_refused_total", EXPOSITION_COUNTER, "Of those, refused.",
		MEMBER(struct dots_session_row, refused)},
	{"homeport_dots_heartbeats_missed", EXPOSITION_GAUGE,
		"Heartbeats in a row that an upstream has not answered.",
		MEMBER(struct dots_session_row, heartbeats_missed)},
};

static void add_upstream(void *ctx, const struct dots_session_row *row)
{
	const struct exposition_label labels[] = {{"upstream", row->upstream}, {NULL, NULL}};

	add(ctx, labels, row);
}

static void walk_upstreams(const struct sheet *sheet)
{
	struct sheet copy = *sheet;

	dots_list_sessions(sheet->box->dots, add_upstream, &copy);
}

static const struct column homes_column[] = {
	{"homeport_homes_configured", EXPOSITION_GAUGE, "Homes that are configured.",
		MEMBER(struct dots_homes_counters, configured)},
	{"homeport_homes_ready", EXPOSITION_GAUGE, "Homes with a session that can be used.",
		MEMBER(struct dots_homes_counters, ready)},
	{"homeport_homes_handshaking", EXPOSITION_GAUGE, "Handshakes under way.",
		MEMBER(struct dots_homes_counters, half_open)},
	{"homeport_homes_mitigations", EXPOSITION_GAUGE,
		"Mitigations that homes have been asked for.",
		MEMBER(struct dots_homes_counters, orders)},
	{"homeport_homes_handshakes_total", EXPOSITION_COUNTER, "Handshakes completed.",
		MEMBER(struct dots_homes_counters, handshakes)},
	{"homeport_homes_unauthenticated_total", EXPOSITION_COUNTER,
		"Handshakes that failed for want of valid credentials.",
		MEMBER(struct dots_homes_counters, failed)},
	{"homeport_homes_unknown_total", EXPOSITION_COUNTER,
		"Sessions of valid credentials that no home has.",
		MEMBER(struct dots_homes_counters, unknown)},
	{"homeport_homes_misplaced_total", EXPOSITION_COUNTER,
		"Sessions from an address that is not the subscriber's.",
		MEMBER(struct dots_homes_counters, misplaced)},
	{"homeport_homes_not_admitted_total", EXPOSITION_COUNTER,
		"What the drop-list has turned away.",
		MEMBER(struct dots_homes_counters, not_admitted)},
};

static void walk_homes(const struct sheet *sheet)
{
	struct dots_homes_counters row;

	homes_count(sheet->box->homes, &row);
	if (row.listeners)
		add(sheet, NULL, &row);
}

static const struct column certificate_column[] = {
	{"homeport_certificate_end_timestamp_seconds", EXPOSITION_GAUGE,
		"When a certificate ends: the box's, the first of the authorities', the peer's; "
		"without an upstream those for homes, the peer's being the first of theirs.",
		0, sizeof(int64_t)},
};

static void add_certificate(
	const struct sheet *sheet, const char *upstream, const char *whose, int64_t end)
{
	const struct exposition_label labels[] = {
		{"upstream", upstream}, {"certificate", whose}, {NULL, NULL}};

	if (end)
		add(sheet, labels, &end);
}

static void add_certificates(void *ctx, const struct dots_session_row *row)
{
	add_certificate(ctx, row->upstream, "box", row->certificate_end);
	add_certificate(ctx, row->upstream, "authority", row->ca_end);
	add_certificate(ctx, row->upstream, "peer", row->peer_end);
}

static void walk_certificates(const struct sheet *sheet)
{
	struct dots_homes_counters homes;
	struct sheet copy = *sheet;

	dots_list_sessions(sheet->box->dots, add_certificates, &copy);
	homes_count(sheet->box->homes, &homes);
	add_certificate(sheet, "", "box", homes.certificate_end);
	add_certificate(sheet, "", "authority", homes.ca_end);
	add_certificate(sheet, "", "peer", homes.peer_end);
}

static const struct column rule_column[] = {
	{"homeport_acl_rules", EXPOSITION_GAUGE, "Rules of mitigations.", 0, sizeof(uint64_t)},
};

static void walk_rules(const struct sheet *sheet)
{
	uint64_t rules = acl_count(sheet->box->acl);

	add(sheet, NULL, &rules);
}

// ------------------------------------------------------------------ all

static void collect(void *ctx, struct exposition *e)
{
	struct box *box = ctx;

	fill(box, e, total_column, ARRAY_LEN(total_column), walk_totals);
	fill(box, e, verdict_column, ARRAY_LEN(verdict_column), walk_verdicts);
	fill(box, e, worker_column, ARRAY_LEN(worker_column), walk_workers);
	fill(box, e, iface_column, ARRAY_LEN(iface_column), walk_ifaces);
	fill(box, e, pool_column, ARRAY_LEN(pool_column), walk_pools);
	fill(box, e, rule_column, ARRAY_LEN(rule_column), walk_rules);
	fill(box, e, upstream_column, ARRAY_LEN(upstream_column), walk_upstreams);
	fill(box, e, homes_column, ARRAY_LEN(homes_column), walk_homes);
	fill(box, e, certificate_column, ARRAY_LEN(certificate_column), walk_certificates);
}

int measure_apply(
	struct box *box, const struct config *old, const struct config *next, struct err *err)
{
	const struct metrics_env env = {.loop = box->loop, .collect = collect, .ctx = box};
	const struct config_metrics *m = &next->metrics;
	struct err why;

	if (old && !old->metrics.node == !m->node && old->metrics.port == m->port &&
		!ipaddr_compare(&old->metrics.addr, &m->addr) && (box->metrics || !m->node))
		return 0;
	metrics_close(box->metrics);
	box->metrics = NULL;
	if (!m->node)
		return 0;
	box->metrics = metrics_open(&env, &m->addr, m->port, &why);
	return box->metrics ? 0
			    : err_set(err, "/homeport:homeport/management/metrics: %s", why.text);
}
