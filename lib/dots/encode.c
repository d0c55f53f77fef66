// SPDX-License-Identifier: BSD-3-Clause

#include "dots/cborio.h"
#include "dots/codec.h"
#include "dots/schema.h"

#include <errno.h>

struct config_body config_default(void)
{
	struct config_set set = {{
		[SETTING_HEARTBEAT_INTERVAL] = {240, 15, 30},
		[SETTING_MISSING_HB_ALLOWED] = {20, 3, 15},
		[SETTING_PROBING_RATE] = {20, 5, 5},
		[SETTING_MAX_RETRANSMIT] = {15, 2, 3},
		[SETTING_ACK_TIMEOUT] = {3000, 100, 200},
		[SETTING_ACK_RANDOM_FACTOR] = {400, 110, 150},
	}};

	return (struct config_body){set, set};
}

static void put_uint(struct cborio_writer *w, enum attribute key, uint64_t value)
{
	cborio_put_key(w, key);
	cborio_put_uint(w, value);
}

// Lists are absent when empty (RFC 9132 section 4.4.1).
static bool put_list(struct cborio_writer *w, enum attribute key, unsigned count)
{
	if (!count)
		return false;
	cborio_put_key(w, key);
	cborio_put_array(w, count);
	return true;
}

static void put_prefixes(
	struct cborio_writer *w, enum attribute key, const struct ipprefix *prefix, unsigned count)
{
	char text[IPPREFIX_TEXT];

	if (!put_list(w, key, count))
		return;
	for (unsigned i = 0; i < count; i++)
		cborio_put_text(w, ipprefix_format(&prefix[i], text));
}

static void put_range(struct cborio_writer *w, enum attribute lower_key, unsigned lower,
	enum attribute upper_key, unsigned upper)
{
	cborio_put_map(w);
	put_uint(w, lower_key, lower);
	if (upper != lower)
		put_uint(w, upper_key, upper);
	cborio_put_map_end(w);
}

static void put_ports(
	struct cborio_writer *w, enum attribute key, const struct port_range *range, unsigned count)
{
	if (!put_list(w, key, count))
		return;
	for (unsigned i = 0; i < count; i++)
		put_range(w, KEY_LOWER_PORT, range[i].lower, KEY_UPPER_PORT, range[i].upper);
}

static void put_names(struct cborio_writer *w, enum attribute key, char **name, unsigned count)
{
	if (!put_list(w, key, count))
		return;
	for (unsigned i = 0; i < count; i++)
		cborio_put_text(w, name[i]);
}

static void put_scope(struct cborio_writer *w, const struct scope *scope)
{
	put_prefixes(w, KEY_TARGET_PREFIX, scope->target, scope->targets);
	put_ports(w, KEY_TARGET_PORT_RANGE, scope->target_port, scope->target_ports);
	if (put_list(w, KEY_TARGET_PROTOCOL, scope->protocols)) {
		for (unsigned i = 0; i < scope->protocols; i++)
			cborio_put_uint(w, scope->protocol[i]);
	}
	put_names(w, KEY_TARGET_FQDN, scope->fqdn, scope->fqdns);
	put_names(w, KEY_TARGET_URI, scope->uri, scope->uris);
	put_names(w, KEY_ALIAS_NAME, scope->alias, scope->aliases);
	put_prefixes(w, KEY_SOURCE_PREFIX, scope->source, scope->sources);
	put_ports(w, KEY_SOURCE_PORT_RANGE, scope->source_port, scope->source_ports);
	if (put_list(w, KEY_SOURCE_ICMP_TYPE_RANGE, scope->source_types)) {
		for (unsigned i = 0; i < scope->source_types; i++)
			put_range(w, KEY_LOWER_TYPE, scope->source_type[i].lower, KEY_UPPER_TYPE,
				scope->source_type[i].upper);
	}
}

static void put_conflict(struct cborio_writer *w, const struct conflict *conflict)
{
	if (!conflict->status && !conflict->cause)
		return;
	cborio_put_key(w, KEY_CONFLICT_INFORMATION);
	cborio_put_map(w);
	if (conflict->status)
		put_uint(w, KEY_CONFLICT_STATUS, conflict->status);
	if (conflict->cause)
		put_uint(w, KEY_CONFLICT_CAUSE, conflict->cause);
	if (conflict->has_retry_timer)
		put_uint(w, KEY_RETRY_TIMER, conflict->retry_timer);
	if (conflict->targets || conflict->has_mid) {
		cborio_put_key(w, KEY_CONFLICT_SCOPE);
		cborio_put_map(w);
		put_prefixes(w, KEY_TARGET_PREFIX, conflict->target, conflict->targets);
		if (conflict->has_mid)
			put_uint(w, KEY_MID, conflict->mid);
		cborio_put_map_end(w);
	}
	cborio_put_map_end(w);
}

static void put_mitigation(struct cborio_writer *w, const struct mitigation_body *body)
{
	cborio_put_map(w);
	if (body->has_mid)
		put_uint(w, KEY_MID, body->mid);
	if (body->start)
		put_uint(w, KEY_MITIGATION_START, body->start);
	put_scope(w, &body->scope);
	if (body->has_lifetime) {
		cborio_put_key(w, KEY_LIFETIME);
		cborio_put_int(w, body->lifetime);
	}
	if (body->trigger_off) {
		cborio_put_key(w, KEY_TRIGGER_MITIGATION);
		cborio_put_bool(w, false);
	}
	if (body->status)
		put_uint(w, KEY_STATUS, body->status);
	put_conflict(w, &body->conflict);
	if (body->has_dropped) {
		put_uint(w, KEY_BYTES_DROPPED, body->dropped.bytes);
		put_uint(w, KEY_BPS_DROPPED, body->dropped.bps);
		put_uint(w, KEY_PKTS_DROPPED, body->dropped.packets);
		put_uint(w, KEY_PPS_DROPPED, body->dropped.pps);
	}
	if (body->attack_status)
		put_uint(w, KEY_ATTACK_STATUS, body->attack_status);
	cborio_put_map_end(w);
}

static int finish(const struct cborio_writer *w)
{
	return w->failed ? -EMSGSIZE : (int)w->used;
}

int codec_write_mitigations(
	const struct mitigation_body *bodies, unsigned count, uint8_t *out, size_t room)
{
	struct cborio_writer w = {.out = out, .room = room};

	cborio_put_map(&w);
	cborio_put_key(&w, KEY_MITIGATION_SCOPE);
	cborio_put_map(&w);
	cborio_put_key(&w, KEY_SCOPE);
	cborio_put_array(&w, count);
	for (unsigned i = 0; i < count; i++)
		put_mitigation(&w, &bodies[i]);
	cborio_put_map_end(&w);
	cborio_put_map_end(&w);
	return finish(&w);
}

static void put_setting_value(
	struct cborio_writer *w, enum attribute plain, bool decimal, int32_t value)
{
	if (value == SETTING_ABSENT)
		return;
	if (!decimal) {
		put_uint(w, plain, (uint64_t)value);
		return;
	}
	// the decimal of an attribute has the number seven above the plain one's
	cborio_put_key(w, plain - KEY_MAX_VALUE + KEY_MAX_VALUE_DECIMAL);
	cborio_put_tag(w, TAG_DECIMAL);
	cborio_put_array(w, 2);
	cborio_put_int(w, -2);
	cborio_put_int(w, value);
}

static void put_set(struct cborio_writer *w, enum attribute key, const struct config_set *set)
{
	cborio_put_key(w, key);
	cborio_put_map(w);
	for (enum setting i = 0; i < SETTINGS; i++) {
		const struct setting_values *v = &set->setting[i];

		if (v->max == SETTING_ABSENT && v->min == SETTING_ABSENT &&
			v->current == SETTING_ABSENT)
			continue;
		cborio_put_key(w, setting_key(i));
		cborio_put_map(w);
		put_setting_value(w, KEY_MAX_VALUE, setting_is_decimal(i), v->max);
		put_setting_value(w, KEY_MIN_VALUE, setting_is_decimal(i), v->min);
		put_setting_value(w, KEY_CURRENT_VALUE, setting_is_decimal(i), v->current);
		cborio_put_map_end(w);
	}
	cborio_put_map_end(w);
}

int codec_write_config(const struct config_body *config, uint8_t *out, size_t room)
{
	struct cborio_writer w = {.out = out, .room = room};

	cborio_put_map(&w);
	cborio_put_key(&w, KEY_SIGNAL_CONFIG);
	cborio_put_map(&w);
	put_set(&w, KEY_MITIGATING_CONFIG, &config->mitigating);
	put_set(&w, KEY_IDLE_CONFIG, &config->idle);
	cborio_put_map_end(&w);
	cborio_put_map_end(&w);
	return finish(&w);
}

int codec_write_heartbeat(bool peer_hb_status, uint8_t *out, size_t room)
{
	struct cborio_writer w = {.out = out, .room = room};

	cborio_put_map(&w);
	cborio_put_key(&w, KEY_HEARTBEAT);
	cborio_put_map(&w);
	cborio_put_key(&w, KEY_PEER_HB_STATUS);
	cborio_put_bool(&w, peer_hb_status);
	cborio_put_map_end(&w);
	cborio_put_map_end(&w);
	return finish(&w);
}

int codec_write_redirect(const struct redirect_body *redirect, uint8_t *out, size_t room)
{
	struct cborio_writer w = {.out = out, .room = room};
	char text[IPADDR_TEXT];

	cborio_put_map(&w);
	cborio_put_key(&w, KEY_REDIRECTED_SIGNAL);
	cborio_put_map(&w);
	cborio_put_key(&w, KEY_ALT_CH_CLIENT);
	cborio_put_text(&w, redirect->name);
	if (put_list(&w, KEY_ALT_CH_CLIENT_RECORD, redirect->records)) {
		for (unsigned i = 0; i < redirect->records; i++)
			cborio_put_text(&w, ipaddr_format(&redirect->record[i], text));
	}
	if (redirect->has_ttl)
		put_uint(&w, KEY_TTL, redirect->ttl);
	cborio_put_map_end(&w);
	cborio_put_map_end(&w);
	return finish(&w);
}
