// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where an upstream has sent us (RFC 9066 section 5.2.2): another Call Home DOTS client, by the name
// its certificate has to have, for so long. What the base channel says of loops holds here too
// (RFC 9132 section 4.6): nobody we talked to within five minutes is gone back to.

#include "base/evloop.h"
#include "dots/codec.h"
#include "dots/hostname.h"

#define REDIRECT_LOOP_TIME (300 * CLOCK_SECOND)

enum redirect_end {
	REDIRECT_AT_TIME,      // at `until`
	REDIRECT_WITH_ATTACK,  // ttl 0: once no mitigation is in force
	REDIRECT_WITH_SESSION, // no ttl: with the session, or the next redirect
	REDIRECT_NEVER,        // ttl 4294967295
};

struct redirect {
	bool active;
	char name[256];
	struct ipaddr addr[HOSTNAME_ADDRESSES];
	unsigned addrs; // 0: the name has to be looked up
	enum redirect_end end;
	uint64_t until;
	// who has been talked to last, and when that ended
	struct {
		char name[256];
		uint64_t at;
	} talked[8];
	unsigned talks;
};

// Takes one up, or refuses it: -EINVAL with the reason in err.
int redirect_take(struct redirect *redirect, const char *talking_to,
	const struct redirect_body *body, struct err *err);

// Goes back to the upstream as it is configured.
void redirect_drop(struct redirect *redirect);

// A session with this peer has ended.
void redirect_talked(struct redirect *redirect, const char *name);

// Whether its time is over. While there is an attack it is not (RFC 9132 section 4.6).
bool redirect_is_over(const struct redirect *redirect, bool attack);
