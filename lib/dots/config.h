// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The session configuration of one upstream (RFC 9132 section 4.5): what is offered, what has been
// agreed on under a sid, and which of its two sets is in force. Stays while sessions come and go.

#include "dots/codec.h"

struct session_config {
	struct config_body offered; // ranges and defaults
	struct config_body agreed;  // the same ranges, and the values agreed on
	bool has_sid;
	uint32_t sid;
	uint32_t lifetime;                 // seconds an agreement holds; 0: for good
	uint64_t ends;                     // reading of clock_now(); UINT64_MAX: never
	uint32_t version;                  // counts the changes
	const struct config_set *in_force; // as applied last; NULL: not at all
	uint32_t version_in_force;
};

void config_init(
	struct session_config *config, const struct config_body *offered, uint32_t lifetime);

// Agrees on the values of a PUT, or says why not. Returns the code of the answer: 201 for a new sid,
// 204 for the one in force, 422 for a value out of range, 400 for anything else, with the reason in
// err. A setting that is not named has its default (CF-02, CF-03).
unsigned config_put(struct session_config *config, uint32_t sid, const struct config_body *body,
	struct err *err);

// The client has asked for what was agreed on under a sid: it holds on. False if there is none.
bool config_refresh(struct session_config *config, uint32_t sid);

// Back to what was offered (RFC 9132 section 4.5.4).
void config_reset(struct session_config *config);

// What is agreed at this time.
const struct config_body *config_now(struct session_config *config);

// The set for the time of an attack, or for all other times. An agreement that nobody has refreshed
// ends, but not during an attack (RFC 9132 section 4.5.3).
const struct config_set *config_set(struct session_config *config, bool attack);

// Whether this set differs from the one in force, which it then is.
bool config_has_changed(struct session_config *config, const struct config_set *set);

// Seconds for which an answer is fresh; UINT32_MAX: for good (RFC 9132 section 4.5.3).
uint32_t config_max_age(const struct session_config *config);
