// SPDX-License-Identifier: BSD-3-Clause

#include "session/session.h"

#include "base/bits.h"

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include <errno.h>

uint64_t session_bytes(uint32_t size)
{
	return ((uint64_t)size + 1) * sizeof(struct session) + index_bytes(size);
}

int session_init(struct session_table *table, uint32_t size)
{
	*table = (struct session_table){.size = size, .fresh = 1};
	table->session = rte_zmalloc(
		"sessions", ((size_t)size + 1) * sizeof(struct session), RTE_CACHE_LINE_SIZE);
	if (!table->session || index_init(&table->by_remote, "session-remote", size) < 0) {
		session_fini(table);
		return -ENOMEM;
	}
	return 0;
}

void session_fini(struct session_table *table)
{
	index_free(&table->by_remote);
	rte_free(table->session);
	table->session = NULL;
}

static uint64_t hash(const struct session_table *table, uint32_t mapping, rte_be32_t remote,
	rte_be16_t remote_port)
{
	return index_hash2(&table->by_remote, (uint64_t)mapping << 16 | remote_port, remote);
}

static void ring_enter(struct session_table *table, uint32_t ring, uint32_t number)
{
	struct session *s = &table->session[number];

	if (!ring) {
		s->next = s->prev = number;
		return;
	}
	s->next = ring;
	s->prev = table->session[ring].prev;
	table->session[s->prev].next = number;
	table->session[ring].prev = number;
}

uint32_t session_add(struct session_table *table, uint32_t ring, uint32_t mapping,
	rte_be32_t remote, rte_be16_t remote_port)
{
	uint32_t number = table->next_free;

	if (number) {
		table->next_free = table->session[number].next_free;
		rte_prefetch0(&table->session[table->next_free]);
	} else if (table->fresh <= table->size) {
		number = table->fresh++;
	} else {
		return 0;
	}
	table->session[number] = (struct session){
		.remote = remote,
		.remote_port = remote_port,
		.mapping = mapping,
	};
	ring_enter(table, ring, number);
	index_add(&table->by_remote, hash(table, mapping, remote, remote_port), number);
	count_add(&table->used, 1);
	return number;
}

uint32_t session_remove(struct session_table *table, uint32_t number)
{
	struct session *s = &table->session[number];
	uint32_t other = s->next == number ? 0 : s->next;

	table->session[s->prev].next = s->next;
	table->session[s->next].prev = s->prev;
	index_remove(&table->by_remote, hash(table, s->mapping, s->remote, s->remote_port), number);
	*s = (struct session){.next_free = table->next_free};
	table->next_free = number;
	count_add(&table->used, -1);
	return other;
}

static bool is_session(
	const struct session *s, uint32_t mapping, rte_be32_t remote, rte_be16_t port)
{
	return s->mapping == mapping && s->remote == remote && s->remote_port == port;
}

uint32_t session_find(const struct session_table *table, uint32_t likely_number, uint32_t mapping,
	rte_be32_t remote, rte_be16_t remote_port)
{
	struct index_search search;
	uint32_t number;

	if (likely(is_session(&table->session[likely_number], mapping, remote, remote_port)))
		return likely_number;
	search = index_begin(&table->by_remote, hash(table, mapping, remote, remote_port));
	while ((number = index_next(&search))) {
		if (is_session(&table->session[number], mapping, remote, remote_port))
			break;
	}
	return number;
}
