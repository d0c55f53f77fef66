// SPDX-License-Identifier: BSD-3-Clause

#include "table/statics.h"

#include "table/endpoint.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// What the lists are ordered by: the first endpoint.
static uint64_t key_of(const struct static_mapping *m, bool inside)
{
	return inside ? endpoint_make(m->inside, m->protocol, m->inside_lower)
		      : endpoint_make(m->outside, m->protocol, m->outside_lower);
}

static int compare(const struct static_mapping *a, const struct static_mapping *b, bool inside)
{
	uint64_t x = key_of(a, inside), y = key_of(b, inside);

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

void static_table_sort(struct static_table *table)
{
	qsort(table->by_inside, table->count, sizeof(*table->by_inside), compare_inside);
	qsort(table->by_outside, table->count, sizeof(*table->by_outside), compare_outside);
}

static int compare_hosts(const void *a, const void *b)
{
	const struct static_host *x = a, *y = b;

	if (x->instance != y->instance)
		return x->instance < y->instance ? -1 : 1;
	if (x->inner != y->inner)
		return x->inner < y->inner ? -1 : 1;
	return memcmp(x->prefix, y->prefix, sizeof(x->prefix));
}

void static_hosts_sort(struct static_table *table, uint32_t hosts)
{
	struct static_host *host = table->host;

	table->hosts = 0;
	if (hosts)
		qsort(host + 1, hosts, sizeof(*host), compare_hosts);
	for (uint32_t n = 1; n <= hosts; n++) {
		if (!table->hosts || compare_hosts(&host[table->hosts], &host[n]))
			host[++table->hosts] = host[n];
	}
}

uint32_t static_host_number(const struct static_table *table, uint16_t instance,
	const uint8_t prefix[16], rte_be32_t inner)
{
	struct static_host wanted = {.instance = instance, .inner = inner};
	uint32_t low = 1, high = table->hosts + 1;

	memcpy(wanted.prefix, prefix, sizeof(wanted.prefix));
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = compare_hosts(&wanted, &table->host[middle]);

		if (!order)
			return middle;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

// The last entry that does not come after the address, protocol and port is the only one that can cover
// them: one for all protocols stands alone at its address.
static const struct static_mapping *find(const struct static_mapping *sorted, unsigned count,
	bool inside, rte_be32_t address, uint8_t protocol, uint16_t port)
{
	uint64_t wanted = endpoint_make(address, protocol, port);
	unsigned low = 0, high = count;
	const struct static_mapping *m;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (key_of(&sorted[middle], inside) <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	m = &sorted[low - 1];
	if ((inside ? m->inside : m->outside) != address)
		return NULL;
	if (!m->protocol)
		return m;
	if (m->protocol != protocol ||
		port - (inside ? m->inside_lower : m->outside_lower) > m->ports)
		return NULL;
	return m;
}

const struct static_mapping *static_by_inside(
	const struct static_table *table, rte_be32_t inside, uint8_t protocol, uint16_t port)
{
	return find(table->by_inside, table->count, true, inside, protocol, port);
}

const struct static_mapping *static_by_outside(
	const struct static_table *table, rte_be32_t outside, uint8_t protocol, uint16_t port)
{
	return find(table->by_outside, table->count, false, outside, protocol, port);
}
