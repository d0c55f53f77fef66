// SPDX-License-Identifier: BSD-3-Clause

#include "dots/session.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// for a whole handshake, and then for the peer's CSM
#define HANDSHAKE_TIME (10 * CLOCK_SECOND)
// a session that is lost again so soon after it was dialled anew waits like one that failed
#define IMMEDIATE_AGAIN (60 * CLOCK_SECOND)

static void dial_next(struct session *s);

static void set_state(struct session *s, enum session_state state)
{
	s->state = state;
	s->since = clock_now();
}

const char *session_state_name(const struct session *s)
{
	static const char *const name[] = {
		[SESSION_RESOLVING] = "resolving",
		[SESSION_CONNECTING] = "connecting",
		[SESSION_UP] = "up",
		[SESSION_WAITING] = "waiting",
	};

	return name[s->state];
}

static enum transport_kind attempt_kind(const struct session *s)
{
	return s->kind[s->attempt / s->addrs];
}

static const char *kind_name(enum transport_kind kind)
{
	return kind == TRANSPORT_DTLS ? "DTLS" : "TLS";
}

// ------------------------------------------------------------------ rounds

static void begin_round(struct timer *timer)
{
	session_start(CONTAINER_OF(timer, struct session, timer));
}

// CH-14
static void wait_for_next_round(struct session *s)
{
	set_state(s, SESSION_WAITING);
	log_warning("dots", "%s: no session with %s, next attempt in %u s", s->name, s->host,
		s->retry_interval);
	timer_set(s->loop, &s->timer, s->since + s->retry_interval * CLOCK_SECOND, begin_round);
}

static void resolved(void *ctx, const struct hostname_answer *answer)
{
	struct session *s = ctx;

	s->lookup = NULL;
	if (!answer->count) {
		s->failures++;
		err_set(&s->last_error, "%s: %s", s->host, answer->why);
		log_warning("dots", "%s: %s", s->name, s->last_error.text);
		wait_for_next_round(s);
		return;
	}
	memcpy(s->addr, answer->addr, sizeof(s->addr));
	s->addrs = answer->count;
	set_state(s, SESSION_CONNECTING);
	dial_next(s);
}

void session_start(struct session *s)
{
	s->attempt = 0;
	if (ipaddr_parse(s->host, &s->addr[0]) == 0) {
		s->addrs = 1;
		set_state(s, SESSION_CONNECTING);
		dial_next(s);
		return;
	}
	set_state(s, SESSION_RESOLVING);
	s->lookup = hostname_lookup(s->loop, s->host, resolved, s);
	if (!s->lookup) {
		err_set(&s->last_error, "%s: cannot look the name up", s->host);
		wait_for_next_round(s);
	}
}

// ------------------------------------------------------------------ one association

static void leave(struct session *s)
{
	timer_stop(s->loop, &s->timer);
	heartbeat_stop(&s->heartbeat);
	signal_detach(&s->signal);
	exchange_free(s->exchange);
	s->exchange = NULL;
	s->transport = NULL;
}

// For the reason in last_error.
static void attempt_failed(struct session *s)
{
	char text[IPADDR_TEXT];

	log_warning("dots", "%s: no %s association with %s port %u: %s", s->name,
		kind_name(attempt_kind(s)), ipaddr_format(&s->addr[s->attempt % s->addrs], text),
		s->port, s->last_error.text);
	s->failures++;
	s->attempt++;
}

// The association is gone, or was never made. A session that stood is dialled again at once, but
// not over and over.
static void association_ended(struct session *s, const struct err *why)
{
	bool was_up = s->state == SESSION_UP;
	uint64_t now = clock_now();

	leave(s);
	s->last_error = *why;
	if (!was_up) {
		attempt_failed(s);
		dial_next(s);
		return;
	}
	log_warning("dots", "%s: session lost: %s", s->name, why->text);
	if (s->immediate_at && now - s->immediate_at < IMMEDIATE_AGAIN) {
		wait_for_next_round(s);
		return;
	}
	s->immediate_at = now;
	session_start(s);
}

// Closes it for a reason of our own.
static void drop(struct session *s, const struct err *why)
{
	struct transport *transport = s->transport;

	// its message layer first, which may want to send nothing more
	association_ended(s, why);
	transport_close(transport);
}

static void heartbeats_lost(void *ctx)
{
	struct session *s = ctx;
	struct err why;

	err_set(&why, "nothing heard for %u heartbeats of %u s", s->heartbeat.missing_allowed,
		s->heartbeat.interval);
	drop(s, &why);
}

static void no_csm(struct timer *timer)
{
	struct session *s = CONTAINER_OF(timer, struct session, timer);
	struct err why;

	err_set(&why, "the peer speaks TLS but no CoAP");
	drop(s, &why);
}

static void established(struct session *s)
{
	const struct transport_peer *peer = transport_peer(s->transport);
	char text[IPADDR_TEXT];

	timer_stop(s->loop, &s->timer);
	set_state(s, SESSION_UP);
	s->established++;
	heartbeat_start(&s->heartbeat, s->loop, s->exchange, true, heartbeats_lost, s);
	heartbeat_configure(&s->heartbeat, &s->signal.config.idle);
	signal_attach(&s->signal, s->exchange, &s->heartbeat);
	log_notice("dots", "%s: session up over %s with %s at %s port %u (%s)", s->name,
		kind_name(transport_kind(s->transport)), peer->name,
		ipaddr_format(&peer->addr, text), peer->port, peer->cipher);
}

// ------------------------------------------------------------------ events

static void on_request(void *ctx, const struct message *request, struct reply *reply)
{
	signal_request(&((struct session *)ctx)->signal, request, reply);
}

static void on_reset(void *ctx, const uint8_t *token, uint8_t token_length)
{
	signal_reset(&((struct session *)ctx)->signal, token, token_length);
}

static void on_ready(void *ctx)
{
	established(ctx);
}

static void on_ended(void *ctx, const struct err *why)
{
	drop(ctx, why);
}

static const struct exchange_events exchange_events = {on_request, on_reset, on_ready, on_ended};

static void on_up(void *ctx, struct transport *transport)
{
	struct session *s = ctx;
	struct err why;

	s->exchange = exchange_new(s->loop, transport, &exchange_events, s);
	if (!s->exchange) {
		err_set(&why, "out of memory");
		drop(s, &why);
	} else if (exchange_ready(s->exchange)) {
		established(s);
	} else {
		timer_set(s->loop, &s->timer, clock_now() + HANDSHAKE_TIME, no_csm);
	}
}

static void on_message(void *ctx, struct transport *, const uint8_t *data, size_t length)
{
	struct session *s = ctx;

	heartbeat_heard(&s->heartbeat);
	exchange_receive(s->exchange, data, length);
}

static void on_down(void *ctx, struct transport *, const struct err *why)
{
	association_ended(ctx, why);
}

static const struct transport_events transport_events = {on_up, on_message, on_down};

static void dial_next(struct session *s)
{
	while (s->attempt < s->kinds * s->addrs) {
		enum transport_kind kind = attempt_kind(s);
		struct dial dial = {
			.addr = s->addr[s->attempt % s->addrs],
			.port = s->port,
			.server_name = s->peer_name,
			.timeout_ns = HANDSHAKE_TIME,
		};
		char text[IPADDR_TEXT];

		log_debug("dots", "%s: dialling %s port %u over %s", s->name,
			ipaddr_format(&dial.addr, text), dial.port, kind_name(kind));
		s->transport = (kind == TRANSPORT_DTLS ? dtls_dial : tls_dial)(
			s->loop, s->credentials, &dial, &transport_events, s, &s->last_error);
		if (s->transport)
			return;
		attempt_failed(s);
	}
	wait_for_next_round(s);
}

// ------------------------------------------------------------------ making and ending

static int read_upstream(struct session *s, const struct dots_upstream *upstream, struct err *err)
{
	struct ipaddr addr;

	if (!upstream->peer_name && ipaddr_parse(upstream->host, &addr) == 0)
		return err_set(err,
			"upstream %s: host %s is an address, so the name in the peer's certificate "
			"has to be given",
			upstream->name, upstream->host);
	if (upstream->retry_interval && upstream->retry_interval < 60)
		return err_set(err, "upstream %s: retry-interval %u is below 60 s", upstream->name,
			upstream->retry_interval);
	if (upstream->heartbeat_interval &&
		(upstream->heartbeat_interval < 15 || upstream->heartbeat_interval > 240))
		return err_set(err, "upstream %s: heartbeat-interval %u is not within 15 to 240 s",
			upstream->name, upstream->heartbeat_interval);
	s->port = upstream->port ? upstream->port : DOTS_PORT;
	s->retry_interval = upstream->retry_interval ? upstream->retry_interval : 300;
	s->kinds = upstream->transports ? upstream->transports : 2;
	s->kind[0] = upstream->transports ? upstream->transport[0] : TRANSPORT_DTLS;
	s->kind[1] = upstream->transports ? upstream->transport[1] : TRANSPORT_TLS;
	s->name = strdup(upstream->name);
	s->host = strdup(upstream->host);
	s->peer_name = strdup(upstream->peer_name ? upstream->peer_name : upstream->host);
	s->domain = calloc(upstream->domains + 1, sizeof(*s->domain));
	if (!s->name || !s->host || !s->peer_name || !s->domain)
		return err_code(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < upstream->domains; i++)
		s->domain[i] = upstream->domain[i];
	return 0;
}

struct session *session_new(struct evloop *loop, const struct dots_upstream *upstream,
	struct mitigations *mitigations, struct err *err)
{
	struct session *s = calloc(1, sizeof(*s));
	struct config_body config = config_default();
	struct policy policy;

	if (!s) {
		err_set(err, "out of memory");
		return NULL;
	}
	s->loop = loop;
	if (read_upstream(s, upstream, err) < 0)
		goto fail;
	s->credentials = credentials_load(&upstream->credentials, err);
	if (!s->credentials)
		goto fail;
	policy = (struct policy){
		.name = s->name,
		.domain = s->domain,
		.domains = upstream->domains,
		.max_subscribers = upstream->max_subscribers ? upstream->max_subscribers : 16,
		.max_mitigations = upstream->max_mitigations ? upstream->max_mitigations : 1024,
		.overlap = upstream->overlap,
		.max_lifetime = upstream->max_lifetime,
	};
	if (upstream->heartbeat_interval) { // CH-17
		int32_t interval = (int32_t)upstream->heartbeat_interval;

		config.idle.setting[SETTING_HEARTBEAT_INTERVAL].current = interval;
		config.mitigating.setting[SETTING_HEARTBEAT_INTERVAL].current = interval;
	}
	signal_init(&s->signal, loop, mitigations, &policy, &config);
	set_state(s, SESSION_WAITING);
	return s;
fail:
	session_free(s);
	return NULL;
}

void session_free(struct session *s)
{
	struct transport *transport;

	if (!s)
		return;
	hostname_cancel(s->lookup);
	transport = s->transport;
	leave(s);
	transport_close(transport);
	if (s->signal.all)
		signal_end(&s->signal);
	credentials_free(s->credentials);
	free(s->domain);
	free(s->peer_name);
	free(s->host);
	free(s->name);
	free(s);
}
