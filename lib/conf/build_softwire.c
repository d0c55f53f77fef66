// SPDX-License-Identifier: BSD-3-Clause

// Configuration to snapshot, part four: border relays. A binding table outlives configurations: the next one
// is compared with it, and when it comes in force the differences are made in place, while packets pass. Who
// stays as he was is not touched.

#include "conf/build_softwire.h"

#include "base/bits.h"
#include "base/clock.h"
#include "conf/build_nat.h"
#include "table/acl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IPV6_MTU_LOWEST 1280 // that every IPv6 link carries (RFC 7915 section 4)

// What is to be done to the tables of a snapshot when it comes in force.
struct binding_changes {
	uint32_t count;
	uint32_t room;
	struct binding_change {
		uint32_t softwire; // its number
		bool remove;
		struct binding_entry entry;
	} * change;
};

unsigned build_softwire_routes(const struct config *config)
{
	unsigned count = config->maps;

	for (unsigned i = 0; i < config->softwires; i++)
		count += config->softwire[i].prefixes;
	return count;
}

unsigned build_softwire_hops(const struct config *config)
{
	return 2 * (config->softwires + config->maps);
}

void build_softwire_prefixes(
	const struct config *config, void (*fn)(void *ctx, unsigned len), void *ctx)
{
	for (unsigned i = 0; i < config->softwires; i++) {
		for (unsigned k = 0; k < config->softwire[i].brs; k++)
			fn(ctx, 128);
	}
	for (unsigned i = 0; i < config->maps; i++)
		fn(ctx, config->map[i].has_dmr ? config->map[i].dmr.len : 128);
}

static void state_free(struct softwire_state *state)
{
	if (!state)
		return;
	binding_table_free(state->bindings);
	free(state->stats);
	free(state->br);
	free(state);
}

static struct softwire_state *state_new(
	const char *name, enum softwire_kind kind, uint32_t bindings, const struct build *build)
{
	struct softwire_state *state = calloc(1, sizeof(*state) + strlen(name) + 1);
	size_t size = build->workers * sizeof(*state->stats);

	if (!state)
		return NULL;
	strcpy(state->name, name);
	state->workers = build->workers;
	state->since = clock_unix_ms();
	state->stats = aligned_alloc(_Alignof(struct softwire_stats), size);
	if (kind == SOFTWIRE_BINDING) {
		state->bindings = binding_table_new(bindings, build->rcu);
		state->br = calloc(SOFTWIRE_MAX_BRS, sizeof(*state->br));
	}
	if (!state->stats || (kind == SOFTWIRE_BINDING && (!state->bindings || !state->br))) {
		state_free(state);
		return NULL;
	}
	memset(state->stats, 0, size);
	return state;
}

// The entries of the snapshot before, by name.
struct known {
	const char *name;
	unsigned number;
};

struct making {
	struct snapshot *s;
	const struct build *build;
	unsigned places; // in s->softwire
	unsigned next;   // where to look for a free one
	unsigned known;
	struct known *old;
	int64_t now;                // Unix time in seconds
	uint16_t br[CONFIG_BR_MAX]; // numbers in the table, of the instance that is being made
};

static int compare_known(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->name, ((const struct known *)b)->name);
}

static int note_known(struct making *m)
{
	const struct snapshot *old = m->build->old;

	m->old = calloc(old ? old->softwires + 1 : 1, sizeof(*m->old));
	if (!m->old)
		return -ENOMEM;
	for (unsigned i = 0; old && i < old->softwires; i++) {
		if (old->softwire[i].state)
			m->old[m->known++] = (struct known){old->softwire[i].state->name, i};
	}
	qsort(m->old, m->known, sizeof(*m->old), compare_known);
	return 0;
}

static bool is_taken(const struct making *m, unsigned number)
{
	const struct snapshot *old = m->build->old;

	return m->s->softwire[number].state ||
		(old && number < old->softwires && old->softwire[number].state);
}

// The entry of this name: in its old place, with its old state, or in a new one. Returns NULL if memory runs
// out.
static struct softwire *take_place(
	struct making *m, const char *name, enum softwire_kind kind, uint32_t bindings)
{
	struct known key = {.name = name};
	const struct known *was = bsearch(&key, m->old, m->known, sizeof(*m->old), compare_known);
	const struct softwire *old = was ? &m->build->old->softwire[was->number] : NULL;
	struct softwire *softwire;

	if (old && old->kind == kind) {
		softwire = &m->s->softwire[was->number];
		softwire->state = old->state;
	} else {
		while (is_taken(m, m->next))
			m->next++;
		softwire = &m->s->softwire[m->next];
		softwire->state = state_new(name, kind, bindings, m->build);
	}
	if (!softwire->state)
		return NULL;
	softwire->kind = (uint8_t)kind;
	if (softwire - m->s->softwire >= m->s->softwires)
		m->s->softwires = (unsigned)(softwire - m->s->softwire) + 1;
	return softwire;
}

static bool is_new(const struct making *m, const struct softwire *softwire)
{
	const struct snapshot *old = m->build->old;
	unsigned number = (unsigned)(softwire - m->s->softwire);

	return !old || number >= old->softwires || old->softwire[number].state != softwire->state;
}

static uint32_t share(uint32_t rate, unsigned workers)
{
	return rate == UINT32_MAX ? rate : (uint32_t)div_round_up(rate, workers);
}

// When what is new is in force from: from when the operator says, if that can be, else now.
static int64_t since(const struct making *m, const struct softwire_state *state, int64_t date)
{
	return date && date <= m->now && date > state->changed ? date : m->now;
}

// The number that a BR address has in bindings. Returns -ENOSPC if too many have had one.
static int br_number(struct softwire_state *state, const struct ipaddr *br)
{
	unsigned i = 0;

	while (i < state->brs && memcmp(state->br[i], br->bytes, sizeof(state->br[i])))
		i++;
	if (i == SOFTWIRE_MAX_BRS)
		return -ENOSPC;
	if (i == state->brs)
		memcpy(state->br[state->brs++], br->bytes, sizeof(state->br[i]));
	return (int)i;
}

static int note_change(struct making *m, const struct softwire *softwire,
	const struct binding_entry *e, bool remove)
{
	struct binding_changes *c = m->s->changes;

	if (!c) {
		c = m->s->changes = calloc(1, sizeof(*c));
		if (!c)
			return -ENOMEM;
	}
	if (c->count == c->room) {
		uint32_t room = c->room ? c->room * 2 : 256;
		struct binding_change *more = reallocarray(c->change, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->change = more;
		c->room = room;
	}
	c->change[c->count++] = (struct binding_change){
		.softwire = (uint32_t)(softwire - m->s->softwire), .remove = remove, .entry = *e};
	return 0;
}

static bool is_marked(const struct making *m, const uint8_t b4[16])
{
	struct subkey key = {.family = 6, .len = 128, .instance = SUBKEY_SOFTWIRE};

	memcpy(key.addr, b4, sizeof(key.addr));
	return m->build->acl && acl_count(m->build->acl) && acl_marked(m->build->acl, &key);
}

static int compare_entry(const void *key, const void *element)
{
	const struct binding_entry *k = key;
	const struct binding_entry *e = &((const struct config_binding *)element)->entry;
	uint32_t k4 = rte_be_to_cpu_32(k->ipv4), e4 = rte_be_to_cpu_32(e->ipv4);

	if (k4 != e4)
		return k4 < e4 ? -1 : 1;
	return (k->psid > e->psid) - (k->psid < e->psid);
}

// A binding of the configuration with the number that its BR address has in the table.
static struct binding_entry numbered(const struct making *m, const struct binding_entry *from)
{
	struct binding_entry e = *from;

	e.br = m->br[from->br];
	return e;
}

// The binding of the configuration with the same address and port set, or NULL.
static const struct binding_entry *find_entry(
	const struct config_softwire *from, const struct binding_entry *e)
{
	const struct config_binding *b =
		bsearch(e, from->binding, from->bindings, sizeof(*from->binding), compare_entry);

	return b && psid_same_geometry(b->entry.geometry, e->geometry) ? &b->entry : NULL;
}

// What a table that is in use has to become.
static int compare_table(struct making *m, const struct softwire *softwire,
	const struct config_softwire *from, int64_t date)
{
	const struct binding_table *table = softwire->state->bindings;
	struct binding_entry e, now;
	uint32_t more = 0, cursor;
	int rc = 0;

	for (uint32_t i = 0; i < from->bindings && !rc; i++) {
		now = numbered(m, &from->binding[i].entry);
		if (binding_get(table, &now, &e) && !memcmp(e.b4, now.b4, sizeof(e.b4)) &&
			e.br == now.br)
			continue;
		now.since = (uint32_t)date;
		now.marked = is_marked(m, now.b4);
		rc = note_change(m, softwire, &now, false);
		more++;
	}
	for (cursor = 0; !rc && binding_walk(table, &cursor, &e);) {
		if (!find_entry(from, &e))
			rc = note_change(m, softwire, &e, true);
	}
	// so that nothing can fail any more when the changes are made
	return rc ? rc : binding_reserve(softwire->state->bindings, more);
}

static int fill_table(struct making *m, struct softwire *softwire,
	const struct config_softwire *from, int64_t date)
{
	for (uint32_t i = 0; i < from->bindings; i++) {
		struct binding_entry e = numbered(m, &from->binding[i].entry);

		e.since = (uint32_t)date;
		e.marked = is_marked(m, e.b4);
		if (binding_add(softwire->state->bindings, &e) < 0)
			return -ENOMEM;
	}
	softwire->state->changed = m->now;
	return 0;
}

static unsigned add_hop(struct making *m, const struct softwire *softwire, enum service service)
{
	return build_nexthop(m->s,
		(struct nexthop){.kind = NEXTHOP_SERVICE,
			.service = service,
			.number = (uint32_t)(softwire - m->s->softwire)});
}

static int add_routes(
	struct making *m, unsigned hop, const struct ipprefix *prefix, uint32_t prefixes)
{
	int rc = 0;

	for (uint32_t i = 0; i < prefixes && rc >= 0; i++)
		rc = snapshot_add_route(
			m->s, rte_be_to_cpu_32(ipaddr_be32(&prefix[i].addr)), prefix[i].len, hop);
	return rc;
}

static int add_softwire(struct making *m, const struct config_softwire *from)
{
	struct softwire *softwire = take_place(m, from->name, SOFTWIRE_BINDING, from->bindings);
	unsigned hop;
	int64_t date;
	int rc = 0;

	if (!softwire)
		return -ENOMEM;
	softwire->hairpinning = from->hairpinning;
	softwire->incoming_icmp4 = from->incoming_icmp4;
	softwire->generate_icmp4 = from->generate_icmp4;
	softwire->generate_icmp6 = from->generate_icmp6;
	softwire->icmp4_rate = share(from->icmp4_rate, m->build->workers);
	softwire->icmp6_rate = share(from->icmp6_rate, m->build->workers);
	softwire->payload_mtu = from->payload_mtu;
	softwire->path_mru = from->path_mru;
	softwire->version = from->version;
	hop = add_hop(m, softwire, SERVICE_SOFTWIRE);
	for (unsigned i = 0; i < from->brs && rc >= 0; i++) {
		rc = br_number(softwire->state, &from->br[i]);
		m->br[i] = (uint16_t)rc;
		if (rc >= 0)
			rc = snapshot_add_route6(m->s, from->br[i].bytes, 128, hop);
	}
	if (rc < 0)
		return rc;
	date = since(m, softwire->state, from->date);
	if (is_new(m, softwire))
		rc = fill_table(m, softwire, from, date);
	else
		rc = compare_table(m, softwire, from, date);
	return rc < 0 ? rc : add_routes(m, hop, from->prefix, from->prefixes);
}

// Tunnels to the rule's BR address.
static int add_encapsulation(
	struct making *m, struct softwire *softwire, const struct config_map *from, unsigned hop)
{
	// RFC 7597 section 8.1: what a rule does not allow is dropped without a word
	softwire->generate_icmp6 = false;
	memcpy(softwire->br, from->br.bytes, sizeof(softwire->br));
	// an address that several rules have stands for the first of them
	if (snapshot_route6(m->s, softwire->br)->kind == NEXTHOP_SERVICE)
		return 0;
	return snapshot_add_route6(m->s, softwire->br, 128, hop);
}

// Translation to and from the rule's DMR. Rules may have the same one: whose a packet is, its source says.
static int add_translation(
	struct making *m, struct softwire *softwire, const struct config_map *from)
{
	softwire->generate_icmp6 = true;
	softwire->lowest_mtu6 = from->lowest_mtu6 ? from->lowest_mtu6 : IPV6_MTU_LOWEST;
	softwire->dmr.len = from->dmr.len;
	memcpy(softwire->dmr.bytes, from->dmr.addr.bytes, sizeof(softwire->dmr.bytes));
	return snapshot_add_route6(
		m->s, softwire->dmr.bytes, softwire->dmr.len, add_hop(m, softwire, SERVICE_MAPT));
}

static int add_map(struct making *m, const struct config_map *from)
{
	struct softwire *softwire =
		take_place(m, from->name, from->has_dmr ? SOFTWIRE_MAP_T : SOFTWIRE_MAP_E, 0);
	unsigned hop;
	int rc;

	if (!softwire)
		return -ENOMEM;
	softwire->hairpinning = true;
	softwire->incoming_icmp4 = true;
	softwire->generate_icmp4 = true;
	softwire->icmp4_rate = softwire->icmp6_rate = UINT32_MAX;
	softwire->payload_mtu = UINT16_MAX;
	softwire->path_mru = UINT16_MAX;
	softwire->version = from->version;
	softwire->rule = from->rule;
	if (is_new(m, softwire))
		softwire->state->changed = since(m, softwire->state, from->date);
	hop = add_hop(m, softwire, SERVICE_SOFTWIRE);
	rc = from->has_dmr ? add_translation(m, softwire, from)
			   : add_encapsulation(m, softwire, from, hop);
	return rc < 0 ? -ENOMEM : add_routes(m, hop, &from->prefix4, 1);
}

// The rules as a whole, to be searched by prefix.
static int make_mapdom(struct snapshot *s)
{
	struct map_rule *rule = calloc(s->softwires + 1, sizeof(*rule));
	uint32_t *number = calloc(s->softwires + 1, sizeof(*number)), rules = 0;

	for (unsigned i = 0; rule && number && i < s->softwires; i++) {
		if (!s->softwire[i].state || s->softwire[i].kind == SOFTWIRE_BINDING)
			continue;
		number[rules] = i;
		rule[rules++] = s->softwire[i].rule;
	}
	if (rules)
		s->mapdom = mapdom_new(rule, number, rules, s->softwires);
	for (uint32_t i = 0; s->mapdom && i < rules; i++)
		s->softwire[number[i]].nested = mapdom_is_nested(s->mapdom, number[i]);
	free(number);
	free(rule);
	return rules && !s->mapdom ? -ENOMEM : 0;
}

int build_softwires(
	struct snapshot *s, const struct config *config, const struct build *build, struct err *err)
{
	struct making m = {.s = s, .build = build, .now = clock_unix_ms() / 1000};
	int rc;

	if (!config->softwires && !config->maps)
		return 0;
	m.places = config->softwires + config->maps + (build->old ? build->old->softwires : 0);
	s->softwire = aligned_alloc(_Alignof(struct softwire), m.places * sizeof(*s->softwire));
	if (s->softwire)
		memset(s->softwire, 0, m.places * sizeof(*s->softwire));
	rc = s->softwire ? note_known(&m) : -ENOMEM;
	for (unsigned i = 0; i < config->softwires && rc >= 0; i++)
		rc = add_softwire(&m, &config->softwire[i]);
	for (unsigned i = 0; i < config->maps && rc >= 0; i++) {
		if (config->map[i].used)
			rc = add_map(&m, &config->map[i]);
	}
	if (rc >= 0)
		rc = make_mapdom(s);
	free(m.old);
	if (rc == -ENOSPC)
		err_set(err,
			"/ietf-softwire-br:br-instances: %d BR addresses of an instance have been "
			"in use. Allowed: more take a restart",
			SOFTWIRE_MAX_BRS);
	else if (rc < 0)
		err_set(err, "/homeport:homeport/platform/memory: no room for softwires");
	return rc;
}

void conf_commit(struct snapshot *s,
	void (*ended)(
		void *ctx, const struct softwire *softwire, const struct binding_entry *entry),
	void *ctx)
{
	struct binding_changes *c = s->changes;
	int64_t now = clock_unix_ms() / 1000;

	for (uint32_t i = 0; c && i < c->count; i++) {
		struct binding_change *change = &c->change[i];
		const struct softwire *softwire = &s->softwire[change->softwire];
		struct binding_table *table = softwire->state->bindings;
		struct binding_entry was;

		if (binding_get(table, &change->entry, &was) &&
			(change->remove || memcmp(was.b4, change->entry.b4, sizeof(was.b4))))
			ended(ctx, softwire, &was);
		// there is room: see compare_table()
		if (change->remove)
			binding_remove(table, &change->entry);
		else
			binding_add(table, &change->entry);
		softwire->state->changed = now;
	}
	if (c)
		free(c->change);
	free(c);
	s->changes = NULL;
}

void release_softwires(struct snapshot *s, const struct snapshot *next)
{
	if (s->changes)
		free(s->changes->change);
	free(s->changes);
	s->changes = NULL;
	for (unsigned i = 0; i < s->softwires; i++) {
		struct softwire_state *state = s->softwire[i].state;

		if (!next || i >= next->softwires || next->softwire[i].state != state)
			state_free(state);
	}
}
