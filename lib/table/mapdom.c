// SPDX-License-Identifier: BSD-3-Clause

// A hash of the rules' IPv6 prefixes, asked for each of their lengths, the longest first. Rules have few different
// lengths, mostly one, and then a search reads one cache line however many they are.

#include "table/mapdom.h"

#include <rte_common.h>
#include <rte_prefetch.h>

#include <stdlib.h>

#define CACHE_LINE 64
#define SLOTS_MIN  4
#define LENGTHS    129 // of an IPv6 prefix

struct slot {
	unsigned __int128 prefix;
	uint32_t number; // and one; 0: there is no rule
	uint8_t len;
};

// One of the lengths that rules have.
struct length {
	unsigned __int128 mask;
	uint8_t len;
};

struct mapdom {
	struct slot *slot; // at most half of them used
	uint32_t slots;    // a power of two
	unsigned shift;    // of the hash, to the number of a slot
	unsigned lengths;
	struct length length[LENGTHS]; // the longest first
	bool *nested;                  // by number
};

static unsigned __int128 mask_of(unsigned len)
{
	return len ? ~(unsigned __int128)0 << (128 - len) : 0;
}

static inline uint32_t home(const struct mapdom *dom, unsigned __int128 prefix)
{
	uint64_t high = (uint64_t)(prefix >> 64), low = (uint64_t)prefix;
	uint64_t hash = (high ^ low * UINT64_C(0xd6e8feb86659fd93)) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(hash >> dom->shift);
}

// The slot of the prefix with a length, or the free one that it would take.
static inline struct slot *seek(const struct mapdom *dom, unsigned __int128 prefix, uint8_t len)
{
	uint32_t at = home(dom, prefix);

	while (dom->slot[at].number && (dom->slot[at].prefix != prefix || dom->slot[at].len != len))
		at = (at + 1) & (dom->slots - 1);
	return &dom->slot[at];
}

static bool make_slots(struct mapdom *dom, uint32_t rules)
{
	dom->slots = SLOTS_MIN;
	while (dom->slots < 2 * (uint64_t)rules)
		dom->slots *= 2;
	dom->shift = 64 - (unsigned)__builtin_ctz(dom->slots);
	dom->slot = aligned_alloc(CACHE_LINE, dom->slots * sizeof(*dom->slot));
	if (!dom->slot)
		return false;
	memset(dom->slot, 0, dom->slots * sizeof(*dom->slot));
	return true;
}

static void make_lengths(struct mapdom *dom, const struct map_rule *rule, uint32_t rules)
{
	bool there[LENGTHS] = {false};

	for (uint32_t i = 0; i < rules; i++)
		there[rule[i].len6] = true;
	for (unsigned len = LENGTHS; len--;) {
		if (there[len])
			dom->length[dom->lengths++] =
				(struct length){.mask = mask_of(len), .len = (uint8_t)len};
	}
}

// Notes who has that rule within his own prefix.
static void note_nested(struct mapdom *dom, const struct map_rule *rule)
{
	unsigned __int128 prefix = map_load128(rule->prefix6);

	for (unsigned k = 0; k < dom->lengths; k++) {
		const struct length *l = &dom->length[k];
		const struct slot *around = seek(dom, prefix & l->mask, l->len);

		if (l->len < rule->len6 && around->number)
			dom->nested[around->number - 1] = true;
	}
}

struct mapdom *mapdom_new(
	const struct map_rule *rule, const uint32_t *number, uint32_t rules, uint32_t numbers)
{
	struct mapdom *dom = aligned_alloc(CACHE_LINE, RTE_ALIGN(sizeof(*dom), CACHE_LINE));

	if (!dom)
		return NULL;
	memset(dom, 0, sizeof(*dom));
	dom->nested = calloc(numbers + 1, sizeof(*dom->nested));
	if (!dom->nested || !make_slots(dom, rules)) {
		mapdom_free(dom);
		return NULL;
	}
	make_lengths(dom, rule, rules);
	for (uint32_t i = 0; i < rules; i++) {
		unsigned __int128 prefix = map_load128(rule[i].prefix6);

		*seek(dom, prefix, rule[i].len6) = (struct slot){
			.prefix = prefix, .number = number[i] + 1, .len = rule[i].len6};
	}
	for (uint32_t i = 0; i < rules; i++)
		note_nested(dom, &rule[i]);
	return dom;
}

void mapdom_free(struct mapdom *dom)
{
	if (!dom)
		return;
	free(dom->slot);
	free(dom->nested);
	free(dom);
}

void mapdom_prefetch6(const struct mapdom *dom, const uint8_t address[16])
{
	rte_prefetch0(&dom->slot[home(dom, map_load128(address) & dom->length[0].mask)]);
}

int mapdom_find6(const struct mapdom *dom, const uint8_t address[16])
{
	unsigned __int128 bits = map_load128(address);

	for (unsigned k = 0; k < dom->lengths; k++) {
		const struct length *l = &dom->length[k];
		const struct slot *slot = seek(dom, bits & l->mask, l->len);

		if (slot->number)
			return (int)slot->number - 1;
	}
	return -1;
}

bool mapdom_is_nested(const struct mapdom *dom, uint32_t number)
{
	return dom->nested[number];
}
