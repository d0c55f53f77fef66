// SPDX-License-Identifier: BSD-3-Clause

#include "table/binding.h"

#include "base/bits.h"
#include "base/rcu.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SLOTS_MIN 64u
#define HUGE      (2u << 20)
#define B4_EMPTY  0u
#define B4_GONE   UINT32_MAX

// What only the control thread sees. Slots that rest are told apart in those that became so before the
// grace period under way began, `ripe` of them, and since.
struct binding_writer {
	struct rcu *rcu;
	uint32_t slots;
	uint32_t used;   // bindings
	uint32_t worn;   // slots that are not empty
	uint32_t *by_b4; // numbers of slots and one, by a hash of the B4; as many as slots
	uint32_t b4_worn;
	uint32_t addresses;
	uint32_t addresses_worn; // and those that had bindings
	uint32_t address_slots;
	uint32_t *holders; // by place in the view's addresses: how many bindings there are of it
	uint32_t *resting;
	uint32_t rests;
	uint32_t ripe;
	uint32_t resting_room;
	bool waiting; // for a grace period
	bool leaving; // the table is to be freed
};

// Memory that is zero, in huge pages if it is large and the kernel has some.
static void *zeroed(size_t size)
{
	size_t align = size >= HUGE ? HUGE : 64;
	void *p = aligned_alloc(align, (size + align - 1) / align * align);

	if (!p)
		return NULL;
	if (size >= HUGE)
		madvise(p, size, MADV_HUGEPAGE);
	return memset(p, 0, size);
}

static uint32_t slots_for(uint64_t entries)
{
	uint32_t slots = SLOTS_MIN;

	while (slots < entries * 2 && slots < 1u << 31)
		slots *= 2;
	return slots;
}

uint64_t binding_bytes(uint32_t bindings)
{
	return (uint64_t)slots_for(bindings) *
		(sizeof(struct binding) + sizeof(uint32_t) + sizeof(uint64_t) + sizeof(uint32_t));
}

static uint64_t hash_b4(const uint8_t b4[16])
{
	uint64_t word[2];

	memcpy(word, b4, sizeof(word));
	return binding_hash(binding_hash(word[0]) ^ word[1]);
}

static struct binding_view *view_of(const struct binding_table *t)
{
	return atomic_load_explicit(&t->view, memory_order_relaxed);
}

static uint64_t key_of(const struct binding *b)
{
	return atomic_load_explicit(&b->key, memory_order_relaxed);
}

static void view_free(void *arg)
{
	struct binding_view *v = arg;

	if (!v)
		return;
	free(v->slot);
	free(v->address);
	free(v);
}

static struct binding_view *view_new(uint32_t slots, uint32_t address_slots)
{
	struct binding_view *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->slot = zeroed(slots * sizeof(*v->slot));
	v->address = zeroed(address_slots * sizeof(*v->address));
	if (!v->slot || !v->address) {
		view_free(v);
		return NULL;
	}
	v->mask = slots - 1;
	v->shift = 64 - bit_lowest(slots);
	v->address_mask = address_slots - 1;
	v->address_shift = 64 - bit_lowest(address_slots);
	return v;
}

struct binding_table *binding_table_new(uint32_t room, struct rcu *rcu)
{
	struct binding_table *t = calloc(1, sizeof(*t));
	struct binding_writer *w = calloc(1, sizeof(*w));
	struct binding_view *v = NULL;

	if (!t || !w)
		goto fail;
	t->writer = w;
	w->rcu = rcu;
	w->slots = slots_for(room);
	w->address_slots = SLOTS_MIN;
	w->by_b4 = zeroed(w->slots * sizeof(*w->by_b4));
	w->holders = calloc(w->address_slots, sizeof(*w->holders));
	v = view_new(w->slots, w->address_slots);
	if (!w->by_b4 || !w->holders || !v)
		goto fail;
	atomic_init(&t->view, v);
	return t;
fail:
	view_free(v);
	if (w) {
		free(w->by_b4);
		free(w->holders);
	}
	free(w);
	free(t);
	return NULL;
}

static void table_free(void *arg)
{
	struct binding_table *t = arg;

	view_free(view_of(t));
	free(t->writer->by_b4);
	free(t->writer->holders);
	free(t->writer->resting);
	free(t->writer);
	free(t);
}

void binding_table_free(struct binding_table *t)
{
	if (!t)
		return;
	// behind whatever of the table still waits
	t->writer->leaving = true;
	rcu_defer(t->writer->rcu, table_free, t);
}

static struct psid_geometry geometry_of(uint64_t key)
{
	return (struct psid_geometry){(uint8_t)(key >> 8), (uint8_t)key};
}

static void tell(const struct binding *b, uint64_t key, struct binding_entry *e)
{
	*e = (struct binding_entry){
		.ipv4 = (rte_be32_t)(key >> 32),
		.psid = (uint16_t)(key >> 16),
		.geometry = geometry_of(key),
		.br = atomic_load_explicit(&b->br, memory_order_relaxed),
		.since = b->since,
		.marked = atomic_load_explicit(&b->marked, memory_order_relaxed),
	};
	memcpy(e->b4, b->b4, sizeof(e->b4));
}

// Where the B4's bindings stand in by_b4: begins, or goes on behind *at. Returns the number of a slot and
// one, or 0 at the end.
static uint32_t b4_next(const struct binding_table *t, const uint8_t b4[16], uint32_t *at)
{
	const struct binding_writer *w = t->writer;
	const struct binding *slot = view_of(t)->slot;

	for (;; *at = (*at + 1) & (w->slots - 1)) {
		uint32_t number = w->by_b4[*at];

		if (number == B4_EMPTY)
			return 0;
		if (number != B4_GONE && !memcmp(slot[number - 1].b4, b4, 16))
			return number;
	}
}

static uint32_t b4_home(const struct binding_writer *w, const uint8_t b4[16])
{
	return (uint32_t)hash_b4(b4) & (w->slots - 1);
}

static void b4_add(struct binding_writer *w, const uint8_t b4[16], uint32_t slot)
{
	uint32_t at = b4_home(w, b4);

	while (w->by_b4[at] != B4_EMPTY && w->by_b4[at] != B4_GONE)
		at = (at + 1) & (w->slots - 1);
	w->b4_worn += w->by_b4[at] == B4_EMPTY;
	w->by_b4[at] = slot + 1;
}

static void b4_remove(struct binding_writer *w, const uint8_t b4[16], uint32_t slot)
{
	uint32_t at = b4_home(w, b4);

	while (w->by_b4[at] != slot + 1)
		at = (at + 1) & (w->slots - 1);
	w->by_b4[at] = B4_GONE;
}

// The place of an address, or the empty one where it would stand.
static uint32_t address_place(const struct binding_view *v, rte_be32_t ipv4)
{
	uint32_t at = (uint32_t)(binding_hash(ipv4) >> v->address_shift);

	for (;; at = (at + 1) & v->address_mask) {
		uint64_t word = atomic_load_explicit(&v->address[at], memory_order_relaxed);
		struct binding_address a;

		memcpy(&a, &word, sizeof(a));
		if (!word || a.ipv4 == ipv4)
			return at;
	}
}

static uint64_t address_word(rte_be32_t ipv4, struct psid_geometry g)
{
	struct binding_address a = {.ipv4 = ipv4, .offset = g.offset, .length = g.length};
	uint64_t word;

	memcpy(&word, &a, sizeof(word));
	return word;
}

// Notes one more binding of an address. What it is divided like from now on is that of the newest.
static void address_hold(
	struct binding_writer *w, struct binding_view *v, rte_be32_t ipv4, struct psid_geometry g)
{
	uint32_t at = address_place(v, ipv4);

	w->addresses_worn += !atomic_load_explicit(&v->address[at], memory_order_relaxed);
	w->addresses += !w->holders[at]++;
	atomic_store_explicit(&v->address[at], address_word(ipv4, g), memory_order_relaxed);
}

// Puts a binding in a new table.
static void settle(
	struct binding_table *t, struct binding_view *v, const struct binding *from, uint64_t key)
{
	struct binding_writer *w = t->writer;
	uint32_t at = binding_place(v, key);
	struct binding *b;

	while (key_of(&v->slot[at]) != BINDING_EMPTY)
		at = (at + 1) & v->mask;
	b = &v->slot[at];
	memcpy(b, from, sizeof(*b));
	b4_add(w, b->b4, at);
	address_hold(w, v, (rte_be32_t)(key >> 32), geometry_of(key));
	v->mixed |= w->used && !psid_same_geometry(v->geometry, geometry_of(key));
	v->geometry = geometry_of(key);
	w->used++;
	w->worn++;
}

// Makes the table anew, without worn slots, for so many bindings and addresses.
static int rebuild(struct binding_table *t, uint64_t bindings, uint64_t addresses)
{
	struct binding_writer *w = t->writer, was = *w;
	struct binding_view *old = view_of(t), *v;

	*w = (struct binding_writer){
		.rcu = was.rcu,
		.slots = slots_for(bindings),
		.address_slots = slots_for(addresses),
		.resting = was.resting,
		.resting_room = was.resting_room,
		.waiting = was.waiting,
	};
	w->by_b4 = zeroed(w->slots * sizeof(*w->by_b4));
	w->holders = zeroed(w->address_slots * sizeof(*w->holders));
	v = view_new(w->slots, w->address_slots);
	if (!w->by_b4 || !w->holders || !v) {
		free(w->by_b4);
		free(w->holders);
		view_free(v);
		*w = was;
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < was.slots; i++) {
		uint64_t key = key_of(&old->slot[i]);

		if (key > BINDING_FREE)
			settle(t, v, &old->slot[i], key);
	}
	free(was.by_b4);
	free(was.holders);
	atomic_store_explicit(&t->view, v, memory_order_release);
	rcu_defer(w->rcu, view_free, old);
	return 0;
}

int binding_reserve(struct binding_table *t, uint32_t more)
{
	struct binding_writer *w = t->writer;
	uint64_t worn = max_u32(w->worn, w->b4_worn);

	// up to five eighths full
	if ((worn + more) * 8 <= (uint64_t)w->slots * 5 &&
		((uint64_t)w->addresses_worn + more) * 8 <= (uint64_t)w->address_slots * 5)
		return 0;
	return rebuild(t, (uint64_t)w->used + more, (uint64_t)w->addresses + more);
}

// Tells readers how the addresses are divided: all alike, or each as it is looked up.
static int divide(struct binding_table *t, struct psid_geometry geometry, bool mixed)
{
	struct binding_view *old = view_of(t), *v;

	if (old->mixed == mixed && (mixed || psid_same_geometry(old->geometry, geometry)))
		return 0;
	v = malloc(sizeof(*v));
	if (!v)
		return -ENOMEM;
	*v = *old;
	v->geometry = geometry;
	v->mixed = mixed;
	atomic_store_explicit(&t->view, v, memory_order_release);
	rcu_defer(t->writer->rcu, free, old);
	return 0;
}

// A slot on the way of a key that nobody has and nobody reads.
static uint32_t vacant(const struct binding_view *v, uint64_t key)
{
	uint32_t at = binding_place(v, key);

	for (;; at = (at + 1) & v->mask) {
		uint64_t found = key_of(&v->slot[at]);

		if (found == BINDING_EMPTY || found == BINDING_FREE)
			return at;
	}
}

static void ripen(void *arg);

// Lets a slot rest until nobody reads it.
static void lay_to_rest(struct binding_table *t, struct binding *b)
{
	struct binding_writer *w = t->writer;

	atomic_store_explicit(&b->key, BINDING_RESTING, memory_order_release);
	if (w->rests == w->resting_room) {
		uint32_t room = w->resting_room ? w->resting_room * 2 : 64;
		uint32_t *more = reallocarray(w->resting, room, sizeof(*more));

		// then it is used again when the table is made anew
		if (!more)
			return;
		w->resting = more;
		w->resting_room = room;
	}
	w->resting[w->rests++] = (uint32_t)(b - view_of(t)->slot);
	if (w->waiting)
		return;
	w->waiting = true;
	w->ripe = w->rests;
	rcu_defer(w->rcu, ripen, t);
}

static void ripen(void *arg)
{
	struct binding_table *t = arg;
	struct binding_writer *w = t->writer;

	for (uint32_t i = 0; i < w->ripe; i++)
		atomic_store_explicit(
			&view_of(t)->slot[w->resting[i]].key, BINDING_FREE, memory_order_relaxed);
	w->rests -= w->ripe;
	memmove(w->resting, w->resting + w->ripe, w->rests * sizeof(*w->resting));
	w->ripe = w->rests;
	w->waiting = w->rests && !w->leaving;
	if (w->waiting)
		rcu_defer(w->rcu, ripen, t);
}

static void take_out(struct binding_table *t, struct binding *b, uint64_t key)
{
	struct binding_writer *w = t->writer;
	struct binding_view *v = view_of(t);
	uint32_t at = address_place(v, (rte_be32_t)(key >> 32));

	b4_remove(w, b->b4, (uint32_t)(b - v->slot));
	// its word stays, so that searches go on behind it; a table made anew has it no more
	w->addresses -= !--w->holders[at];
	lay_to_rest(t, b);
	w->used--;
}

int binding_add(struct binding_table *t, const struct binding_entry *e)
{
	struct binding_writer *w = t->writer;
	uint64_t key = binding_key(e->ipv4, e->psid, e->geometry);
	struct binding_view *v;
	struct binding *b, *was;
	uint32_t at;
	bool mixed;

	if (binding_reserve(t, 1) < 0)
		return -ENOMEM;
	v = view_of(t);
	mixed = w->used && (v->mixed || !psid_same_geometry(v->geometry, e->geometry));
	if (divide(t, e->geometry, mixed) < 0)
		return -ENOMEM;
	v = view_of(t);
	was = binding_find(v, key);
	if (was && !memcmp(was->b4, e->b4, sizeof(was->b4))) {
		atomic_store_explicit(&was->br, e->br, memory_order_relaxed);
		return 0;
	}
	at = vacant(v, key);
	b = &v->slot[at];
	w->worn += key_of(b) == BINDING_EMPTY;
	memcpy(b->b4, e->b4, sizeof(b->b4));
	b->since = e->since;
	atomic_store_explicit(&b->br, e->br, memory_order_relaxed);
	atomic_store_explicit(&b->marked, e->marked, memory_order_relaxed);
	atomic_store_explicit(&b->key, key, memory_order_release);
	b4_add(w, b->b4, at);
	address_hold(w, v, e->ipv4, e->geometry);
	w->used++;
	if (was)
		take_out(t, was, key);
	return 0;
}

int binding_remove(struct binding_table *t, const struct binding_entry *e)
{
	uint64_t key = binding_key(e->ipv4, e->psid, e->geometry);
	struct binding *b = binding_find(view_of(t), key);

	if (!b)
		return -ENOENT;
	take_out(t, b, key);
	return 0;
}

bool binding_get(
	const struct binding_table *t, const struct binding_entry *key, struct binding_entry *e)
{
	uint64_t k = binding_key(key->ipv4, key->psid, key->geometry);
	const struct binding *b = binding_find(view_of(t), k);

	if (b)
		tell(b, k, e);
	return b != NULL;
}

unsigned binding_mark(struct binding_table *t, const uint8_t b4[16], bool marked)
{
	struct binding *slot = view_of(t)->slot;
	uint32_t at = b4_home(t->writer, b4), number;
	unsigned count = 0;

	while ((number = b4_next(t, b4, &at)) != 0) {
		atomic_store_explicit(&slot[number - 1].marked, marked, memory_order_relaxed);
		at = (at + 1) & (t->writer->slots - 1);
		count++;
	}
	return count;
}

bool binding_walk(const struct binding_table *t, uint32_t *cursor, struct binding_entry *e)
{
	const struct binding *slot = view_of(t)->slot;

	for (; *cursor < t->writer->slots; ++*cursor) {
		uint64_t key = key_of(&slot[*cursor]);

		if (key <= BINDING_FREE)
			continue;
		tell(&slot[(*cursor)++], key, e);
		return true;
	}
	return false;
}

bool binding_walk_b4(const struct binding_table *t, const uint8_t b4[16], uint32_t *cursor,
	struct binding_entry *e)
{
	uint32_t mask = t->writer->slots - 1;
	uint32_t at = (b4_home(t->writer, b4) + *cursor) & mask;
	uint32_t number = b4_next(t, b4, &at);
	const struct binding *b;

	if (!number)
		return false;
	b = &view_of(t)->slot[number - 1];
	tell(b, key_of(b), e);
	*cursor = ((at - b4_home(t->writer, b4)) & mask) + 1;
	return true;
}

uint32_t binding_count(const struct binding_table *t)
{
	return t->writer->used;
}

bool binding_geometry(const struct binding_table *t, rte_be32_t ipv4, struct psid_geometry *g)
{
	const struct binding_view *v = view_of(t);

	return t->writer->holders[address_place(v, ipv4)] && binding_divided(v, ipv4, g);
}
