// SPDX-License-Identifier: BSD-3-Clause

#include "output.h"

#include "table.h"
#include "value.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The addresses of one family of an interface, with their lengths.
static void add_addresses(const json_t *iface, const char *family, char *out)
{
	const json_t *a;
	size_t i;

	json_array_foreach(at(at(iface, family), "address"), i, a)
	{
		size_t length = strlen(out);

		snprintf(out + length, CELL - length, "%s%s/%lld", length ? "," : "",
			json_string_value(at(a, "ip")),
			(long long)json_integer_value(at(a, "prefix-length")));
	}
}

void output_interfaces(const json_t *answer)
{
	static const char *const heads[] = {"INTERFACE", "REALM", "STATE", "MAC", "ADDRESSES", "IN",
		"OUT", "IN-DROPS", "OUT-DROPS", NULL};
	static const char *const paths[] = {"name", "homeport:realm", "oper-status", "phys-address",
		NULL, "statistics in-unicast-pkts", "statistics out-unicast-pkts",
		"statistics in-discards", "statistics out-discards"};
	struct table *table = table_new(heads);
	const json_t *iface;
	size_t i;

	json_array_foreach(at(answer, "ietf-interfaces:interfaces interface"), i, iface)
	{
		const char *cells[TABLE_COLUMNS];
		char text[TABLE_COLUMNS][CELL];

		for (unsigned c = 0; heads[c]; c++) {
			if (paths[c]) {
				cells[c] = cell(at(iface, paths[c]), text[c]);
				continue;
			}
			text[c][0] = '\0';
			add_addresses(iface, "ietf-ip:ipv4", text[c]);
			add_addresses(iface, "ietf-ip:ipv6", text[c]);
			cells[c] = text[c];
		}
		table_row(table, cells);
	}
	table_print(table);
}

// An address and port as one word, without the length of a host's prefix.
static const char *tuple(const json_t *entry, const char *address, const char *port, char *out)
{
	const char *text = json_string_value(at(entry, address));
	const json_t *first = at(at(entry, port), "start-port-number");
	const json_t *last = at(at(entry, port), "end-port-number");
	char end[16] = "";

	if (!text)
		return NULL;
	if (last)
		snprintf(end, sizeof(end), "-%lld", (long long)json_integer_value(last));
	if (first)
		snprintf(out, CELL, "%.*s:%lld%s", (int)strcspn(text, "/"), text,
			(long long)json_integer_value(first), end);
	else
		snprintf(out, CELL, "%.*s", (int)strcspn(text, "/"), text);
	return out;
}

static const char *protocol(const json_t *number, char *out)
{
	switch (json_integer_value(number)) {
	case 1:
		return "icmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	default:
		return number ? cell(number, out) : "any";
	}
}

void output_mappings(const json_t *answer)
{
	static const char *const heads[] = {
		"INSTANCE", "INDEX", "TYPE", "PROTOCOL", "INTERNAL", "EXTERNAL", "LEFT", NULL};
	struct table *table = table_new(heads);
	const json_t *instance, *entry;
	size_t i, k;

	json_array_foreach(at(answer, "ietf-nat:nat instances instance"), i, instance)
	{
		json_array_foreach(at(instance, "mapping-table mapping-entry"), k, entry)
		{
			char text[7][CELL];
			const char *cells[] = {
				cell(at(instance, "id"), text[0]),
				cell(at(entry, "index"), text[1]),
				cell(at(entry, "type"), text[2]),
				protocol(at(entry, "transport-protocol"), text[3]),
				tuple(entry, "internal-src-address", "internal-src-port", text[4]),
				tuple(entry, "external-src-address", "external-src-port", text[5]),
				cell(at(entry, "lifetime"), text[6]),
			};

			table_row(table, cells);
		}
	}
	table_print(table);
}

void output_instances(const json_t *answer)
{
	static const char *const heads[] = {"INSTANCE", "SUBSCRIBERS", "MAPPINGS", "ADDRESSES",
		"FREE", "PORTS", "FREE-PORTS", NULL};
	static const char *const paths[] = {"id",
		"statistics mappings-statistics total-active-subscribers",
		"statistics mappings-statistics total-port-mappings",
		"statistics pools-stats addresses-allocated",
		"statistics pools-stats addresses-free",
		"statistics pools-stats ports-stats ports-allocated",
		"statistics pools-stats ports-stats ports-free"};

	print_list(answer, "ietf-nat:nat instances instance", heads, paths);
}

void output_notifications(const json_t *answer)
{
	static const char *const heads[] = {
		"TIME", "INSTANCE", "POLICY", "POOL", "THRESHOLD", NULL};
	static const char *const thresholds[] = {"notify-pool-threshold",
		"notify-subscribers-threshold", "notify-addresses-threshold",
		"notify-ports-threshold"};
	static const char *const units[] = {
		"% of the pool", "subscribers", "% of the addresses", "% of the mappings"};
	struct table *table = table_new(heads);
	const json_t *n;
	size_t i;

	json_array_foreach(at(answer, "homeport:homeport notification"), i, n)
	{
		const json_t *event = json_object_iter_value(
			json_object_iter((json_t *)(uintptr_t)at(n, "event")));
		char text[5][CELL];
		const char *cells[] = {cell(at(n, "time"), text[0]), cell(at(event, "id"), text[1]),
			cell(at(event, "policy-id"), text[2]), cell(at(event, "pool-id"), text[3]),
			NULL};

		for (unsigned k = 0; k < sizeof(units) / sizeof(units[0]); k++) {
			const json_t *value = at(event, thresholds[k]);

			if (!value)
				continue;
			snprintf(text[4], CELL, "%lld %s", (long long)json_integer_value(value),
				units[k]);
			cells[4] = text[4];
		}
		table_row(table, cells);
	}
	table_print(table);
}

void output_subscribers(const json_t *answer)
{
	static const char *const heads[] = {"INSTANCE", "SUBSCRIBER", "EXTERNAL", "PORT-SETS",
		"UDP", "TCP", "ICMP", "REFUSED", "MITIGATED", "WORKER"};
	static const char *const paths[] = {"nat-instance", "address", "external-address",
		"port-sets", "udp-ports", "tcp-ports", "icmp-identifiers", "refused-packets",
		"mitigated", "worker"};
	const char *all[TABLE_COLUMNS + 1] = {NULL};

	memcpy(all, heads, sizeof(heads));
	print_list(answer, "homeport:homeport subscriber", all, paths);
}

void output_deterministic(const json_t *answer)
{
	static const char *const heads[] = {"EXTERNAL", "FIRST-PORT", "LAST-PORT", NULL};
	static const char *const paths[] = {"external-address", "lower-port", "upper-port"};

	print_list(answer, "homeport:homeport deterministic port-range", heads, paths);
}

void output_acls(const json_t *answer)
{
	static const char *const heads[] = {
		"ACL", "SOURCE", "TARGET", "PROTOCOL", "PACKETS", "BYTES", NULL};
	struct table *table = table_new(heads);
	const json_t *acl;
	size_t i;

	json_array_foreach(at(answer, "ietf-access-control-list:acls acl"), i, acl)
	{
		const json_t *ace = json_array_get(at(acl, "aces ace"), 0);
		const json_t *ip = at(ace, "matches ipv4"), *ip6 = at(ace, "matches ipv6");
		const json_t *source =
			ip6 ? at(ip6, "source-ipv6-network") : at(ip, "source-ipv4-network");
		const json_t *subscriber = at(ace, "matches homeport-acl:subscriber");
		char text[6][CELL];
		const char *cells[] = {
			cell(at(acl, "name"), text[0]),
			cell(subscriber ? subscriber : source, text[1]),
			cell(ip6 ? at(ip6, "destination-ipv6-network")
				 : at(ip, "destination-ipv4-network"),
				text[2]),
			protocol(at(ip6 ? ip6 : ip, "protocol"), text[3]),
			cell(at(ace, "statistics matched-packets"), text[4]),
			cell(at(ace, "statistics matched-octets"), text[5]),
		};

		table_row(table, cells);
	}
	table_print(table);
}

void output_counters(const json_t *answer)
{
	const json_t *statistics = at(answer, "homeport:homeport statistics");
	static const char *const heads[] = {"COUNTER", "KIND", "PACKETS", NULL};
	static const char *const single[] = {"received", "steered", "icmp-errors-sent",
		"icmp-errors-withheld", "syns-held", "syns-not-held", "tcp-resets-sent", "copies",
		"copies-missed", "host delivered", "host refused", "host sent", "host unroutable"};
	static const char *const worker_heads[] = {
		"WORKER", "RECEIVED", "MAPPINGS", "SESSIONS", "SUBSCRIBERS", NULL};
	static const char *const worker_paths[] = {
		"number", "received", "mappings", "sessions", "subscribers"};
	struct table *table = table_new(heads);
	const json_t *verdict;
	size_t i;

	for (i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		char text[CELL];
		const char *cells[] = {single[i], "", cell(at(statistics, single[i]), text)};

		table_row(table, cells);
	}
	// what never happened says nothing
	json_array_foreach(at(statistics, "verdict"), i, verdict)
	{
		char text[3][CELL];
		const char *cells[] = {cell(at(verdict, "name"), text[0]),
			cell(at(verdict, "kind"), text[1]), cell(at(verdict, "packets"), text[2])};

		if (cells[2] && strcmp(cells[2], "0"))
			table_row(table, cells);
	}
	table_print(table);
	putchar('\n');
	print_list(statistics, "worker", worker_heads, worker_paths);
}

// 64-bit numbers are strings in JSON.
static unsigned long long number64(const json_t *object, const char *path)
{
	const char *text = json_string_value(at(object, path));

	return text ? strtoull(text, NULL, 10) : 0;
}

// A share of the packets that a worker has had, in percent.
static const char *share(const json_t *worker, const char *part, char *out)
{
	unsigned long long all = number64(worker, "received") + number64(worker, "taken-over");

	snprintf(out, CELL, "%llu%%", all ? number64(worker, part) * 100 / all : 0);
	return out;
}

void output_workers(const json_t *answer)
{
	static const char *const heads[] = {"WORKER", "BUSY", "RECEIVED", "TAKEN-OVER",
		"HANDED-OVER", "STEERED", "MAPPINGS", "SESSIONS", "SUBSCRIBERS", "PORT-SETS",
		"GIVEN", "TAKEN", NULL};
	const json_t *statistics = at(answer, "homeport:homeport statistics");
	struct table *table = table_new(heads);
	const json_t *w;
	size_t i;

	json_array_foreach(at(statistics, "worker"), i, w)
	{
		char text[12][CELL], busy[CELL];
		const char *cells[] = {cell(at(w, "number"), text[0]), text[1],
			cell(at(w, "received"), text[2]), cell(at(w, "taken-over"), text[3]),
			cell(at(w, "handed-over"), text[4]), share(w, "handed-over", text[5]),
			cell(at(w, "mappings"), text[6]), cell(at(w, "sessions"), text[7]),
			cell(at(w, "subscribers"), text[8]), cell(at(w, "port-sets"), text[9]),
			cell(at(w, "port-sets-given"), text[10]),
			cell(at(w, "port-sets-taken"), text[11])};

		snprintf(text[1], CELL, "%s%%", cell(at(w, "busy"), busy));
		table_row(table, cells);
	}
	table_print(table);
	printf("\nimbalance: %lld%% more packets than the mean at the worker with the most\n",
		(long long)json_integer_value(at(statistics, "imbalance")));
}

// Each member of an object in a line of its own.
static void print_members(json_t *object, const char *const *heads)
{
	struct table *table = table_new(heads);
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		char text[CELL];
		const char *cells[] = {name, cell(value, text)};

		if (!json_is_object(value) && !json_is_array(value))
			table_row(table, cells);
	}
	table_print(table);
}

static void print_warnings(const json_t *state, const char *name)
{
	const json_t *warning;
	size_t i;

	json_array_foreach(json_object_get(state, "warning"), i, warning)
	{
		printf("warning: %s: %s\n", name, json_string_value(warning));
	}
}

static void output_homes(const json_t *client)
{
	static const char *const all[] = {"HOMES", "", NULL};
	static const char *const one[] = {"HOME", "", NULL};
	static const char *const session[] = {"SESSION", "", NULL};
	static const char *const heads[] = {"NOT-LISTENED-TO", "SECONDS", NULL};
	static const char *const paths[] = {"prefix", "seconds"};
	json_t *home = json_array_get(at(client, "home"), 0);

	if (home) {
		print_members(home, one);
		putchar('\n');
		print_members(json_object_get(home, "state"), session);
		return;
	}
	putchar('\n');
	print_members(json_object_get(client, "state"), all);
	print_warnings(json_object_get(client, "state"), "homes");
	if (json_array_size(at(client, "drop-list source"))) {
		putchar('\n');
		print_list(client, "drop-list source", heads, paths);
	}
}

void output_dots(const json_t *answer)
{
	const json_t *upstream;
	size_t i;
	static const char *const heads[] = {"UPSTREAM", "STATUS", "TRANSPORT", "PEER", "NAME",
		"CIPHER", "SINCE", "MITIGATIONS", "CONFIRMED", "CLEARED", "LAST-ERROR", NULL};
	static const char *const paths[] = {"name", "state status", "state transport",
		"state peer-address", "state peer-name", "state cipher", "state since",
		"state mitigations", "state confirmed", "state cleared", "state last-error"};

	if (at(answer, "homeport:homeport dots server"))
		print_list(answer, "homeport:homeport dots server upstream", heads, paths);
	json_array_foreach(at(answer, "homeport:homeport dots server upstream"), i, upstream)
	{
		const char *name = json_string_value(json_object_get(upstream, "name"));

		print_warnings(json_object_get(upstream, "state"), name);
		if (at(upstream, "state suspended"))
			printf("warning: %s: all mitigations are suspended since %s\n", name,
				json_string_value(at(upstream, "state suspended")));
	}
	if (at(answer, "homeport:homeport dots client"))
		output_homes(at(answer, "homeport:homeport dots client"));
}

// What is enforced for the mitigation of a scope: both lists are in one order.
static const json_t *enforced(const json_t *answer, size_t i)
{
	return json_array_get(at(answer, "homeport:homeport dots mitigation"), i);
}

// The subscribers that are stopped for a mitigation.
static const char *stopped(const json_t *mitigation, char *out)
{
	const json_t *subscriber;
	size_t k;

	out[0] = '\0';
	json_array_foreach(at(mitigation, "subscriber"), k, subscriber)
	{
		size_t length = strlen(out);

		if (length < CELL)
			snprintf(out + length, CELL - length, "%s%s", length ? "," : "",
				json_string_value(at(subscriber, "address")));
	}
	return out;
}

void output_mitigations(const json_t *answer)
{
	static const char *const heads[] = {"MID", "CUID", "SOURCE", "TARGET", "STOPPED", "PHASE",
		"ACTION", "STATUS", "LEFT", "PACKETS", "BYTES", NULL};
	struct table *table = table_new(heads);
	const json_t *scope;
	size_t i;

	json_array_foreach(at(answer, "ietf-dots-signal-channel:dots-signal scope"), i, scope)
	{
		char text[11][CELL];
		const char *cells[] = {
			cell(at(scope, "mid"), text[0]),
			cell(at(scope, "cuid"), text[1]),
			cell(at(scope, "ietf-dots-call-home:source-prefix"), text[2]),
			cell(at(scope, "target-prefix"), text[3]),
			stopped(enforced(answer, i), text[4]),
			cell(at(enforced(answer, i), "phase"), text[5]),
			cell(at(enforced(answer, i), "action"), text[6]),
			cell(at(scope, "status"), text[7]),
			cell(at(scope, "lifetime"), text[8]),
			cell(at(enforced(answer, i), "packets"), text[9]),
			cell(at(enforced(answer, i), "octets"), text[10]),
		};

		table_row(table, cells);
	}
	table_print(table);
}

void output_consent(const json_t *answer)
{
	static const char *const heads[] = {"UPSTREAM", "MID", "SOURCE", "TARGET", "SUBSCRIBER",
		"PACKETS", "PER-SECOND", "BYTES-PER-SECOND", "FLOWS", "JUDGEMENT", "UNTIL", NULL};
	struct table *table = table_new(heads);
	const json_t *scope;
	size_t i;

	json_array_foreach(at(answer, "ietf-dots-signal-channel:dots-signal scope"), i, scope)
	{
		const json_t *m = enforced(answer, i);
		char text[11][CELL];
		const char *cells[] = {
			cell(at(m, "upstream"), text[0]),
			cell(at(m, "mid"), text[1]),
			cell(at(scope, "ietf-dots-call-home:source-prefix"), text[2]),
			cell(at(scope, "target-prefix"), text[3]),
			stopped(m, text[4]),
			cell(at(m, "consent packets"), text[5]),
			cell(at(m, "consent packets-per-second"), text[6]),
			cell(at(m, "consent octets-per-second"), text[7]),
			cell(at(m, "consent flows"), text[8]),
			cell(at(m, "consent judgement"), text[9]),
			cell(at(m, "consent until"), text[10]),
		};

		table_row(table, cells);
	}
	table_print(table);
}

// What was asked for in a record of the audit trail.
static const json_t *asked_for(const json_t *answer, const json_t *record)
{
	const json_t *scope;
	size_t i;

	json_array_foreach(at(answer, "ietf-dots-signal-channel:dots-signal scope"), i, scope)
	{
		if (json_equal(at(scope, "cuid"), at(record, "cuid")) &&
			json_equal(at(scope, "mid"), at(record, "mid")))
			return scope;
	}
	return NULL;
}

void output_audit(const json_t *answer)
{
	static const char *const heads[] = {"NUMBER", "UPSTREAM", "MID", "TARGET", "SUBSCRIBER",
		"ASKED", "BEGAN", "ENDED", "ACTION", "OUTCOME", "PACKETS", "REASON", NULL};
	struct table *table = table_new(heads);
	const json_t *r;
	size_t i;

	json_array_foreach(at(answer, "homeport:homeport dots audit"), i, r)
	{
		char text[12][CELL];
		const char *cells[] = {
			cell(at(r, "number"), text[0]),
			cell(at(r, "upstream"), text[1]),
			cell(at(r, "mid"), text[2]),
			cell(at(asked_for(answer, r), "target-prefix"), text[3]),
			stopped(r, text[4]),
			cell(at(r, "asked"), text[5]),
			cell(at(r, "began"), text[6]),
			cell(at(r, "ended"), text[7]),
			cell(at(r, "action"), text[8]),
			cell(at(r, "outcome"), text[9]),
			cell(at(r, "packets"), text[10]),
			cell(at(r, "reason"), text[11]),
		};

		table_row(table, cells);
	}
	table_print(table);
}

void output_config(const json_t *answer)
{
	char *text = json_dumps(answer, JSON_INDENT(2));

	puts(text ? text : "");
	free(text);
}

void output_lookup(const json_t *answer)
{
	static const char *const heads[] = {"SERVICE", "SUBSCRIBER", "EXTERNAL", "FIRST-PORT",
		"LAST-PORT", "INTERNAL", "PORT", "FROM", "UNTIL", NULL};
	static const char *const paths[] = {"service", "subscriber", "external-address",
		"lower-port", "upper-port", "internal-address", "internal-port", "from", "until"};

	if (!json_array_size(at(answer, "homeport:homeport resolve answer holder"))) {
		puts("nobody");
		return;
	}
	print_list(answer, "homeport:homeport resolve answer holder", heads, paths);
}
