// SPDX-License-Identifier: BSD-3-Clause

// Mitigations as the operator sees them: with what is enforced behind them, which the upstream is not told.

#include "ctl/commands.h"
#include "dots/list.h"
#include "table/acl.h"

#include <string.h>

static json_t *range(uint16_t lower, uint16_t upper)
{
	return json_pack("{s:i, s:i}", "lower-port", (int)lower, "upper-port", (int)upper);
}

static json_t *acl_ports(const struct acl_rule *rule)
{
	if (rule->lower_port == rule->upper_port)
		return json_pack("{s:{s:s, s:i}}", "destination-port", "operator", "eq", "port",
			(int)rule->lower_port);
	return json_pack("{s:{s:i, s:i}}", "destination-port", "lower-port", (int)rule->lower_port,
		"upper-port", (int)rule->upper_port);
}

static json_t *matches(const struct acl_rule *rule)
{
	struct ipprefix source = subkey_prefix(&rule->subscriber);
	bool ipv4 = rule->target.addr.family == 4;
	json_t *m = json_object();
	json_t *ip = json_object();

	// of who has no address of the target's family no source address can be given (RFC 8519)
	if (source.addr.family != rule->target.addr.family)
		json_object_set_new(m, "homeport-acl:subscriber", json_prefix(&source));
	else
		json_object_set_new(ip, ipv4 ? "source-ipv4-network" : "source-ipv6-network",
			json_prefix(&source));
	json_object_set_new(ip, ipv4 ? "destination-ipv4-network" : "destination-ipv6-network",
		json_prefix(&rule->target));
	if (!rule->any_protocol)
		json_object_set_new(ip, "protocol", json_integer(rule->protocol));
	json_object_set_new(m, ipv4 ? "ipv4" : "ipv6", ip);
	if (rule->lower_port != 0 || rule->upper_port != UINT16_MAX)
		json_object_set_new(m, rule->protocol == 6 ? "tcp" : "udp", acl_ports(rule));
	else if (rule->lower_type == rule->upper_type)
		json_object_set_new(m, "icmp", json_pack("{s:i}", "type", (int)rule->lower_type));
	return m;
}

static json_t *acl(const struct acl *table, uint32_t slot)
{
	const struct acl_rule *rule = acl_get(table, slot);
	struct acl_hits hits = acl_hits(table, slot);
	bool drops = rule->action == ACL_BLOCK || rule->action == ACL_QUARANTINE;
	json_t *ace = json_pack("{s:s, s:o, s:{s:s}, s:{s:o, s:o}}", "name",
		acl_action_name(rule->action), "matches", matches(rule), "actions", "forwarding",
		drops ? "ietf-access-control-list:drop" : "ietf-access-control-list:accept",
		"statistics", "matched-packets", json_number64(hits.packets), "matched-octets",
		json_number64(hits.bytes));

	return json_pack("{s:o, s:s, s:{s:[o]}}", "name", json_sprintf("%s#%u", rule->label, slot),
		"type",
		rule->target.addr.family == 4 ? "ietf-access-control-list:ipv4-acl-type"
					      : "ietf-access-control-list:ipv6-acl-type",
		"aces", "ace", ace);
}

void show_acls(struct call *call)
{
	const struct acl *table = call->source->acl;
	json_t *list = json_array();

	for (uint32_t slot = 0; slot < acl_size(table); slot++) {
		if (acl_get(table, slot))
			json_array_append_new(list, acl(table, slot));
	}
	call_json(call, json_pack("{s:{s:o}}", "ietf-access-control-list:acls", "acl", list));
	call_end(call);
}

static void set_text(json_t *object, const char *name, const char *text)
{
	if (text)
		json_object_set_new(object, name, json_string(text));
}

void add_warning(const struct call *call, json_t *state, const char *whose, int64_t end)
{
	json_t *list = json_object_get(state, "warning");
	char text[EXPIRY_TEXT];

	if (!expiry_text(call->source->expiry, whose, end, text))
		return;
	if (!list) {
		list = json_array();
		json_object_set_new(state, "warning", list);
	}
	json_array_append_new(list, json_string(text));
}

struct session_list {
	const struct call *call;
	json_t *entries;
};

static void add_session(void *ctx, const struct dots_session_row *row)
{
	const struct session_list *list = ctx;
	json_t *state = json_object();

	set_text(state, "status", row->state);
	set_text(state, "transport", row->transport);
	if (row->peer.family)
		json_object_set_new(state, "peer-address", json_address(&row->peer));
	set_text(state, "peer-name", row->peer_name);
	set_text(state, "protocol", row->version);
	set_text(state, "cipher", row->cipher);
	set_text(state, "redirected-to", row->redirected_to);
	json_object_set_new(state, "since", json_time(row->since * 1000));
	if (row->retry_at)
		json_object_set_new(state, "retry-at", json_time(row->retry_at * 1000));
	if (row->certificate_end)
		json_object_set_new(
			state, "certificate-expires", json_time(row->certificate_end * 1000));
	add_warning(list->call, state, EXPIRY_OWN, row->certificate_end);
	add_warning(list->call, state, EXPIRY_CA, row->ca_end);
	add_warning(list->call, state, EXPIRY_PEER, row->peer_end);
	json_object_set_new(state, "mitigations", json_integer(row->mitigations));
	json_object_set_new(state, "packets-per-second", json_number64(row->packet_rate));
	if (row->suspended)
		json_object_set_new(state, "suspended", json_time(row->suspended * 1000));
	json_object_set_new(state, "confirmed", json_number64(row->confirmed));
	json_object_set_new(state, "cleared", json_number64(row->cleared));
	json_object_set_new(state, "sessions", json_number64(row->sessions));
	json_object_set_new(state, "failures", json_number64(row->failures));
	json_object_set_new(state, "requests", json_number64(row->requests));
	json_object_set_new(state, "refused", json_number64(row->refused));
	json_object_set_new(state, "notifications", json_number64(row->notifications));
	json_object_set_new(state, "heartbeats-sent", json_number64(row->heartbeats_sent));
	json_object_set_new(state, "heartbeats-heard", json_number64(row->heartbeats_heard));
	json_object_set_new(state, "heartbeats-missed", json_integer(row->heartbeats_missed));
	set_text(state, "last-error", row->last_error);
	json_array_append_new(list->entries,
		json_pack("{s:s, s:s, s:i, s:o}", "name", row->upstream, "address", row->host,
			"port", (int)row->port, "state", state));
}

static json_t *sessions(const struct call *call)
{
	struct session_list list = {call, json_array()};

	dots_list_sessions(call->source->dots, add_session, &list);
	return json_pack("{s:o}", "upstream", list.entries);
}

void show_dots(struct call *call)
{
	const char *name = call->request.words > 2 ? call->request.word[2] : NULL;
	json_t *dots = json_object();
	json_t *client = name ? one_home(call, name) : all_homes(call);

	if (name && !client) {
		json_decref(dots);
		call_fail(call, PROTO_FAILED, "no home has the name %s", name);
		return;
	}
	if (!name)
		json_object_set_new(dots, "server", sessions(call));
	if (client)
		json_object_set_new(dots, "client", client);
	call_json(call, json_pack("{s:{s:o}}", "homeport:homeport", "dots", dots));
	call_end(call);
}

static void set_prefixes(
	json_t *object, const char *name, const struct ipprefix *prefix, unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, json_prefix(&prefix[i]));
	json_object_set_new(object, name, list);
}

static void set_ranges(
	json_t *object, const char *name, const struct port_range *ports, unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, range(ports[i].lower, ports[i].upper));
	if (count)
		json_object_set_new(object, name, list);
	else
		json_decref(list);
}

static void set_types(json_t *object, const struct scope *scope)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < scope->source_types; i++)
		json_array_append_new(list,
			json_pack("{s:i, s:i}", "lower-type", (int)scope->source_type[i].lower,
				"upper-type", (int)scope->source_type[i].upper));
	if (scope->source_types)
		json_object_set_new(object, "ietf-dots-call-home:source-icmp-type-range", list);
	else
		json_decref(list);
}

static void set_texts(json_t *object, const char *name, char *const *texts, unsigned count)
{
	json_t *list = count ? json_array() : NULL;

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, json_string(texts[i]));
	if (list)
		json_object_set_new(object, name, list);
}

static void set_protocols(json_t *object, const struct scope *scope)
{
	json_t *list = scope->protocols ? json_array() : NULL;

	for (unsigned i = 0; i < scope->protocols; i++)
		json_array_append_new(list, json_integer(scope->protocol[i]));
	if (list)
		json_object_set_new(object, "target-protocol", list);
}

// What both lists of a mitigation are made of.
struct lists {
	const struct call *call;
	json_t *scopes;
	json_t *enforced;
	const char *upstream; // only this one's,
	uint32_t mid;         // of this mid; NULL: all
};

// The lifetime of the 2020 module is a signed 32-bit number; a longer one is shown as the longest.
static json_t *lifetime(int64_t seconds)
{
	return json_integer(seconds > INT32_MAX ? INT32_MAX : seconds);
}

json_t *scope_json(const char *cuid, uint32_t mid, const struct scope *s)
{
	json_t *e = json_object();

	set_text(e, "cuid", cuid);
	json_object_set_new(e, "mid", json_integer(mid));
	set_prefixes(e, "target-prefix", s->target, s->targets);
	set_ranges(e, "target-port-range", s->target_port, s->target_ports);
	set_protocols(e, s);
	set_texts(e, "target-fqdn", s->fqdn, s->fqdns);
	set_texts(e, "target-uri", s->uri, s->uris);
	set_texts(e, "alias-name", s->alias, s->aliases);
	set_prefixes(e, "ietf-dots-call-home:source-prefix", s->source, s->sources);
	set_ranges(e, "ietf-dots-call-home:source-port-range", s->source_port, s->source_ports);
	set_types(e, s);
	return e;
}

static json_t *mitigation_json(const struct dots_mitigation_row *row)
{
	json_t *e = scope_json(row->cuid, row->mid, row->scope);

	json_object_set_new(e, "lifetime", lifetime(row->lifetime));
	json_object_set_new(e, "mitigation-start", json_number64((uint64_t)row->start));
	set_text(e, "status", row->status_label);
	json_object_set_new(e, "bytes-dropped", json_number64(row->bytes_dropped));
	json_object_set_new(e, "bps-dropped", json_number64(row->bps_dropped));
	json_object_set_new(e, "pkts-dropped", json_number64(row->packets_dropped));
	json_object_set_new(e, "pps-dropped", json_number64(row->pps_dropped));
	set_text(e, "attack-status", row->attack_status_label);
	return e;
}

static unsigned rules_of(
	const struct call *call, const struct dots_mitigation_row *row, const struct subkey *key)
{
	unsigned count = 0;

	for (unsigned i = 0; i < row->acl_slots; i++) {
		const struct acl_rule *rule = acl_get(call->source->acl, row->acl_slot[i]);

		count += rule && subkey_equal(&rule->subscriber, key);
	}
	return count;
}

static bool is_listed_before(const struct dots_mitigation_row *row, unsigned at)
{
	for (unsigned i = 0; i < at; i++) {
		if (subkey_equal(&row->suspect[i].subscriber, &row->suspect[at].subscriber))
			return true;
	}
	return false;
}

// NULL if consent has not been asked.
static json_t *consent_json(const struct dots_mitigation_row *row)
{
	uint64_t seconds = row->evidence_seconds ? row->evidence_seconds : 1;
	json_t *consent;

	if (!row->decide_until && !row->evidence_packets && !row->judgement)
		return NULL;
	consent = json_pack("{s:o, s:o, s:o, s:o}", "packets", json_number64(row->evidence_packets),
		"octets", json_number64(row->evidence_bytes), "packets-per-second",
		json_number64(row->evidence_packets / seconds), "octets-per-second",
		json_number64(row->evidence_bytes / seconds));
	if (row->decide_until)
		json_object_set_new(consent, "until", json_time(row->decide_until * 1000));
	if (row->judgement) {
		set_text(consent, "judgement", row->judgement);
		json_object_set_new(consent, "flows", json_integer(row->flows));
	}
	return consent;
}

static json_t *enforced_json(const struct call *call, const struct dots_mitigation_row *row)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < row->suspects; i++) {
		const struct subkey *key = &row->suspect[i].subscriber;
		struct ipprefix prefix = subkey_prefix(key);

		if (is_listed_before(row, i))
			continue;
		json_array_append_new(list,
			json_pack("{s:o*, s:o, s:i}", "nat-instance",
				subscriber_instance(call, key), "address", json_prefix(&prefix),
				"rules", (int)rules_of(call, row, key)));
	}
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:o, s:o*, s:o}", "upstream",
		row->upstream, "cuid", row->cuid, "mid", (json_int_t)row->mid, "phase", row->phase,
		"action", row->action, "packets", json_number64(row->packets), "octets",
		json_number64(row->bytes), "consent", consent_json(row), "subscriber", list);
}

static void add_mitigation(void *ctx, const struct dots_mitigation_row *row)
{
	struct lists *lists = ctx;

	json_array_append_new(lists->scopes, mitigation_json(row));
	json_array_append_new(lists->enforced, enforced_json(lists->call, row));
}

static void add_waiting(void *ctx, const struct dots_mitigation_row *row)
{
	if (!strcmp(row->phase, "asked"))
		add_mitigation(ctx, row);
}

static void add_one(void *ctx, const struct dots_mitigation_row *row)
{
	const struct lists *lists = ctx;

	if (row->mid == lists->mid && !strcmp(row->upstream, lists->upstream))
		add_mitigation(ctx, row);
}

static void show_them(struct call *call,
	void (*add)(void *ctx, const struct dots_mitigation_row *row), const char *upstream,
	uint32_t mid)
{
	struct lists lists = {call, json_array(), json_array(), upstream, mid};

	dots_list_mitigations(call->source->dots, add, &lists);
	call_json(call,
		json_pack("{s:{s:o}, s:{s:{s:o}}}", "ietf-dots-signal-channel:dots-signal", "scope",
			lists.scopes, "homeport:homeport", "dots", "mitigation", lists.enforced));
	call_end(call);
}

void show_mitigations(struct call *call)
{
	show_them(call, add_mitigation, NULL, 0);
}

void show_consent(struct call *call)
{
	show_them(call, add_waiting, NULL, 0);
}

void show_mitigation(struct call *call, const char *upstream, uint32_t mid)
{
	show_them(call, add_one, upstream, mid);
}
