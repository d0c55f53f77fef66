// SPDX-License-Identifier: BSD-3-Clause

// Reading the tables for the control thread, a slice at a time. The rows are copies: what they tell
// may be over when they arrive.

#include "base/clock.h"
#include "session/nat.h"

#include <string.h>

// Whole seconds of a span of ticks that has not begun to count backwards.
static uint32_t seconds(uint32_t ticks)
{
	return (int32_t)ticks < 0 ? 0 : ticks / TICKS_A_SECOND;
}

// The inside host of a mapping as it calls itself; behind a B4, whose address that is.
static void tell_inside(
	const struct nat *nat, const struct mapping *m, uint32_t now, struct mapping_row *row)
{
	const struct b4 *b4;
	const struct alias *a;

	if (!alias_is(m->inside)) {
		row->inside = ipaddr_v4(m->inside);
		return;
	}
	a = alias_at(&nat->aliases, m->inside);
	if (!a->key.inner) {
		row->inside = ipaddr_v6(a->key.address);
		return;
	}
	row->inside = ipaddr_v4(a->key.inner);
	row->b4 = ipaddr_v6(a->key.address);
	b4 = &nat->aliases.b4s.b4[a->b4];
	row->b4_moved = b4->moved;
	row->b4_s = seconds(now - b4->changed);
}

void nat_mapping_row(const struct nat *nat, uint32_t number, uint32_t now, struct mapping_row *row)
{
	const struct mapping *m = &nat->bib.mapping[number];
	enum l4 l4 = mapping_l4(m);
	uint32_t seen = m->seen, due;

	// of a mapping with sessions, the one used last speaks for all
	if (!(m->flags & MAPPING_SESSIONS)) {
		due = nat_mapping_due(nat, m);
	} else {
		const struct session *s = &nat->sessions.session[m->session];

		seen = m->session ? s->seen : now;
		due = m->session ? nat_session_due(nat, s) : now;
	}
	memset(row, 0, sizeof(*row));
	*row = (struct mapping_row){
		.outside = m->outside,
		.inside_port = rte_be_to_cpu_16(m->inside_port),
		.outside_port = rte_be_to_cpu_16(m->outside_port),
		.protocol = l4_protocol(l4),
		.policy = m->policy,
		.is_static = m->flags & MAPPING_STATIC,
		.sessions = m->sessions,
		.idle_s = seconds(now - seen),
		.left_s = seconds(due - now),
		.id = number,
	};
	tell_inside(nat, m, now, row);
}

uint32_t nat_walk_mappings(const struct nat *nat, uint32_t *cursor, uint32_t room,
	struct mapping_row *rows, uint32_t now)
{
	uint32_t count = 0;
	uint32_t number = *cursor ? *cursor : 1;

	for (; number < nat->bib.fresh && count < room; number++) {
		if (mapping_in_use(&nat->bib.mapping[number]))
			nat_mapping_row(nat, number, now, &rows[count++]);
	}
	*cursor = number < nat->bib.fresh ? number : 0;
	return count;
}

uint32_t nat_walk_subscribers(
	const struct nat *nat, uint32_t *cursor, uint32_t room, struct subscriber_row *rows)
{
	uint32_t count = 0;
	uint32_t number = *cursor ? *cursor : 1;

	for (; number < nat->subscribers.fresh && count < room; number++) {
		const struct subscriber *s = &nat->subscribers.subscriber[number];

		if (!s->key.family)
			continue;
		rows[count++] = (struct subscriber_row){
			.key = s->key,
			.outside = s->outside,
			.policy = s->policy,
			.marked = s->marked,
			.blocks = s->blocks,
			.udp_ports = s->ports[L4_UDP],
			.tcp_ports = s->ports[L4_TCP],
			.icmp_ids = s->ports[L4_ICMP],
			.refused = s->refused,
		};
	}
	*cursor = number < nat->subscribers.fresh ? number : 0;
	return count;
}

static bool is_among(const struct subkey *key, const struct subkey *keys, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (subkey_equal(&keys[i], key))
			return true;
	}
	return false;
}

uint32_t nat_find_icmp(const struct nat *nat, rte_be32_t outside, rte_be32_t target,
	rte_be32_t mask, uint32_t room, struct subkey *subscribers)
{
	uint32_t count = 0;

	for (uint32_t n = 1; n < nat->sessions.fresh && count < room; n++) {
		const struct session *s = &nat->sessions.session[n];
		const struct mapping *m = &nat->bib.mapping[s->mapping];
		const struct subkey *key;

		if ((s->remote & mask) != target || !s->mapping)
			continue;
		if (mapping_l4(m) != L4_ICMP || m->outside != outside)
			continue;
		key = &nat->subscribers.subscriber[m->subscriber].key;
		if (!is_among(key, subscribers, count))
			subscribers[count++] = *key;
	}
	return count;
}
