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
#include "story.h"

#define ORDERS    16
#define WITH_BODY 0x60

static struct {
	struct evloop *loop;
	struct home_club club;
	struct home *home;
	struct transport transport;
	struct order *order[ORDERS]; // as their maker has them
} world;

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
	story_connect(&world.transport, kind);
	home_events.up(world.home, &world.transport);
}

static void begin(enum transport_kind kind)
{
	struct ipaddr addr = ipaddr_v4(0x0100407f);
	struct ipprefix subscriber = ipprefix_make(&addr, 32);

	world.club = (struct home_club){
		.loop = world.loop, .cuid = "dz6pHjaADkaFTbjr0JGBpw", .rate = 100000};
	TAILQ_INIT(&world.club.queue);
	world.home = home_new(&world.club, "home", "home.example", &subscriber);
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

static void answer(uint8_t op, const uint8_t arg[STORY_ARGS])
{
	struct mitigation_body body = {.has_mid = true,
		.status = arg[3] & 7,
		.start = 1,
		.conflict.cause = arg[4] & 7,
		.has_lifetime = arg[4] & 8,
		.lifetime = arg[4]};
	struct message asked, reply;
	uint8_t bytes[512], out[256];
	int length;

	if (!story_answer(&world.transport, arg, &asked, &reply))
		return;
	if (op >= WITH_BODY && asked.path_count == 5 && asked.path[4].length > 4) {
		for (size_t i = 4; i < asked.path[4].length; i++)
			body.mid = body.mid * 10 + (uint32_t)(asked.path[4].data[i] - '0');
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

static void handle_order(uint8_t op, const uint8_t arg[STORY_ARGS])
{
	unsigned how = op & 3, number = arg[0];
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

static void let_pass(uint8_t, const uint8_t arg[STORY_ARGS])
{
	story_pass(world.loop, arg[0]);
	turn();
}

static void begin_anew(uint8_t, const uint8_t *)
{
	struct err why;

	err_set(&why, "lost");
	if (!world.transport.closed)
		home_events.down(world.home, &world.transport, &why);
	session_begin(world.transport.kind);
	turn();
}

static bool is_over(void)
{
	return false;
}

static const struct story_op ops[] = {{0x40, 4, answer}, {WITH_BODY, 6, answer},
	{0x80, 2, let_pass}, {0xa0, 2, handle_order}, {0xc0, 1, begin_anew}, {0xe0, 1, NULL}};
static const struct story story = {ops, ARRAY_LEN(ops), receive, is_over};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!world.loop) {
		clock_hold();
		log_set_level(LOG_LEVEL_ERROR);
		world.loop = evloop_new();
	}
	if (!size)
		return 0;
	begin(data[0] & 1 ? TRANSPORT_TLS : TRANSPORT_DTLS);
	story_tell(&story, data + 1, size - 1);
	end();
	return 0;
}
