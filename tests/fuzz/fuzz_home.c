// SPDX-License-Identifier: BSD-3-Clause

// What a home can do to the box that is its client: messages of its own, and answers to what it was
// asked, while orders come, change and go. The lowest bit of the first byte chooses the framing; then
//
//	0x00-0x3f, length   a message of that many bytes, which follow
//	0x40-0x5f, t, c, o  an answer to what was asked last: type t, code c, Observe o, no body
//	0x60-0x7f, t, c, o, s, f   the same with a body about the mitigation asked for: status s, conflict
//	                    cause f & 7, a lifetime of f seconds if bit 3 is set
//	0x80-0x9f, s        s seconds pass
//	0xa0-0xbf, n        order n comes (0), changes (1), is withdrawn (2), by op & 3
//	0xc0-0xdf           the session is lost, and there is another
//	0xe0-0xff           the last message again
//
// The home is the real one.

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "dots/home.h"

#include "fuzz.h"

#include <string.h>

#define ORDERS 16

struct transport {
	enum transport_kind kind;
	size_t room;
	uint8_t sent[MESSAGE_MAX];
	size_t length;
	bool closed;
};

static struct {
	struct evloop *loop;
	struct home_club club;
	struct home *home;
	struct transport transport;
	struct order *order[ORDERS]; // as their maker has them
	unsigned seconds;
} world;

int transport_send(struct transport *t, const uint8_t *data, size_t length)
{
	struct message m;

	FUZZ_CHECK(length <= t->room);
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

void transport_close(struct transport *t)
{
	if (t)
		t->closed = true;
}

// A maker lets go of what is refused, as the relay does.
static void on_changed(void *ctx, struct order *order)
{
	if (order_state(order) != ORDER_REFUSED)
		return;
	*(struct order **)ctx = NULL;
	home_withdraw(order);
}

static void turn(void)
{
	for (unsigned i = 0; i < 4; i++)
		evloop_turn(world.loop, 0);
	FUZZ_CHECK(world.home->in_flight <= HOME_IN_FLIGHT);
	FUZZ_CHECK(world.home->order_count <= HOME_ORDERS);
}

static void session_begin(enum transport_kind kind)
{
	world.transport =
		(struct transport){.kind = kind, .room = kind == TRANSPORT_DTLS ? 1201 : 1152};
	home_events.up(world.home, &world.transport);
}

static void begin(enum transport_kind kind)
{
	struct subkey key = subkey_v4(0x0100407f, 0);

	world.club = (struct home_club){
		.loop = world.loop, .cuid = "dz6pHjaADkaFTbjr0JGBpw", .rate = 100000};
	TAILQ_INIT(&world.club.queue);
	world.seconds = 0;
	world.home = home_new(&world.club, "home", "home.example", &key);
	FUZZ_CHECK(world.home);
	session_begin(kind);
}

static void end(void)
{
	for (unsigned i = 0; i < ORDERS; i++) {
		if (world.order[i])
			home_withdraw(world.order[i]);
		world.order[i] = NULL;
	}
	home_free(world.home);
	home_club_stop(&world.club);
}

static void receive(const uint8_t *data, size_t length)
{
	if (!world.transport.closed)
		home_events.message(world.home, &world.transport, data, length);
	turn();
}

static void answer(const uint8_t arg[5], bool with_body)
{
	struct message m, reply = message_make(arg[1]);
	struct mitigation_body body = {.has_mid = true,
		.status = arg[3] & 7,
		.start = 1,
		.conflict.cause = arg[4] & 7,
		.has_lifetime = arg[4] & 8,
		.lifetime = arg[4]};
	uint8_t bytes[512], out[256];
	int length;

	if (!world.transport.length ||
		message_parse(
			&m, world.transport.kind, world.transport.sent, world.transport.length) < 0)
		return;
	reply.type = arg[0] & 3;
	reply.id = m.id;
	if (reply.code) {
		reply.token_length = m.token_length;
		memcpy(reply.token, m.token, m.token_length);
		reply.observe = arg[2] ? arg[2] : MESSAGE_ABSENT;
	}
	if (with_body && m.path_count == 5 && m.path[4].length > 4) {
		for (size_t i = 4; i < m.path[4].length; i++)
			body.mid = body.mid * 10 + (uint32_t)(m.path[4].data[i] - '0');
		length = codec_write_mitigations(&body, 1, out, sizeof(out));
		if (length > 0) {
			reply.content_format = 271;
			reply.payload = (struct slice){out, (size_t)length};
		}
	}
	length = message_build(&reply, world.transport.kind, bytes, sizeof(bytes));
	if (length > 0)
		receive(bytes, (size_t)length);
}

static void make_order(struct order **at, unsigned number)
{
	struct scope scope = {.targets = number * 16 + 1};
	struct order *order;

	scope.target = calloc(scope.targets, sizeof(*scope.target));
	FUZZ_CHECK(scope.target);
	for (unsigned i = 0; i < scope.targets; i++)
		scope.target[i] = (struct ipprefix){
			.addr = {6, {0x20, 1, 0xd, 0xb8, (uint8_t)number, (uint8_t)i, 9}},
			.len = 56};
	order = order_new(&scope);
	if (!order) {
		scope_free(&scope);
		return;
	}
	order->ends = clock_now() + (number + 1) * 30 * CLOCK_SECOND;
	order->changed = on_changed;
	order->ctx = at;
	if (home_order(world.home, order) < 0)
		order_free(order);
	else
		*at = order;
}

static void handle_order(unsigned how, unsigned number)
{
	struct order **at = &world.order[number % ORDERS];

	if (how == 0 && !*at)
		make_order(at, number % ORDERS);
	else if (how == 1 && *at)
		home_reorder(*at, clock_now() + number * CLOCK_SECOND, number & 3);
	else if (how >= 2 && *at) {
		home_withdraw(*at);
		*at = NULL;
	}
	turn();
}

static void let_pass(unsigned seconds)
{
	// of a whole story no more than ten minutes, so that millions of them fit the clock
	if (world.seconds + seconds > 600)
		return;
	world.seconds += seconds;
	clock_advance(seconds * CLOCK_SECOND);
	turn();
}

static void begin_anew(enum transport_kind kind)
{
	struct err why;

	err_set(&why, "lost");
	if (!world.transport.closed)
		home_events.down(world.home, &world.transport, &why);
	session_begin(kind);
	turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *last = NULL;
	size_t last_length = 0;
	enum transport_kind kind;

	if (!world.loop) {
		clock_hold();
		log_set_level(LOG_LEVEL_ERROR);
		world.loop = evloop_new();
	}
	if (!size)
		return 0;
	kind = data[0] & 1 ? TRANSPORT_TLS : TRANSPORT_DTLS;
	begin(kind);
	for (data++, size--; size;) {
		uint8_t op = data[0], arg[5] = {0};
		size_t taken = 1;

		for (unsigned i = 0; i < sizeof(arg) && i + 1 < size; i++)
			arg[i] = data[1 + i];
		if (op < 0x40) {
			taken = size < 2 ? size : 2;
			last = data + taken;
			last_length = arg[0] < size - taken ? arg[0] : size - taken;
			taken += last_length;
			receive(last, last_length);
		} else if (op < 0x60) {
			taken = 4;
			answer(arg, false);
		} else if (op < 0x80) {
			taken = 6;
			answer(arg, true);
		} else if (op < 0xa0) {
			taken = 2;
			let_pass(arg[0]);
		} else if (op < 0xc0) {
			taken = 2;
			handle_order(op & 3, arg[0]);
		} else if (op < 0xe0) {
			begin_anew(kind);
		} else if (last) {
			receive(last, last_length);
		}
		if (taken > size)
			taken = size;
		data += taken;
		size -= taken;
	}
	end();
	return 0;
}
