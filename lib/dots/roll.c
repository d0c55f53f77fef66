// SPDX-License-Identifier: BSD-3-Clause

#include "dots/roll.h"

#include "base/bits.h"
#include "base/rand.h"
#include "dots/mitigation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Fixed, so that no request has to wait until all are moved; some 400,000 cells with 100,000 mitigations.
#define BUCKETS (1u << 18)

enum kind {
	KIND_REQUEST,
	KIND_CLIENT,
	KIND_CUID,
	KIND_TARGET,
	KIND_SOURCE,
	KIND_NAME,
	KIND_SUBSCRIBER
};

// Of a prefix: whether this cell is the longest it has.
enum depth { HERE, BENEATH, DEPTHS };

struct roll_entry {
	struct roll_entry *next;
	struct roll_entry *prev;
	struct mitigation *mitigation;
	struct cell *cell;
	enum depth depth;
};

// All that has the same key. Two that share one by chance are told apart by who asks.
struct cell {
	struct cell *next;
	uint64_t key;
	struct roll_entry *first[DEPTHS];
	unsigned count[DEPTHS];
};

// Lengths that cells have, by family.
static const uint8_t length4[] = {0, 16, 24, 32};
static const uint8_t length6[] = {0, 32, 48, 56, 64, 128};
#define LENGTHS_MAX ARRAY_LEN(length6)

// ------------------------------------------------------------------ keys

// Multiplied by what is secret, because the peers choose what is hashed.
static uint64_t mix(const struct roll *roll, uint64_t h, uint64_t word)
{
	__extension__ unsigned __int128 product = (unsigned __int128)(h ^ word) * roll->seed;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t mix_text(const struct roll *roll, uint64_t h, const char *text)
{
	size_t length = strlen(text);

	h = mix(roll, h + 1, length);
	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = 0;

		memcpy(&word, text + i, length - i < sizeof(word) ? length - i : sizeof(word));
		h = mix(roll, h + 1, word);
	}
	return h;
}

static uint64_t key_of(const struct roll *roll, enum kind kind, const struct owner *owner)
{
	return mix(roll, (uint64_t)kind + 1, (uintptr_t)owner);
}

static uint64_t key_of_client(
	const struct roll *roll, enum kind kind, const struct owner *owner, const char *cuid)
{
	return mix_text(roll, key_of(roll, kind, owner), cuid);
}

static uint64_t key_of_request(
	const struct roll *roll, const struct owner *owner, const char *cuid, uint32_t mid)
{
	return mix(roll, key_of_client(roll, KIND_REQUEST, owner, cuid) + 1, mid);
}

static uint64_t key_of_prefix(const struct roll *roll, enum kind kind, const struct owner *owner,
	const struct ipprefix *prefix, unsigned length)
{
	struct ipprefix cut = ipprefix_make(&prefix->addr, length);
	uint64_t words[2], h = key_of(roll, kind, owner);

	memcpy(words, cut.addr.bytes, sizeof(words));
	h = mix(roll, h + 1, (uint64_t)cut.addr.family << 8 | length);
	return mix(roll, mix(roll, h + 1, words[0]) + 1, words[1]);
}

static uint64_t key_of_subscriber(
	const struct roll *roll, const struct owner *owner, const struct subkey *subscriber)
{
	uint64_t words[3] = {0}, h = key_of(roll, KIND_SUBSCRIBER, owner);

	static_assert(sizeof(*subscriber) <= sizeof(words), "all of it is hashed");
	memcpy(words, subscriber, sizeof(*subscriber));
	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		h = mix(roll, h + 1, words[i]);
	return h;
}

// The lengths up to the prefix's own; the last is its longest cell.
static unsigned lengths_of(const struct ipprefix *prefix, const uint8_t **length)
{
	unsigned all = prefix->addr.family == 4 ? ARRAY_LEN(length4) : ARRAY_LEN(length6), n = 0;

	*length = prefix->addr.family == 4 ? length4 : length6;
	while (n < all && (*length)[n] <= prefix->len)
		n++;
	return n;
}

// ------------------------------------------------------------------ cells

static struct cell *cell_find(const struct roll *roll, uint64_t key)
{
	struct cell *cell = roll->bucket[key % BUCKETS];

	while (cell && cell->key != key)
		cell = cell->next;
	return cell;
}

static struct cell *cell_make(struct roll *roll, uint64_t key)
{
	struct cell *cell = cell_find(roll, key), **bucket = &roll->bucket[key % BUCKETS];

	if (cell)
		return cell;
	cell = calloc(1, sizeof(*cell));
	if (!cell)
		return NULL;
	cell->key = key;
	cell->next = *bucket;
	*bucket = cell;
	return cell;
}

static void cell_drop(struct roll *roll, struct cell *cell)
{
	struct cell **link = &roll->bucket[cell->key % BUCKETS];

	while (*link != cell)
		link = &(*link)->next;
	*link = cell->next;
	free(cell);
}

static bool enter(struct roll *roll, struct mitigation *m, uint64_t key, enum depth depth)
{
	struct cell *cell = cell_make(roll, key);
	struct roll_entry *e = &m->place.entry[m->place.entries];

	if (!cell)
		return false;
	*e = (struct roll_entry){
		.next = cell->first[depth], .mitigation = m, .cell = cell, .depth = depth};
	if (e->next)
		e->next->prev = e;
	cell->first[depth] = e;
	cell->count[depth]++;
	m->place.entries++;
	return true;
}

static void leave(struct roll *roll, struct roll_entry *e)
{
	struct cell *cell = e->cell;

	if (e->prev)
		e->prev->next = e->next;
	else
		cell->first[e->depth] = e->next;
	if (e->next)
		e->next->prev = e->prev;
	cell->count[e->depth]--;
	if (!cell->count[HERE] && !cell->count[BENEATH])
		cell_drop(roll, cell);
}

// ------------------------------------------------------------------ in and out

static bool enter_prefixes(struct roll *roll, struct mitigation *m, enum kind kind,
	const struct ipprefix *prefix, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *length;
		unsigned n = lengths_of(&prefix[i], &length);

		for (unsigned j = 0; j < n; j++) {
			if (!enter(roll, m,
				    key_of_prefix(roll, kind, m->owner, &prefix[i], length[j]),
				    j + 1 < n ? BENEATH : HERE))
				return false;
		}
	}
	return true;
}

// A name is the same whether it is one of a host, a URI or an alias: who asks knows.
static bool enter_names(struct roll *roll, struct mitigation *m, char **name, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!enter(roll, m, key_of_client(roll, KIND_NAME, m->owner, name[i]), HERE))
			return false;
	}
	return true;
}

// One whom no other mitigation of the owner is about counts.
static bool enter_subscribers(struct roll *roll, struct mitigation *m)
{
	const struct enforcement *e = &m->enforcement;

	for (unsigned i = 0; i < e->suspects && m->phase != PHASE_REJECTED; i++) {
		uint64_t key = key_of_subscriber(roll, m->owner, &e->suspect[i].holder.subscriber);

		m->owner->affected += !cell_find(roll, key);
		if (!enter(roll, m, key, HERE)) {
			m->owner->affected--; // there is no cell, or there would be an entry
			return false;
		}
		m->place.affected++;
	}
	return true;
}

static bool enter_all(struct roll *roll, struct mitigation *m)
{
	const struct scope *s = &m->scope;

	return enter(roll, m, key_of_request(roll, m->owner, m->cuid, m->mid), HERE) &&
		enter(roll, m, key_of_client(roll, KIND_CLIENT, m->owner, m->cuid), HERE) &&
		enter(roll, m, key_of_client(roll, KIND_CUID, NULL, m->cuid), HERE) &&
		enter_prefixes(roll, m, KIND_TARGET, s->target, s->targets) &&
		enter_prefixes(roll, m, KIND_SOURCE, s->source, s->sources) &&
		enter_names(roll, m, s->fqdn, s->fqdns) && enter_names(roll, m, s->uri, s->uris) &&
		enter_names(roll, m, s->alias, s->aliases) && enter_subscribers(roll, m);
}

void roll_release(struct roll *roll, struct mitigation *m)
{
	for (; m->place.affected; m->place.affected--) {
		struct roll_entry *e = &m->place.entry[--m->place.entries];

		m->owner->affected -= e->cell->count[HERE] == 1;
		leave(roll, e);
	}
}

static void leave_all(struct roll *roll, struct mitigation *m)
{
	roll_release(roll, m);
	while (m->place.entries)
		leave(roll, &m->place.entry[--m->place.entries]);
	free(m->place.entry);
	m->place.entry = NULL;
}

int roll_init(struct roll *roll)
{
	struct rand random;
	int rc = rand_seed(&random);

	if (rc < 0)
		return rc;
	*roll = (struct roll){.bucket = calloc(BUCKETS, sizeof(struct cell *))};
	// odd: it is multiplied by
	roll->seed = (uint64_t)rand_u32(&random) << 32 | rand_u32(&random) | 1;
	return roll->bucket ? 0 : -ENOMEM;
}

void roll_end(struct roll *roll)
{
	free(roll->bucket);
	roll->bucket = NULL;
}

int roll_add(struct roll *roll, struct mitigation *m)
{
	const struct scope *s = &m->scope;
	size_t most = 3 + LENGTHS_MAX * ((size_t)s->targets + s->sources) + s->fqdns + s->uris +
		s->aliases + m->enforcement.suspects;

	m->place.entry = calloc(most, sizeof(*m->place.entry));
	if (!m->place.entry)
		return -ENOMEM;
	if (!enter_all(roll, m)) {
		leave_all(roll, m);
		return -ENOMEM;
	}
	m->place.number = ++roll->called;
	m->place.prev = roll->last;
	m->next = NULL;
	if (roll->last)
		roll->last->next = m;
	else
		roll->first = m;
	roll->last = m;
	return 0;
}

void roll_remove(struct roll *roll, struct mitigation *m)
{
	leave_all(roll, m);
	if (m->place.prev)
		m->place.prev->next = m->next;
	else
		roll->first = m->next;
	if (m->next)
		m->next->place.prev = m->place.prev;
	else
		roll->last = m->place.prev;
}

// ------------------------------------------------------------------ questions

struct mitigation *roll_find(
	const struct roll *roll, const struct owner *owner, const char *cuid, uint32_t mid)
{
	const struct cell *cell = cell_find(roll, key_of_request(roll, owner, cuid, mid));

	for (const struct roll_entry *e = cell ? cell->first[HERE] : NULL; e; e = e->next) {
		struct mitigation *m = e->mitigation;

		if (m->mid == mid && m->owner == owner && !strcmp(m->cuid, cuid))
			return m;
	}
	return NULL;
}

struct mitigation *roll_of_client(
	const struct roll *roll, const struct owner *owner, const char *cuid)
{
	const struct cell *cell = cell_find(roll, key_of_client(roll, KIND_CLIENT, owner, cuid));

	for (const struct roll_entry *e = cell ? cell->first[HERE] : NULL; e; e = e->next) {
		if (e->mitigation->owner == owner && !strcmp(e->mitigation->cuid, cuid))
			return e->mitigation;
	}
	return NULL;
}

// Each is in it once.
unsigned roll_affected(
	const struct roll *roll, const struct owner *owner, const struct enforcement *more)
{
	unsigned count = owner->affected;

	for (unsigned i = 0; i < more->suspects; i++)
		count += !cell_find(
			roll, key_of_subscriber(roll, owner, &more->suspect[i].holder.subscriber));
	return count;
}

bool roll_has_other(const struct roll *roll, const struct owner *owner, const char *cuid)
{
	const struct cell *any = cell_find(roll, key_of_client(roll, KIND_CUID, NULL, cuid));
	const struct cell *own = cell_find(roll, key_of_client(roll, KIND_CLIENT, owner, cuid));

	// as a rule all or none are the owner's, and nobody has to be looked at
	if (!any || (own && own->count[HERE] == any->count[HERE]))
		return false;
	for (const struct roll_entry *e = any->first[HERE]; e; e = e->next) {
		if (e->mitigation->owner != owner && !strcmp(e->mitigation->cuid, cuid))
			return true;
	}
	return false;
}

// One question on its way through the cells: first how many there are, then which.
struct search {
	struct roll *roll;
	const struct owner *owner;
	bool take;
	size_t count;
	struct mitigation *found;
};

static void look(struct search *s, uint64_t key, enum depth deepest)
{
	const struct cell *cell = cell_find(s->roll, key);

	for (enum depth depth = HERE; cell && depth <= deepest; depth++) {
		s->count += cell->count[depth];
		for (struct roll_entry *e = s->take ? cell->first[depth] : NULL; e; e = e->next) {
			struct roll_place *place = &e->mitigation->place;

			if (place->asked == s->roll->asked || e->mitigation->owner != s->owner)
				continue;
			place->asked = s->roll->asked;
			place->also = s->found;
			s->found = e->mitigation;
		}
	}
}

static void look_for_prefixes(
	struct search *s, enum kind kind, const struct ipprefix *prefix, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *length;
		unsigned n = lengths_of(&prefix[i], &length);

		for (unsigned j = 0; j < n; j++)
			look(s, key_of_prefix(s->roll, kind, s->owner, &prefix[i], length[j]),
				j + 1 < n ? HERE : BENEATH);
	}
}

static void look_for_names(struct search *s, char **name, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		look(s, key_of_client(s->roll, KIND_NAME, s->owner, name[i]), HERE);
}

static void look_for_targets(struct search *s, const struct scope *scope)
{
	look_for_prefixes(s, KIND_TARGET, scope->target, scope->targets);
	look_for_names(s, scope->fqdn, scope->fqdns);
	look_for_names(s, scope->uri, scope->uris);
	look_for_names(s, scope->alias, scope->aliases);
}

static struct mitigation *merge(struct mitigation *a, struct mitigation *b)
{
	struct mitigation *merged, **link = &merged;

	while (a && b) {
		struct mitigation **older = a->place.number < b->place.number ? &a : &b;
		struct mitigation *m = *older;

		*older = m->place.also;
		*link = m;
		link = &m->place.also;
	}
	*link = a ? a : b;
	return merged;
}

static struct mitigation *sort(struct mitigation *list)
{
	struct mitigation *half = list, *rest;

	if (!list || !list->place.also)
		return list;
	for (struct mitigation *m = list->place.also; m && m->place.also;
		m = m->place.also->place.also)
		half = half->place.also;
	rest = half->place.also;
	half->place.also = NULL;
	return merge(sort(list), sort(rest));
}

struct mitigation *roll_candidates(struct roll *roll, const struct owner *owner,
	const struct scope *scope, enum overlap_key key)
{
	struct search targets = {.roll = roll, .owner = owner}, sources = targets;

	look_for_targets(&targets, scope);
	look_for_prefixes(&sources, KIND_SOURCE, scope->source, scope->sources);
	roll->asked++;
	// many attackers have one victim, or many victims one attacker: both must meet, fewer do
	if (key == OVERLAP_TARGET_SOURCE && sources.count < targets.count) {
		sources.take = true;
		look_for_prefixes(&sources, KIND_SOURCE, scope->source, scope->sources);
		return sort(sources.found);
	}
	targets.take = true;
	look_for_targets(&targets, scope);
	return sort(targets.found);
}
