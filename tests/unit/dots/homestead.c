// SPDX-License-Identifier: BSD-3-Clause

#include "homestead.h"

#include "base/bits.h"
#include "base/clock.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_down(struct homestead *h, const struct message *m)
{
	struct asked *a = &h->asked[h->asks++];
	size_t used = 0;

	assert_true(h->asks <= HOMESTEAD_ASKED);
	*a = (struct asked){
		.code = m->code,
		.type = m->type,
		.observe = m->observe,
		.hop_limit = m->hop_limit,
		.efficacy = m->if_match && m->if_match_empty,
		.at = clock_now(),
		.size = m->payload.length,
	};
	for (unsigned i = 2; i < m->path_count; i++)
		used += (size_t)snprintf(a->path + used, sizeof(a->path) - used, "%s%.*s",
			i == 2 ? "" : "/", (int)m->path[i].length, (const char *)m->path[i].data);
	assert_true(a->size <= sizeof(a->body));
	if (a->size)
		memcpy(a->body, m->payload.data, a->size);
}

static void answer_with(struct reply *reply, unsigned code, int length)
{
	assert_true(length >= 0);
	reply->message = message_make((uint8_t)COAP_RESPONSE_CODE(code));
	if (!length)
		return;
	reply->message.content_format = 271;
	reply->message.payload = (struct slice){reply->body, (size_t)length};
}

static void answer_config(struct homestead *h, struct reply *reply)
{
	struct config_body config = config_default();

	if (h->heartbeat_interval) {
		config.idle.setting[SETTING_HEARTBEAT_INTERVAL].current = h->heartbeat_interval;
		config.mitigating.setting[SETTING_HEARTBEAT_INTERVAL].current =
			2 * h->heartbeat_interval;
	}
	answer_with(reply, 205, codec_write_config(&config, reply->body, reply->room));
	reply->message.max_age = h->config_max_age ? h->config_max_age : UINT32_MAX;
}

static void answer_put(struct homestead *h, const struct asked *a, struct reply *reply)
{
	struct mitigation_body *asked = asked_body(a), body = h->put_body;

	body.has_mid = !h->put_code || h->put_code < 300;
	body.mid = asked_mid(a);
	body.has_lifetime = body.has_mid;
	body.lifetime = h->granted ? h->granted : asked->lifetime;
	mitigation_bodies_free(asked, 1);
	if (h->put_code >= 400 && !body.conflict.cause) {
		reply_refuse(reply, h->put_code, "as the test wants");
		if (h->max_age)
			reply->message.max_age = h->max_age;
		return;
	}
	answer_with(reply, h->put_code ? h->put_code : 201,
		codec_write_mitigations(&body, 1, reply->body, reply->room));
}

static void answer_observe(
	struct homestead *h, const struct message *m, const struct asked *a, struct reply *reply)
{
	struct mitigation_body body = {
		.has_mid = true, .mid = asked_mid(a), .status = STATUS_IN_PROGRESS, .start = 1};

	if (h->observe_code) {
		reply_refuse(reply, h->observe_code, "as the test wants");
		return;
	}
	answer_with(reply, 205, codec_write_mitigations(&body, 1, reply->body, reply->room));
	if (m->observe != 0)
		return;
	reply->message.observe = 1;
	h->token_length = m->token_length;
	memcpy(h->token, m->token, m->token_length);
	h->observed_mid = body.mid;
}

static void on_request(void *ctx, const struct message *m, struct reply *reply)
{
	struct homestead *h = ctx;
	const struct asked *a;

	assert_true(m->path_count > 2);
	if (slice_is(&m->path[2], "hb")) {
		h->heartbeats++;
		if (!h->mute)
			answer_with(reply, 204, 0);
		return;
	}
	write_down(h, m);
	a = &h->asked[h->asks - 1];
	if (h->mute)
		return;
	if (slice_is(&m->path[2], "config"))
		answer_config(h, reply);
	else if (m->code == COAP_REQUEST_PUT)
		answer_put(h, a, reply);
	else if (m->code == COAP_REQUEST_GET)
		answer_observe(h, m, a, reply);
	else
		answer_with(reply, 202, 0);
}

static void on_reset(void *, const uint8_t *, uint8_t)
{
}

static void on_ready(void *)
{
}

static void on_ended(void *, const struct err *)
{
}

static const struct exchange_events exchange_events = {on_request, on_reset, on_ready, on_ended};
static struct evloop *the_loop;

static void on_up(void *ctx, struct transport *transport)
{
	struct homestead *h = ctx;

	h->transport = transport;
	h->sessions++;
	h->exchange = exchange_new(the_loop, transport, &exchange_events, h);
}

static void on_message(void *ctx, struct transport *, const uint8_t *data, size_t length)
{
	exchange_receive(((struct homestead *)ctx)->exchange, data, length);
}

static void on_down(void *ctx, struct transport *transport, const struct err *why)
{
	struct homestead *h = ctx;

	h->losses++;
	h->why = *why;
	if (h->transport && h->transport != transport)
		return; // one that a newer one has replaced
	exchange_free(h->exchange);
	h->exchange = NULL;
	h->transport = NULL;
}

static const struct transport_events transport_events = {on_up, on_message, on_down};

void homestead_dial(struct homestead *h, struct evloop *loop, const char *listener, uint16_t port,
	enum transport_kind kind)
{
	struct credentials_files files = {.certificate = h->name};
	struct dial dial = {
		.port = port, .server_name = "box.example", .timeout_ns = 10 * CLOCK_SECOND};
	unsigned before = h->sessions + h->losses;

	the_loop = loop;
	assert_int_equal(ipaddr_parse(listener, &dial.addr), 0);
	assert_int_equal(ipaddr_parse(h->addr, &fake_source), 0);
	snprintf(fake_name, sizeof(fake_name), "%s", h->name);
	fake_psk = h->psk;
	if (!h->credentials)
		h->credentials = credentials_load(&files, NULL);
	// the session before is as good as gone
	exchange_free(h->exchange);
	h->exchange = NULL;
	h->transport = NULL;
	(kind == TRANSPORT_DTLS ? dtls_dial : tls_dial)(
		loop, h->credentials, &dial, &transport_events, h, NULL);
	for (unsigned i = 0; i < 20; i++)
		evloop_turn(loop, 0);
	assert_true(h->sessions + h->losses > before);
}

void homestead_end(struct homestead *h)
{
	exchange_free(h->exchange);
	credentials_free(h->credentials);
	h->exchange = NULL;
	h->transport = NULL;
	h->credentials = NULL;
}

const struct asked *asked_last(
	const struct homestead *h, uint8_t method, const char *path, unsigned n)
{
	for (unsigned i = h->asks; i-- > 0;) {
		const struct asked *a = &h->asked[i];

		if (a->code == method && !strncmp(a->path, path, strlen(path)) && !n--)
			return a;
	}
	return NULL;
}

unsigned asked_count(const struct homestead *h, uint8_t method, const char *path)
{
	unsigned count = 0;

	while (asked_last(h, method, path, count))
		count++;
	return count;
}

uint32_t asked_mid(const struct asked *a)
{
	const char *mid = strstr(a->path, "mid=");

	assert_non_null(mid);
	return (uint32_t)strtoul(mid + 4, NULL, 10);
}

struct mitigation_body *asked_body(const struct asked *a)
{
	struct mitigation_body *body;
	unsigned count;
	struct err err;

	if (codec_read_mitigations(a->body, a->size, true, &body, &count, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(count, 1);
	return body;
}

void homestead_notify(struct homestead *h, const struct mitigation_body *body)
{
	static int32_t number = 1;
	struct message m = message_make(COAP_RESPONSE_CODE(205));
	struct mitigation_body full = *body;
	uint8_t out[512];
	int length;

	full.has_mid = true;
	full.mid = h->observed_mid;
	length = codec_write_mitigations(&full, 1, out, sizeof(out));
	assert_true(length > 0);
	m.content_format = 271;
	m.observe = ++number;
	m.payload = (struct slice){out, (size_t)length};
	assert_int_equal(exchange_notify(h->exchange, h->token, h->token_length, &m), 0);
	for (unsigned i = 0; i < 20; i++)
		evloop_turn(the_loop, 0);
}
