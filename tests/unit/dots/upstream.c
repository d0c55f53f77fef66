// SPDX-License-Identifier: BSD-3-Clause

#include "upstream.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "dots/codec.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

struct evloop *loop;
struct table_resolver resolver;
struct acl *acl;
struct dots *dots;
struct upstream one, two;

const struct delegate *(*world_delegate)(void);

static struct rcu *rcu;
static struct mitigation_body *last;
static unsigned last_count;

static void on_request(void *ctx, const struct message *request, struct reply *reply)
{
	struct upstream *u = ctx;
	struct err err;

	assert_int_equal(request->code, COAP_REQUEST_PUT);
	assert_int_equal(request->type, COAP_MESSAGE_NON);
	assert_int_equal(request->path_count, 3);
	assert_true(slice_is(&request->path[2], "hb"));
	assert_int_equal(codec_read_heartbeat(request->payload.data, request->payload.length,
				 &u->heartbeat_status, &err),
		0);
	u->heartbeats++;
	if (!u->mute)
		reply->message = message_make(COAP_RESPONSE_CODE(204));
}

static void on_reset(void *, const uint8_t *, uint8_t)
{
}

static void on_ready(void *)
{
}

static void on_ended(void *ctx, const struct err *why)
{
	struct upstream *u = ctx;

	snprintf(u->ended, sizeof(u->ended), "%s", why->text);
}

static const struct exchange_events exchange_events = {on_request, on_reset, on_ready, on_ended};

static void on_up(void *ctx, struct transport *transport)
{
	struct upstream *u = ctx;

	// the server may be back before we hear that the old association has ended
	exchange_free(u->exchange);
	u->transport = transport;
	u->sessions++;
	u->exchange = exchange_new(loop, transport, &exchange_events, u);
	assert_non_null(u->exchange);
}

static void on_message(void *ctx, struct transport *transport, const uint8_t *data, size_t length)
{
	struct upstream *u = ctx;

	if (u->transport == transport)
		exchange_receive(u->exchange, data, length);
}

static void on_down(void *ctx, struct transport *transport, const struct err *)
{
	struct upstream *u = ctx;

	if (u->transport != transport)
		return;
	exchange_free(u->exchange);
	u->exchange = NULL;
	u->transport = NULL;
}

static const struct transport_events transport_events = {on_up, on_message, on_down};

static void *on_accept(void *ctx, struct transport *)
{
	return ctx;
}

static void upstream_listen(struct upstream *u, const char *name, const char *addr_text)
{
	struct credentials_files files = {.certificate = name};
	struct ipaddr addr;

	memset(u, 0, sizeof(*u));
	u->name = name;
	u->credentials = credentials_load(&files, NULL);
	ipaddr_parse(addr_text, &addr);
	u->listener[0] = dtls_listen(
		loop, u->credentials, &addr, DOTS_PORT, &transport_events, on_accept, u, NULL);
	u->listener[1] = tls_listen(
		loop, u->credentials, &addr, DOTS_PORT, &transport_events, on_accept, u, NULL);
}

int world_setup(void **)
{
	static const char *const lines[] = {"pool 203.0.113.0/28",
		"203.0.113.7:1024-2047=100.64.0.1", "203.0.113.7:2048-3071=100.64.0.2",
		"203.0.113.9=100.64.0.9",
		// those of the vectors
		"192.0.2.77:40000-40255=100.64.0.77", "2001:db8:123::1=100.64.0.123"};
	struct dots_env env;

	if (!clock_is_held())
		clock_hold();
	loop = evloop_new();
	fake_reset(loop);
	table_resolver_init(&resolver);
	for (unsigned i = 0; i < ARRAY_LEN(lines); i++)
		assert_int_equal(table_resolver_add(&resolver, lines[i]), 0);
	rcu = rcu_new(0);
	acl = acl_new(64, 1, rcu);
	env = (struct dots_env){loop, &resolver.resolver, acl, NULL};
	if (world_delegate)
		env.delegate = world_delegate();
	dots = dots_new(&env);
	assert_non_null(dots);
	upstream_listen(&one, "one.example", "192.0.2.1");
	upstream_listen(&two, "two.example", "192.0.2.2");
	return 0;
}

static void upstream_end(struct upstream *u)
{
	exchange_free(u->exchange);
	credentials_free(u->credentials);
}

int world_teardown(void **)
{
	dots_free(dots);
	rcu_barrier(rcu);
	assert_int_equal(acl_count(acl), 0);
	upstream_end(&one);
	upstream_end(&two);
	fake_reset(loop);
	mitigation_bodies_free(last, last_count);
	last = NULL;
	last_count = 0;
	acl_free(acl);
	rcu_free(rcu);
	evloop_free(loop);
	fake_reset(NULL);
	return 0;
}

struct dots_upstream upstream_config(const struct upstream *u)
{
	return (struct dots_upstream){
		.name = u == &one ? "one" : "two",
		.host = u == &one ? "192.0.2.1" : "192.0.2.2",
		.peer_name = u->name,
		.credentials = {.certificate = "home.example"},
	};
}

void upstream_connect(struct upstream *u, const struct dots_upstream *config)
{
	struct err err;

	if (dots_add(dots, config, &err) < 0)
		fail_msg("%s", err.text);
	settle();
	assert_non_null(u->exchange);
}

void settle(void)
{
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(evloop_turn(loop, 0), 0);
}

void pass(unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 10; i++) {
		clock_advance(CLOCK_SECOND / 10);
		for (unsigned turn = 0; turn < 6; turn++)
			evloop_turn(loop, 0);
	}
}

static void on_answer(void *ctx, const struct answer *answer)
{
	struct upstream *u = ctx;

	u->kind = answer->kind;
	u->answers++;
	if (!answer->message)
		return;
	u->reply = *answer->message;
	assert_true(u->reply.payload.length <= sizeof(u->body));
	if (u->reply.payload.length)
		memcpy(u->body, u->reply.payload.data, u->reply.payload.length);
	u->reply.payload.data = u->body;
	assert_true(u->reply.etag.length <= sizeof(u->etag));
	if (u->reply.etag.length)
		memcpy(u->etag, u->reply.etag.data, u->reply.etag.length);
	u->reply.etag.data = u->etag;
	if (answer->kind != ANSWER_NOTIFICATION)
		return;
	assert_true(u->notifications < ARRAY_LEN(u->notified_at));
	u->notified_at[u->notifications++] = clock_now();
}

unsigned ask_with(
	struct upstream *u, struct message *m, const char *path, const uint8_t *body, size_t length)
{
	struct call call = {
		.timeout_ns = 60 * CLOCK_SECOND, .once = true, .fn = on_answer, .ctx = u};
	char segments[512], *at = segments, *segment;
	unsigned before = u->answers;

	snprintf(segments, sizeof(segments), ".well-known/dots/%s", path);
	while ((segment = strsep(&at, "/")))
		message_add_path(m, segment);
	m->payload = (struct slice){body, length};
	assert_int_equal(exchange_call(u->exchange, m, &call), 0);
	settle();
	if (u->answers == before)
		return 0;
	return (u->reply.code >> 5) * 100u + (u->reply.code & 0x1f);
}

unsigned ask(
	struct upstream *u, uint8_t method, const char *path, const uint8_t *body, size_t length)
{
	struct message m = message_make(method);

	if (length)
		m.content_format = 271;
	return ask_with(u, &m, path, body, length);
}

int attack_body(struct attack attack, uint8_t *out, size_t room)
{
	struct ipprefix source, target;
	struct port_range port = {attack.source_port, attack.source_port};
	struct mitigation_body body = {
		.has_lifetime = attack.lifetime != 0,
		.lifetime = attack.lifetime,
		.attack_status = attack.attack_status,
		.scope = {.source = &source,
			.sources = 1,
			.target = &target,
			.targets = 1,
			.source_port = &port,
			.source_ports = attack.source_port != 0},
	};
	int length;

	assert_int_equal(ipprefix_parse(attack.source, &source, NULL), 0);
	assert_int_equal(ipprefix_parse(attack.target, &target, NULL), 0);
	length = codec_write_mitigations(&body, 1, out, room);
	assert_true(length > 0);
	return length;
}

unsigned mitigate(struct upstream *u, const char *cuid, uint32_t mid, struct attack attack)
{
	struct message m = message_make(COAP_REQUEST_PUT);
	uint8_t body[512];
	char path[256];
	int length = attack_body(attack, body, sizeof(body));

	m.content_format = 271;
	m.if_match = attack.attack_status != 0;
	snprintf(path, sizeof(path), "mitigate/cuid=%s/mid=%u", cuid, mid);
	return ask_with(u, &m, path, body, (size_t)length);
}

bool says(const struct upstream *u, const char *text)
{
	char diagnostic[1024];

	snprintf(diagnostic, sizeof(diagnostic), "%.*s", (int)u->reply.payload.length,
		(const char *)u->body);
	if (u->reply.content_format == MESSAGE_ABSENT && strstr(diagnostic, text))
		return true;
	print_message("it says '%s'\n", diagnostic);
	return false;
}

const struct mitigation_body *answered(const struct upstream *u)
{
	struct err err;

	assert_int_equal(u->reply.content_format, 271);
	mitigation_bodies_free(last, last_count);
	if (codec_read_mitigations(
		    u->body, u->reply.payload.length, false, &last, &last_count, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(last_count, 1);
	return last;
}

unsigned rules(void)
{
	rcu_barrier(rcu);
	return acl_count(acl);
}
