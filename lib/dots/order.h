// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the box asks of one home: to stop traffic for a time. Made by relay.c, carried out by home.c.
//
// An order is one mitigation request, or several with a mid each if one would not fit a datagram
// (RFC 9132 section 7.3). It outlives sessions: each part is sent, or sent again, whenever there is a
// session, is refreshed before its lifetime at the home ends, and observed. One that is withdrawn
// stays until the home has heard of it or has let it go by itself.
//
//   QUEUED -> CONFIRMED     2.01 or 2.04, or a notification that it is in force
//      |          |
//      '----------+--> REFUSED   4.xx, or a notification that the home withdrew it
//                 '--> QUEUED    the home does not know it any more

#include "dots/codec.h"
#include "dots/message.h"

#include <sys/queue.h>

#define ORDER_PARTS_MAX 32
// The longest body of one part: what fits where nothing is known of the path (RFC 7252 section 4.6).
#define ORDER_BODY_MAX 1024

enum order_state { ORDER_QUEUED, ORDER_CONFIRMED, ORDER_REFUSED };

// What is still to be sent for a part, by urgency.
enum order_todo {
	TODO_DELETE = 1,
	TODO_PUT = 2,
	TODO_EFFICACY = 4,
	TODO_OBSERVE = 8,
	TODO_FORGET = 16, // the observation (OB-06: by Observe 1)
};

struct part {
	struct order *order;
	uint32_t mid;
	struct scope scope; // a view into the order's
	enum order_state state;
	unsigned todo;
	unsigned asked;      // what of it an answer is awaited for; 0: nothing
	bool sent;           // the home may know it
	unsigned renamed;    // how often its mid was in the way of another
	uint64_t not_before; // reading of clock_now() before which nothing is sent
	uint64_t refresh_at; // 0: never
	uint64_t expires;    // at the home
	uint8_t status;      // as the home says; 0: has not said
	struct dropped dropped;
	uint8_t token[MESSAGE_TOKEN_MAX]; // of what was asked last, until answered
	uint8_t token_length;
	uint8_t observing[MESSAGE_TOKEN_MAX]; // of the observation
	uint8_t observing_length;             // 0: none
};

struct home;

struct order {
	TAILQ_ENTRY(order) linked;
	struct home *home;
	struct scope scope;
	uint64_t ends;         // reading of clock_now(), UINT64_MAX: never
	uint8_t attack_status; // to be told; 0: nothing
	uint8_t hop_limit;     // of the request that it carries on
	bool withdrawn;        // its maker has let it go
	bool legitimate;       // refused because the home calls the traffic legitimate
	// The state, the status or the session has changed. Not called from inside a function of home.h.
	void (*changed)(void *ctx, struct order *order);
	void *ctx;
	unsigned parts;
	struct part part[];
};

// Takes the scope over and cuts it into parts. Returns NULL, with the scope left alone, if memory
// runs out or it would take more than ORDER_PARTS_MAX.
struct order *order_new(struct scope *scope);
void order_free(struct order *order);

// All parts together: refused if any is, confirmed if all are.
enum order_state order_state(const struct order *order);

struct dropped order_dropped(const struct order *order);

// Whether the home says of every part that it drops.
bool order_mitigates(const struct order *order);

// The body of a part's request with this lifetime. Returns its length, or -EMSGSIZE.
int order_body(const struct part *part, int64_t lifetime, uint8_t attack_status, uint8_t *out,
	size_t room);
