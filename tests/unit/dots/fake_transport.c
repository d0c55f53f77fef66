// SPDX-License-Identifier: BSD-3-Clause

#include "fake_transport.h"

#include "base/bits.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct credentials {
	char name[64];
};

struct transport {
	struct transport *next;
	struct transport *other; // NULL once that end is gone
	enum transport_kind kind;
	enum fake_side side; // which end this is
	const struct transport_events *events;
	void *ctx;
	struct transport_peer peer;
	struct timer timer; // up, or down when the dial fails
	struct err why;
	struct listener *listener;
	struct ipaddr from; // of a dialling end
	char name[64];
	size_t room; // TLS
};

struct listener {
	struct listener *next;
	enum transport_kind kind;
	struct ipaddr addr;
	uint16_t port;
	const struct credentials *credentials;
	const struct transport_events *events;
	void *(*accept)(void *ctx, struct transport *transport);
	void *ctx;
	const struct listener_gate *gate;
	void *gate_ctx;
	struct listener_counters counters;
};

struct parcel {
	struct parcel *next;
	struct transport *to;
	size_t length;
	uint8_t data[];
};

static struct {
	struct evloop *loop;
	struct listener *listeners;
	struct transport *transports;
	struct parcel *queue;
	struct timer deliver;
} net;

struct fake_faults fake_faults[2];
void (*fake_tap)(enum fake_side towards, const uint8_t *data, size_t length);
unsigned fake_dials[2];
struct fake_dial fake_dialled[64];
unsigned fake_dialled_count;
size_t fake_room = 1201;
struct ipaddr fake_source;
bool fake_psk;
char fake_name[64] = "home.example";

static void deliver(struct timer *)
{
	struct parcel *all = net.queue, *p;

	net.queue = NULL;
	while ((p = all)) {
		all = p->next;
		if (fake_faults[p->to ? p->to->side : 0].hold) {
			p->next = net.queue;
			net.queue = p;
			continue;
		}
		if (p->to)
			p->to->events->message(p->to->ctx, p->to, p->data, p->length);
		// its receiver may have gone while others of this batch were delivered
		free(p);
	}
}

static void deliver_soon(void)
{
	timer_set(net.loop, &net.deliver, clock_now(), deliver);
}

static void queue(struct transport *to, const uint8_t *data, size_t length)
{
	struct parcel *p = calloc(1, sizeof(*p) + length), **link = &net.queue;

	p->to = to;
	p->length = length;
	memcpy(p->data, data, length);
	while (*link)
		link = &(*link)->next;
	*link = p;
	deliver_soon();
}

void fake_release(bool reversed)
{
	struct parcel *turned = NULL, *p;

	fake_faults[0].hold = fake_faults[1].hold = false;
	// what deliver() held back it also turned round
	while ((p = net.queue)) {
		net.queue = p->next;
		p->next = turned;
		turned = p;
	}
	net.queue = turned;
	if (reversed) {
		turned = NULL;
		while ((p = net.queue)) {
			net.queue = p->next;
			p->next = turned;
			turned = p;
		}
		net.queue = turned;
	}
	deliver_soon();
}

// ------------------------------------------------------------------ credentials

struct credentials *credentials_load(const struct credentials_files *files, struct err *err)
{
	struct credentials *c = calloc(1, sizeof(*c));

	if (!files->certificate || !strcmp(files->certificate, "missing.pem")) {
		err_set(err, "%s: no such file", files->certificate);
		free(c);
		return NULL;
	}
	snprintf(c->name, sizeof(c->name), "%s", files->certificate);
	return c;
}

void credentials_free(struct credentials *credentials)
{
	free(credentials);
}

const char *credentials_cuid(const struct credentials *)
{
	return "dz6pHjaADkaFTbjr0JGBpw";
}

int64_t credentials_ca_end(const struct credentials *)
{
	return 4102444801;
}

int64_t credentials_not_after(const struct credentials *)
{
	return 4102444800;
}

// ------------------------------------------------------------------ associations

static struct transport *transport_new(enum transport_kind kind, enum fake_side side,
	const struct transport_events *events, void *ctx)
{
	struct transport *t = calloc(1, sizeof(*t));

	t->kind = kind;
	t->side = side;
	t->room = 1152;
	t->events = events;
	t->ctx = ctx;
	t->peer.not_after = 4102444802;
	t->peer.cipher = "FAKE";
	t->peer.version = kind == TRANSPORT_DTLS ? "DTLSv1.2" : "TLSv1.3";
	t->next = net.transports;
	net.transports = t;
	return t;
}

static void transport_free(struct transport *t)
{
	struct transport **link = &net.transports;

	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
	timer_stop(net.loop, &t->timer);
	for (struct parcel *p = net.queue; p; p = p->next) {
		if (p->to == t)
			p->to = NULL;
	}
	if (t->other)
		t->other->other = NULL;
	free(t);
}

static void dial_failed(struct timer *timer)
{
	struct transport *t = CONTAINER_OF(timer, struct transport, timer);

	t->events->down(t->ctx, t, &t->why);
	transport_free(t);
}

static void dial_done(struct timer *timer)
{
	struct transport *t = CONTAINER_OF(timer, struct transport, timer);
	struct listener *l = t->listener;
	struct transport *far = transport_new(t->kind, FAKE_TO_LISTENER, l->events, NULL);

	far->other = t;
	t->other = far;
	far->peer.addr = t->from;
	snprintf(far->peer.name, sizeof(far->peer.name), "%s", t->name);
	far->peer.psk = t->peer.psk;
	if (!far->peer.psk)
		snprintf(far->peer.spki, sizeof(far->peer.spki), "spki-of-home");
	l->counters.completed++;
	far->ctx = l->accept(l->ctx, far);
	if (!far->ctx) {
		transport_free(far);
		err_set(&t->why, "closed by the peer");
		t->events->down(t->ctx, t, &t->why);
		transport_free(t);
		return;
	}
	far->events->up(far->ctx, far);
	t->events->up(t->ctx, t);
}

static struct listener *listener_find(enum transport_kind kind, const struct dial *dial)
{
	for (struct listener *l = net.listeners; l; l = l->next) {
		if (l->kind == kind && l->port == dial->port &&
			!ipaddr_compare(&l->addr, &dial->addr))
			return l;
	}
	return NULL;
}

static struct transport *dial_any(enum transport_kind kind, const struct dial *dial,
	const struct transport_events *events, void *ctx)
{
	const struct fake_faults *faults = &fake_faults[FAKE_TO_LISTENER];
	struct transport *t = transport_new(kind, FAKE_TO_DIALLER, events, ctx);

	fake_dials[kind]++;
	if (fake_dialled_count < ARRAY_LEN(fake_dialled))
		fake_dialled[fake_dialled_count++] =
			(struct fake_dial){kind, dial->addr, clock_now()};
	t->listener = listener_find(kind, dial);
	t->peer.addr = dial->addr;
	t->peer.psk = fake_psk;
	t->peer.port = dial->port;
	t->from = fake_source;
	snprintf(t->name, sizeof(t->name), "%s", fake_name);
	snprintf(t->peer.name, sizeof(t->peer.name), "%s", dial->server_name);
	if (faults->swallow_dials) {
		err_set(&t->why, "handshake timed out");
		timer_set(net.loop, &t->timer, clock_now() + dial->timeout_ns, dial_failed);
		return t;
	}
	if (!t->listener || (kind == TRANSPORT_DTLS ? faults->refuse_dtls : faults->refuse_tls))
		err_set(&t->why, "connection refused");
	else if (t->listener->gate &&
		!t->listener->gate->admit(t->listener->gate_ctx, &fake_source))
		err_set(&t->why, "not admitted");
	else if (strcmp(t->listener->credentials->name, dial->server_name))
		err_set(&t->why, "the certificate is not for %s", dial->server_name);
	timer_set(net.loop, &t->timer, clock_now(), t->why.text[0] ? dial_failed : dial_done);
	return t;
}

struct transport *dtls_dial(struct evloop *, struct credentials *, const struct dial *dial,
	const struct transport_events *events, void *ctx, struct err *)
{
	return dial_any(TRANSPORT_DTLS, dial, events, ctx);
}

struct transport *tls_dial(struct evloop *, struct credentials *, const struct dial *dial,
	const struct transport_events *events, void *ctx, struct err *)
{
	return dial_any(TRANSPORT_TLS, dial, events, ctx);
}

static struct listener *listen_any(enum transport_kind kind, struct credentials *credentials,
	const struct ipaddr *addr, uint16_t port, const struct transport_events *events,
	void *(*accept)(void *, struct transport *), void *ctx)
{
	struct listener *l = calloc(1, sizeof(*l));

	*l = (struct listener){
		.next = net.listeners,
		.kind = kind,
		.addr = *addr,
		.port = port,
		.credentials = credentials,
		.events = events,
		.accept = accept,
		.ctx = ctx,
	};
	net.listeners = l;
	return l;
}

struct listener *dtls_listen(struct evloop *, struct credentials *credentials,
	const struct ipaddr *addr, uint16_t port, const struct transport_events *events,
	void *(*accept)(void *, struct transport *), void *ctx, struct err *)
{
	return listen_any(TRANSPORT_DTLS, credentials, addr, port, events, accept, ctx);
}

struct listener *tls_listen(struct evloop *, struct credentials *credentials,
	const struct ipaddr *addr, uint16_t port, const struct transport_events *events,
	void *(*accept)(void *, struct transport *), void *ctx, struct err *)
{
	return listen_any(TRANSPORT_TLS, credentials, addr, port, events, accept, ctx);
}

void listener_set_gate(struct listener *l, const struct listener_gate *gate, void *ctx)
{
	l->gate = gate;
	l->gate_ctx = ctx;
}

int listener_renew(struct listener *l, struct credentials *credentials, struct err *)
{
	l->credentials = credentials;
	return 0;
}

void listener_limit(struct listener *, const struct listener_limits *)
{
}

const struct listener_counters *listener_counters(const struct listener *l)
{
	return &l->counters;
}

uint16_t listener_port(const struct listener *listener)
{
	return listener->port;
}

void listener_close(struct listener *listener)
{
	struct listener **link = &net.listeners;

	if (!listener)
		return;
	while (*link != listener)
		link = &(*link)->next;
	*link = listener->next;
	free(listener);
}

int transport_send(struct transport *t, const uint8_t *data, size_t length)
{
	enum fake_side towards = t->side == FAKE_TO_DIALLER ? FAKE_TO_LISTENER : FAKE_TO_DIALLER;
	struct fake_faults *faults = &fake_faults[towards];

	if (length > transport_room(t))
		return -EMSGSIZE;
	if (faults->full)
		return -EAGAIN;
	if (fake_tap)
		fake_tap(towards, data, length);
	if (!t->other || faults->blackhole)
		return 0;
	if (faults->drop) {
		faults->drop--;
		return 0;
	}
	queue(t->other, data, length);
	if (faults->duplicate)
		queue(t->other, data, length);
	return 0;
}

size_t transport_room(const struct transport *t)
{
	return t->kind == TRANSPORT_DTLS ? fake_room : t->room;
}

void transport_set_room(struct transport *t, size_t length)
{
	t->room = length < 65536 ? length : 65536;
}

enum transport_kind transport_kind(const struct transport *t)
{
	return t->kind;
}

const struct transport_peer *transport_peer(const struct transport *t)
{
	return &t->peer;
}

static void other_went(struct transport *other)
{
	err_set(&other->why, "closed by the peer");
	timer_set(net.loop, &other->timer, clock_now(), dial_failed);
}

void transport_close(struct transport *t)
{
	if (!t)
		return;
	if (t->other)
		other_went(t->other);
	transport_free(t);
}

void fake_cut(struct transport *t, const char *why)
{
	struct transport *ends[] = {t->other, t};

	for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
		if (!ends[i])
			continue;
		err_set(&ends[i]->why, "%s", why);
		timer_set(net.loop, &ends[i]->timer, clock_now(), dial_failed);
	}
}

struct transport *fake_other_end(struct transport *t)
{
	return t->other;
}

struct transport *fake_accepted(void)
{
	for (struct transport *t = net.transports; t; t = t->next) {
		if (t->side == FAKE_TO_LISTENER && t->other)
			return t;
	}
	return NULL;
}

void fake_reset(struct evloop *loop)
{
	struct parcel *p;

	while (net.transports)
		transport_free(net.transports);
	while (net.listeners)
		listener_close(net.listeners);
	while ((p = net.queue)) {
		net.queue = p->next;
		free(p);
	}
	memset(fake_faults, 0, sizeof(fake_faults));
	memset(fake_dials, 0, sizeof(fake_dials));
	fake_dialled_count = 0;
	fake_tap = NULL;
	fake_room = 1201;
	fake_source = (struct ipaddr){0};
	snprintf(fake_name, sizeof(fake_name), "home.example");
	fake_psk = false;
	if (net.loop)
		timer_stop(net.loop, &net.deliver);
	net.loop = loop;
}
