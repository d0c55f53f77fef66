// SPDX-License-Identifier: BSD-3-Clause

// Whose alias it is: inside hosts without an IPv4 address of their own, and the B4s that some of them are behind
// (RFC 7785). A host has an alias if its instance has a policy for it, and behind a B4 if that may have a softwire.

#include "session/host.h"

#include "base/clock.h"

// The number of the host of an alias in the static mappings, or 0.
static uint32_t static_host_for(
	const struct nat *nat, const struct alias_key *key, const struct nat_policy *policy)
{
	const struct static_table *statics = &nat->snapshot->statics;
	struct ipaddr addr = ipaddr_v6(key->address);
	struct ipprefix prefix;

	if (likely(!statics->hosts))
		return 0;
	prefix = ipprefix_make(&addr,
		key->inner && softwires_move(&policy->softwires) ? policy->subscriber_len : 128);
	return static_host_number(statics, key->instance, prefix.addr.bytes, key->inner);
}

static uint32_t add(struct nat *nat, const struct alias_key *key, int slot)
{
	uint32_t number = alias_add(&nat->aliases, key, (uint8_t)slot);

	if (number)
		nat->aliases.alias[number].static_host =
			static_host_for(nat, key, policy_of(nat, (uint8_t)slot));
	return number;
}

uint32_t nat_alias(struct nat *nat, const struct alias_key *key, enum verdict *verdict)
{
	uint32_t number = alias_find(&nat->aliases, key);
	int slot;

	if (likely(number))
		return number;
	slot = snapshot_policy_of6(nat->snapshot, key->instance, key->address);
	if (slot < 0) {
		*verdict = V_POLICY;
		return 0;
	}
	*verdict = V_HOST_MEMORY;
	return add(nat, key, slot);
}

// Whether the B4 of a subscriber may be seen with another address now (RFC 7785 section 4).
static bool may_move(const struct b4 *b4, const struct softwire_rules *rules, uint32_t now)
{
	return softwires_move(rules) && (!b4->moved || now - b4->changed >= rules->change_ticks);
}

// Tells the control thread that a B4 has changed its address too soon, at most once a second: it tells less often
// still.
static void tell_change(
	struct nat *nat, const struct nat_policy *policy, const uint8_t address[16], uint32_t now)
{
	struct msg msg = {
		.type = MSG_B4_CHANGE,
		.b4_change = {.instance = policy->instance_id, .policy = policy->policy_id},
	};

	if (!nat->channel || (nat->b4_told && now - nat->b4_told < TICKS_A_SECOND) ||
		channel_room(nat->channel) < CHANNEL_MESSAGES / 2)
		return;
	nat->b4_told = now;
	memcpy(msg.b4_change.address, address, sizeof(msg.b4_change.address));
	channel_say(nat->channel, &msg);
}

static struct subkey subscriber_of(const struct nat_policy *policy, const uint8_t address[16])
{
	struct ipaddr addr = ipaddr_v6(address);
	struct ipprefix prefix = ipprefix_make(&addr, policy->subscriber_len);

	return subkey_of(&prefix, policy->instance);
}

// The B4 at an address, of whom no host has been heard: a new one, or one that has moved. Returns 0 with the
// verdict that says why not.
static uint32_t b4_get(struct nat *nat, const struct nat_policy *policy, const uint8_t address[16],
	uint32_t now, enum verdict *verdict)
{
	const struct softwire_rules *rules = &policy->softwires;
	struct b4_table *b4s = &nat->aliases.b4s;
	struct subkey subscriber = subscriber_of(policy, address);
	struct b4_found found = b4_find(b4s, &subscriber, address);

	if (found.same)
		return found.same;
	if (found.count < rules->each_subscriber) {
		*verdict = V_HOST_MEMORY;
		return b4_add(b4s, &subscriber, address, now);
	}
	if (may_move(&b4s->b4[found.any], rules, now)) {
		alias_move_b4(&nat->aliases, found.any, address, now);
		return found.any;
	}
	if (!softwires_move(rules)) {
		*verdict = V_SOFTWIRE_LIMIT;
		return 0;
	}
	tell_change(nat, policy, address, now);
	*verdict = V_B4_CHANGE;
	return 0;
}

uint32_t nat_alias_behind(
	struct nat *nat, const struct alias_key *key, uint32_t now, enum verdict *verdict)
{
	int slot = snapshot_policy_of6(nat->snapshot, key->instance, key->address);
	uint32_t b4, alias;

	*verdict = V_POLICY;
	b4 = slot < 0 ? 0 : b4_get(nat, policy_of(nat, (uint8_t)slot), key->address, now, verdict);
	if (!b4)
		return 0;
	alias = alias_find(&nat->aliases, key);
	if (alias)
		return alias;
	alias = add(nat, key, slot);
	if (alias) {
		alias_put_behind(&nat->aliases, alias, b4);
	} else {
		*verdict = V_HOST_MEMORY;
		if (!nat->aliases.b4s.b4[b4].aliases)
			b4_remove(&nat->aliases.b4s, b4);
	}
	return alias;
}

uint32_t host_alias(
	struct nat *nat, const struct static_host *host, uint32_t now, enum verdict *verdict)
{
	struct alias_key key = alias_key_make(host->address, host->inner, host->instance);
	const struct nat_policy *policy = policy_of(nat, host->policy);
	uint32_t number;

	if (!host->inner)
		return nat_alias(nat, &key, verdict);
	if (softwires_move(&policy->softwires)) {
		struct subkey subscriber = subscriber_of(policy, host->address);
		struct b4_found found = b4_find(&nat->aliases.b4s, &subscriber, host->address);

		if (found.any)
			memcpy(key.address, nat->aliases.b4s.b4[found.any].address,
				sizeof(key.address));
	}
	number = alias_find(&nat->aliases, &key);
	if (number)
		return number;
	number = nat_alias_behind(nat, &key, now, verdict);
	if (number)
		nat->aliases.alias[number].aftr = host->aftr;
	return number;
}

// The AFTR of a host's B4, or the first of its instance if that has gone.
static uint8_t aftr_for(const struct snapshot *s, const struct alias *a)
{
	if (a->aftr < s->aftrs && s->aftr[a->aftr].instance == a->key.instance)
		return a->aftr;
	for (unsigned i = 0; i < s->aftrs; i++) {
		if (s->aftr[i].instance == a->key.instance)
			return (uint8_t)i;
	}
	return AFTR_NONE;
}

void hosts_adopt(struct nat *nat)
{
	for (uint32_t n = 1; n < nat->aliases.fresh; n++) {
		struct alias *a = &nat->aliases.alias[n];
		int slot = -1;

		if (a->in_use)
			slot = snapshot_policy_of6(nat->snapshot, a->key.instance, a->key.address);
		if (a->in_use && a->b4)
			a->aftr = aftr_for(nat->snapshot, a);
		a->policy = slot < 0 ? ALIAS_NO_POLICY : (uint8_t)slot;
		a->static_host =
			slot < 0 ? 0 : static_host_for(nat, &a->key, policy_of(nat, a->policy));
	}
}
