// SPDX-License-Identifier: BSD-3-Clause

#include "table/dstnat.h"

#include <stdlib.h>

static uint64_t first(const struct dstnat *d, bool inside)
{
	return inside ? d->inside : d->outside;
}

static int compare(const struct dstnat *a, const struct dstnat *b, bool inside)
{
	uint64_t x = first(a, inside), y = first(b, inside);

	if (a->instance != b->instance)
		return a->instance < b->instance ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int compare_inside(const void *a, const void *b)
{
	return compare(a, b, true);
}

static int compare_outside(const void *a, const void *b)
{
	return compare(a, b, false);
}

void dstnat_add(struct dstnat_table *table, const struct dstnat *entry)
{
	uint32_t address = rte_be_to_cpu_32(endpoint_address(entry->outside));
	uint32_t last = rte_be_to_cpu_32(endpoint_address(entry->outside + entry->more));

	table->by_inside[table->count] = *entry;
	table->by_outside[table->count++] = *entry;
	for (unsigned n = 0; n < 256 && n <= last - address; n++) {
		uint8_t byte = (uint8_t)(address + n);

		table->outsides[byte / 64] |= UINT64_C(1) << (byte % 64);
	}
}

void dstnat_table_sort(struct dstnat_table *table)
{
	qsort(table->by_inside, table->count, sizeof(*table->by_inside), compare_inside);
	qsort(table->by_outside, table->count, sizeof(*table->by_outside), compare_outside);
}

// The last entry that does not begin after the endpoint is the only one that can cover it.
static const struct dstnat *find(const struct dstnat *sorted, unsigned count, bool inside,
	uint16_t instance, uint8_t policy, uint64_t endpoint)
{
	struct dstnat wanted = {.inside = endpoint, .outside = endpoint, .instance = instance};
	unsigned low = 0, high = count;
	const struct dstnat *d;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (compare(&sorted[middle], &wanted, inside) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	d = &sorted[low - 1];
	if (d->instance != instance || endpoint - first(d, inside) > d->more)
		return NULL;
	return d->policy == DSTNAT_ANY_POLICY || d->policy == policy ? d : NULL;
}

uint64_t dstnat_to_outside(
	const struct dstnat_table *table, uint16_t instance, uint8_t policy, uint64_t inside)
{
	const struct dstnat *d =
		find(table->by_inside, table->count, true, instance, policy, inside);

	return d ? inside - d->inside + d->outside : inside;
}

uint64_t dstnat_to_inside(
	const struct dstnat_table *table, uint16_t instance, uint8_t policy, uint64_t outside)
{
	const struct dstnat *d =
		find(table->by_outside, table->count, false, instance, policy, outside);

	return d ? outside - d->outside + d->inside : outside;
}
