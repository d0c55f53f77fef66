// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Who is told about mitigations, and the session configuration, without asking again (RFC 7641;
// RFC 9132 section 4.4.2.1). The observers of one session: they end with it.
//
// A notification goes out when a status changes and once in OBSERVE_PERIOD while a mitigation is in
// force, never two to one observer within 3 s, and always non-confirmable. One whose mitigation has
// ended gets a last one with the final status and is dropped.

#include "dots/blocks.h"
#include "dots/status.h"

#define OBSERVERS_MAX  64
#define OBSERVE_PERIOD (5 * CLOCK_SECOND)

struct observer;

struct observers {
	struct evloop *loop;
	struct exchange *exchange;
	const struct mitigations *all;
	const struct owner *owner;
	struct blocks *blocks;
	struct observer *first;
	unsigned count;
	struct timer timer; // once a second while there are any
	uint64_t notifications;
};

void observers_start(struct observers *observers, struct evloop *loop, struct exchange *exchange,
	const struct mitigations *all, const struct owner *owner, struct blocks *blocks);
void observers_stop(struct observers *observers);

// Registers whoever sent this GET, or its token anew, for what it just got. Returns the value of
// the Observe option for the answer, or MESSAGE_ABSENT if there is no room: then the answer is an
// ordinary one (RFC 7641 section 4.1).
int32_t observers_add(struct observers *observers, const struct message *request,
	const struct selection *selection);

// Forgets the observer with this token.
void observers_remove(struct observers *observers, const uint8_t *token, uint8_t token_length);

// A mitigation ends: its observers get a last notification.
void observers_ending(struct observers *observers, const struct mitigation *mitigation);
