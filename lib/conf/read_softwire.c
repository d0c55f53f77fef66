// SPDX-License-Identifier: BSD-3-Clause

// Data tree to structures, part three: border relays. Bindings come from three places, and are one sorted
// list from here on, so that what overlaps stands side by side.

#include "conf/read_softwire.h"

#include "conf/read.h"
#include "conf/tree.h"

#include <libyang/libyang.h>
#include <rte_byteorder.h>

#include <stdlib.h>
#include <string.h>

uint16_t read_br(struct config_softwire *s, const struct ipaddr *br)
{
	uint16_t i = 0;

	while (i < s->brs && ipaddr_compare(&s->br[i], br))
		i++;
	if (i == CONFIG_BR_MAX) {
		s->too_many_brs = true;
		return 0;
	}
	if (i == s->brs)
		s->br[s->brs++] = *br;
	return i;
}

bool read_b4(const char *text, struct binding_entry *e)
{
	struct map_rule rule = {.prefix4 = rte_be_to_cpu_32(e->ipv4), .len4 = 32};
	struct ipprefix prefix;
	bool had_host_bits;

	if (ipprefix_parse(text, &prefix, &had_host_bits) < 0 || prefix.addr.family != 6 ||
		had_host_bits)
		return false;
	memcpy(e->b4, prefix.addr.bytes, sizeof(e->b4));
	if (prefix.len == 128)
		return true;
	memcpy(rule.prefix6, prefix.addr.bytes, sizeof(rule.prefix6));
	rule.len6 = prefix.len;
	map_address(&rule, rule.prefix4, e->psid, e->b4);
	return true;
}

static void read_port_set(const struct lyd_node *node, struct binding_entry *e)
{
	e->geometry.offset = (uint8_t)tree_number(node, "psid-offset", PSID_OFFSET_LW46);
	e->geometry.length = (uint8_t)tree_number(node, "psid-len", 0);
	e->psid = (uint16_t)tree_number(node, "psid", 0);
	// a whole address has no ports that are nobody's
	if (!e->geometry.length)
		e->geometry.offset = 0;
}

static void read_binding(struct config_softwire *s, const struct lyd_node *node,
	const struct lyd_node *port_set, const char *const leaf[3])
{
	struct config_binding *b = &s->binding[s->bindings++];
	const char *ipv4 = tree_text(node, leaf[1]);
	const char *br = tree_text(node, leaf[2]);
	struct ipaddr addr;

	b->node = node;
	read_port_set(port_set, &b->entry);
	if (ipv4 && !ipaddr_parse(ipv4, &addr))
		b->entry.ipv4 = ipaddr_be32(&addr);
	b->entry.br = CONFIG_BR_MISSING;
	if (br && !ipaddr_parse(br, &addr))
		b->entry.br = read_br(s, &addr);
	// a zoned address is none, and stays zero
	read_b4(tree_text(node, leaf[0]), &b->entry);
}

static int compare_bindings(const void *a, const void *b)
{
	const struct binding_entry *x = &((const struct config_binding *)a)->entry;
	const struct binding_entry *y = &((const struct config_binding *)b)->entry;
	uint32_t x4 = rte_be_to_cpu_32(x->ipv4), y4 = rte_be_to_cpu_32(y->ipv4);

	if (x4 != y4)
		return x4 < y4 ? -1 : 1;
	return (x->psid > y->psid) - (x->psid < y->psid);
}

// Adds the fewest prefixes that have the addresses from first to last.
static void add_span(struct config_softwire *s, uint64_t first, uint64_t last)
{
	while (first <= last) {
		unsigned len =
			first ? 32 - (unsigned)__builtin_ctzll(first | UINT64_C(1) << 32) : 0;
		struct ipaddr addr = ipaddr_v4(rte_cpu_to_be_32((uint32_t)first));

		while (first + (UINT64_C(1) << (32 - len)) - 1 > last)
			len++;
		s->prefix[s->prefixes++] = ipprefix_make(&addr, len);
		first += UINT64_C(1) << (32 - len);
	}
}

// The prefixes that the addresses make up, of which there are no more than of addresses.
static void gather_prefixes(struct config *config, struct config_softwire *s)
{
	uint64_t first = 0, last = 0, address;
	uint32_t addresses = 0;

	for (uint32_t i = 0; i < s->bindings; i++)
		addresses += !i || s->binding[i].entry.ipv4 != s->binding[i - 1].entry.ipv4;
	s->prefix = read_array(config, addresses, sizeof(*s->prefix));
	for (uint32_t i = 0; s->prefix && i < s->bindings; i++) {
		address = rte_be_to_cpu_32(s->binding[i].entry.ipv4);
		if (!address || address == last)
			continue;
		if (last && address != last + 1)
			add_span(s, first, last);
		if (address != last + 1 || !last)
			first = address;
		last = address;
	}
	if (s->prefix && last)
		add_span(s, first, last);
}

static int64_t read_date(const struct lyd_node *versioning)
{
	const char *text = tree_text(versioning, "date");
	time_t seconds;

	return text && ly_time_str2time(text, &seconds, NULL) == LY_SUCCESS ? seconds : 0;
}

static uint64_t read_version(const struct lyd_node *versioning)
{
	const char *text = tree_text(versioning, "version");

	return text ? strtoull(text, NULL, 10) : 0;
}

static void read_icmp_policy(const struct lyd_node *node, struct config_softwire *s)
{
	const struct lyd_node *icmp4 = tree_child(node, "icmpv4-errors");
	const struct lyd_node *icmp6 = tree_child(node, "icmpv6-errors");

	s->incoming_icmp4 = tree_flag(icmp4, "allow-incoming-icmpv4", true);
	s->icmp4_rate = tree_number(icmp4, "icmpv4-rate", UINT32_MAX);
	s->generate_icmp4 = tree_flag(icmp4, "generate-icmpv4-errors", true);
	s->generate_icmp6 = tree_flag(icmp6, "generate-icmpv6-errors", true);
	s->icmp6_rate = tree_number(icmp6, "icmpv6-rate", UINT32_MAX);
}

static void read_softwire(
	struct config *config, const struct lyd_node *node, struct config_softwire *s)
{
	static const char *const entry[] = {
		"binding-ipv6info", "binding-ipv4-addr", "br-ipv6-addr"};
	static const char *const extra[] = {"b4", "ipv4", "br"};
	const struct lyd_node *versioning = tree_child(node, "binding-table-versioning");
	const struct lyd_node *table = tree_child(node, "binding-table");
	unsigned count = tree_count(table, "binding-entry") + tree_count(node, "extra-binding");

	s->node = node;
	s->name = tree_text(node, "name");
	s->version = read_version(versioning);
	s->date = read_date(versioning);
	s->softwires_max = tree_number(node, "softwire-num-max", 0);
	s->payload_mtu = (uint16_t)tree_number(node, "softwire-payload-mtu", 0);
	s->path_mru = (uint16_t)tree_number(node, "softwire-path-mru", 0);
	s->hairpinning = tree_flag(node, "enable-hairpinning", true);
	read_icmp_policy(tree_child(node, "icmp-policy"), s);
	s->binding = read_array(config, count, sizeof(*s->binding));
	for (const struct lyd_node *n = tree_child(table, "binding-entry"); n && s->binding;
		n = tree_next(n))
		read_binding(s, n, tree_child(n, "port-set"), entry);
	for (const struct lyd_node *n = tree_child(node, "extra-binding"); n && s->binding;
		n = tree_next(n))
		read_binding(s, n, n, extra);
	s->table_file = read_path(config, tree_text(node, "table-file"));
	if (s->table_file)
		read_table_file(config, s);
	if (s->bindings)
		qsort(s->binding, s->bindings, sizeof(*s->binding), compare_bindings);
	gather_prefixes(config, s);
}

static void read_map(const struct lyd_node *node, struct config_map *m)
{
	const struct lyd_node *versioning = tree_child(node, "algo-versioning");
	const struct lyd_node *port_set = tree_child(node, "port-set");
	const char *br = tree_text(node, "br-ipv6-addr");
	const char *dmr = tree_text(node, "dmr-ipv6-prefix");
	struct map_rule *r = &m->rule;

	m->node = node;
	m->name = tree_text(node, "name");
	m->version = read_version(versioning);
	m->date = read_date(versioning);
	m->used = tree_flag(node, "enable", true) && tree_flag(node, "forwarding", true);
	m->has_br = br && !ipaddr_parse(br, &m->br);
	m->has_dmr = dmr && !ipprefix_parse(dmr, &m->dmr, NULL);
	m->lowest_mtu6 = (uint16_t)tree_number(node, "lowest-ipv6-mtu", 0);
	m->ea = (uint8_t)tree_number(node, "ea-len", 0);
	ipprefix_parse(tree_text(node, "rule-ipv6-prefix"), &m->prefix6, NULL);
	ipprefix_parse(tree_text(node, "rule-ipv4-prefix"), &m->prefix4, NULL);
	m->psid = (uint16_t)tree_number(port_set, "psid", 0);
	*r = (struct map_rule){
		.prefix4 = rte_be_to_cpu_32(ipaddr_be32(&m->prefix4.addr)),
		.len6 = m->prefix6.len,
		.len4 = m->prefix4.len,
		.ea = m->ea,
		.geometry =
			{
				.offset = (uint8_t)tree_number(
					port_set, "psid-offset", PSID_OFFSET_MAP),
				.length = (uint8_t)tree_number(port_set, "psid-len", 0),
			},
	};
	memcpy(r->prefix6, m->prefix6.addr.bytes, sizeof(r->prefix6));
	// where the EA bits say it, what is configured has no meaning
	if (!map_has_psid(r))
		r->psid = m->psid;
	if (!r->geometry.length)
		r->geometry.offset = 0;
}

void read_relays(struct config *config, const struct lyd_node *br)
{
	const struct lyd_node *binding = tree_child(br, "binding");
	const struct lyd_node *algorithm = tree_child(br, "algorithm");
	unsigned i = 0;

	config->softwire = read_list(
		config, binding, "bind-instance", sizeof(*config->softwire), &config->softwires);
	for (const struct lyd_node *n = tree_child(binding, "bind-instance"); i < config->softwires;
		n = tree_next(n))
		read_softwire(config, n, &config->softwire[i++]);
	config->map =
		read_list(config, algorithm, "algo-instance", sizeof(*config->map), &config->maps);
	i = 0;
	for (const struct lyd_node *n = tree_child(algorithm, "algo-instance"); i < config->maps;
		n = tree_next(n))
		read_map(n, &config->map[i++]);
}

void free_relays(struct config *config)
{
	for (unsigned i = 0; i < config->softwires; i++) {
		struct config_softwire *s = &config->softwire[i];

		for (unsigned k = 0; k < s->faults && k < CONFIG_TABLE_FAULTS; k++)
			free(s->fault[k]);
		free(s->table_file);
		free(s->binding);
		free(s->prefix);
	}
	free(config->softwire);
	free(config->map);
}
