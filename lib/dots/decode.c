// SPDX-License-Identifier: BSD-3-Clause

// The document is checked against the schema first, so what stands under a key here is
// known to be of its kind, within its range and not empty.

#include "base/bits.h"
#include "dots/cborio.h"
#include "dots/codec.h"
#include "dots/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A checked document while a body is read from it. The first trouble stays in rc.
struct source {
	struct cborio_doc doc;
	struct err *err;
	int rc;
};

static const struct cborio_node *open_body(struct source *s, const uint8_t *data, size_t length,
	bool request, enum attribute what, struct err *err)
{
	const struct cborio_node *top, *body;

	*s = (struct source){.err = err};
	s->rc = cborio_doc_read(&s->doc, data, length, err);
	if (s->rc < 0)
		return NULL;
	top = schema_check(&s->doc, request ? BODY_REQUEST : BODY_REPLY, err);
	if (!top) {
		s->rc = -EINVAL;
		return NULL;
	}
	body = cborio_doc_get(&s->doc, top, what);
	if (!body)
		s->rc = err_set(err, "%s is missing", schema_find(what, IN_BODY)->name);
	return body;
}

static int close_body(struct source *s)
{
	cborio_doc_free(&s->doc);
	return s->rc;
}

static const struct cborio_node *get(
	const struct source *s, const struct cborio_node *map, enum attribute key)
{
	return cborio_doc_get(&s->doc, map, key);
}

static bool get_uint(
	const struct source *s, const struct cborio_node *map, enum attribute key, uint64_t *value)
{
	const struct cborio_node *node = get(s, map, key);

	if (node)
		*value = node->value;
	return node != NULL;
}

static void fail(struct source *s, int rc)
{
	if (!s->rc)
		s->rc = rc;
}

// An array for the elements of a list, of which the first is put into *at; NULL and a count of 0 if
// the list is absent or too long.
static void *get_list(struct source *s, const struct cborio_node *map, enum attribute key,
	size_t size, unsigned *count, const struct cborio_node **at)
{
	const struct cborio_node *list = get(s, map, key);
	void *array;

	*count = 0;
	*at = NULL;
	if (!list)
		return NULL;
	if (list->count > SCOPE_LIST_MAX) {
		fail(s,
			err_set(s->err, "%s has %u entries, at most %d are taken in one request",
				schema_find(key, IN_SCOPE | IN_REDIRECT)->name, list->count,
				SCOPE_LIST_MAX));
		return NULL;
	}
	array = calloc(list->count, size);
	if (!array) {
		fail(s, -ENOMEM);
		return NULL;
	}
	*count = list->count;
	*at = cborio_doc_child(list);
	return array;
}

static bool get_text(const struct cborio_node *node, char *out, size_t room)
{
	if (node->count >= room || memchr(node->data, 0, node->count))
		return false;
	memcpy(out, node->data, node->count);
	out[node->count] = 0;
	return true;
}

static void read_prefixes(struct source *s, const struct cborio_node *map, enum attribute key,
	struct ipprefix **out, unsigned *count)
{
	const struct cborio_node *at;
	char text[IPPREFIX_TEXT];

	*out = get_list(s, map, key, sizeof(**out), count, &at);
	for (unsigned i = 0; i < *count; i++) {
		// CIDR notation (RFC 4632): a bare address is none
		if (!get_text(at, text, sizeof(text)) || !strchr(text, '/') ||
			ipprefix_parse(text, &(*out)[i], NULL) < 0)
			fail(s,
				err_set(s->err, "%s: '%.*s' is not a prefix",
					schema_find(key, IN_SCOPE)->name,
					(int)min_u32(at->count, IPPREFIX_TEXT),
					(const char *)at->data));
		at = cborio_doc_next(&s->doc, at);
	}
}

// lower is mandatory, upper not before it, and lower is the list's key (RFC 9132 section 4.4.1,
// RFC 9066 section 6.3).
static bool read_range(struct source *s, const struct cborio_node *map, enum attribute list,
	enum attribute lower, enum attribute upper, uint64_t range[2])
{
	const char *name = schema_find(list, IN_SCOPE)->name;

	if (!get_uint(s, map, lower, &range[0])) {
		fail(s, err_set(s->err, "%s without the lower bound", name));
		return false;
	}
	range[1] = range[0];
	get_uint(s, map, upper, &range[1]);
	if (range[1] < range[0]) {
		fail(s,
			err_set(s->err, "%s: the upper bound %llu is below the lower bound %llu",
				name, (unsigned long long)range[1], (unsigned long long)range[0]));
		return false;
	}
	return true;
}

static void lower_twice(struct source *s, enum attribute list, unsigned lower)
{
	fail(s,
		err_set(s->err, "%s: two ranges begin at %u", schema_find(list, IN_SCOPE)->name,
			lower));
}

static void read_ports(struct source *s, const struct cborio_node *map, enum attribute key,
	struct port_range **out, unsigned *count)
{
	const struct cborio_node *at;
	uint64_t range[2];

	*out = get_list(s, map, key, sizeof(**out), count, &at);
	for (unsigned i = 0; i < *count; i++) {
		if (!read_range(s, at, key, KEY_LOWER_PORT, KEY_UPPER_PORT, range))
			return;
		(*out)[i] = (struct port_range){(uint16_t)range[0], (uint16_t)range[1]};
		for (unsigned j = 0; j < i; j++) {
			if ((*out)[j].lower == range[0])
				lower_twice(s, key, (unsigned)range[0]);
		}
		at = cborio_doc_next(&s->doc, at);
	}
}

static void read_types(struct source *s, const struct cborio_node *map, struct scope *scope)
{
	enum attribute key = KEY_SOURCE_ICMP_TYPE_RANGE;
	const struct cborio_node *at;
	uint64_t range[2];

	scope->source_type =
		get_list(s, map, key, sizeof(*scope->source_type), &scope->source_types, &at);
	for (unsigned i = 0; i < scope->source_types; i++) {
		if (!read_range(s, at, key, KEY_LOWER_TYPE, KEY_UPPER_TYPE, range))
			return;
		scope->source_type[i] = (struct type_range){(uint8_t)range[0], (uint8_t)range[1]};
		for (unsigned j = 0; j < i; j++) {
			if (scope->source_type[j].lower == range[0])
				lower_twice(s, key, (unsigned)range[0]);
		}
		at = cborio_doc_next(&s->doc, at);
	}
}

static void read_protocols(struct source *s, const struct cborio_node *map, struct scope *scope)
{
	const struct cborio_node *at;

	scope->protocol = get_list(s, map, KEY_TARGET_PROTOCOL, 1, &scope->protocols, &at);
	for (unsigned i = 0; i < scope->protocols; i++) {
		scope->protocol[i] = (uint8_t)at->value;
		at = cborio_doc_next(&s->doc, at);
	}
}

// Domain names, URIs and aliases are printable ASCII without space; nobody looks them up, but they
// are echoed and logged.
static void read_names(struct source *s, const struct cborio_node *map, enum attribute key,
	char ***out, unsigned *count)
{
	const struct cborio_node *at;

	*out = get_list(s, map, key, sizeof(**out), count, &at);
	for (unsigned i = 0; i < *count; i++) {
		for (uint32_t c = 0; c < at->count; c++) {
			if (at->data[c] > ' ' && at->data[c] < 0x7f)
				continue;
			fail(s,
				err_set(s->err, "%s: byte %u is not printable ASCII",
					schema_find(key, IN_SCOPE)->name, c));
			return;
		}
		(*out)[i] = strndup((const char *)at->data, at->count);
		if (!(*out)[i])
			fail(s, -ENOMEM);
		at = cborio_doc_next(&s->doc, at);
	}
}

static void read_scope(struct source *s, const struct cborio_node *map, struct scope *scope)
{
	read_prefixes(s, map, KEY_TARGET_PREFIX, &scope->target, &scope->targets);
	read_ports(s, map, KEY_TARGET_PORT_RANGE, &scope->target_port, &scope->target_ports);
	read_protocols(s, map, scope);
	read_names(s, map, KEY_TARGET_FQDN, &scope->fqdn, &scope->fqdns);
	read_names(s, map, KEY_TARGET_URI, &scope->uri, &scope->uris);
	read_names(s, map, KEY_ALIAS_NAME, &scope->alias, &scope->aliases);
	read_prefixes(s, map, KEY_SOURCE_PREFIX, &scope->source, &scope->sources);
	read_ports(s, map, KEY_SOURCE_PORT_RANGE, &scope->source_port, &scope->source_ports);
	read_types(s, map, scope);
}

static void read_conflict(
	struct source *s, const struct cborio_node *map, struct conflict *conflict)
{
	const struct cborio_node *scope;
	uint64_t v;

	if (get_uint(s, map, KEY_CONFLICT_STATUS, &v))
		conflict->status = (uint8_t)v;
	if (get_uint(s, map, KEY_CONFLICT_CAUSE, &v))
		conflict->cause = (uint8_t)v;
	conflict->has_retry_timer = get_uint(s, map, KEY_RETRY_TIMER, &v);
	if (conflict->has_retry_timer)
		conflict->retry_timer = (uint32_t)v;
	scope = get(s, map, KEY_CONFLICT_SCOPE);
	if (!scope)
		return;
	read_prefixes(s, scope, KEY_TARGET_PREFIX, &conflict->target, &conflict->targets);
	conflict->has_mid = get_uint(s, scope, KEY_MID, &v);
	if (conflict->has_mid)
		conflict->mid = (uint32_t)v;
}

static void read_mitigation(
	struct source *s, const struct cborio_node *map, struct mitigation_body *body)
{
	const struct cborio_node *node;
	uint64_t v;

	read_scope(s, map, &body->scope);
	body->has_mid = get_uint(s, map, KEY_MID, &v);
	if (body->has_mid)
		body->mid = (uint32_t)v;
	get_uint(s, map, KEY_MITIGATION_START, &body->start);
	node = get(s, map, KEY_LIFETIME);
	body->has_lifetime = node != NULL;
	if (node)
		body->lifetime =
			node->kind == NODE_NEGINT ? LIFETIME_INDEFINITE : (int64_t)node->value;
	node = get(s, map, KEY_TRIGGER_MITIGATION);
	body->trigger_off = node && !node->value;
	if (get_uint(s, map, KEY_STATUS, &v))
		body->status = (uint8_t)v;
	if (get_uint(s, map, KEY_ATTACK_STATUS, &v))
		body->attack_status = (uint8_t)v;
	node = get(s, map, KEY_CONFLICT_INFORMATION);
	if (node)
		read_conflict(s, node, &body->conflict);
	body->has_dropped = get_uint(s, map, KEY_BYTES_DROPPED, &body->dropped.bytes);
	body->has_dropped |= get_uint(s, map, KEY_BPS_DROPPED, &body->dropped.bps);
	body->has_dropped |= get_uint(s, map, KEY_PKTS_DROPPED, &body->dropped.packets);
	body->has_dropped |= get_uint(s, map, KEY_PPS_DROPPED, &body->dropped.pps);
}

static void read_mitigations(struct source *s, const struct cborio_node *body, bool request,
	struct mitigation_body **bodies, unsigned *count)
{
	const struct cborio_node *list = get(s, body, KEY_SCOPE), *at;

	if (!list) {
		fail(s, err_set(s->err, "scope is missing"));
		return;
	}
	if (request && list->count != 1) { // RFC 9132 section 4.4.1
		fail(s, err_set(s->err, "scope has %u entries, a request has one", list->count));
		return;
	}
	*bodies = calloc(list->count, sizeof(**bodies));
	if (!*bodies) {
		fail(s, -ENOMEM);
		return;
	}
	*count = list->count;
	at = cborio_doc_child(list);
	for (unsigned i = 0; i < *count && !s->rc; i++) {
		read_mitigation(s, at, &(*bodies)[i]);
		at = cborio_doc_next(&s->doc, at);
	}
}

int codec_read_mitigations(const uint8_t *data, size_t length, bool request,
	struct mitigation_body **bodies, unsigned *count, struct err *err)
{
	struct source s;
	const struct cborio_node *body =
		open_body(&s, data, length, request, KEY_MITIGATION_SCOPE, err);

	*bodies = NULL;
	*count = 0;
	if (body)
		read_mitigations(&s, body, request, bodies, count);
	if (s.rc < 0) {
		mitigation_bodies_free(*bodies, *count);
		*bodies = NULL;
		*count = 0;
	}
	return close_body(&s);
}

void mitigation_bodies_free(struct mitigation_body *bodies, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		scope_free(&bodies[i].scope);
		free(bodies[i].conflict.target);
	}
	free(bodies);
}

static int32_t read_setting_value(struct source *s, const struct cborio_node *map,
	enum attribute plain, enum attribute decimal, enum setting setting)
{
	const struct cborio_node *node = get(s, map, setting_is_decimal(setting) ? decimal : plain);
	int64_t v;

	if (!node)
		return SETTING_ABSENT;
	if (!setting_is_decimal(setting))
		return (int32_t)node->value;
	schema_decimal(node, &v);
	if (v < 0 || v > INT32_MAX) {
		fail(s,
			err_set(s->err, "%s: a decimal out of range",
				schema_find(setting_key(setting), IN_SET)->name));
		return SETTING_ABSENT;
	}
	return (int32_t)v;
}

static void read_set(struct source *s, const struct cborio_node *body, enum attribute key,
	struct config_set *set)
{
	const struct cborio_node *map = get(s, body, key);

	for (enum setting i = 0; i < SETTINGS; i++) {
		const struct cborio_node *values = map ? get(s, map, setting_key(i)) : NULL;
		struct setting_values *v = &set->setting[i];

		*v = (struct setting_values){SETTING_ABSENT, SETTING_ABSENT, SETTING_ABSENT};
		if (!values)
			continue;
		v->max = read_setting_value(s, values, KEY_MAX_VALUE, KEY_MAX_VALUE_DECIMAL, i);
		v->min = read_setting_value(s, values, KEY_MIN_VALUE, KEY_MIN_VALUE_DECIMAL, i);
		v->current = read_setting_value(
			s, values, KEY_CURRENT_VALUE, KEY_CURRENT_VALUE_DECIMAL, i);
		// either spelling of keys 34 and 35: see schema.h
		if (v->max != SETTING_ABSENT && v->min > v->max) {
			int32_t larger = v->min;

			v->min = v->max;
			v->max = larger;
		}
	}
}

int codec_read_config(const uint8_t *data, size_t length, bool request, struct config_body *config,
	struct err *err)
{
	struct source s;
	const struct cborio_node *body =
		open_body(&s, data, length, request, KEY_SIGNAL_CONFIG, err);

	if (body) {
		read_set(&s, body, KEY_MITIGATING_CONFIG, &config->mitigating);
		read_set(&s, body, KEY_IDLE_CONFIG, &config->idle);
	}
	return close_body(&s);
}

int codec_read_heartbeat(const uint8_t *data, size_t length, bool *peer_hb_status, struct err *err)
{
	struct source s;
	const struct cborio_node *body = open_body(&s, data, length, true, KEY_HEARTBEAT, err);
	uint64_t v = 0;

	if (body && !get_uint(&s, body, KEY_PEER_HB_STATUS, &v))
		fail(&s, err_set(err, "peer-hb-status is missing")); // RFC 9132 section 4.7
	*peer_hb_status = v != 0;
	return close_body(&s);
}

static void read_redirect(
	struct source *s, const struct cborio_node *body, struct redirect_body *redirect)
{
	const struct cborio_node *node = get(s, body, KEY_ALT_CH_CLIENT);
	char text[IPADDR_TEXT];
	uint64_t v;

	if (!node) // RFC 9066 section 5.2.2
		fail(s, err_set(s->err, "alt-ch-client is missing"));
	else if (!get_text(node, redirect->name, sizeof(redirect->name)))
		fail(s, err_set(s->err, "alt-ch-client is no domain name"));
	redirect->has_ttl = get_uint(s, body, KEY_TTL, &v);
	if (redirect->has_ttl)
		redirect->ttl = (uint32_t)v;
	redirect->record = get_list(s, body, KEY_ALT_CH_CLIENT_RECORD, sizeof(*redirect->record),
		&redirect->records, &node);
	for (unsigned i = 0; i < redirect->records; i++) {
		if (!get_text(node, text, sizeof(text)) ||
			ipaddr_parse(text, &redirect->record[i]) < 0)
			fail(s,
				err_set(s->err, "alt-ch-client-record: entry %u is no address",
					i + 1));
		node = cborio_doc_next(&s->doc, node);
	}
}

int codec_read_redirect(
	const uint8_t *data, size_t length, struct redirect_body *redirect, struct err *err)
{
	struct source s;
	const struct cborio_node *body =
		open_body(&s, data, length, true, KEY_REDIRECTED_SIGNAL, err);

	*redirect = (struct redirect_body){0};
	if (body)
		read_redirect(&s, body, redirect);
	if (s.rc < 0) {
		free(redirect->record);
		redirect->record = NULL;
	}
	return close_body(&s);
}
