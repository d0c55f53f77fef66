// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The attributes of DOTS messages: number, name and kind of each (RFC 9132 table 5, RFC 9066
// table 1), in one table, and the check of a body against it. After the check every attribute that
// the table knows is where it belongs, of its kind, within its range and not empty.

#include "base/err.h"
#include "dots/cborio.h"

#include <stdbool.h>
#include <stdint.h>

enum attribute {
	KEY_MITIGATION_SCOPE = 1,
	KEY_SCOPE = 2,
	KEY_CDID = 3,
	KEY_CUID = 4,
	KEY_MID = 5,
	KEY_TARGET_PREFIX = 6,
	KEY_TARGET_PORT_RANGE = 7,
	KEY_LOWER_PORT = 8,
	KEY_UPPER_PORT = 9,
	KEY_TARGET_PROTOCOL = 10,
	KEY_TARGET_FQDN = 11,
	KEY_TARGET_URI = 12,
	KEY_ALIAS_NAME = 13,
	KEY_LIFETIME = 14,
	KEY_MITIGATION_START = 15,
	KEY_STATUS = 16,
	KEY_CONFLICT_INFORMATION = 17,
	KEY_CONFLICT_STATUS = 18,
	KEY_CONFLICT_CAUSE = 19,
	KEY_RETRY_TIMER = 20,
	KEY_CONFLICT_SCOPE = 21,
	KEY_ACL_LIST = 22,
	KEY_ACL_NAME = 23,
	KEY_ACL_TYPE = 24,
	KEY_BYTES_DROPPED = 25,
	KEY_BPS_DROPPED = 26,
	KEY_PKTS_DROPPED = 27,
	KEY_PPS_DROPPED = 28,
	KEY_ATTACK_STATUS = 29,
	KEY_SIGNAL_CONFIG = 30,
	KEY_SID = 31,
	KEY_MITIGATING_CONFIG = 32,
	KEY_HEARTBEAT_INTERVAL = 33,
	// sent as RFC 9132 table 5 has them; its IANA section has the two the other way round, so on
	// receipt the larger is the maximum
	KEY_MAX_VALUE = 34,
	KEY_MIN_VALUE = 35,
	KEY_CURRENT_VALUE = 36,
	KEY_MISSING_HB_ALLOWED = 37,
	KEY_MAX_RETRANSMIT = 38,
	KEY_ACK_TIMEOUT = 39,
	KEY_ACK_RANDOM_FACTOR = 40,
	KEY_MAX_VALUE_DECIMAL = 41,
	KEY_MIN_VALUE_DECIMAL = 42,
	KEY_CURRENT_VALUE_DECIMAL = 43,
	KEY_IDLE_CONFIG = 44,
	KEY_TRIGGER_MITIGATION = 45,
	KEY_REDIRECTED_SIGNAL = 46,
	KEY_ALT_SERVER = 47,
	KEY_ALT_SERVER_RECORD = 48,
	KEY_HEARTBEAT = 49,
	KEY_PROBING_RATE = 50,
	KEY_PEER_HB_STATUS = 51,
	// 52 and 53, control of the data channel's ACLs (RFC 9133), are unknown to a server without a
	// data channel
	KEY_SOURCE_PREFIX = 32768,
	KEY_SOURCE_PORT_RANGE = 32769,
	KEY_SOURCE_ICMP_TYPE_RANGE = 32770,
	KEY_LOWER_TYPE = 32771,
	KEY_UPPER_TYPE = 32772,
	KEY_ALT_CH_CLIENT = 32773,
	KEY_ALT_CH_CLIENT_RECORD = 32774,
	KEY_TTL = 32775,
};

// The attributes of a configuration set, in the order of RFC 9132 figure 20.
enum setting {
	SETTING_HEARTBEAT_INTERVAL, // seconds
	SETTING_MISSING_HB_ALLOWED,
	SETTING_PROBING_RATE, // bytes a second
	SETTING_MAX_RETRANSMIT,
	SETTING_ACK_TIMEOUT, // in hundredths, as the next
	SETTING_ACK_RANDOM_FACTOR,
	SETTINGS,
};

#define TAG_DECIMAL 4   // RFC 8949 section 3.4.4
#define TAG_DOTS    271 // RFC 9132 section 10.5

enum attribute_kind {
	KIND_MAP,
	KIND_MAPS, // an array of them
	KIND_TEXT,
	KIND_TEXTS,
	KIND_UINT8,
	KIND_UINT8S,
	KIND_UINT16,
	KIND_UINT32,
	KIND_UINT64,
	KIND_LIFETIME, // uint32, or -1
	KIND_BOOL,
	KIND_DECIMAL, // two fraction digits
	KIND_STATUS,  // this and what follows are numbers with labels
	KIND_CONFLICT_STATUS,
	KIND_CONFLICT_CAUSE,
	KIND_ATTACK_STATUS,
};

// Where in a body an attribute may stand; bits.
enum attribute_place {
	IN_BODY = 1 << 0,
	IN_MITIGATION = 1 << 1,
	IN_SCOPE = 1 << 2,
	IN_PORTS = 1 << 3,
	IN_TYPES = 1 << 4,
	IN_CONFLICT = 1 << 5,
	IN_CONFLICT_SCOPE = 1 << 6,
	IN_ACL = 1 << 7,
	IN_CONFIG = 1 << 8,
	IN_SET = 1 << 9,
	IN_NUMBER = 1 << 10,
	IN_DECIMAL = 1 << 11,
	IN_REDIRECT = 1 << 12,
	IN_HEARTBEAT = 1 << 13,
};

struct attribute_row {
	uint16_t key;
	uint8_t kind;
	uint16_t places;
	uint16_t inside;  // of a map: where its own attributes are
	bool reply_only;  // not in a request: the server says it, or the path does
	const char *name; // as in JSON (RFC 7951)
};

enum body_kind { BODY_REQUEST, BODY_REPLY };

// The row of an attribute at a place, or NULL.
const struct attribute_row *schema_find(uint64_t key, unsigned place);

// The label of a number of a KIND_STATUS and the like, or NULL.
const char *schema_label(enum attribute_kind kind, uint64_t value);

enum attribute setting_key(enum setting setting);
bool setting_is_decimal(enum setting setting);

// A decimal in hundredths. Returns -ERANGE if it has more than two digits after the point.
int schema_decimal(const struct cborio_node *node, int64_t *hundredths);

// The map at the top, behind the tag for DOTS if it has one (RFC 9132 section 10.5), checked
// against the table. In a request unknown attributes that must be understood are an error that
// names them (RFC 9132 section 10.6.1.1), as are attributes of replies. NULL with the reason in err.
const struct cborio_node *schema_check(
	const struct cborio_doc *doc, enum body_kind kind, struct err *err);
