// SPDX-License-Identifier: BSD-3-Clause

// Border relays: what each has carried, and its bindings or rules.

#include "output.h"
#include "table.h"
#include "value.h"

#include <stdio.h>

#define RELAYS "ietf-softwire-br:br-instances "

static void print_traffic(const json_t *instances)
{
	static const char *const heads[] = {"INSTANCE", "SOFTWIRES", "TUNNEL-IN", "TUNNEL-OUT",
		"OUTSIDE-IN", "OUTSIDE-OUT", "HAIRPIN", "DROPPED-IN", "DROPPED-OUT", NULL};
	static const char *const paths[] = {"name", "traffic-stat active-softwire-num",
		"traffic-stat rcvd-ipv6-packets", "traffic-stat sent-ipv6-packets",
		"traffic-stat rcvd-ipv4-packets", "traffic-stat sent-ipv4-packets",
		"traffic-stat hairpin-ipv4-packets", "traffic-stat dropped-ipv4-packets",
		"traffic-stat dropped-ipv6-packets"};

	print_list(instances, "", heads, paths);
}

static void print_rules(const json_t *instances)
{
	static const char *const heads[] = {
		"INSTANCE", "IPV6", "IPV4", "EA", "OFFSET", "PSID-LEN", "PSID", "BR", "DMR", NULL};
	static const char *const paths[] = {"name", "rule-ipv6-prefix", "rule-ipv4-prefix",
		"ea-len", "port-set psid-offset", "port-set psid-len", "port-set psid",
		"br-ipv6-addr", "dmr-ipv6-prefix"};

	print_list(instances, "", heads, paths);
}

static void print_bindings(const json_t *instances)
{
	static const char *const heads[] = {
		"INSTANCE", "B4", "IPV4", "OFFSET", "PSID-LEN", "PSID", "BR", NULL};
	static const char *const paths[] = {
		NULL, "b4", "ipv4", "psid-offset", "psid-len", "psid", "br"};
	struct table *table = table_new(heads);
	const json_t *instance, *binding;
	size_t i, k;

	json_array_foreach(instances, i, instance)
	{
		json_array_foreach(at(instance, "homeport:extra-binding"), k, binding)
		{
			const char *cells[TABLE_COLUMNS];
			char text[TABLE_COLUMNS][CELL];

			for (unsigned c = 0; heads[c]; c++)
				cells[c] = paths[c] ? cell(at(binding, paths[c]), text[c])
						    : cell(at(instance, "name"), text[c]);
			table_row(table, cells);
		}
	}
	table_print(table);
}

void output_bindings(const json_t *answer)
{
	const json_t *rules = at(answer, RELAYS "algorithm algo-instance");
	const json_t *tables = at(answer, RELAYS "binding bind-instance");

	print_traffic(rules ? rules : tables);
	putchar('\n');
	if (rules)
		print_rules(rules);
	else
		print_bindings(tables);
}
