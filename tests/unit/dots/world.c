// SPDX-License-Identifier: BSD-3-Clause

#include "world.h"

#include "base/bits.h"
#include "base/clock.h"

#include "pki.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum transport_kind world_dtls = TRANSPORT_DTLS, world_tls = TRANSPORT_TLS;

static void on_up(void *ctx, struct transport *t)
{
	struct end *end = ctx;

	assert_ptr_equal(t, end->transport);
	assert_int_equal(end->ups, 0);
	end->ups++;
	end->peer = *transport_peer(t);
	if (end->on_up)
		end->on_up(end);
}

static void on_message(void *ctx, struct transport *t, const uint8_t *data, size_t length)
{
	struct end *end = ctx;

	assert_ptr_equal(t, end->transport);
	assert_int_equal(end->ups, 1);
	assert_int_equal(end->downs, 0);
	if (end->messages < ARRAY_LEN(end->lengths))
		end->lengths[end->messages] = length;
	end->messages++;
	end->last_length = length;
	memcpy(end->last, data, length);
	if (end->echo)
		transport_send(t, data, length);
	if (end->on_message)
		end->on_message(end);
}

static void on_down(void *ctx, struct transport *t, const struct err *why)
{
	struct end *end = ctx;

	assert_ptr_equal(t, end->transport);
	assert_int_equal(end->downs, 0);
	assert_true(why->text[0] != '\0');
	end->downs++;
	end->why = *why;
	if (end->on_down)
		end->on_down(end);
	end->transport = NULL;
}

static const struct transport_events events = {on_up, on_message, on_down};

static void *on_accept(void *ctx, struct transport *t)
{
	struct world *w = ctx;
	struct end *end;

	if (w->on_accept)
		w->on_accept(w, t);
	if (w->refuse)
		return NULL;
	assert_true(w->n_accepted < WORLD_ENDS);
	end = malloc(sizeof(*end));
	*end = w->made;
	end->world = w;
	end->transport = t;
	w->accepted[w->n_accepted++] = end;
	return end;
}

static bool on_admit(void *ctx, const struct ipaddr *addr)
{
	struct world *w = ctx;

	return !w->admit || w->admit(ctx, addr);
}

static void on_failed(void *ctx, const struct ipaddr *addr, bool unproven, const struct err *why)
{
	struct world *w = ctx;

	assert_int_equal(ipaddr_compare(addr, &w->addr), 0);
	w->failed++;
	w->unproven += unproven;
	w->failure = *why;
}

static const struct listener_gate gate = {on_admit, on_failed};

void world_listen(struct world *w, struct credentials *credentials, uint16_t port)
{
	struct listener *(*listen)(struct evloop *, struct credentials *, const struct ipaddr *,
		uint16_t, const struct transport_events *, void *(*)(void *, struct transport *),
		void *, struct err *) = w->kind == TRANSPORT_DTLS ? dtls_listen : tls_listen;
	struct err err = {0};

	w->listener = listen(w->loop, credentials, &w->addr, port, &events, on_accept, w, &err);
	assert_string_equal(err.text, "");
	assert_non_null(w->listener);
	w->port = listener_port(w->listener);
	listener_set_gate(w->listener, &gate, w);
}

void world_start(struct world *w, enum transport_kind kind, const char *name)
{
	struct credentials *credentials;

	if (!clock_is_held())
		clock_hold();
	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->loop = evloop_new();
	w->timeout_ns = 10 * CLOCK_SECOND;
	assert_int_equal(ipaddr_parse("127.0.0.1", &w->addr), 0);
	if (!name)
		return;
	credentials = pki_credentials(name, "ca.pem", NULL);
	world_listen(w, credentials, 0);
	credentials_free(credentials);
}

void world_stop(struct world *w)
{
	for (unsigned i = 0; i < w->n_dialled; i++) {
		transport_close(w->dialled[i]->transport);
		free(w->dialled[i]);
	}
	listener_close(w->listener);
	for (unsigned i = 0; i < w->n_accepted; i++)
		free(w->accepted[i]);
	evloop_free(w->loop);
}

struct end *world_dial_with(
	struct world *w, struct credentials *credentials, const char *server_name, uint16_t port)
{
	struct end *end = calloc(1, sizeof(*end));
	const struct dial dial = {
		.addr = w->addr,
		.port = port,
		.server_name = server_name,
		.timeout_ns = w->timeout_ns,
	};
	struct err err = {0};

	end->world = w;
	end->dialled = true;
	assert_true(w->n_dialled < WORLD_ENDS);
	w->dialled[w->n_dialled++] = end;
	end->transport = (w->kind == TRANSPORT_DTLS ? dtls_dial : tls_dial)(
		w->loop, credentials, &dial, &events, end, &err);
	assert_string_equal(err.text, "");
	assert_non_null(end->transport);
	assert_int_equal(end->ups + end->downs, 0);
	return end;
}

struct end *world_dial(struct world *w, const char *name)
{
	struct credentials *credentials = pki_credentials(name, "ca.pem", NULL);
	struct end *end = world_dial_with(w, credentials, PKI_SERVER, w->port);

	credentials_free(credentials);
	return end;
}

struct end *world_connect(struct world *w, const char *name, struct end **other)
{
	unsigned n = w->n_accepted;
	struct end *end = world_dial(w, name);

	RUN_UNTIL(w, end->ups && w->n_accepted == n + 1);
	*other = w->accepted[n];
	assert_int_equal((*other)->ups, 1);
	return end;
}

void world_turn(struct world *w)
{
	assert_int_equal(evloop_turn(w->loop, 5), 0);
}

void world_wait(struct world *w, unsigned seconds)
{
	clock_advance(seconds * CLOCK_SECOND);
	world_settle(w);
}

void world_settle(struct world *w)
{
	for (unsigned i = 0; i < 10; i++)
		world_turn(w);
}

size_t world_message(uint8_t *out, size_t length, uint8_t fill)
{
	memset(out, fill, length);
	assert_true(length != 15 && length != 272);
	if (length < 2 + 13) {
		out[0] = (uint8_t)((length - 2) << 4);
	} else if (length < 3 + 269) {
		out[0] = 0xd0;
		out[1] = (uint8_t)(length - 3 - 13);
	} else {
		out[0] = 0xe0;
		out[1] = (uint8_t)((length - 4 - 269) >> 8);
		out[2] = (uint8_t)(length - 4 - 269);
	}
	return length;
}

void world_send(struct end *end, size_t length, uint8_t fill)
{
	uint8_t data[65536];

	assert_int_equal(
		transport_send(end->transport, data, world_message(data, length, fill)), 0);
}
