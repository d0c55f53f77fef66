// SPDX-License-Identifier: BSD-3-Clause

#include "dots/session.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// a session that is lost again so soon after it was dialled anew waits like one that failed
#define IMMEDIATE_AGAIN (60 * CLOCK_SECOND)
// how long the outcome of a race is remembered (RFC 9132 section 4.3: some minutes)
#define CACHE_TIME (600 * CLOCK_SECOND)

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

uint64_t session_failures(const struct session *s)
{
	return s->race.failures + s->probe.failures;
}

static bool has_attack(const struct session *s)
{
	return owner_has_attack(&s->signal.owner);
}

// ------------------------------------------------------------------ rounds

static void begin_round(struct timer *timer)
{
	session_start(CONTAINER_OF(timer, struct session, timer));
}

// CH-14
static void wait_for_next_round(struct session *s)
{
	uint32_t more_ms = rand_below(&s->random, s->retry_interval * 100);

	set_state(s, SESSION_WAITING);
	log_warning("dots", "%s: no session with %s, next attempt in %u s", s->name, s->host,
		s->retry_interval + more_ms / 1000);
	timer_set(s->loop, &s->timer,
		s->since + s->retry_interval * CLOCK_SECOND + more_ms * CLOCK_MS, begin_round);
}

// A round has come to nothing. Who is not to be reached where he sent us is looked for at home.
static void round_failed(struct session *s)
{
	if (!s->redirect.active) {
		wait_for_next_round(s);
		return;
	}
	log_warning("dots", "%s: nobody at %s, back to %s", s->name, s->redirect.name, s->host);
	redirect_drop(&s->redirect);
	session_start(s);
}

static void race_won(void *ctx, struct attempt *attempt);

static void race_lost(void *ctx)
{
	struct session *s = ctx;

	s->last_error = s->race.last_error;
	round_failed(s);
}

// Prepares a race for as long as the names it points to stand.
static void set_up_race(struct session *s, struct race *race)
{
	race->loop = s->loop;
	race->credentials = s->credentials;
	race->name = s->name;
	race->server_name = s->redirect.active ? s->redirect.name : s->peer_name;
	race->port = s->port;
	race->delay = has_attack(s) ? RACE_DELAY_ATTACK : RACE_DELAY;
	race->ctx = s;
}

static void run_race(struct session *s, const struct ipaddr *addr, unsigned addrs)
{
	struct race *race = &s->race;

	set_up_race(s, race);
	race->won = race_won;
	race->lost = race_lost;
	// CH-13
	race_line_up(race, s->kind, s->kinds, addr, addrs,
		clock_now() < s->cached_until ? &s->cached : NULL);
	set_state(s, SESSION_CONNECTING);
	race_start(race);
}

static void resolved(void *ctx, const struct hostname_answer *answer)
{
	struct session *s = ctx;

	s->lookup = NULL;
	if (answer->count) {
		run_race(s, answer->addr, answer->count);
		return;
	}
	s->race.failures++;
	err_set(&s->last_error, "%s: %s", s->redirect.active ? s->redirect.name : s->host,
		answer->why);
	log_warning("dots", "%s: %s", s->name, s->last_error.text);
	round_failed(s);
}

void session_start(struct session *s)
{
	const char *host = s->redirect.active ? s->redirect.name : s->host;
	struct ipaddr addr;

	if (s->redirect.active && s->redirect.addrs) {
		run_race(s, s->redirect.addr, s->redirect.addrs);
		return;
	}
	if (ipaddr_parse(host, &addr) == 0) {
		run_race(s, &addr, 1);
		return;
	}
	set_state(s, SESSION_RESOLVING);
	s->lookup = hostname_lookup(s->loop, host, resolved, s);
	if (!s->lookup) {
		err_set(&s->last_error, "%s: cannot look the name up", host);
		round_failed(s);
	}
}

// ------------------------------------------------------------------ one association

// Lets go of it, whoever closes it.
static struct attempt *leave(struct session *s)
{
	struct attempt *association = s->association;

	if (association)
		redirect_talked(&s->redirect, transport_peer(association->transport)->name);
	timer_stop(s->loop, &s->probe_timer);
	race_stop(&s->probe);
	heartbeat_stop(&s->heartbeat);
	signal_detach(&s->signal);
	s->association = NULL;
	return association;
}

// The association is gone. A session that stood is dialled again at once, but not over and over.
static void session_lost(struct session *s, const struct err *why)
{
	uint64_t now = clock_now();

	s->last_error = *why;
	log_warning("dots", "%s: session lost: %s", s->name, why->text);
	if (s->redirect.active && s->redirect.end == REDIRECT_WITH_SESSION)
		redirect_drop(&s->redirect);
	if (s->immediate_at && now - s->immediate_at < IMMEDIATE_AGAIN) {
		wait_for_next_round(s);
		return;
	}
	s->immediate_at = now;
	session_start(s);
}

static void heartbeats_lost(void *ctx)
{
	struct session *s = ctx;
	struct err why;

	err_set(&why, "nothing heard for %u heartbeats of %u s", s->heartbeat.missing_allowed,
		s->heartbeat.interval);
	attempt_close(leave(s));
	session_lost(s, &why);
}

static void on_request(struct attempt *attempt, const struct message *request, struct reply *reply)
{
	struct session *s = attempt->ctx;

	signal_request(&s->signal, request, reply);
}

static void on_reset(struct attempt *attempt, const uint8_t *token, uint8_t token_length)
{
	struct session *s = attempt->ctx;

	signal_reset(&s->signal, token, token_length);
}

static void on_heard(struct attempt *attempt)
{
	struct session *s = attempt->ctx;

	heartbeat_heard(&s->heartbeat);
}

static void on_ended(struct attempt *attempt, const struct err *why)
{
	struct session *s = attempt->ctx;

	leave(s);
	session_lost(s, why);
}

// one that was ready once is never so again
static const struct attempt_events association_events = {
	.request = on_request, .reset = on_reset, .heard = on_heard, .ended = on_ended};

static void schedule_probe(struct session *s);

static void race_won(void *ctx, struct attempt *attempt)
{
	struct session *s = ctx;
	const struct transport_peer *peer = transport_peer(attempt->transport);
	char text[IPADDR_TEXT];

	attempt->events = &association_events;
	attempt->ctx = s;
	s->association = attempt;
	s->cached = (struct candidate){attempt->kind, attempt->addr};
	s->cached_until = clock_now() + CACHE_TIME;
	s->established++;
	set_state(s, SESSION_UP);
	heartbeat_start(&s->heartbeat, s->loop, attempt->exchange, true, heartbeats_lost, s);
	signal_attach(&s->signal, attempt->exchange, &s->heartbeat);
	schedule_probe(s);
	log_notice("dots", "%s: session up over %s with %s at %s port %u (%s)", s->name,
		attempt_kind_name(attempt->kind), peer->name, ipaddr_format(&peer->addr, text),
		peer->port, peer->cipher);
}

// ------------------------------------------------------------------ from TLS back to DTLS

static void probe_won(void *ctx, struct attempt *attempt)
{
	struct session *s = ctx;

	log_notice("dots", "%s: DTLS works again", s->name);
	attempt_close(leave(s));
	race_won(s, attempt);
}

static void probe_lost(void *ctx)
{
	schedule_probe(ctx);
}

static void begin_probe(struct timer *timer)
{
	static const enum transport_kind dtls = TRANSPORT_DTLS;
	struct session *s = CONTAINER_OF(timer, struct session, probe_timer);
	struct race *probe = &s->probe;

	set_up_race(s, probe);
	probe->won = probe_won;
	probe->lost = probe_lost;
	race_line_up(probe, &dtls, 1, &s->association->addr, 1, NULL);
	race_start(probe);
}

// CH-13
static void schedule_probe(struct session *s)
{
	if (s->kinds == 2 && s->kind[0] == TRANSPORT_DTLS && s->association->kind == TRANSPORT_TLS)
		timer_set(s->loop, &s->probe_timer, clock_now() + s->probe_interval * CLOCK_SECOND,
			begin_probe);
}

// ------------------------------------------------------------------ redirection

static void come_back(struct timer *timer)
{
	struct session *s = CONTAINER_OF(timer, struct session, redirect_timer);

	if (!s->redirect.active)
		return;
	if (!redirect_is_over(&s->redirect, has_attack(s))) {
		timer_set(s->loop, &s->redirect_timer, clock_now() + CLOCK_SECOND, come_back);
		return;
	}
	log_notice("dots", "%s: the redirection to %s is over, back to %s", s->name,
		s->redirect.name, s->host);
	redirect_drop(&s->redirect);
	hostname_cancel(s->lookup);
	s->lookup = NULL;
	timer_stop(s->loop, &s->timer);
	race_stop(&s->race);
	attempt_close(leave(s));
	session_start(s);
}

// CH-26: the answer is on its way
static void go_there(struct timer *timer)
{
	struct session *s = CONTAINER_OF(timer, struct session, redirect_timer);

	log_notice("dots", "%s: redirected to %s", s->name, s->redirect.name);
	attempt_close(leave(s));
	session_start(s);
	if (s->redirect.end == REDIRECT_AT_TIME || s->redirect.end == REDIRECT_WITH_ATTACK)
		timer_set(s->loop, timer, clock_now() + CLOCK_SECOND, come_back);
}

static int on_redirect(struct signal *signal, const struct redirect_body *body, struct err *err)
{
	struct session *s = CONTAINER_OF(signal, struct session, signal);

	if (redirect_take(
		    &s->redirect, transport_peer(s->association->transport)->name, body, err) < 0) {
		log_warning("dots", "%s: not redirected: %s", s->name, err->text);
		return -EINVAL;
	}
	return timer_set(s->loop, &s->redirect_timer, clock_now(), go_there);
}

// ------------------------------------------------------------------ making and ending

static int read_upstream(struct session *s, const struct dots_upstream *upstream, struct err *err)
{
	struct ipaddr addr;

	if (!upstream->peer_name && !upstream->credentials.psk_file &&
		ipaddr_parse(upstream->host, &addr) == 0)
		return err_set(err,
			"upstream %s: host %s is an address, so the name in the peer's certificate "
			"has to be given",
			upstream->name, upstream->host);
	if (upstream->retry_interval && upstream->retry_interval < 60)
		return err_set(err, "upstream %s: retry-interval %u is below 60 s", upstream->name,
			upstream->retry_interval);
	if (upstream->probe_interval && upstream->probe_interval < 300)
		return err_set(err, "upstream %s: probe-interval %u is below 300 s", upstream->name,
			upstream->probe_interval);
	if (upstream->heartbeat_interval &&
		(upstream->heartbeat_interval < 15 || upstream->heartbeat_interval > 240))
		return err_set(err, "upstream %s: heartbeat-interval %u is not within 15 to 240 s",
			upstream->name, upstream->heartbeat_interval);
	s->port = upstream->port ? upstream->port : DOTS_PORT;
	s->retry_interval = upstream->retry_interval ? upstream->retry_interval : 300;
	s->probe_interval = upstream->probe_interval ? upstream->probe_interval : 86400;
	s->kinds = upstream->transports ? upstream->transports : 2;
	s->kind[0] = upstream->transports ? upstream->transport[0] : TRANSPORT_DTLS;
	s->kind[1] = upstream->transports ? upstream->transport[1] : TRANSPORT_TLS;
	s->name = strdup(upstream->name);
	s->host = strdup(upstream->host);
	s->peer_name = strdup(upstream->peer_name ? upstream->peer_name : upstream->host);
	s->domain = calloc(upstream->domains + 1, sizeof(*s->domain));
	s->class = classes_copy(upstream->class, upstream->classes);
	if (!s->name || !s->host || !s->peer_name || !s->domain || !s->class)
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
	if (rand_seed(&s->random) < 0) {
		err_set(err, "no random numbers");
		goto fail;
	}
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
		.relay = upstream->relay,
		.max_lifetime = upstream->max_lifetime,
		.terminating_time = upstream->terminating_time,
		.class = s->class,
		.classes = upstream->classes,
		.measure = upstream->measure,
		.max_rules = upstream->max_rules,
		.max_affected = upstream->max_affected ? upstream->max_affected : 1024,
		.max_packets = upstream->max_packets,
		.consent = upstream->consent,
		.consent_time = upstream->consent_time ? upstream->consent_time : 3600,
		.consent_by_default = upstream->consent_by_default,
	};
	if (upstream->heartbeat_interval) { // CH-17
		int32_t interval = (int32_t)upstream->heartbeat_interval;

		config.idle.setting[SETTING_HEARTBEAT_INTERVAL].current = interval;
		config.mitigating.setting[SETTING_HEARTBEAT_INTERVAL].current = interval;
	}
	signal_init(&s->signal, loop, mitigations, &policy, &config, upstream->config_lifetime);
	s->signal.redirect = on_redirect;
	set_state(s, SESSION_WAITING);
	return s;
fail:
	session_free(s);
	return NULL;
}

int session_renew(struct session *s, const struct credentials_files *files, struct err *err)
{
	struct credentials *credentials = credentials_load(files, err);

	if (!credentials)
		return -EINVAL;
	credentials_free(s->credentials);
	s->credentials = credentials;
	// races that are being run have more attempts to make
	s->race.credentials = credentials;
	s->probe.credentials = credentials;
	return 0;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	hostname_cancel(s->lookup);
	timer_stop(s->loop, &s->timer);
	timer_stop(s->loop, &s->redirect_timer);
	if (s->race.loop)
		race_stop(&s->race);
	if (s->signal.all) {
		attempt_close(leave(s));
		signal_end(&s->signal);
	}
	credentials_free(s->credentials);
	free(s->class);
	free(s->domain);
	free(s->peer_name);
	free(s->host);
	free(s->name);
	free(s);
}
