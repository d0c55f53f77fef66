// SPDX-License-Identifier: BSD-3-Clause

#include "table/acl.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/rand.h"
#include "base/rcu.h"

#include <rte_prefetch.h>

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// A worker's counters of one slot stand apart from every other worker's. They only grow; the
// writer remembers where they stood when the rule was added.
struct hits {
	_Atomic uint64_t packets;
	_Atomic uint64_t bytes;
	// of ACL_RATE_LIMIT, in bytes: what may pass at once, as of a tick. The writer fills it before it
	// publishes the rule, and from then on it is the worker's
	uint64_t tokens;
	uint32_t filled_at;
};

// The destinations that a quarantine leaves open; replaced as a whole.
struct exempt {
	uint32_t count;
	struct ipprefix prefix[];
};

enum slot_state { SLOT_FREE, SLOT_USED, SLOT_LEAVING };

// All that a packet is compared with lies in the first cache line.
struct slot {
	_Atomic uint32_t next; // in the bucket's chain, or ACL_NO_SLOT
	struct acl_rule rule;
	alignas(RTE_CACHE_LINE_SIZE) enum slot_state
		state;      // this and what follows: control thread only
	uint32_t free_next; // in the queue of free slots, or ACL_NO_SLOT
	struct acl_hits before;
	struct acl *acl;
};

static_assert(alignof(struct slot) == RTE_CACHE_LINE_SIZE &&
		offsetof(struct slot, rule.action) + sizeof(enum acl_action) <= RTE_CACHE_LINE_SIZE,
	"one line for a packet to read");

struct acl {
	uint32_t size;
	uint32_t used;
	uint32_t first_free; // the queue of free slots: what has been free longest is taken first,
	uint32_t last_free;  // so that what is still said of a rule that is gone meets no other
	unsigned workers;
	struct rcu *rcu;
	uint32_t seed;
	uint32_t mask;
	_Atomic uint32_t *bucket; // heads of chains
	struct slot *slot;
	struct hits *hits[64];         // by worker
	struct exempt *_Atomic exempt; // NULL: none
	void (*watch)(void *ctx, const struct subkey *subscriber, bool marked);
	void *watch_ctx;
};

static const char *const action_name[] = {
	[ACL_BLOCK] = "block",
	[ACL_COUNT] = "count",
	[ACL_RATE_LIMIT] = "rate-limit",
	[ACL_QUARANTINE] = "quarantine",
	[ACL_INSPECT] = "inspect",
	[ACL_REDIRECT] = "redirect",
};

const char *acl_action_name(enum acl_action action)
{
	return action_name[action];
}

int acl_action_find(const char *name, enum acl_action *action)
{
	for (unsigned i = 0; i < ARRAY_LEN(action_name); i++) {
		if (strcmp(name, action_name[i]) == 0) {
			*action = (enum acl_action)i;
			return 0;
		}
	}
	return -EINVAL;
}

static uint32_t hash(const struct acl *acl, const struct subkey *key)
{
	uint64_t words[2], h = acl->seed;
	uint32_t last;

	memcpy(words, key->addr, sizeof(words));
	memcpy(&last, &key->family, sizeof(last));
	h = (h ^ words[0]) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ h >> 32 ^ words[1]) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ h >> 32 ^ last) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 32) & acl->mask;
}

struct acl *acl_new(uint32_t max_rules, unsigned workers, struct rcu *rcu)
{
	struct acl *acl = calloc(1, sizeof(*acl));
	struct rand random;
	uint32_t buckets = 64;

	if (!acl)
		return NULL;
	while (buckets < max_rules)
		buckets *= 2;
	acl->size = max_rules;
	acl->workers = workers;
	acl->rcu = rcu;
	acl->mask = buckets - 1;
	acl->bucket = malloc(buckets * sizeof(*acl->bucket));
	acl->slot = aligned_alloc(RTE_CACHE_LINE_SIZE, max_rules * sizeof(*acl->slot));
	if (!acl->bucket || !acl->slot || rand_seed(&random) < 0)
		goto fail;
	memset(acl->slot, 0, max_rules * sizeof(*acl->slot));
	acl->seed = rand_u32(&random);
	for (uint32_t i = 0; i < buckets; i++)
		atomic_init(&acl->bucket[i], ACL_NO_SLOT);
	for (uint32_t i = 0; i < max_rules; i++)
		acl->slot[i].free_next = i + 1 < max_rules ? i + 1 : ACL_NO_SLOT;
	acl->first_free = max_rules ? 0 : ACL_NO_SLOT;
	acl->last_free = max_rules - 1;
	for (unsigned i = 0; i < workers; i++) {
		acl->hits[i] = calloc(max_rules, sizeof(struct hits));
		if (!acl->hits[i])
			goto fail;
	}
	return acl;
fail:
	acl_free(acl);
	return NULL;
}

void acl_free(struct acl *acl)
{
	if (!acl)
		return;
	for (unsigned i = 0; i < acl->workers; i++)
		free(acl->hits[i]);
	free(atomic_load_explicit(&acl->exempt, memory_order_relaxed));
	free(acl->slot);
	free(acl->bucket);
	free(acl);
}

void acl_watch(struct acl *acl, void (*fn)(void *ctx, const struct subkey *subscriber, bool marked),
	void *ctx)
{
	acl->watch = fn;
	acl->watch_ctx = ctx;
}

static struct acl_hits sum_hits(const struct acl *acl, uint32_t slot)
{
	struct acl_hits sum = {0};

	for (unsigned i = 0; i < acl->workers; i++) {
		const struct hits *h = &acl->hits[i][slot];

		sum.packets += atomic_load_explicit(&h->packets, memory_order_relaxed);
		sum.bytes += atomic_load_explicit(&h->bytes, memory_order_relaxed);
	}
	return sum;
}

int acl_add(struct acl *acl, const struct acl_rule *rule, uint32_t *slot_out)
{
	_Atomic uint32_t *head = &acl->bucket[hash(acl, &rule->subscriber)];
	bool first = !acl_marked(acl, &rule->subscriber);
	uint32_t n = acl->first_free;
	struct slot *slot;

	if (n == ACL_NO_SLOT)
		return -ENOSPC;
	slot = &acl->slot[n];
	acl->first_free = slot->free_next;
	slot->rule = *rule;
	slot->state = SLOT_USED;
	slot->before = sum_hits(acl, n);
	for (unsigned i = 0; i < acl->workers; i++) {
		acl->hits[i][n].tokens = rule->rate;
		acl->hits[i][n].filled_at = 0; // any tick is later, and the burst is full
	}
	slot->acl = acl;
	atomic_store_explicit(&slot->next, atomic_load_explicit(head, memory_order_relaxed),
		memory_order_relaxed);
	atomic_store_explicit(head, n, memory_order_release);
	count_add(&acl->used, 1);
	*slot_out = n;
	if (first && acl->watch)
		acl->watch(acl->watch_ctx, &rule->subscriber, true);
	return 0;
}

static void slot_release(void *arg)
{
	struct slot *slot = arg;
	struct acl *acl = slot->acl;
	uint32_t n = (uint32_t)(slot - acl->slot);

	slot->state = SLOT_FREE;
	slot->free_next = ACL_NO_SLOT;
	if (acl->first_free == ACL_NO_SLOT)
		acl->first_free = n;
	else
		acl->slot[acl->last_free].free_next = n;
	acl->last_free = n;
	count_add(&acl->used, -1);
}

void acl_remove(struct acl *acl, uint32_t n)
{
	struct slot *slot = &acl->slot[n];
	_Atomic uint32_t *link = &acl->bucket[hash(acl, &slot->rule.subscriber)];
	uint32_t at;

	while ((at = atomic_load_explicit(link, memory_order_relaxed)) != n)
		link = &acl->slot[at].next;
	// a reader on this slot still finds the rest of the chain: its own `next` stays as it is
	atomic_store_explicit(link, atomic_load_explicit(&slot->next, memory_order_relaxed),
		memory_order_release);
	slot->state = SLOT_LEAVING;
	if (acl->watch && !acl_marked(acl, &slot->rule.subscriber))
		acl->watch(acl->watch_ctx, &slot->rule.subscriber, false);
	rcu_defer(acl->rcu, slot_release, slot);
}

const struct acl_rule *acl_get(const struct acl *acl, uint32_t n)
{
	return n < acl->size && acl->slot[n].state == SLOT_USED ? &acl->slot[n].rule : NULL;
}

static uint32_t chain_start(const struct acl *acl, uint32_t home)
{
	return atomic_load_explicit(&acl->bucket[home], memory_order_acquire);
}

static uint32_t chain_next(const struct acl *acl, uint32_t n)
{
	return atomic_load_explicit(&acl->slot[n].next, memory_order_acquire);
}

bool acl_is_first(const struct acl *acl, uint32_t n)
{
	const struct subkey *subscriber = &acl->slot[n].rule.subscriber;
	uint32_t at = chain_start(acl, hash(acl, subscriber));

	for (; at != ACL_NO_SLOT; at = chain_next(acl, at)) {
		if (at < n && subkey_equal(&acl->slot[at].rule.subscriber, subscriber))
			return false;
	}
	return true;
}

uint32_t acl_size(const struct acl *acl)
{
	return acl->size;
}

uint32_t acl_count(const struct acl *acl)
{
	return count_read(&acl->used);
}

struct acl_hits acl_hits(const struct acl *acl, uint32_t n)
{
	struct acl_hits sum = sum_hits(acl, n);
	const struct acl_hits *before = &acl->slot[n].before;

	return (struct acl_hits){sum.packets - before->packets, sum.bytes - before->bytes};
}

uint32_t acl_home(const struct acl *acl, const struct subkey *subscriber)
{
	uint32_t home = hash(acl, subscriber);

	rte_prefetch0(&acl->bucket[home]);
	return home;
}

uint32_t acl_first(const struct acl *acl, unsigned worker, uint32_t home)
{
	uint32_t n = chain_start(acl, home);

	if (n != ACL_NO_SLOT) {
		rte_prefetch0(&acl->slot[n]);
		rte_prefetch0(&acl->hits[worker][n]);
	}
	return n;
}

bool acl_marked(const struct acl *acl, const struct subkey *subscriber)
{
	uint32_t n = chain_start(acl, hash(acl, subscriber));

	for (; n != ACL_NO_SLOT; n = chain_next(acl, n)) {
		if (subkey_equal(&acl->slot[n].rule.subscriber, subscriber))
			return true;
	}
	return false;
}

static bool is_within(int32_t value, int32_t lower, int32_t upper)
{
	return value == ACL_UNKNOWN || (value >= lower && value <= upper);
}

static bool matches(const struct acl_rule *rule, const struct acl_packet *packet)
{
	if (!ipprefix_has(&rule->target, &packet->destination))
		return false;
	if (!rule->any_protocol && packet->protocol != rule->protocol &&
		packet->protocol != ACL_UNKNOWN)
		return false;
	if (rule->lower_port != 0 || rule->upper_port != UINT16_MAX) {
		if (!is_within(packet->port, rule->lower_port, rule->upper_port))
			return false;
	}
	if (rule->lower_type != 0 || rule->upper_type != UINT8_MAX) {
		if (!is_within(packet->icmp_type, rule->lower_type, rule->upper_type))
			return false;
	}
	return true;
}

uint32_t acl_match(const struct acl *acl, const struct subkey *subscriber,
	const struct acl_packet *packet, uint32_t n)
{
	for (; n != ACL_NO_SLOT; n = chain_next(acl, n)) {
		const struct acl_rule *rule = &acl->slot[n].rule;

		if (subkey_equal(&rule->subscriber, subscriber) && matches(rule, packet))
			return n;
	}
	return ACL_NO_SLOT;
}

uint32_t acl_match_next(const struct acl *acl, const struct subkey *subscriber,
	const struct acl_packet *packet, uint32_t after)
{
	return acl_match(acl, subscriber, packet, chain_next(acl, after));
}

enum acl_action acl_action(const struct acl *acl, uint32_t n)
{
	return acl->slot[n].rule.action;
}

// Only this worker writes these two, so a plain load and store is enough.
void acl_hit(const struct acl *acl, unsigned worker, uint32_t n, uint32_t bytes)
{
	struct hits *h = &acl->hits[worker][n];

	atomic_store_explicit(&h->packets,
		atomic_load_explicit(&h->packets, memory_order_relaxed) + 1, memory_order_relaxed);
	atomic_store_explicit(&h->bytes,
		atomic_load_explicit(&h->bytes, memory_order_relaxed) + bytes,
		memory_order_relaxed);
}

int acl_exempt(struct acl *acl, const struct ipprefix *prefix, unsigned count)
{
	struct exempt *exempt = calloc(1, sizeof(*exempt) + count * sizeof(*prefix));
	struct exempt *old;

	if (!exempt)
		return -ENOMEM;
	exempt->count = count;
	for (unsigned i = 0; i < count; i++)
		exempt->prefix[i] = prefix[i];
	old = atomic_exchange_explicit(&acl->exempt, exempt, memory_order_acq_rel);
	if (old)
		rcu_defer(acl->rcu, free, old);
	return 0;
}

bool acl_is_exempt(const struct acl *acl, const struct ipaddr *destination)
{
	const struct exempt *exempt = atomic_load_explicit(&acl->exempt, memory_order_acquire);

	for (unsigned i = 0; exempt && i < exempt->count; i++) {
		if (ipprefix_has(&exempt->prefix[i], destination))
			return true;
	}
	return false;
}

// A bucket of one second's bytes that fills tick by tick.
bool acl_exceeds(const struct acl *acl, unsigned worker, uint32_t n, uint32_t bytes, uint32_t now)
{
	struct hits *h = &acl->hits[worker][n];
	uint64_t rate = acl->slot[n].rule.rate;
	uint32_t ticks = now - h->filled_at;

	if (ticks >= TICKS_A_SECOND) {
		h->tokens = rate;
		h->filled_at = now;
	} else if (ticks) {
		h->tokens += rate * ticks / TICKS_A_SECOND;
		if (h->tokens > rate)
			h->tokens = rate;
		h->filled_at = now;
	}
	if (h->tokens < bytes)
		return true;
	h->tokens -= bytes;
	return false;
}
