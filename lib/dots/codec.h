// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// DOTS message bodies and plain structures (RFC 9132 section 6, RFC 9066 section 6). Reading
// answers -ENOMEM, or -EINVAL with the reason in err, which is what a 4.00 tells the peer; writing
// gives the length, or -EMSGSIZE. What is zero is absent, where zero is no value of its own.

#include "base/err.h"
#include "dots/schema.h"
#include "dots/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mitigation_status {
	STATUS_IN_PROGRESS = 1,
	STATUS_MITIGATED = 2,
	STATUS_STOPPED = 3,
	STATUS_EXCEEDED = 4,
	STATUS_CLIENT_WITHDRAWN = 5,
	STATUS_TERMINATED = 6,
	STATUS_WITHDRAWN = 7,
};

enum conflict_cause {
	CAUSE_OVERLAPPING_TARGETS = 1,
	CAUSE_ACCEPT_LIST = 2,
	CAUSE_CUID_COLLISION = 3,
	CAUSE_LEGITIMATE_TRAFFIC = 4,
};

enum attack_status { ATTACK_UNDER_WAY = 1, ATTACK_MITIGATED = 2 };

struct conflict {
	uint8_t status;
	uint8_t cause;
	bool has_retry_timer;
	uint32_t retry_timer; // seconds
	// conflict-scope, as far as this server fills it
	struct ipprefix *target;
	unsigned targets;
	bool has_mid;
	uint32_t mid;
};

struct dropped {
	uint64_t bytes;
	uint64_t bps; // bytes a second, by name and by rule (RFC 9132 section 4.4.2)
	uint64_t packets;
	uint64_t pps;
};

// One entry of a mitigation-scope.
struct mitigation_body {
	bool has_mid;
	uint32_t mid;
	uint64_t start; // Unix time in seconds
	struct scope scope;
	int64_t lifetime; // seconds or LIFETIME_INDEFINITE
	bool has_lifetime;
	bool trigger_off; // trigger-mitigation is there and false
	uint8_t status;
	struct conflict conflict; // there if any part of it is
	bool has_dropped;
	struct dropped dropped;
	uint8_t attack_status;
};

#define SETTING_ABSENT -1

struct setting_values {
	int32_t max;
	int32_t min;
	int32_t current;
};

struct config_set {
	struct setting_values setting[SETTINGS];
};

// The session configuration (RFC 9132 section 4.5).
struct config_body {
	struct config_set mitigating;
	struct config_set idle;
};

struct redirect_body {
	char name[256];
	struct ipaddr *record;
	unsigned records;
	bool has_ttl;
	uint32_t ttl; // seconds
};

// The defaults of RFC 9132 section 4.5.1 and the ranges of its figure 20.
struct config_body config_default(void);

// A request brings exactly one entry, a reply any number. The array is freed by
// mitigation_bodies_free().
int codec_read_mitigations(const uint8_t *data, size_t length, bool request,
	struct mitigation_body **bodies, unsigned *count, struct err *err);
void mitigation_bodies_free(struct mitigation_body *bodies, unsigned count);

int codec_read_config(const uint8_t *data, size_t length, bool request, struct config_body *config,
	struct err *err);
int codec_read_heartbeat(const uint8_t *data, size_t length, bool *peer_hb_status, struct err *err);

// redirect->record is to be freed.
int codec_read_redirect(
	const uint8_t *data, size_t length, struct redirect_body *redirect, struct err *err);

int codec_write_mitigations(
	const struct mitigation_body *bodies, unsigned count, uint8_t *out, size_t room);
int codec_write_config(const struct config_body *config, uint8_t *out, size_t room);
int codec_write_heartbeat(bool peer_hb_status, uint8_t *out, size_t room);
int codec_write_redirect(const struct redirect_body *redirect, uint8_t *out, size_t room);
