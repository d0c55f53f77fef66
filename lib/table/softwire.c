// SPDX-License-Identifier: BSD-3-Clause

#include "table/softwire.h"

void softwire_mark_rule(struct softwire *softwire, const struct mapdom *mapdom,
	const struct subkey *subscriber, bool marked)
{
	int number = mapdom ? mapdom_find6(mapdom, subscriber->addr) : -1;
	struct softwire_state *state;

	if (number < 0 || map_user_len(&softwire[number].rule) != subscriber->len)
		return;
	state = softwire[number].state;
	state->marks += marked ? 1 : (uint32_t)-1;
	atomic_store_explicit(&state->marked, state->marks != 0, memory_order_relaxed);
}

void softwire_mark(struct softwire *softwire, unsigned softwires, const struct mapdom *mapdom,
	const struct subkey *subscriber, bool marked)
{
	for (unsigned i = 0; i < softwires; i++) {
		if (softwire[i].state && softwire[i].kind == SOFTWIRE_BINDING &&
			subscriber->len == 128)
			binding_mark(softwire[i].state->bindings, subscriber->addr, marked);
	}
	softwire_mark_rule(softwire, mapdom, subscriber, marked);
}

void softwire_unmark_rules(struct softwire *softwire, unsigned softwires)
{
	for (unsigned i = 0; i < softwires; i++) {
		if (softwire[i].state)
			softwire[i].state->marks = 0;
	}
}
