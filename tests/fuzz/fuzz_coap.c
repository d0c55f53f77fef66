// SPDX-License-Identifier: BSD-3-Clause

// What a peer can send once it is authenticated. The lowest bit of the input's first byte chooses
// the framing, the next whether the rest is one message for the parser or a story for a whole
// server:
//
//	0x00-0x3f, length   a message of that many bytes, which follow
//	0x40-0x5f           the last message again: a duplicate
//	0x60-0x7f, t, c, o  an answer to what was sent last: type t, code c, Observe o
//	0x80-0x9f, s        s seconds pass
//	0xa0-0xbf           we ask something: CON or NON, observing or not
//	0xc0-0xff           something meets the rules
//
// The server is the real one, with a resolver made of lines and a real ACL.

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dots/redirect.h"
#include "dots/signal.h"

#include "fuzz.h"
#include "story.h"
#include "table_resolver.h"

static struct {
	struct evloop *loop;
	struct rcu *rcu;
	struct table_resolver table;
	struct enforcer enforcer;
	struct transport transport;
	struct mitigations *mitigations;
	struct signal signal;
	struct redirect redirect;
	struct heartbeat heartbeat;
	struct exchange *exchange;
	bool ended;
} world;

static void on_request(void *, const struct message *request, struct reply *reply)
{
	signal_request(&world.signal, request, reply);
}

static void on_reset(void *, const uint8_t *token, uint8_t token_length)
{
	signal_reset(&world.signal, token, token_length);
}

static void on_ready(void *)
{
}

static void on_ended(void *, const struct err *)
{
	world.ended = true;
}

static const struct exchange_events events = {on_request, on_reset, on_ready, on_ended};

static void on_lost(void *)
{
	world.ended = true;
}

static int on_redirect(struct signal *, const struct redirect_body *body, struct err *err)
{
	return redirect_take(&world.redirect, "up.example", body, err);
}

static void on_answer(void *, const struct answer *answer)
{
	FUZZ_CHECK((answer->message != NULL) ==
		(answer->kind == ANSWER_REPLY || answer->kind == ANSWER_NOTIFICATION));
}

static void world_make(void)
{
	static const char *const lines[] = {"pool 203.0.113.0/28",
		"203.0.113.7:1024-2047=100.64.0.1", "203.0.113.7:2048-3071=100.64.0.2",
		"203.0.113.9=100.64.0.9", "192.0.2.77:40000-40255=100.64.0.77",
		"2001:db8:123::1=100.64.0.123", "icmp 203.0.113.7=100.64.0.1>198.51.100.10"};

	clock_hold();
	log_set_level(LOG_LEVEL_ERROR);
	world.loop = evloop_new();
	world.rcu = rcu_new(0);
	world.enforcer = (struct enforcer){&world.table.resolver, acl_new(64, 1, world.rcu)};
	table_resolver_init(&world.table);
	for (unsigned i = 0; i < ARRAY_LEN(lines); i++)
		FUZZ_CHECK(table_resolver_add(&world.table, lines[i]) == 0);
}

static void session_begin(enum transport_kind kind)
{
	struct policy policy = {.name = "fuzz", .max_subscribers = 4, .max_mitigations = 8};
	struct config_body config = config_default();

	story_connect(&world.transport, kind);
	world.ended = false;
	world.mitigations = mitigations_new(world.loop, &world.enforcer);
	signal_init(&world.signal, world.loop, world.mitigations, &policy, &config, 120);
	world.signal.redirect = on_redirect;
	world.exchange = exchange_new(world.loop, &world.transport, &events, NULL);
	heartbeat_start(&world.heartbeat, world.loop, world.exchange, true, on_lost, NULL);
	signal_attach(&world.signal, world.exchange, &world.heartbeat);
}

static void session_end(void)
{
	heartbeat_stop(&world.heartbeat);
	signal_end(&world.signal);
	exchange_free(world.exchange);
	mitigations_free(world.mitigations);
	rcu_barrier(world.rcu);
	FUZZ_CHECK(acl_count(world.enforcer.acl) == 0);
}

static void receive(const uint8_t *data, size_t length)
{
	heartbeat_heard(&world.heartbeat);
	exchange_receive(world.exchange, data, length);
}

static void answer_last(uint8_t, const uint8_t arg[STORY_ARGS])
{
	struct message asked, answer;
	uint8_t bytes[64];
	int length;

	if (!story_answer(&world.transport, arg, &asked, &answer))
		return;
	length = message_build(&answer, world.transport.kind, bytes, sizeof(bytes));
	if (length > 0)
		receive(bytes, (size_t)length);
}

static void ask(uint8_t how, const uint8_t *)
{
	struct message m = message_make(COAP_REQUEST_GET);
	struct call call = {.timeout_ns = 60 * CLOCK_SECOND, .once = how & 4, .fn = on_answer};

	m.type = how & 1 ? COAP_MESSAGE_CON : COAP_MESSAGE_NON;
	if (how & 2)
		m.observe = 0;
	message_add_path(&m, "config");
	exchange_call(world.exchange, &m, &call);
}

static void let_pass(uint8_t, const uint8_t arg[STORY_ARGS])
{
	story_pass(world.loop, arg[0]);
}

static void hit(uint8_t op, const uint8_t *)
{
	acl_hit(world.enforcer.acl, 0, op % 64, 1000);
}

static bool is_over(void)
{
	return world.ended;
}

static const struct story_op ops[] = {{0x40, 1, NULL}, {0x60, 4, answer_last}, {0x80, 2, let_pass},
	{0xa0, 1, ask}, {0xc0, 1, hit}};
static const struct story story = {ops, ARRAY_LEN(ops), receive, is_over};

static void one_message(enum transport_kind kind, const uint8_t *data, size_t size)
{
	static uint8_t out[MESSAGE_MAX];
	struct message m, again;
	int length;

	if (message_parse(&m, kind, data, size) < 0)
		return;
	FUZZ_CHECK(m.payload.length <= size);
	length = message_build(&m, kind, out, sizeof(out));
	if (length < 0) { // only what cannot be kept cannot be said
		FUZZ_CHECK(m.path_count > MESSAGE_PATH_MAX || size > sizeof(out) - 64);
		return;
	}
	FUZZ_CHECK(message_parse(&again, kind, out, (size_t)length) == 0);
	FUZZ_CHECK(again.code == m.code && again.path_count == m.path_count &&
		again.observe == m.observe && again.payload.length == m.payload.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum transport_kind kind;

	if (!world.loop)
		world_make();
	if (!size)
		return 0;
	kind = data[0] & 1 ? TRANSPORT_TLS : TRANSPORT_DTLS;
	if (data[0] & 2) {
		session_begin(kind);
		story_tell(&story, data + 1, size - 1);
		session_end();
	} else {
		one_message(kind, data + 1, size - 1);
	}
	return 0;
}
