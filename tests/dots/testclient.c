// SPDX-License-Identifier: BSD-3-Clause

// A Call Home DOTS client of homes for tests of whole processes: lib/dots as the box has it, on free ports of the
// loopback address, with nobody upstream.
//
//	testclient --cert FILE --key FILE --ca FILE NAME...
//
// Each NAME is the DNS name in a home's certificate, and the name of the home. Prints the ports it listens at, and what
// becomes of orders, and answers these on standard input: "order NAME TARGET", "withdraw NAME" (its first), "show",
// "quit".

#include "base/clock.h"
#include "base/log.h"
#include "dots/home.h"
#include "dots/homes.h"

#include "lines.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOMES_MAX  8
#define ORDERS_MAX 64

static struct evloop *loop;
static struct homes *homes;
static struct homes_home home[HOMES_MAX];
static unsigned count;

// What we wait for; free ones have no order.
static struct wanted {
	struct order *order;
	const char *name;
	char target[IPPREFIX_TEXT];
	enum order_state told;
} wanted[ORDERS_MAX];

static const char *const state_name[] = {
	[ORDER_QUEUED] = "queued", [ORDER_CONFIRMED] = "confirmed", [ORDER_REFUSED] = "refused"};

static const struct homes_home *home_called(const char *name)
{
	for (unsigned i = 0; i < count; i++) {
		if (!strcmp(home[i].name, name))
			return &home[i];
	}
	lines_fail(name, "no such home");
}

static void let_go(struct wanted *w)
{
	home_withdraw(w->order);
	w->order = NULL;
}

// As the relay does, we let go of what is refused.
static void on_changed(void *ctx, struct order *order)
{
	struct wanted *w = ctx;
	enum order_state state = order_state(order);

	if (state == w->told)
		return;
	w->told = state;
	lines_print(json_pack("{ss ss ss ss sb}", "event", "order", "home", w->name, "target",
		w->target, "state", state_name[state], "legitimate", order->legitimate));
	if (state == ORDER_REFUSED)
		let_go(w);
}

static void give_order(const char *name, const char *target)
{
	const struct homes_home *to = home_called(name);
	struct subkey key = subkey_of(&to->subscriber, 0);
	struct scope scope = {.target = calloc(1, sizeof(*scope.target)),
		.targets = 1,
		.source = calloc(1, sizeof(*scope.source)),
		.sources = 1};
	struct wanted *w = wanted;

	while (w < wanted + ORDERS_MAX && w->order)
		w++;
	if (w == wanted + ORDERS_MAX || ipprefix_parse(target, scope.target, NULL) < 0)
		lines_fail(target, "too many, or no prefix");
	*scope.source = to->subscriber;
	*w = (struct wanted){.order = order_new(&scope), .name = to->name};
	snprintf(w->target, sizeof(w->target), "%s", target);
	w->order->ends = clock_now() + 600 * CLOCK_SECOND;
	w->order->changed = on_changed;
	w->order->ctx = w;
	if (home_order(homes_of(homes, &key), w->order) < 0) {
		order_free(w->order);
		w->order = NULL;
		lines_print(json_pack("{ss ss ss ss}", "event", "order", "home", name, "target",
			target, "state", "no room"));
	}
}

static void withdraw(const char *name)
{
	for (struct wanted *w = wanted; w < wanted + ORDERS_MAX; w++) {
		if (w->order && !strcmp(w->name, name)) {
			let_go(w);
			return;
		}
	}
	lines_fail(name, "has no order");
}

static void show_home(void *ctx, const struct dots_home_row *row)
{
	json_object_set_new(ctx, row->name,
		json_pack("{ss ss* ss* sI sI sI sI sI sI}", "state", row->state, "transport",
			row->transport, "last-error", row->last_error, "orders",
			(json_int_t)row->orders, "confirmed", (json_int_t)row->confirmed,
			"sessions", (json_int_t)row->sessions, "requests",
			(json_int_t)row->requests, "refused", (json_int_t)row->refused,
			"heartbeats-heard", (json_int_t)row->heartbeats_heard));
}

static void show(void)
{
	json_t *all = json_object();
	struct dots_homes_counters c;

	homes_list(homes, NULL, show_home, all);
	homes_count(homes, &c);
	lines_print(json_pack("{ss so si si sI sI sI}", "event", "show", "homes", all, "half-open",
		c.half_open, "orders", c.orders, "failed", (json_int_t)c.failed, "unknown",
		(json_int_t)c.unknown, "not-admitted", (json_int_t)c.not_admitted));
}

static void command(char *line)
{
	char name[64], target[IPPREFIX_TEXT];

	if (sscanf(line, "order %63s %51s", name, target) == 2)
		give_order(name, target);
	else if (sscanf(line, "withdraw %63s", name) == 1)
		withdraw(name);
	else if (!strcmp(line, "show"))
		show();
	else if (!strcmp(line, "quit"))
		lines_end();
	else
		lines_fail(line, "no such command");
}

static void take_options(int argc, char **argv, struct credentials_files *files)
{
	static const struct option options[] = {
		{"cert", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'},
		{"ca", required_argument, NULL, 'a'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			files->certificate = optarg;
			break;
		case 'k':
			files->private_key = optarg;
			break;
		case 'a':
			files->ca = optarg;
			break;
		default:
			exit(2);
		}
	}
	for (; optind < argc && count < HOMES_MAX; optind++, count++) {
		struct ipaddr inside = {4, {100, 64, 0, (uint8_t)(10 + count)}};

		home[count] = (struct homes_home){.name = argv[optind],
			.identity = argv[optind],
			.subscriber = ipprefix_make(&inside, 32),
			.any_source = true};
	}
}

int main(int argc, char **argv)
{
	static const struct homes_listener listener[] = {
		{.addr = {4, {127, 0, 0, 1}}, .kind = TRANSPORT_DTLS},
		{.addr = {4, {127, 0, 0, 1}}, .kind = TRANSPORT_TLS},
	};
	struct homes_setup setup = {
		.listener = listener,
		.listeners = 2,
		.home = home,
		.drop = {.failures = 1000,
			.window_ns = 60 * CLOCK_SECOND,
			.duration_ns = 60 * CLOCK_SECOND,
			.len4 = 32,
			.len6 = 64},
		.request_rate = 1000,
		.limits = {64, 16, 30 * CLOCK_SECOND},
	};
	struct err err;

	log_init("testclient", LOG_LEVEL_DEBUG);
	take_options(argc, argv, &setup.credentials);
	setup.homes = count;
	loop = evloop_new();
	homes = homes_new(loop);
	if (homes_configure(homes, &setup, &err) < 0)
		lines_fail("homes", err.text);
	lines_read(loop, command);
	lines_print(json_pack("{ss si si}", "event", "listening", "dtls", homes_port(homes, 0),
		"tls", homes_port(homes, 1)));
	while (!lines_ended() && evloop_turn(loop, -1) == 0)
		;
	for (struct wanted *w = wanted; w < wanted + ORDERS_MAX; w++) {
		if (w->order)
			let_go(w);
	}
	homes_free(homes);
	evloop_free(loop);
	return 0;
}
