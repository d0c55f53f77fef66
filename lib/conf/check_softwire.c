// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say about border relays (RFC 7596, RFC 7597, RFC 7599, RFC 8676). There may be millions of bindings,
// from the configuration and from a file; they are sorted, so those that lay claim to the same ports are
// neighbours.

#include "conf/check_softwire.h"

#include "conf/check_nat.h"
#include "conf/nat64.h"
#include "conf/tree.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MTU_MIN 1240 // every IPv6 link carries that much in a tunnel (RFC 8200 section 5)
#define PAYLOAD_MTU_MAX 9560
#define PATH_MRU_MIN    1280
#define BINDING_FAULTS  20 // of an instance that are told

static bool is_unicast6(const uint8_t address[16])
{
	struct in6_addr in6;

	memcpy(&in6, address, sizeof(in6));
	return !IN6_IS_ADDR_UNSPECIFIED(&in6) && !IN6_IS_ADDR_LOOPBACK(&in6) &&
		!IN6_IS_ADDR_MULTICAST(&in6) && !IN6_IS_ADDR_V4MAPPED(&in6) &&
		!IN6_IS_ADDR_LINKLOCAL(&in6);
}

// Checks one instance.
struct scrutiny {
	struct judge *judge;
	const struct config_softwire *s;
	unsigned told; // faults of bindings
};

// A fault of a binding, in its leaf of the configuration or in its line of the file.
__attribute__((format(printf, 4, 5))) static void binding_fault(struct scrutiny *x,
	const struct config_binding *b, const char *leaf, const char *format, ...)
{
	char text[512];
	va_list ap;

	if (++x->told > BINDING_FAULTS) {
		x->judge->faults++;
		return;
	}
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (b->node)
		judge_fault(x->judge, b->node, leaf, "%s", text);
	else
		judge_fault(x->judge, x->s->node, "homeport:table-file", "%s line %u: %s %s",
			x->s->table_file, b->line, leaf, text);
}

// What a leaf of a binding is called where it came from.
static const char *leaf_of(const struct config_binding *b, const char *entry, const char *extra)
{
	return b->node && !strcmp(tree_name(b->node), "binding-entry") ? entry : extra;
}

static void check_port_set(struct scrutiny *x, const struct config_binding *b)
{
	const struct psid_geometry g = b->entry.geometry;

	if (!psid_geometry_is_valid(g))
		binding_fault(x, b, leaf_of(b, "port-set/psid-len", "psid-len"),
			"%u, with psid-offset %u. Allowed: 16 bits together", g.length, g.offset);
	else if (!psid_is_valid(g, b->entry.psid))
		binding_fault(x, b, leaf_of(b, "port-set/psid", "psid"), "%u. Allowed: 0 to %u",
			b->entry.psid, (1u << g.length) - 1);
}

static void check_binding(struct scrutiny *x, const struct config_binding *b)
{
	const struct binding_entry *e = &b->entry;
	uint8_t first = (uint8_t)e->ipv4;
	struct ipaddr b4 = ipaddr_v6(e->b4), ipv4 = ipaddr_v4(e->ipv4);
	char text[IPADDR_TEXT];

	check_port_set(x, b);
	if (!is_unicast6(e->b4))
		binding_fault(x, b, leaf_of(b, "binding-ipv6info", "b4"),
			"%s. Allowed: a global unicast address without a zone, or a prefix",
			ipaddr_format(&b4, text));
	if (!first || first == 127 || first >= 224)
		binding_fault(x, b, leaf_of(b, "binding-ipv4-addr", "ipv4"),
			"%s. Allowed: a unicast address",
			e->ipv4 ? ipaddr_format(&ipv4, text) : "missing");
	if (e->br == CONFIG_BR_MISSING)
		binding_fault(x, b, leaf_of(b, "br-ipv6-addr", "br"),
			"missing. Allowed: the address that the box has in this softwire");
}

// Two bindings of one address, in the order of their port sets.
static void check_pair(
	struct scrutiny *x, const struct config_binding *b, const struct config_binding *other)
{
	struct psid_geometry g = b->entry.geometry, theirs = other->entry.geometry;
	struct ipaddr ipv4 = ipaddr_v4(b->entry.ipv4), b4 = ipaddr_v6(other->entry.b4);
	char text4[IPADDR_TEXT], text6[IPADDR_TEXT];

	ipaddr_format(&ipv4, text4);
	ipaddr_format(&b4, text6);
	if (!psid_same_geometry(g, theirs))
		binding_fault(x, b, leaf_of(b, "port-set/psid-len", "psid-len"),
			"%u, with psid-offset %u, but %s of %s is divided by %u and %u. Allowed: "
			"one division of an address",
			g.length, g.offset, text4, text6, theirs.length, theirs.offset);
	else if (b->entry.psid == other->entry.psid)
		binding_fault(x, b, leaf_of(b, "port-set/psid", "psid"),
			"%u of %s is that of %s. Allowed: a port set in one binding only",
			b->entry.psid, text4, text6);
}

static void check_bindings(struct judge *j, const struct config_softwire *s)
{
	struct scrutiny x = {.judge = j, .s = s};

	for (uint32_t i = 0; i < s->bindings; i++) {
		check_binding(&x, &s->binding[i]);
		if (i && s->binding[i].entry.ipv4 &&
			s->binding[i].entry.ipv4 == s->binding[i - 1].entry.ipv4)
			check_pair(&x, &s->binding[i], &s->binding[i - 1]);
	}
	if (x.told > BINDING_FAULTS)
		judge_fault(j, s->node, "binding-table",
			"%u more faults of bindings. Allowed: none", x.told - BINDING_FAULTS);
}

static void check_table_file(struct judge *j, const struct config_softwire *s)
{
	for (unsigned i = 0; i < s->faults && i < CONFIG_TABLE_FAULTS; i++)
		judge_fault(
			j, s->node, "homeport:table-file", "%s", s->fault[i] ? s->fault[i] : "");
	if (s->faults > CONFIG_TABLE_FAULTS)
		judge_fault(j, s->node, "homeport:table-file", "%u more faults. Allowed: none",
			s->faults - CONFIG_TABLE_FAULTS);
}

static bool is_aftr(const struct config *config, const struct ipaddr *address)
{
	for (unsigned i = 0; i < config->aftrs; i++) {
		const struct config_aftr *aftr = &config->aftr[i];

		if (aftr->has_addr6 && !ipaddr_compare(&aftr->addr6, address))
			return true;
	}
	return false;
}

// An address that the box is to have as the end of softwires.
static void check_br(struct judge *j, const struct config *config, const struct lyd_node *node,
	const char *leaf, const struct ipaddr *br)
{
	struct ipprefix host = ipprefix_make(br, 128);
	char text[IPADDR_TEXT];

	if (!is_unicast6(br->bytes) || check_is_own_address(config, &host) || is_aftr(config, br))
		judge_fault(j, node, leaf,
			"%s. Allowed: a global unicast address that no interface and no AFTR has",
			ipaddr_format(br, text));
}

// IPv4 addresses that subscribers of a border relay share.
static void check_outside(struct judge *j, const struct config *config, const struct lyd_node *node,
	const char *leaf, const struct ipprefix *prefix)
{
	char text[IPPREFIX_TEXT];

	if (check_is_translated(config, prefix) || check_is_own_address(config, prefix))
		judge_fault(j, node, leaf,
			"%s has an address of the box, a pool or a static mapping. Allowed: "
			"addresses that serve nothing else",
			ipprefix_format(prefix, text));
}

// Whether two sorted lists of prefixes, none in another of its list, have an address in common.
static const struct ipprefix *common(
	const struct config_softwire *a, const struct config_softwire *b)
{
	for (uint32_t i = 0, k = 0; i < a->prefixes && k < b->prefixes;) {
		if (ipprefix_overlaps(&a->prefix[i], &b->prefix[k]))
			return &a->prefix[i];
		if (ipaddr_compare(&a->prefix[i].addr, &b->prefix[k].addr) < 0)
			i++;
		else
			k++;
	}
	return NULL;
}

static void check_apart(
	struct judge *j, const struct config_softwire *s, const struct config_softwire *other)
{
	const struct ipprefix *shared = common(s, other);
	char text[IPPREFIX_TEXT];

	if (shared)
		judge_fault(j, s->node, "binding-table",
			"%s has an address of instance %s. Allowed: an IPv4 address in one instance "
			"only",
			ipprefix_format(shared, text), other->name);
	for (unsigned i = 0; i < s->brs; i++) {
		for (unsigned k = 0; k < other->brs; k++) {
			if (!ipaddr_compare(&s->br[i], &other->br[k]))
				judge_fault(j, s->node, "binding-table",
					"%s is a BR address of instance %s. Allowed: one that no "
					"other instance has",
					ipaddr_format(&s->br[i], text), other->name);
		}
	}
}

static void check_softwire(struct judge *j, const struct config *config, unsigned at)
{
	const struct config_softwire *s = &config->softwire[at];

	if (strlen(s->name) >= SNAPSHOT_NAME)
		judge_fault(j, s->node, "name", "%zu characters. Allowed: 1 to %d", strlen(s->name),
			SNAPSHOT_NAME - 1);
	if (s->payload_mtu < PAYLOAD_MTU_MIN || s->payload_mtu > PAYLOAD_MTU_MAX)
		judge_fault(j, s->node, "softwire-payload-mtu", "%u. Allowed: %d to %d",
			s->payload_mtu, PAYLOAD_MTU_MIN, PAYLOAD_MTU_MAX);
	if (s->path_mru < PATH_MRU_MIN)
		judge_fault(j, s->node, "softwire-path-mru", "%u. Allowed: %d to 65535",
			s->path_mru, PATH_MRU_MIN);
	if (s->bindings > s->softwires_max)
		judge_fault(j, s->node, "softwire-num-max",
			"%u, and there are %u bindings. Allowed: "
			"as many or more",
			s->softwires_max, s->bindings);
	if (s->too_many_brs)
		judge_fault(j, s->node, "binding-table",
			"bindings with more than %d different BR addresses. Allowed: up to %d",
			CONFIG_BR_MAX, CONFIG_BR_MAX);
	check_table_file(j, s);
	check_bindings(j, s);
	for (unsigned i = 0; i < s->brs; i++)
		check_br(j, config, s->node, "binding-table", &s->br[i]);
	for (uint32_t i = 0; i < s->prefixes; i++)
		check_outside(j, config, s->node, "binding-table", &s->prefix[i]);
	for (unsigned i = 0; i < at; i++)
		check_apart(j, s, &config->softwire[i]);
}

// Which bits of the addresses a rule means (RFC 7597 section 5.2).
static void check_ea(struct judge *j, const struct config_map *m)
{
	const struct map_rule *r = &m->rule;
	unsigned suffix = 32u - r->len4;
	unsigned psid_len = map_has_psid(r) ? r->ea - suffix : 0;

	if (r->ea > MAP_EA_MAX || psid_len > PSID_BITS)
		judge_fault(j, m->node, "ea-len", "%u. Allowed: 0 to %u", r->ea,
			suffix + PSID_BITS < MAP_EA_MAX ? suffix + PSID_BITS : MAP_EA_MAX);
	else if (r->len6 + r->ea > 128)
		judge_fault(j, m->node, "ea-len",
			"%u, behind a prefix of %u bits. Allowed: 128 bits "
			"together",
			r->ea, r->len6);
	else if (map_has_psid(r) && r->geometry.length != psid_len)
		judge_fault(j, m->node, "port-set/psid-len",
			"%u, but ea-len leaves %u bits for it. Allowed: %u", r->geometry.length,
			psid_len, psid_len);
	else if (r->len4 + r->ea < 32 && r->geometry.length)
		judge_fault(j, m->node, "port-set/psid-len",
			"%u, but subscribers have IPv4 prefixes of %u bits. Allowed: 0",
			r->geometry.length, r->len4 + r->ea);
}

// Whether another service of the box has IPv6 packets to the prefix, or to an address of it.
static bool is_served(const struct config *config, const struct ipprefix *prefix)
{
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->policies; k++) {
			const struct config_policy *p = &instance->policy[k];

			for (unsigned n = 0; n < p->nat64_prefixes; n++) {
				if (ipprefix_overlaps(prefix, &p->nat64_prefix[n].prefix))
					return true;
			}
		}
	}
	for (unsigned i = 0; i < config->aftrs; i++) {
		struct ipprefix aftr = ipprefix_make(&config->aftr[i].addr6, 128);

		if (ipprefix_covers(prefix, &aftr))
			return true;
	}
	for (unsigned i = 0; i < config->maps; i++) {
		struct ipprefix br = ipprefix_make(&config->map[i].br, 128);

		if (config->map[i].used && config->map[i].has_br && ipprefix_covers(prefix, &br))
			return true;
	}
	return false;
}

// The prefix that stands for everybody who is not behind a MAP-T border relay (RFC 7599 section 5.1).
static void check_dmr(struct judge *j, const struct config *config, const struct config_map *m)
{
	static const char leaf[] = "dmr-ipv6-prefix";
	char text[IPPREFIX_TEXT], other[IPPREFIX_TEXT];
	struct ipprefix well_known;

	ipprefix_parse("64:ff9b::/96", &well_known, NULL);
	ipprefix_format(&m->dmr, text);
	check_embedding_form(j, m->node, leaf, &m->dmr);
	check_embedding_place(j, config, m->node, leaf, &m->dmr);
	if (ipprefix_covers(&well_known, &m->dmr))
		judge_fault(j, m->node, leaf,
			"%s. Allowed: a prefix of the operator's own, since senders may have any "
			"IPv4 address",
			text);
	if (is_served(config, &m->dmr))
		judge_fault(j, m->node, leaf,
			"%s overlaps a nat64-prefix, or has the address of an AFTR or BR. Allowed: "
			"a prefix that serves nothing else",
			text);
	for (unsigned i = 0; i < config->maps; i++) {
		const struct config_map *o = &config->map[i];

		if (!o->used)
			continue;
		if (ipprefix_covers(&m->dmr, &o->prefix6))
			judge_fault(j, m->node, leaf,
				"%s has the subscribers of rule %s. Allowed: a prefix apart from "
				"them",
				text, o->name);
		if (o < m && o->has_dmr && ipprefix_overlaps(&m->dmr, &o->dmr) &&
			m->dmr.len != o->dmr.len)
			judge_fault(j, m->node, leaf,
				"%s overlaps %s of rule %s. Allowed: the same, or one apart", text,
				ipprefix_format(&o->dmr, other), o->name);
	}
}

// How packets of the rule cross the IPv6 network.
static void check_data_plane(
	struct judge *j, const struct config *config, const struct config_map *m)
{
	const struct map_rule *r = &m->rule;

	if (!m->has_br && !m->has_dmr)
		judge_fault(j, m->node, "br-ipv6-addr",
			"missing. Allowed: the address of this border relay, without a zone, or "
			"dmr-ipv6-prefix for MAP-T");
	if (m->has_br)
		check_br(j, config, m->node, "br-ipv6-addr", &m->br);
	if (m->lowest_mtu6 && !m->has_dmr)
		judge_fault(j, m->node, "homeport:lowest-ipv6-mtu",
			"set. Allowed: with dmr-ipv6-prefix alone");
	if (!m->has_dmr)
		return;
	check_dmr(j, config, m);
	// the end-user prefix must leave what hosts in a subscriber's IPv4 prefix have of their own
	if (r->len4 + r->ea < 32 && r->len6 > MAP_ADDRESS_AT + r->len4)
		judge_fault(j, m->node, "rule-ipv6-prefix",
			"%u bits, and subscribers have IPv4 prefixes. Allowed: up to %u bits",
			r->len6, MAP_ADDRESS_AT + r->len4);
}

static void check_map_rule(struct judge *j, const struct config *config, const struct config_map *m)
{
	const struct map_rule *r = &m->rule;
	struct psid_geometry g = r->geometry;
	uint8_t first = m->prefix4.addr.bytes[0];
	char text[IPPREFIX_TEXT];

	if (strlen(m->name) >= SNAPSHOT_NAME)
		judge_fault(j, m->node, "name", "%zu characters. Allowed: 1 to %d", strlen(m->name),
			SNAPSHOT_NAME - 1);
	check_data_plane(j, config, m);
	check_ea(j, m);
	if (!psid_geometry_is_valid(g))
		judge_fault(j, m->node, "port-set/psid-len",
			"%u, with psid-offset %u. Allowed: 16 bits together", g.length, g.offset);
	else if (!map_has_psid(r) && !psid_is_valid(g, m->psid))
		judge_fault(j, m->node, "port-set/psid", "%u. Allowed: 0 to %u", m->psid,
			(1u << g.length) - 1);
	if (!is_unicast6(m->prefix6.addr.bytes) || !m->prefix6.len)
		judge_fault(j, m->node, "rule-ipv6-prefix",
			"%s. Allowed: a prefix of unicast addresses",
			ipprefix_format(&m->prefix6, text));
	if (!first || first == 127 || first >= 224)
		judge_fault(j, m->node, "rule-ipv4-prefix",
			"%s. Allowed: a prefix of unicast addresses",
			ipprefix_format(&m->prefix4, text));
	else
		check_outside(j, config, m->node, "rule-ipv4-prefix", &m->prefix4);
}

static int compare_prefixes(const struct ipprefix *x, const struct ipprefix *y)
{
	int by_address = ipaddr_compare(&x->addr, &y->addr);

	return by_address ? by_address : x->len - y->len;
}

static int compare6(const void *a, const void *b)
{
	return compare_prefixes(&(*(const struct config_map *const *)a)->prefix6,
		&(*(const struct config_map *const *)b)->prefix6);
}

static int compare4(const void *a, const void *b)
{
	return compare_prefixes(&(*(const struct config_map *const *)a)->prefix4,
		&(*(const struct config_map *const *)b)->prefix4);
}

// Rules that share a prefix would say different things of the same subscribers.
static void check_twice(struct judge *j, const struct config_map **sorted, unsigned n)
{
	char text[IPPREFIX_TEXT];

	qsort(sorted, n, sizeof(*sorted), compare6);
	for (unsigned i = 1; i < n; i++) {
		if (!compare6(&sorted[i], &sorted[i - 1]))
			judge_fault(j, sorted[i]->node, "rule-ipv6-prefix",
				"%s is that of rule %s. Allowed: a prefix in one rule only",
				ipprefix_format(&sorted[i]->prefix6, text), sorted[i - 1]->name);
	}
	qsort(sorted, n, sizeof(*sorted), compare4);
	for (unsigned i = 1; i < n; i++) {
		if (!compare4(&sorted[i], &sorted[i - 1]))
			judge_fault(j, sorted[i]->node, "rule-ipv4-prefix",
				"%s is that of rule %s. Allowed: a prefix in one rule only",
				ipprefix_format(&sorted[i]->prefix4, text), sorted[i - 1]->name);
	}
}

static void check_maps(struct judge *j, const struct config *config)
{
	const struct config_map **used = calloc(config->maps + 1, sizeof(*used));
	unsigned n = 0;

	for (unsigned i = 0; used && i < config->maps; i++) {
		if (!config->map[i].used)
			continue;
		used[n++] = &config->map[i];
		check_map_rule(j, config, &config->map[i]);
	}
	if (used)
		check_twice(j, used, n);
	else
		judge_text(j, "/ietf-softwire-br:br-instances: out of memory");
	free(used);
}

void check_softwires(struct judge *j, const struct config *config)
{
	for (unsigned i = 0; i < config->softwires; i++)
		check_softwire(j, config, i);
	check_maps(j, config);
	if (config->softwires + config->maps > SNAPSHOT_MAX_SOFTWIRES)
		judge_text(j, "/ietf-softwire-br:br-instances: %u instances. Allowed: up to %d",
			config->softwires + config->maps, SNAPSHOT_MAX_SOFTWIRES);
}

bool check_is_shared(const struct config *config, const struct ipprefix *prefix)
{
	for (unsigned i = 0; i < config->softwires; i++) {
		const struct config_softwire *s = &config->softwire[i];

		for (uint32_t k = 0; k < s->prefixes; k++) {
			if (ipprefix_overlaps(&s->prefix[k], prefix))
				return true;
		}
	}
	for (unsigned i = 0; i < config->maps; i++) {
		if (config->map[i].used && ipprefix_overlaps(&config->map[i].prefix4, prefix))
			return true;
	}
	return false;
}
