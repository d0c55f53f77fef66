// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One subscriber's home: a Call Home DOTS server that dials in, of which the box is the client (RFC
// 9066 section 3). The home is there as long as the configuration names it; its session comes and
// goes. After the session is up the client asks for the session configuration first (section 5.2.1),
// then sends what orders there are.
//
//          .--> absent --(accepted, CSM)--> greeting --(GET /config answered)--> ready
//          '------------- lost, closed, replaced by a newer session ---------------'

#include "base/subkey.h"
#include "dots/exchange.h"
#include "dots/heartbeat.h"
#include "dots/list.h"
#include "dots/order.h"

#define HOME_CUID      23 // bytes of a client identifier with its terminating zero
#define HOME_ORDERS    24 // at one time, those withdrawn included
#define HOME_IN_FLIGHT 4  // requests without an answer

enum home_state { HOME_ABSENT, HOME_GREETING, HOME_READY };

TAILQ_HEAD(orders, order);
TAILQ_HEAD(home_queue, home);

// What all homes have in common; homes.c owns it.
struct home_club {
	struct evloop *loop;
	const char *cuid;        // by the recipe, from our certificate (RFC 9132 section 4.4.1.1)
	struct home_queue queue; // homes with something to send,
	struct timer pump;       // which is taken from it at a pace
	unsigned rate;           // requests a second of all homes together
	uint64_t pumped;         // reading of clock_now() of the last time
	uint64_t due;            // requests that may be sent now, in CLOCK_SECOND parts
};

struct home {
	struct home *next_by_identity; // in the buckets of homes.c
	struct home *next_by_subscriber;
	struct home_club *club;
	char *name;
	char *identity;
	enum home_identity kind;
	struct ipprefix subscriber;
	bool any_source; // its session may come from elsewhere

	enum home_state state;
	uint64_t since; // reading of clock_now() the state began
	struct transport *transport;
	struct exchange *exchange;
	struct heartbeat heartbeat;
	struct config_body config;
	struct timer timer; // of whatever is due first
	uint64_t config_at; // the configuration is to be asked for again; 0: never
	char cuid[HOME_CUID];
	uint32_t next_mid;
	struct orders orders;
	unsigned order_count;
	unsigned in_flight;
	bool queued;
	TAILQ_ENTRY(home) in_queue;
	struct err last_error;
	int64_t certificate_end; // Unix time the one it has shown last ends; 0: none so far
	uint64_t sessions;
	uint64_t requests; // sent, repetitions not counted
	uint64_t refusals; // answered by 4.xx or 5.xx
};

// Copies the texts. Returns NULL if memory runs out.
struct home *home_new(struct home_club *club, const char *name, const char *identity,
	const struct ipprefix *subscriber);

// Closes the session and forgets the orders, whose makers must have let go. NULL is allowed.
void home_free(struct home *home);

// Ends the session, if there is one.
void home_close(struct home *home, const struct err *why);

// Events of its transports; `ctx` is the home.
extern const struct transport_events home_events;

// Gives an order to the home, with its end set. The maker may look at it until order_withdraw().
// Returns -ENOBUFS if the home has too many.
int home_order(struct home *home, struct order *order);

// The end has changed; or there is an attack-status to tell (RFC 9132 section 4.4.3).
void home_reorder(struct order *order, uint64_t ends, uint8_t attack_status);

// The maker lets go of the order: the home is told to end it.
void home_withdraw(struct order *order);

void home_club_stop(struct home_club *club);
