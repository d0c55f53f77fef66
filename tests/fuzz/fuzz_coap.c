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
#include "table_resolver.h"

#include <string.h>

struct transport {
	enum transport_kind kind;
	size_t room;
	uint8_t sent[MESSAGE_MAX];
	size_t length;
};

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
	unsigned seconds;
} world;

int transport_send(struct transport *t, const uint8_t *data, size_t length)
{
	struct message m;

	FUZZ_CHECK(length <= t->room);
	// whatever we say must be CoAP
	FUZZ_CHECK(message_parse(&m, t->kind, data, length) == 0);
	memcpy(t->sent, data, length);
	t->length = length;
	return 0;
}

size_t transport_room(const struct transport *t)
{
	return t->room;
}

void transport_set_room(struct transport *t, size_t length)
{
	if (t->kind == TRANSPORT_TLS)
		t->room = length < MESSAGE_MAX ? length : MESSAGE_MAX;
}

enum transport_kind transport_kind(const struct transport *t)
{
	return t->kind;
}

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

	world.transport.kind = kind;
	world.transport.room = kind == TRANSPORT_DTLS ? 1201 : 1152;
	world.transport.length = 0;
	world.ended = false;
	world.seconds = 0;
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

static void answer_last(uint8_t type, uint8_t code, uint8_t observe)
{
	struct message m, answer = message_make(code);
	uint8_t bytes[64];
	int length;

	if (!world.transport.length ||
		message_parse(
			&m, world.transport.kind, world.transport.sent, world.transport.length) < 0)
		return;
	answer.type = type & 3;
	answer.id = m.id;
	if (code) {
		answer.token_length = m.token_length;
		memcpy(answer.token, m.token, m.token_length);
		answer.observe = observe ? observe : MESSAGE_ABSENT;
	}
	length = message_build(&answer, world.transport.kind, bytes, sizeof(bytes));
	if (length > 0)
		receive(bytes, (size_t)length);
}

static void ask(uint8_t how)
{
	struct message m = message_make(COAP_REQUEST_GET);
	struct call call = {.timeout_ns = 60 * CLOCK_SECOND, .once = how & 4, .fn = on_answer};

	m.type = how & 1 ? COAP_MESSAGE_CON : COAP_MESSAGE_NON;
	if (how & 2)
		m.observe = 0;
	message_add_path(&m, "config");
	exchange_call(world.exchange, &m, &call);
}

static void let_pass(unsigned seconds)
{
	// of a whole story no more than ten minutes, so that millions of them fit the clock
	if (world.seconds + seconds > 600)
		return;
	world.seconds += seconds;
	clock_advance(seconds * CLOCK_SECOND);
	evloop_turn(world.loop, 0);
}

static void story(enum transport_kind kind, const uint8_t *data, size_t size)
{
	const uint8_t *last = NULL;
	size_t last_length = 0;

	session_begin(kind);
	while (size && !world.ended) {
		uint8_t op = data[0];
		uint8_t arg[3] = {0};
		size_t taken = 1;

		for (unsigned i = 0; i < 3 && i + 1 < size; i++)
			arg[i] = data[1 + i];
		if (op < 0x40) {
			taken = size < 2 ? size : 2;
			last = data + taken;
			last_length = arg[0];
			if (last_length > size - taken)
				last_length = size - taken;
			taken += last_length;
			receive(last, last_length);
		} else if (op < 0x60) {
			if (last)
				receive(last, last_length);
		} else if (op < 0x80) {
			taken = size < 4 ? size : 4;
			answer_last(arg[0], arg[1], arg[2]);
		} else if (op < 0xa0) {
			taken = size < 2 ? size : 2;
			let_pass(arg[0]);
		} else if (op < 0xc0) {
			ask(op);
		} else {
			acl_hit(world.enforcer.acl, 0, op % 64, 1000);
		}
		data += taken;
		size -= taken;
	}
	session_end();
}

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
	if (data[0] & 2)
		story(kind, data + 1, size - 1);
	else
		one_message(kind, data + 1, size - 1);
	return 0;
}
