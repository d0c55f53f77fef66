// SPDX-License-Identifier: BSD-3-Clause

// The end of an association, at whatever moment it comes: any event may close the association, its
// listener, or everything.

#include "base/bits.h"

#include "pki.h"
#include "world.h"

#include <errno.h>

static void close_says_goodbye(void **state)
{
	struct end *dialled, *accepted;
	struct world w;

	world_start(&w, kind_of(state), "server");
	dialled = world_connect(&w, "client", &accepted);
	transport_close(dialled->transport);
	dialled->transport = NULL;
	RUN_UNTIL(&w, accepted->downs);
	assert_string_equal(accepted->why.text, "closed by peer");
	assert_int_equal(dialled->downs, 0);
	assert_int_equal(listener_counters(w.listener)->open, 0);
	dialled = world_connect(&w, "client", &accepted);
	transport_close(accepted->transport);
	accepted->transport = NULL;
	RUN_UNTIL(&w, dialled->downs);
	assert_string_equal(dialled->why.text, "closed by peer");
	dialled = world_connect(&w, "client", &accepted);
	listener_close(w.listener);
	w.listener = NULL;
	RUN_UNTIL(&w, dialled->downs);
	assert_string_equal(dialled->why.text, "closed by peer");
	assert_int_equal(accepted->downs, 0);
	accepted->transport = NULL;
	world_stop(&w);
}

// A message, and the close right behind it.
static void last_words_arrive(void **state)
{
	struct end *dialled, *accepted;
	struct world w;

	world_start(&w, kind_of(state), "server");
	dialled = world_connect(&w, "client", &accepted);
	world_send(dialled, 50, 'z');
	transport_close(dialled->transport);
	dialled->transport = NULL;
	RUN_UNTIL(&w, accepted->downs);
	assert_int_equal(accepted->messages, 1);
	world_stop(&w);
}

static void close_own(struct end *end)
{
	struct transport *t = end->transport;

	transport_close(t);
	transport_close(t); // still there until we return, and dead already
	assert_int_equal(transport_send(t, (const uint8_t *)"x", 1), -ENOTCONN);
	end->transport = NULL;
}

static void close_listener(struct end *end)
{
	struct listener *listener = end->world->listener;

	listener_close(listener);
	if (!end->dialled)
		listener_close(listener); // it is there until we return, and closed already
	end->world->listener = NULL;
	if (!end->dialled)
		end->transport = NULL;
}

static void close_all(struct end *end)
{
	struct world *w = end->world;

	for (unsigned i = 0; i < w->n_dialled; i++) {
		transport_close(w->dialled[i]->transport);
		w->dialled[i]->transport = NULL;
	}
	close_listener(end);
}

static void close_in_accept(struct world *w, struct transport *t)
{
	transport_close(t);
	w->refuse = true;
}

static void close_listener_in_accept(struct world *w, struct transport *)
{
	listener_close(w->listener);
	w->listener = NULL;
	w->refuse = true;
}

static void (*const closers[])(struct end *) = {close_own, close_listener, close_all};

static void close_from_up(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(closers); i++) {
		struct end *dialled;
		struct world w;

		world_start(&w, kind_of(state), "server");
		w.made.on_up = closers[i];
		dialled = world_dial(&w, "client");
		RUN_UNTIL(&w, w.n_accepted && !w.accepted[0]->transport);
		RUN_UNTIL(&w, dialled->downs || !dialled->transport);
		assert_int_equal(w.accepted[0]->downs, 0);
		world_stop(&w);
	}
	for (unsigned i = 0; i < ARRAY_LEN(closers); i++) {
		struct end *dialled;
		struct world w;

		world_start(&w, kind_of(state), "server");
		dialled = world_dial(&w, "client");
		dialled->on_up = closers[i];
		RUN_UNTIL(&w, !dialled->transport);
		assert_int_equal(dialled->downs, closers[i] == close_listener);
		if (closers[i] == close_own)
			RUN_UNTIL(&w, w.n_accepted && w.accepted[0]->downs);
		world_stop(&w);
	}
}

static void close_from_message(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(closers); i++) {
		struct end *dialled, *accepted;
		struct world w;

		world_start(&w, kind_of(state), "server");
		dialled = world_connect(&w, "client", &accepted);
		accepted->on_message = closers[i];
		for (unsigned n = 0; n < 5; n++)
			world_send(dialled, 20, 'm');
		RUN_UNTIL(&w, !accepted->transport);
		RUN_UNTIL(&w, dialled->downs || !dialled->transport);
		assert_int_equal(accepted->messages, 1);
		assert_int_equal(accepted->downs, 0);
		world_stop(&w);
	}
	for (unsigned i = 0; i < ARRAY_LEN(closers); i++) {
		struct end *dialled, *accepted;
		struct world w;

		world_start(&w, kind_of(state), "server");
		dialled = world_connect(&w, "client", &accepted);
		dialled->on_message = closers[i];
		for (unsigned n = 0; n < 5; n++)
			world_send(accepted, 20, 'm');
		RUN_UNTIL(&w, !dialled->transport);
		world_settle(&w);
		// closing the listener does not unsend what is on its way
		assert_int_equal(dialled->messages, closers[i] == close_listener ? 5 : 1);
		world_stop(&w);
	}
}

static void close_from_down(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(closers); i++) {
		struct end *dialled, *accepted;
		struct world w;

		world_start(&w, kind_of(state), "server");
		dialled = world_connect(&w, "client", &accepted);
		accepted->on_down = closers[i];
		transport_close(dialled->transport);
		dialled->transport = NULL;
		RUN_UNTIL(&w, accepted->downs);
		world_settle(&w);
		assert_int_equal(accepted->downs, 1);
		world_stop(&w);
	}
}

static void close_from_accept(void **state)
{
	static void (*const hooks[])(struct world *, struct transport *) = {
		close_in_accept, close_listener_in_accept};

	for (unsigned i = 0; i < ARRAY_LEN(hooks); i++) {
		struct end *dialled;
		struct world w;

		world_start(&w, kind_of(state), "server");
		w.on_accept = hooks[i];
		dialled = world_dial(&w, "client");
		RUN_UNTIL(&w, dialled->downs);
		assert_string_equal(dialled->why.text, "closed by peer");
		assert_int_equal(w.n_accepted, 0);
		world_stop(&w);
	}
}

static void accept_may_refuse(void **state)
{
	struct end *dialled;
	struct world w;

	world_start(&w, kind_of(state), "server");
	w.refuse = true;
	dialled = world_dial(&w, "client");
	RUN_UNTIL(&w, dialled->downs);
	assert_string_equal(dialled->why.text, "closed by peer");
	assert_int_equal(listener_counters(w.listener)->open, 0);
	// and the next one is not affected
	w.refuse = false;
	world_connect(&w, "client", &(struct end *){NULL});
	world_stop(&w);
}

static void close_before_it_is_up(void **state)
{
	struct end *dialled;
	struct world w;

	world_start(&w, kind_of(state), "server");
	dialled = world_dial(&w, "client");
	transport_close(dialled->transport);
	dialled->transport = NULL;
	world_settle(&w);
	assert_int_equal(dialled->ups + dialled->downs, 0);
	// in the middle of the handshake
	dialled = world_dial(&w, "client");
	RUN_UNTIL(&w, listener_counters(w.listener)->half_open);
	transport_close(dialled->transport);
	dialled->transport = NULL;
	world_settle(&w);
	assert_int_equal(dialled->ups + dialled->downs, 0);
	transport_close(NULL);
	listener_close(NULL);
	credentials_free(NULL);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BOTH(close_says_goodbye),
		WITH_BOTH(last_words_arrive),
		WITH_BOTH(close_from_up),
		WITH_BOTH(close_from_message),
		WITH_BOTH(close_from_down),
		WITH_BOTH(close_from_accept),
		WITH_BOTH(accept_may_refuse),
		WITH_BOTH(close_before_it_is_up),
	};

	pki_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
