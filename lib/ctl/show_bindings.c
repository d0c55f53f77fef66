// SPDX-License-Identifier: BSD-3-Clause

// show bindings: border relays with the bindings or rules that are in force, and what they have carried (RFC 8676).
// Bindings may come from three places of the configuration, and not all of them fit the list of the RFC: all are
// shown as homeport:extra-binding, a slice at each call of `more`.

#include "ctl/commands.h"

#include <stddef.h>

#define SLICE 256

static const struct {
	const char *packets;
	const char *bytes;
	size_t at; // in struct softwire_stats
} counters[] = {
	{"sent-ipv4-packets", "sent-ipv4-bytes", offsetof(struct softwire_stats, sent_ipv4)},
	{"sent-ipv6-packets", "sent-ipv6-bytes", offsetof(struct softwire_stats, sent_ipv6)},
	{"rcvd-ipv4-packets", "rcvd-ipv4-bytes", offsetof(struct softwire_stats, rcvd_ipv4)},
	{"rcvd-ipv6-packets", "rcvd-ipv6-bytes", offsetof(struct softwire_stats, rcvd_ipv6)},
	{"dropped-ipv4-packets", "dropped-ipv4-bytes",
		offsetof(struct softwire_stats, dropped_ipv4)},
	{"dropped-ipv6-packets", "dropped-ipv6-bytes",
		offsetof(struct softwire_stats, dropped_ipv6)},
	{"dropped-ipv4-fragments", "dropped-ipv4-fragment-bytes",
		offsetof(struct softwire_stats, dropped_ipv4_fragment)},
	{"ipv6-fragments-reassembled", "ipv6-fragments-bytes-reassembled",
		offsetof(struct softwire_stats, reassembled_ipv6)},
	{"out-icmpv4-error-packets", "out-icmpv4-error-bytes",
		offsetof(struct softwire_stats, out_icmpv4_error)},
	{"out-icmpv6-error-packets", "out-icmpv6-error-bytes",
		offsetof(struct softwire_stats, out_icmpv6_error)},
	// from here on of instances with a binding table alone
	{"dropped-icmpv4-packets", "dropped-icmpv4-bytes",
		offsetof(struct softwire_stats, dropped_icmpv4)},
	{"hairpin-ipv4-packets", "hairpin-ipv4-bytes",
		offsetof(struct softwire_stats, hairpin_ipv4)},
};

#define COUNTERS_OF_RULES 10

// The count of all workers.
static struct softwire_count total(const struct softwire_state *state, size_t at)
{
	struct softwire_count sum = {0};

	for (unsigned w = 0; w < state->workers; w++) {
		const struct softwire_count *c =
			(const void *)((const uint8_t *)&state->stats[w] + at);

		sum.packets += __atomic_load_n(&c->packets, __ATOMIC_RELAXED);
		sum.bytes += __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
	}
	return sum;
}

static json_t *traffic(const struct softwire *softwire)
{
	const struct softwire_state *state = softwire->state;
	bool has_table = softwire->kind == SOFTWIRE_BINDING;
	unsigned count = has_table ? sizeof(counters) / sizeof(counters[0]) : COUNTERS_OF_RULES;
	json_t *stat = json_pack("{s:o}", "discontinuity-time", json_time(state->since));

	for (unsigned i = 0; i < count; i++) {
		struct softwire_count sum = total(state, counters[i].at);

		json_object_set_new(stat, counters[i].packets, json_number64(sum.packets));
		json_object_set_new(stat, counters[i].bytes, json_number64(sum.bytes));
	}
	if (has_table)
		json_object_set_new(stat, "active-softwire-num",
			json_integer((json_int_t)binding_count(state->bindings)));
	return stat;
}

static json_t *address6(const uint8_t bytes[16])
{
	struct ipaddr addr = ipaddr_v6(bytes);

	return json_address(&addr);
}

static json_t *prefix_of_dmr(const struct nat64pfx *dmr)
{
	struct ipaddr addr = ipaddr_v6(dmr->bytes);
	struct ipprefix prefix = ipprefix_make(&addr, dmr->len);

	return json_prefix(&prefix);
}

static json_t *rule(const struct softwire *softwire)
{
	const struct map_rule *r = &softwire->rule;
	struct ipaddr addr6 = ipaddr_v6(r->prefix6);
	struct ipaddr addr4 = ipaddr_v4(rte_cpu_to_be_32(r->prefix4));
	struct ipprefix prefix6 = ipprefix_make(&addr6, r->len6);
	struct ipprefix prefix4 = ipprefix_make(&addr4, r->len4);
	bool translates = softwire->kind == SOFTWIRE_MAP_T;
	json_t *end = translates ? prefix_of_dmr(&softwire->dmr) : address6(softwire->br);

	return json_pack("{s:s, s:b, s:i, s:o, s:o, s:b, s:o, s:{s:i, s:i, s:i}, s:o}", "name",
		softwire->state->name, "enable", true, "ea-len", (int)r->ea, "rule-ipv6-prefix",
		json_prefix(&prefix6), "rule-ipv4-prefix", json_prefix(&prefix4), "forwarding",
		true, translates ? "dmr-ipv6-prefix" : "br-ipv6-addr", end, "port-set",
		"psid-offset", (int)r->geometry.offset, "psid-len", (int)r->geometry.length, "psid",
		(int)r->psid, "traffic-stat", traffic(softwire));
}

static json_t *binding(const struct softwire_state *state, const struct binding_entry *e)
{
	struct ipaddr ipv4 = ipaddr_v4(e->ipv4);

	return json_pack("{s:o, s:o, s:i, s:i, s:i, s:o}", "b4", address6(e->b4), "ipv4",
		json_address(&ipv4), "psid-offset", (int)e->geometry.offset, "psid-len",
		(int)e->geometry.length, "psid", (int)e->psid, "br", address6(state->br[e->br]));
}

static void append(struct call *call, json_t *element)
{
	if (call->listed)
		call_text(call, ",");
	call->listed = true;
	call_json(call, element);
}

// The instance or rule that the list has come to, of those with a table or without; NULL at the end.
static const struct softwire *next_relay(struct call *call, bool has_table)
{
	const struct snapshot *s = call->source->snapshot(call->source->ctx);

	for (; call->instance < s->softwires; call->instance++) {
		const struct softwire *softwire = &s->softwire[call->instance];

		if (softwire->state && (softwire->kind == SOFTWIRE_BINDING) == has_table)
			return softwire;
	}
	return NULL;
}

static void more_rules(struct call *call)
{
	const struct softwire *softwire;

	for (unsigned n = 0; n < SLICE; n++) {
		softwire = next_relay(call, false);
		if (!softwire) {
			call_text(call, "]}}}");
			call_end(call);
			return;
		}
		append(call, rule(softwire));
		call->instance++;
	}
}

static void more_bindings(struct call *call);

// Begins the next instance with a table, or ends the answer.
static void begin_instance(struct call *call)
{
	const struct softwire *softwire = next_relay(call, true);
	bool first = !call->more;

	if (!softwire) {
		call_text(call, "]}}}");
		call_end(call);
		return;
	}
	call_text(call, "%s{\"name\":", first ? "" : ",");
	call_json(call, json_string(softwire->state->name));
	call_text(call, ",\"traffic-stat\":");
	call_json(call, traffic(softwire));
	call_text(call, ",\"homeport:extra-binding\":[");
	call->cursor = 0;
	call->listed = false;
	call->more = more_bindings;
}

static void more_bindings(struct call *call)
{
	unsigned instance = call->instance;
	const struct softwire *softwire = next_relay(call, true);
	struct binding_entry e;

	// a reload may have taken it away
	for (unsigned n = 0; softwire && call->instance == instance; n++) {
		if (n == SLICE)
			return;
		if (!binding_walk(softwire->state->bindings, &call->cursor, &e))
			call->instance++;
		else
			append(call, binding(softwire->state, &e));
	}
	call_text(call, "]}");
	begin_instance(call);
}

void show_bindings(struct call *call)
{
	if (next_relay(call, false)) {
		call_text(call,
			"{\"ietf-softwire-br:br-instances\":{\"algorithm\":{"
			"\"algo-instance\":[");
		call->more = more_rules;
		return;
	}
	call->instance = 0;
	call_text(call, "{\"ietf-softwire-br:br-instances\":{\"binding\":{\"bind-instance\":[");
	begin_instance(call);
}
