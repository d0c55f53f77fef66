// SPDX-License-Identifier: BSD-3-Clause

#include "dots/schema.h"

#include "base/bits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIGNAL "ietf-dots-signal-channel:"
#define HOME   "ietf-dots-call-home:"

#define IN_TARGETS (IN_SCOPE | IN_CONFLICT_SCOPE)
#define REPLY_ONLY true

// clang-format off
static const struct attribute_row table[] = {
	{KEY_MITIGATION_SCOPE, KIND_MAP, IN_BODY, IN_MITIGATION, false, SIGNAL "mitigation-scope"},
	{KEY_SCOPE, KIND_MAPS, IN_MITIGATION, IN_SCOPE, false, "scope"},
	{KEY_CDID, KIND_TEXT, IN_SCOPE, 0, REPLY_ONLY, "cdid"},
	{KEY_CUID, KIND_TEXT, IN_SCOPE, 0, REPLY_ONLY, "cuid"},
	{KEY_MID, KIND_UINT32, IN_TARGETS, 0, REPLY_ONLY, "mid"},
	{KEY_TARGET_PREFIX, KIND_TEXTS, IN_TARGETS, 0, false, "target-prefix"},
	{KEY_TARGET_PORT_RANGE, KIND_MAPS, IN_TARGETS, IN_PORTS, false, "target-port-range"},
	{KEY_LOWER_PORT, KIND_UINT16, IN_PORTS, 0, false, "lower-port"},
	{KEY_UPPER_PORT, KIND_UINT16, IN_PORTS, 0, false, "upper-port"},
	{KEY_TARGET_PROTOCOL, KIND_UINT8S, IN_TARGETS, 0, false, "target-protocol"},
	{KEY_TARGET_FQDN, KIND_TEXTS, IN_TARGETS, 0, false, "target-fqdn"},
	{KEY_TARGET_URI, KIND_TEXTS, IN_TARGETS, 0, false, "target-uri"},
	{KEY_ALIAS_NAME, KIND_TEXTS, IN_TARGETS, 0, false, "alias-name"},
	{KEY_LIFETIME, KIND_LIFETIME, IN_SCOPE, 0, false, "lifetime"},
	{KEY_MITIGATION_START, KIND_UINT64, IN_SCOPE, 0, REPLY_ONLY, "mitigation-start"},
	{KEY_STATUS, KIND_STATUS, IN_SCOPE, 0, REPLY_ONLY, "status"},
	{KEY_CONFLICT_INFORMATION, KIND_MAP, IN_SCOPE, IN_CONFLICT, REPLY_ONLY, "conflict-information"},
	{KEY_CONFLICT_STATUS, KIND_CONFLICT_STATUS, IN_CONFLICT, 0, REPLY_ONLY, "conflict-status"},
	{KEY_CONFLICT_CAUSE, KIND_CONFLICT_CAUSE, IN_CONFLICT, 0, REPLY_ONLY, "conflict-cause"},
	{KEY_RETRY_TIMER, KIND_UINT32, IN_CONFLICT, 0, REPLY_ONLY, "retry-timer"},
	{KEY_CONFLICT_SCOPE, KIND_MAP, IN_CONFLICT, IN_CONFLICT_SCOPE, REPLY_ONLY, "conflict-scope"},
	{KEY_ACL_LIST, KIND_MAPS, IN_CONFLICT_SCOPE, IN_ACL, REPLY_ONLY, "acl-list"},
	{KEY_ACL_NAME, KIND_TEXT, IN_ACL, 0, REPLY_ONLY, "acl-name"},
	{KEY_ACL_TYPE, KIND_TEXT, IN_ACL, 0, REPLY_ONLY, "acl-type"},
	{KEY_BYTES_DROPPED, KIND_UINT64, IN_SCOPE, 0, REPLY_ONLY, "bytes-dropped"},
	{KEY_BPS_DROPPED, KIND_UINT64, IN_SCOPE, 0, REPLY_ONLY, "bps-dropped"},
	{KEY_PKTS_DROPPED, KIND_UINT64, IN_SCOPE, 0, REPLY_ONLY, "pkts-dropped"},
	{KEY_PPS_DROPPED, KIND_UINT64, IN_SCOPE, 0, REPLY_ONLY, "pps-dropped"},
	{KEY_ATTACK_STATUS, KIND_ATTACK_STATUS, IN_SCOPE, 0, false, "attack-status"},
	{KEY_SIGNAL_CONFIG, KIND_MAP, IN_BODY, IN_CONFIG, false, SIGNAL "signal-config"},
	{KEY_SID, KIND_UINT32, IN_CONFIG, 0, REPLY_ONLY, "sid"},
	{KEY_MITIGATING_CONFIG, KIND_MAP, IN_CONFIG, IN_SET, false, "mitigating-config"},
	{KEY_HEARTBEAT_INTERVAL, KIND_MAP, IN_SET, IN_NUMBER, false, "heartbeat-interval"},
	{KEY_MAX_VALUE, KIND_UINT16, IN_NUMBER, 0, REPLY_ONLY, "max-value"},
	{KEY_MIN_VALUE, KIND_UINT16, IN_NUMBER, 0, REPLY_ONLY, "min-value"},
	{KEY_CURRENT_VALUE, KIND_UINT16, IN_NUMBER, 0, false, "current-value"},
	{KEY_MISSING_HB_ALLOWED, KIND_MAP, IN_SET, IN_NUMBER, false, "missing-hb-allowed"},
	{KEY_MAX_RETRANSMIT, KIND_MAP, IN_SET, IN_NUMBER, false, "max-retransmit"},
	{KEY_ACK_TIMEOUT, KIND_MAP, IN_SET, IN_DECIMAL, false, "ack-timeout"},
	{KEY_ACK_RANDOM_FACTOR, KIND_MAP, IN_SET, IN_DECIMAL, false, "ack-random-factor"},
	{KEY_MAX_VALUE_DECIMAL, KIND_DECIMAL, IN_DECIMAL, 0, REPLY_ONLY, "max-value-decimal"},
	{KEY_MIN_VALUE_DECIMAL, KIND_DECIMAL, IN_DECIMAL, 0, REPLY_ONLY, "min-value-decimal"},
	{KEY_CURRENT_VALUE_DECIMAL, KIND_DECIMAL, IN_DECIMAL, 0, false, "current-value-decimal"},
	{KEY_IDLE_CONFIG, KIND_MAP, IN_CONFIG, IN_SET, false, "idle-config"},
	{KEY_TRIGGER_MITIGATION, KIND_BOOL, IN_SCOPE, 0, false, "trigger-mitigation"},
	{KEY_REDIRECTED_SIGNAL, KIND_MAP, IN_BODY, IN_REDIRECT, false, SIGNAL "redirected-signal"},
	{KEY_ALT_SERVER, KIND_TEXT, IN_REDIRECT, 0, REPLY_ONLY, "alt-server"},
	{KEY_ALT_SERVER_RECORD, KIND_TEXTS, IN_REDIRECT, 0, REPLY_ONLY, "alt-server-record"},
	{KEY_HEARTBEAT, KIND_MAP, IN_BODY, IN_HEARTBEAT, false, SIGNAL "heartbeat"},
	{KEY_PROBING_RATE, KIND_MAP, IN_SET, IN_NUMBER, false, "probing-rate"},
	{KEY_PEER_HB_STATUS, KIND_BOOL, IN_HEARTBEAT, 0, false, "peer-hb-status"},
	{KEY_SOURCE_PREFIX, KIND_TEXTS, IN_SCOPE, 0, false, HOME "source-prefix"},
	{KEY_SOURCE_PORT_RANGE, KIND_MAPS, IN_SCOPE, IN_PORTS, false, HOME "source-port-range"},
	{KEY_SOURCE_ICMP_TYPE_RANGE, KIND_MAPS, IN_SCOPE, IN_TYPES, false, HOME "source-icmp-type-range"},
	{KEY_LOWER_TYPE, KIND_UINT8, IN_TYPES, 0, false, "lower-type"},
	{KEY_UPPER_TYPE, KIND_UINT8, IN_TYPES, 0, false, "upper-type"},
	{KEY_ALT_CH_CLIENT, KIND_TEXT, IN_REDIRECT, 0, false, HOME "alt-ch-client"},
	{KEY_ALT_CH_CLIENT_RECORD, KIND_TEXTS, IN_REDIRECT, 0, false, HOME "alt-ch-client-record"},
	{KEY_TTL, KIND_UINT32, IN_REDIRECT, 0, false, HOME "ttl"},
};
// clang-format on

// RFC 9132 sections 10.6.2 to 10.6.5, RFC 9066 section 7.2; number 0 is reserved in each.
static const char *const status_label[] = {NULL, "attack-mitigation-in-progress",
	"attack-successfully-mitigated", "attack-stopped", "attack-exceeded-capability",
	"dots-client-withdrawn-mitigation", "attack-mitigation-terminated",
	"attack-mitigation-withdrawn", "attack-mitigation-signal-loss"};
static const char *const conflict_status_label[] = {
	NULL, "request-inactive-other-active", "request-active", "all-requests-inactive"};
static const char *const conflict_cause_label[] = {NULL, "overlapping-targets",
	"conflict-with-acceptlist", "cuid-collision", "request-rejected-legitimate-traffic"};
static const char *const attack_status_label[] = {
	NULL, "under-attack", "attack-successfully-mitigated"};

static const char *label_in(const char *const *label, size_t count, uint64_t value)
{
	return value < count ? label[value] : NULL;
}

const char *schema_label(enum attribute_kind kind, uint64_t value)
{
	switch (kind) {
	case KIND_STATUS:
		return label_in(status_label, ARRAY_LEN(status_label), value);
	case KIND_CONFLICT_STATUS:
		return label_in(conflict_status_label, ARRAY_LEN(conflict_status_label), value);
	case KIND_CONFLICT_CAUSE:
		return label_in(conflict_cause_label, ARRAY_LEN(conflict_cause_label), value);
	case KIND_ATTACK_STATUS:
		return label_in(attack_status_label, ARRAY_LEN(attack_status_label), value);
	default:
		return NULL;
	}
}

const struct attribute_row *schema_find(uint64_t key, unsigned place)
{
	for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].key == key && table[i].places & place)
			return &table[i];
	}
	return NULL;
}

// Keys 128-255 and from 16384 on may be ignored by who does not know them, all others may not
// (RFC 9132 section 10.6.1.1).
static bool must_be_understood(uint64_t key)
{
	return key < 128 || (key >= 256 && key < 16384);
}

enum attribute setting_key(enum setting setting)
{
	static const enum attribute key[SETTINGS] = {
		[SETTING_HEARTBEAT_INTERVAL] = KEY_HEARTBEAT_INTERVAL,
		[SETTING_MISSING_HB_ALLOWED] = KEY_MISSING_HB_ALLOWED,
		[SETTING_PROBING_RATE] = KEY_PROBING_RATE,
		[SETTING_MAX_RETRANSMIT] = KEY_MAX_RETRANSMIT,
		[SETTING_ACK_TIMEOUT] = KEY_ACK_TIMEOUT,
		[SETTING_ACK_RANDOM_FACTOR] = KEY_ACK_RANDOM_FACTOR,
	};

	return key[setting];
}

bool setting_is_decimal(enum setting setting)
{
	return setting == SETTING_ACK_TIMEOUT || setting == SETTING_ACK_RANDOM_FACTOR;
}

struct check {
	const struct cborio_doc *doc;
	enum body_kind kind;
	struct err *err;
	char unknown[128]; // numbers, as text
};

static void note_unknown(struct check *check, uint64_t key)
{
	size_t used = strlen(check->unknown);

	snprintf(check->unknown + used, sizeof(check->unknown) - used, "%s%llu", used ? ", " : "",
		(unsigned long long)key);
}

static int check_uint(struct check *check, const struct attribute_row *row,
	const struct cborio_node *node, uint64_t max)
{
	if (node->kind != NODE_UINT)
		return err_set(check->err, "%s is not a number from 0 to %llu", row->name,
			(unsigned long long)max);
	if (node->value > max)
		return err_set(check->err, "%s: %llu is not within 0 to %llu", row->name,
			(unsigned long long)node->value, (unsigned long long)max);
	return 0;
}

static int check_text(
	struct check *check, const struct attribute_row *row, const struct cborio_node *node)
{
	if (node->kind != NODE_TEXT)
		return err_set(check->err, "%s is not a text", row->name);
	if (!node->count)
		return err_set(check->err, "%s is empty", row->name); // RFC 9132 section 4.4.1
	return 0;
}

int schema_decimal(const struct cborio_node *node, int64_t *hundredths)
{
	static const int64_t scale[] = {100, 10, 1}; // by exponent 0, -1, -2
	const struct cborio_node *part = cborio_doc_child(node), *exponent, *mantissa;
	uint64_t digits;

	if (node->kind != NODE_TAG || node->value != TAG_DECIMAL || part->kind != NODE_ARRAY ||
		part->count != 2)
		return -EINVAL;
	exponent = cborio_doc_child(part);
	mantissa = exponent + 1; // a number has no children to step over
	if (exponent->kind == NODE_UINT && exponent->value == 0)
		digits = 0;
	else if (exponent->kind == NODE_NEGINT && exponent->value <= 1)
		digits = exponent->value + 1;
	else
		return -ERANGE;
	if ((mantissa->kind != NODE_UINT && mantissa->kind != NODE_NEGINT) ||
		mantissa->value > UINT32_MAX)
		return -ERANGE;
	*hundredths = (mantissa->kind == NODE_UINT ? (int64_t)mantissa->value
						   : -1 - (int64_t)mantissa->value) *
		scale[digits];
	return 0;
}

static int check_map(struct check *check, const struct cborio_node *map, unsigned place);

static int check_list(
	struct check *check, const struct attribute_row *row, const struct cborio_node *node)
{
	const struct cborio_node *at = cborio_doc_child(node);
	int rc = 0;

	if (node->kind != NODE_ARRAY)
		return err_set(check->err, "%s is not an array", row->name);
	if (!node->count)
		return err_set(check->err, "%s is empty", row->name); // RFC 9132 section 4.4.1
	for (uint32_t i = 0; i < node->count && rc == 0; i++) {
		if (row->kind == KIND_TEXTS)
			rc = check_text(check, row, at);
		else if (row->kind == KIND_UINT8S)
			rc = check_uint(check, row, at, UINT8_MAX);
		else if (at->kind != NODE_MAP)
			rc = err_set(check->err, "%s does not hold maps", row->name);
		else
			rc = check_map(check, at, row->inside);
		at = cborio_doc_next(check->doc, at);
	}
	return rc;
}

static int check_value(
	struct check *check, const struct attribute_row *row, const struct cborio_node *node)
{
	int64_t decimal;

	switch ((enum attribute_kind)row->kind) {
	case KIND_MAP:
		if (node->kind != NODE_MAP)
			return err_set(check->err, "%s is not a map", row->name);
		return check_map(check, node, row->inside);
	case KIND_MAPS:
	case KIND_TEXTS:
	case KIND_UINT8S:
		return check_list(check, row, node);
	case KIND_TEXT:
		return check_text(check, row, node);
	case KIND_UINT8:
		return check_uint(check, row, node, UINT8_MAX);
	case KIND_UINT16:
		return check_uint(check, row, node, UINT16_MAX);
	case KIND_LIFETIME:
		if (node->kind == NODE_NEGINT && node->value == 0)
			return 0; // -1: indefinite
		if (node->kind != NODE_UINT || node->value > UINT32_MAX)
			return err_set(check->err, "%s is neither -1 nor within 1 to %u", row->name,
				UINT32_MAX);
		return 0;
	case KIND_UINT32:
		return check_uint(check, row, node, UINT32_MAX);
	case KIND_UINT64:
		return check_uint(check, row, node, UINT64_MAX);
	case KIND_BOOL:
		if (node->kind != NODE_BOOL)
			return err_set(check->err, "%s is neither true nor false", row->name);
		return 0;
	case KIND_DECIMAL:
		if (schema_decimal(node, &decimal) < 0)
			return err_set(check->err, "%s is no decimal with two digits", row->name);
		return 0;
	case KIND_STATUS:
	case KIND_CONFLICT_STATUS:
	case KIND_CONFLICT_CAUSE:
	case KIND_ATTACK_STATUS:
		return check_uint(check, row, node, UINT8_MAX);
	}
	return 0;
}

static int check_map(struct check *check, const struct cborio_node *map, unsigned place)
{
	const struct cborio_node *key = cborio_doc_child(map), *value;
	int rc = 0;

	for (uint32_t i = 0; i < map->count && rc == 0; i++) {
		const struct attribute_row *row;

		value = cborio_doc_next(check->doc, key);
		row = key->kind == NODE_UINT ? schema_find(key->value, place) : NULL;
		if (!row && key->kind != NODE_UINT)
			rc = err_set(check->err, "a key is not one of DOTS' numbers");
		else if (!row && must_be_understood(key->value))
			note_unknown(check, key->value);
		else if (row && row->reply_only && check->kind == BODY_REQUEST)
			rc = err_set(check->err, "%s may not stand in a request", row->name);
		else if (row && value->kind != NODE_NULL) // null is absent
			rc = check_value(check, row, value);
		key = cborio_doc_next(check->doc, value);
	}
	return rc;
}

const struct cborio_node *schema_check(
	const struct cborio_doc *doc, enum body_kind kind, struct err *err)
{
	struct check check = {.doc = doc, .kind = kind, .err = err};
	const struct cborio_node *top = doc->node;

	if (top->kind == NODE_TAG && top->value == TAG_DOTS)
		top = cborio_doc_child(top);
	if (top->kind != NODE_MAP) {
		err_set(err, "the body is not a map");
		return NULL;
	}
	if (check_map(&check, top, IN_BODY) < 0)
		return NULL;
	if (check.unknown[0] && kind == BODY_REQUEST) {
		err_set(err, "not understood here: attribute %s", check.unknown);
		return NULL;
	}
	return top;
}
