// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// All homes: the listeners they dial, which certificate or key is which subscriber's home, and who is not
// listened to. Made once; a configuration is put in force by homes_configure(), which keeps the
// sessions of homes that stay as they are. Control thread only.

#include "base/err.h"
#include "base/evloop.h"
#include "dots/droplist.h"
#include "dots/list.h"
#include "dots/transport.h"

#include <stdbool.h>
#include <stdint.h>

#define HOMES_LISTENERS_MAX 32

struct home;
struct homes;

struct homes_listener {
	struct ipaddr addr;
	uint16_t port;
	enum transport_kind kind;
};

struct homes_home {
	const char *name;     // unique
	const char *identity; // unique
	enum home_identity kind;
	struct ipprefix subscriber; // all whose address or prefix is in it are his
	bool any_source;            // it may dial from an address that is not its subscriber's
};

struct homes_setup {
	struct credentials_files credentials;
	const struct homes_listener *listener;
	unsigned listeners; // 0: nothing is listened for
	const struct homes_home *home;
	unsigned homes;
	struct droplist_setup drop;
	unsigned request_rate; // requests a second to all homes together
	struct listener_limits limits;
};

// Returns NULL if memory runs out.
struct homes *homes_new(struct evloop *loop);

// Closes everything. NULL is allowed.
void homes_free(struct homes *homes);

// Makes the homes and listeners those of the setup, which is copied, and reads the credentials anew.
// Sessions of homes that stay as they are go on, unless the listeners are others. Returns -EINVAL
// or -ENOMEM with the reason in err; what could be done has been done.
int homes_configure(struct homes *homes, const struct homes_setup *setup, struct err *err);

// The home of a subscriber, with or without a session: that of the longest prefix that has his address or prefix, by
// whatever service he was found. NULL if none is configured.
struct home *homes_of(const struct homes *homes, const struct subkey *subscriber);

// Port that a listener is bound to, for those on port 0.
uint16_t homes_port(const struct homes *homes, unsigned listener);
