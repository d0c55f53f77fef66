// SPDX-License-Identifier: BSD-3-Clause

#include "dots/homes.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/errand.h"
#include "dots/spki.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct homes {
	struct home_club club;
	struct credentials *credentials;
	struct listener *listener[HOMES_LISTENERS_MAX];
	struct homes_listener listening[HOMES_LISTENERS_MAX];
	unsigned listeners;
	struct droplist *drop;
	struct home **by_identity; // `buckets` lists each
	struct home **by_subscriber;
	unsigned buckets;       // a power of two
	uint64_t lengths[2][3]; // one bit for each that their prefixes have, of IPv4 and IPv6
	unsigned count;
	struct dots_homes_counters counters;
	char cuid[HOME_CUID];
};

struct homes *homes_new(struct evloop *loop)
{
	struct homes *homes = calloc(1, sizeof(*homes));

	if (!homes)
		return NULL;
	homes->club.loop = loop;
	homes->club.cuid = homes->cuid;
	TAILQ_INIT(&homes->club.queue);
	return homes;
}

// ------------------------------------------------------------------ who is who

static unsigned hash(const void *data, size_t length)
{
	const uint8_t *p = data;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < length; i++)
		h = (h ^ p[i]) * 16777619u;
	return h ^ h >> 15;
}

// Names are in lower case here; a key's hash and a pre-shared key's identity stand as they are.
static struct home *find_identity(
	const struct homes *homes, const char *identity, enum home_identity kind)
{
	struct home *h = NULL;

	if (homes->buckets)
		h = homes->by_identity[hash(identity, strlen(identity)) & (homes->buckets - 1)];
	while (h && (h->kind != kind || strcmp(h->identity, identity) != 0))
		h = h->next_by_identity;
	return h;
}

static_assert(sizeof(struct ipprefix) == 18, "hashed and compared without padding");

static struct home *find_prefix(const struct homes *homes, const struct ipprefix *prefix)
{
	struct home *h = NULL;

	if (homes->buckets)
		h = homes->by_subscriber[hash(prefix, sizeof(*prefix)) & (homes->buckets - 1)];
	while (h && memcmp(&h->subscriber, prefix, sizeof(*prefix)) != 0)
		h = h->next_by_subscriber;
	return h;
}

struct home *homes_of(const struct homes *homes, const struct subkey *subscriber)
{
	const uint64_t *lengths = homes->lengths[subscriber->family == 6];
	struct ipprefix own = subkey_prefix(subscriber);
	struct home *h = NULL;

	for (unsigned len = subscriber->len; !h; len--) {
		if (lengths[len / 64] >> (len % 64) & 1) {
			struct ipprefix prefix = ipprefix_make(&own.addr, len);

			h = find_prefix(homes, &prefix);
		}
		if (!len)
			break;
	}
	return h;
}

static void enter(struct homes *homes, struct home *h)
{
	unsigned i = hash(h->identity, strlen(h->identity)) & (homes->buckets - 1);
	unsigned k = hash(&h->subscriber, sizeof(h->subscriber)) & (homes->buckets - 1);
	unsigned len = h->subscriber.len;

	h->next_by_identity = homes->by_identity[i];
	homes->by_identity[i] = h;
	h->next_by_subscriber = homes->by_subscriber[k];
	homes->by_subscriber[k] = h;
	homes->lengths[h->subscriber.addr.family == 6][len / 64] |= bit(len % 64);
	homes->count++;
}

static const char *lower(char *out, size_t size, const char *name)
{
	size_t i;

	for (i = 0; name[i] && i < size - 1; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	out[i] = '\0';
	return out;
}

// ------------------------------------------------------------------ the door

static void note_failure(struct homes *homes, const struct ipaddr *addr)
{
	char text[IPADDR_TEXT];

	homes->counters.failed++;
	if (droplist_note(homes->drop, addr))
		log_warning("dots",
			"%s is not listened to for a while: it has failed to "
			"authenticate too often",
			ipaddr_format(addr, text));
}

static struct home *find_peer(const struct homes *homes, const struct transport_peer *peer)
{
	char name[sizeof(peer->name)];
	struct home *h;

	if (peer->psk)
		return find_identity(homes, peer->name, HOME_BY_PSK);
	h = find_identity(homes, peer->spki, HOME_BY_KEY);
	if (!h && peer->name[0])
		h = find_identity(homes, lower(name, sizeof(name), peer->name), HOME_BY_NAME);
	return h;
}

// CH-05: the certificate, or the identity that goes with the key, says which home it is, and the
// address has to agree.
static void *on_accept(void *ctx, struct transport *transport)
{
	const struct transport_peer *peer = transport_peer(transport);
	struct homes *homes = ctx;
	struct home *h = find_peer(homes, peer);
	char text[IPADDR_TEXT];

	if (!h) {
		homes->counters.unknown++;
		note_failure(homes, &peer->addr);
		return NULL;
	}
	if (!h->any_source && !ipprefix_has(&h->subscriber, &peer->addr)) {
		homes->counters.misplaced++;
		log_warning("dots", "home %s: a session from %s, which is not its subscriber's",
			h->name, ipaddr_format(&peer->addr, text));
		return NULL;
	}
	return h;
}

static bool on_admit(void *ctx, const struct ipaddr *addr)
{
	return !droplist_has(((struct homes *)ctx)->drop, addr);
}

// CH-11
static void on_failed(void *ctx, const struct ipaddr *addr, bool unproven, const struct err *)
{
	if (unproven)
		note_failure(ctx, addr);
}

static const struct listener_gate gate = {.admit = on_admit, .failed = on_failed};

// ------------------------------------------------------------------ configuring

static void stop_listening(struct homes *homes)
{
	struct err why;

	err_set(&why, "the listener is closed");
	for (unsigned i = 0; i < homes->buckets; i++) {
		for (struct home *h = homes->by_identity[i]; h; h = h->next_by_identity)
			home_close(h, &why);
	}
	for (unsigned i = 0; i < homes->listeners; i++)
		listener_close(homes->listener[i]);
	homes->listeners = 0;
}

static int start_listening(struct homes *homes, const struct homes_setup *setup, struct err *err)
{
	for (unsigned i = 0; i < setup->listeners; i++) {
		const struct homes_listener *l = &setup->listener[i];

		homes->listener[i] = (l->kind == TRANSPORT_DTLS ? dtls_listen : tls_listen)(
			homes->club.loop, homes->credentials, &l->addr, l->port, &home_events,
			on_accept, homes, err);
		if (!homes->listener[i]) {
			stop_listening(homes);
			return -EINVAL;
		}
		listener_set_gate(homes->listener[i], &gate, homes);
		listener_limit(homes->listener[i], &setup->limits);
		homes->listening[i] = *l;
		homes->listeners = i + 1;
	}
	return 0;
}

static bool listens_so(const struct homes *homes, const struct homes_setup *setup)
{
	if (homes->listeners != setup->listeners)
		return false;
	for (unsigned i = 0; i < homes->listeners; i++) {
		const struct homes_listener *a = &homes->listening[i], *b = &setup->listener[i];

		if (ipaddr_compare(&a->addr, &b->addr) || a->port != b->port || a->kind != b->kind)
			return false;
	}
	return true;
}

static int load_credentials(struct homes *homes, const struct homes_setup *setup, struct err *err)
{
	struct credentials *credentials = credentials_load(&setup->credentials, err);

	if (!credentials)
		return -EINVAL;
	credentials_free(homes->credentials);
	homes->credentials = credentials;
	memcpy(homes->cuid, credentials_cuid(credentials), HOME_CUID);
	return 0;
}

// Takes a home that stays as it is out of its lists; NULL if there is none.
static struct home *take_out(
	struct homes *homes, const struct homes_home *wanted, const char *identity)
{
	struct home *h = find_identity(homes, identity, wanted->kind), **link;

	if (!h || strcmp(h->name, wanted->name) != 0 || h->any_source != wanted->any_source ||
		memcmp(&h->subscriber, &wanted->subscriber, sizeof(h->subscriber)) != 0)
		return NULL;
	link = &homes->by_identity[hash(identity, strlen(identity)) & (homes->buckets - 1)];
	while (*link != h)
		link = &(*link)->next_by_identity;
	*link = h->next_by_identity;
	return h;
}

static void free_all(struct homes *homes)
{
	for (unsigned i = 0; i < homes->buckets; i++) {
		struct home *next;

		for (struct home *h = homes->by_identity[i]; h; h = next) {
			next = h->next_by_identity;
			home_free(h);
		}
	}
	free(homes->by_identity);
	free(homes->by_subscriber);
	homes->by_identity = homes->by_subscriber = NULL;
	homes->buckets = homes->count = 0;
}

static struct home *make(struct homes *homes, const struct homes_home *wanted, const char *identity)
{
	struct home *h = home_new(&homes->club, wanted->name, identity, &wanted->subscriber);

	// the box has no identity of its own then: the recipe takes the one that both know
	if (h && wanted->kind == HOME_BY_PSK &&
		spki_text(identity, strlen(identity), h->cuid) < 0) {
		home_free(h);
		return NULL;
	}
	return h;
}

// The lists anew, with the homes that stay in them.
static int change_homes(struct homes *homes, const struct homes_setup *setup)
{
	struct homes next = {.buckets = 16};
	int rc = 0;

	while (next.buckets < setup->homes)
		next.buckets *= 2;
	next.by_identity = calloc(next.buckets, sizeof(*next.by_identity));
	next.by_subscriber = calloc(next.buckets, sizeof(*next.by_subscriber));
	if (!next.by_identity || !next.by_subscriber)
		rc = -ENOMEM;
	for (unsigned i = 0; i < setup->homes && rc == 0; i++) {
		const struct homes_home *wanted = &setup->home[i];
		char name[256];
		const char *identity = wanted->identity;
		struct home *h;

		if (wanted->kind == HOME_BY_NAME)
			identity = lower(name, sizeof(name), identity);
		h = take_out(homes, wanted, identity);
		if (!h)
			h = make(homes, wanted, identity);
		if (!h) {
			rc = -ENOMEM;
			break;
		}
		h->any_source = wanted->any_source;
		h->kind = wanted->kind;
		enter(&next, h);
	}
	free_all(homes);
	homes->by_identity = next.by_identity;
	homes->by_subscriber = next.by_subscriber;
	homes->buckets = next.by_identity && next.by_subscriber ? next.buckets : 0;
	homes->count = next.count;
	memcpy(homes->lengths, next.lengths, sizeof(homes->lengths));
	return rc;
}

static int renew_listeners(struct homes *homes, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < homes->listeners && rc == 0; i++)
		rc = listener_renew(homes->listener[i], homes->credentials, err);
	return rc;
}

int homes_configure(struct homes *homes, const struct homes_setup *setup, struct err *err)
{
	int rc;

	homes->club.rate = setup->request_rate;
	if (!homes->drop)
		homes->drop = droplist_new(&setup->drop);
	if (!homes->drop)
		return err_code(err, -ENOMEM, "out of memory");
	droplist_configure(homes->drop, &setup->drop);
	// new homes take their cuid from them
	rc = setup->listeners ? load_credentials(homes, setup, err) : 0;
	if (change_homes(homes, setup) < 0)
		return err_code(err, -ENOMEM, "out of memory");
	if (rc < 0)
		return rc;
	if (listens_so(homes, setup))
		return renew_listeners(homes, err);
	stop_listening(homes);
	return start_listening(homes, setup, err);
}

uint16_t homes_port(const struct homes *homes, unsigned listener)
{
	return listener_port(homes->listener[listener]);
}

// ------------------------------------------------------------------ what is shown

static int64_t unix_seconds(uint64_t at)
{
	return clock_unix_ms() / 1000 + ((int64_t)(at - clock_now()) / (int64_t)CLOCK_SECOND);
}

static void show(
	const struct home *h, void (*fn)(void *ctx, const struct dots_home_row *row), void *ctx)
{
	static const char *const state[] = {
		[HOME_ABSENT] = "absent", [HOME_GREETING] = "greeting", [HOME_READY] = "ready"};
	struct dots_home_row row = {
		.name = h->name,
		.identity = h->identity,
		.kind = h->kind,
		.subscriber = h->subscriber,
		.state = state[h->state],
		.since = unix_seconds(h->since),
		.last_error = h->last_error.text[0] ? h->last_error.text : NULL,
		.certificate_end = h->certificate_end,
		.cuid = h->cuid,
		.sessions = h->sessions,
		.requests = h->requests,
		.refused = h->refusals,
		.heartbeats_sent = h->heartbeat.sent,
		.heartbeats_heard = h->heartbeat.received,
		.heartbeats_missed = h->heartbeat.missing,
	};
	const struct order *order;

	TAILQ_FOREACH(order, &h->orders, linked)
	{
		row.orders += !order->withdrawn;
		row.confirmed += !order->withdrawn && order_state(order) == ORDER_CONFIRMED;
	}
	if (h->transport) {
		const struct transport_peer *peer = transport_peer(h->transport);

		row.transport = transport_kind(h->transport) == TRANSPORT_DTLS ? "dtls" : "tls";
		row.peer = peer->addr;
		row.peer_port = peer->port;
		row.cipher = peer->cipher;
		row.version = peer->version;
		row.resumed = peer->resumed;
	}
	fn(ctx, &row);
}

void homes_list(const struct homes *homes, const char *name,
	void (*fn)(void *ctx, const struct dots_home_row *row), void *ctx)
{
	for (unsigned i = 0; i < homes->buckets; i++) {
		for (const struct home *h = homes->by_identity[i]; h; h = h->next_by_identity) {
			if (!name || !strcmp(h->name, name))
				show(h, fn, ctx);
		}
	}
}

void homes_count(const struct homes *homes, struct dots_homes_counters *out)
{
	*out = homes->counters;
	out->configured = homes->count;
	out->listeners = homes->listeners;
	for (unsigned i = 0; i < homes->buckets; i++) {
		for (const struct home *h = homes->by_identity[i]; h; h = h->next_by_identity) {
			out->ready += h->state == HOME_READY;
			out->orders += h->order_count;
			if (h->certificate_end &&
				(!out->peer_end || h->certificate_end < out->peer_end))
				out->peer_end = h->certificate_end;
		}
	}
	for (unsigned i = 0; i < homes->listeners; i++) {
		const struct listener_counters *c = listener_counters(homes->listener[i]);

		out->handshakes += c->completed;
		out->half_open += c->half_open;
		out->not_admitted += c->not_admitted;
	}
	if (homes->credentials) {
		out->certificate_end = credentials_not_after(homes->credentials);
		out->ca_end = credentials_ca_end(homes->credentials);
	}
}

void homes_list_dropped(const struct homes *homes,
	void (*fn)(void *ctx, const struct ipprefix *source, uint64_t left_ns), void *ctx)
{
	if (homes->drop)
		droplist_walk(homes->drop, fn, ctx);
}

void homes_free(struct homes *homes)
{
	if (!homes)
		return;
	stop_listening(homes);
	free_all(homes);
	home_club_stop(&homes->club);
	droplist_free(homes->drop);
	credentials_free(homes->credentials);
	free(homes);
}
