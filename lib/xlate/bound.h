// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The search for the bindings of ordinary packets: each is asked for as soon as its address and port are read, and
// answered when what it needs has come from memory. Packets with ports of their own alone; no ICMP errors.

#include "xlate/softwire.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

// The table that was asked last. Zero: none.
struct bound_table {
	const struct softwire *softwire;
	const struct binding_view *view;
	struct binding_division division;
};

static inline void bound_turn_to(struct bound_table *t, const struct softwire *softwire)
{
	t->softwire = softwire;
	t->view =
		softwire->kind == SOFTWIRE_BINDING ? binding_view(softwire->state->bindings) : NULL;
	// a table whose addresses differ takes one more search, which is not for here
	if (t->view && t->view->mixed)
		t->view = NULL;
	if (t->view)
		t->division = binding_division(t->view->geometry);
}

// Asks who has an address and port behind a border relay. Returns false if its table cannot be asked like that.
static inline bool bound_ask(struct bound_table *t, struct softwire_search *x, unsigned i,
	const struct softwire *softwire, rte_be32_t ipv4, rte_be16_t port)
{
	if (unlikely(softwire != t->softwire))
		bound_turn_to(t, softwire);
	if (unlikely(!t->view))
		return false;
	x->key[i] = binding_key_by(&t->division, ipv4, rte_be_to_cpu_16(port));
	x->home[i] = binding_home(t->view, x->key[i]);
	rte_prefetch0(x->home[i]);
	return true;
}

// Fills the search for packet i from the binding that has its key.
static inline void bound_fill(struct softwire_search *x, unsigned i, const struct binding *binding)
{
	const struct softwire_state *state = x->softwire[i]->state;

	memcpy(x->subscriber[i], binding->b4, sizeof(x->subscriber[i]));
	x->br[i] = state->br[atomic_load_explicit(&binding->br, memory_order_relaxed)];
	x->marked |= (uint64_t)atomic_load_explicit(&binding->marked, memory_order_relaxed) << i;
}

// Fills the search for packet i, which has been asked for, if the answer is in the line that has come, as it is for eight
// of nine bindings of a full table. Returns false if not; the next line has been asked for then.
static inline bool bound_answer(struct softwire_search *x, unsigned i)
{
	const struct binding *binding = x->home[i];

	if (unlikely(x->key[i] == BINDING_EMPTY))
		return false;
	binding += atomic_load_explicit(&binding[1].key, memory_order_acquire) == x->key[i];
	if (unlikely(atomic_load_explicit(&binding->key, memory_order_acquire) != x->key[i])) {
		rte_prefetch0(x->home[i] + 2);
		return false;
	}
	bound_fill(x, i, binding);
	return true;
}

// The same wherever the answer is. Returns false if nobody has the key.
static inline bool bound_answer_late(struct softwire_search *x, unsigned i)
{
	const struct binding *binding =
		binding_find(binding_view(x->softwire[i]->state->bindings), x->key[i]);

	if (!binding)
		return false;
	bound_fill(x, i, binding);
	return true;
}
