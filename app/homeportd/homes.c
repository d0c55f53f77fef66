// SPDX-License-Identifier: BSD-3-Clause

// The join of configuration and homes: whose they are, and what listens.

#include "dots/homes.h"

#include "base/clock.h"
#include "dots/relay.h"

#include "box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct credentials_files files_of(const struct config_client *c)
{
	return (struct credentials_files){
		.certificate = c->certificate,
		.private_key = c->private_key,
		.ca = c->ca,
		.crl = c->crl,
		.psk_file = c->psk_file,
	};
}

static unsigned list_listeners(const struct config_client *c, struct homes_listener *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->listeners; i++) {
		const struct config_listener *l = &c->listener[i];

		if (l->dtls)
			out[n++] = (struct homes_listener){l->addr, l->port, TRANSPORT_DTLS};
		if (l->tls)
			out[n++] = (struct homes_listener){l->addr, l->port, TRANSPORT_TLS};
	}
	return n;
}

static enum home_identity kind_of(const char *leaf)
{
	if (!strcmp(leaf, "psk-identity"))
		return HOME_BY_PSK;
	return strcmp(leaf, "key-hash") ? HOME_BY_NAME : HOME_BY_KEY;
}

static void list_homes(const struct config_client *c, struct homes_home *out)
{
	for (unsigned i = 0; i < c->homes; i++) {
		const struct config_home *h = &c->home[i];

		out[i] = (struct homes_home){.name = h->name,
			.identity = h->identity,
			.kind = kind_of(h->identity_leaf),
			.subscriber = h->subscriber,
			.any_source = h->any_source};
	}
}

int homes_apply(struct box *box, const struct config *config, struct err *err)
{
	const struct config_client *c = &config->client;
	struct homes_listener listener[2 * CONFIG_LISTENERS_MAX];
	struct homes_home *home = calloc(c->homes + 1, sizeof(*home));
	struct homes_setup setup = {
		.credentials = files_of(c),
		.listener = listener,
		.home = home,
		.homes = c->homes,
		.drop =
			{
				.failures = c->drop_failures,
				.window_ns = c->drop_window * CLOCK_SECOND,
				.duration_ns = c->drop_duration * CLOCK_SECOND,
				.len4 = c->drop_len4,
				.len6 = c->drop_len6,
			},
		.request_rate = c->request_rate,
		.limits = {.associations = 65536,
			.half_open = 1024,
			.handshake_ns = 30 * CLOCK_SECOND},
	};
	struct err why;
	int rc;

	if (!home)
		return err_set(err, "out of memory");
	setup.listeners = list_listeners(c, listener);
	list_homes(c, home);
	relay_set_confirm(box->relay, c->confirm_time * CLOCK_SECOND);
	rc = homes_configure(box->homes, &setup, &why);
	free(home);
	return rc < 0 ? err_set(err, "/homeport:homeport/dots/client: %s", why.text) : 0;
}

// Homes that could never get in.
static unsigned check_keys(const struct config_client *c, const struct credentials *credentials,
	void (*report)(void *ctx, const char *text), void *ctx)
{
	unsigned faults = 0;
	char text[1024];

	for (unsigned i = 0; i < c->homes; i++) {
		const struct config_home *h = &c->home[i];

		if (credentials_have_psk(credentials, h->identity))
			continue;
		snprintf(text, sizeof(text),
			"/homeport:homeport/dots/client/home[name='%s']/psk-identity: %s has no key "
			"in %s. Allowed: an identity that has",
			h->name, h->identity, c->psk_file);
		report(ctx, text);
		faults++;
	}
	return faults;
}

unsigned homes_check(
	const struct config *config, void (*report)(void *ctx, const char *text), void *ctx)
{
	struct credentials_files files = files_of(&config->client);
	struct credentials *credentials;
	unsigned faults = 0;
	struct err err;
	char text[1024];

	if (!config->client.node)
		return 0;
	credentials = credentials_load(&files, &err);
	if (!credentials) {
		snprintf(text, sizeof(text), "/homeport:homeport/dots/client: %s", err.text);
		report(ctx, text);
		return 1;
	}
	if (files.psk_file)
		faults = check_keys(&config->client, credentials, report, ctx);
	credentials_free(credentials);
	return faults;
}
