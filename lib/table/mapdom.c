// SPDX-License-Identifier: BSD-3-Clause

// Rules are sorted by prefix, the shorter first; each knows the one around it. The last rule that is not
// behind an address has it, or one of those around that rule has, or none.

#include "table/mapdom.h"

#include <stdlib.h>

#define NOBODY UINT32_MAX

// A prefix as 128 bits from the left; an IPv4 prefix is in the first 32.
struct place {
	unsigned __int128 first;
	unsigned __int128 last;
	uint8_t len;
	uint32_t rule;
	uint32_t around;
};

struct mapdom {
	uint32_t rules;
	struct place *by4;
	struct place *by6;
	bool *nested;
};

static int compare(const void *one, const void *other)
{
	const struct place *a = one, *b = other;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return (a->len > b->len) - (a->len < b->len);
}

static struct place place(unsigned __int128 first, uint8_t len, uint32_t rule)
{
	unsigned __int128 hosts =
		len ? ((unsigned __int128)1 << (128 - len)) - 1 : ~(unsigned __int128)0;

	return (struct place){
		.first = first, .last = first | (len == 128 ? 0 : hosts), .len = len, .rule = rule};
}

// Sorts, and notes for each the one around it.
static void arrange(struct place *p, uint32_t n)
{
	uint32_t around = NOBODY;

	qsort(p, n, sizeof(*p), compare);
	for (uint32_t i = 0; i < n; i++) {
		while (around != NOBODY && p[around].last < p[i].first)
			around = p[around].around;
		p[i].around = around;
		around = i;
	}
}

static int find(const struct place *p, uint32_t n, unsigned __int128 address)
{
	uint32_t low = 0, high = n, at;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (p[middle].first <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (at = low ? low - 1 : NOBODY; at != NOBODY; at = p[at].around) {
		if (p[at].last >= address)
			return (int)p[at].rule;
	}
	return -1;
}

struct mapdom *mapdom_new(
	const struct map_rule *rule, const uint32_t *number, uint32_t rules, uint32_t numbers)
{
	struct mapdom *dom = calloc(1, sizeof(*dom));

	if (!dom)
		return NULL;
	dom->rules = rules;
	dom->by4 = aligned_alloc(16, (rules + 1) * sizeof(*dom->by4));
	dom->by6 = aligned_alloc(16, (rules + 1) * sizeof(*dom->by6));
	dom->nested = calloc(numbers + 1, sizeof(*dom->nested));
	if (!dom->by4 || !dom->by6 || !dom->nested) {
		mapdom_free(dom);
		return NULL;
	}
	for (uint32_t i = 0; i < rules; i++) {
		dom->by4[i] =
			place((unsigned __int128)rule[i].prefix4 << 96, rule[i].len4, number[i]);
		dom->by6[i] = place(map_load128(rule[i].prefix6), rule[i].len6, number[i]);
	}
	arrange(dom->by4, rules);
	arrange(dom->by6, rules);
	for (uint32_t i = 0; i < rules; i++) {
		if (dom->by6[i].around != NOBODY)
			dom->nested[dom->by6[dom->by6[i].around].rule] = true;
	}
	return dom;
}

void mapdom_free(struct mapdom *dom)
{
	if (!dom)
		return;
	free(dom->by4);
	free(dom->by6);
	free(dom->nested);
	free(dom);
}

int mapdom_find4(const struct mapdom *dom, uint32_t ipv4)
{
	return find(dom->by4, dom->rules, (unsigned __int128)ipv4 << 96);
}

int mapdom_find6(const struct mapdom *dom, const uint8_t address[16])
{
	return find(dom->by6, dom->rules, map_load128(address));
}

bool mapdom_is_nested(const struct mapdom *dom, uint32_t number)
{
	return dom->nested[number];
}
