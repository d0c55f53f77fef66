// SPDX-License-Identifier: BSD-3-Clause

// What both kinds of association owe their user: a handshake with a peer that is known, whole
// messages both ways, bounds, and words for what does not work.

#include "base/bits.h"
#include "base/clock.h"

#include "pki.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void both_ends_know_each_other(void **state)
{
	struct end *dialled, *accepted;
	struct credentials *c;
	struct world w;

	world_start(&w, kind_of(state), "server");
	dialled = world_connect(&w, "client", &accepted);
	assert_string_equal(dialled->peer.name, PKI_SERVER);
	assert_string_equal(accepted->peer.name, PKI_CLIENT);
	c = pki_credentials("server", "ca.pem", NULL);
	assert_string_equal(dialled->peer.spki, credentials_cuid(c));
	credentials_free(c);
	c = pki_credentials("client", "ca.pem", NULL);
	assert_string_equal(accepted->peer.spki, credentials_cuid(c));
	credentials_free(c);
	assert_int_equal(dialled->peer.port, w.port);
	assert_int_equal(ipaddr_compare(&accepted->peer.addr, &w.addr), 0);
	assert_string_equal(
		dialled->peer.version, w.kind == TRANSPORT_DTLS ? "DTLSv1.2" : "TLSv1.3");
	assert_string_equal(dialled->peer.cipher, accepted->peer.cipher);
	assert_non_null(strstr(dialled->peer.cipher, "AES"));
	assert_false(dialled->peer.resumed);
	assert_int_equal(transport_kind(dialled->transport), w.kind);
	assert_int_equal(listener_counters(w.listener)->open, 1);
	assert_int_equal(listener_counters(w.listener)->half_open, 0);
	world_stop(&w);
}

static void echo_both_ways(void **state)
{
	struct end *dialled, *accepted;
	struct world w;

	world_start(&w, kind_of(state), "server");
	dialled = world_connect(&w, "client", &accepted);
	accepted->echo = true;
	world_send(dialled, 100, 'a');
	RUN_UNTIL(&w, dialled->messages == 1);
	assert_int_equal(dialled->last_length, 100);
	assert_int_equal(dialled->last[99], 'a');
	accepted->echo = false;
	dialled->echo = true;
	world_send(accepted, 200, 'b');
	RUN_UNTIL(&w, accepted->messages == 2);
	assert_int_equal(accepted->last_length, 200);
	assert_int_equal(accepted->last[199], 'b');
	world_stop(&w);
}

static void borders_are_kept(void **state)
{
	static const size_t sizes[] = {2, 3, 14, 16, 1000, 271, 273, 1152, 5, 2};
	struct end *dialled, *accepted;
	struct world w;

	world_start(&w, kind_of(state), "server");
	dialled = world_connect(&w, "client", &accepted);
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
		world_send(dialled, sizes[i], (uint8_t)i);
	RUN_UNTIL(&w, accepted->messages == ARRAY_LEN(sizes));
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
		assert_int_equal(accepted->lengths[i], sizes[i]);
	world_stop(&w);
}

static void room(void **state)
{
	struct end *dialled, *accepted;
	uint8_t data[65537];
	size_t fits;
	struct world w;

	world_start(&w, kind_of(state), "server");
	dialled = world_dial(&w, "client");
	assert_true(transport_room(dialled->transport) >= 1152);
	assert_int_equal(transport_send(dialled->transport, data, 10), -ENOTCONN);
	RUN_UNTIL(&w, dialled->ups && w.n_accepted);
	accepted = w.accepted[0];
	fits = transport_room(dialled->transport);
	if (w.kind == TRANSPORT_DTLS) // 1280 less IPv4, UDP, record header, nonce and tag
		assert_int_equal(fits, 1280 - 20 - 8 - 13 - 8 - 16);
	else
		assert_int_equal(fits, 1152);
	assert_int_equal(transport_send(dialled->transport, data, 0), -EINVAL);
	assert_int_equal(transport_send(dialled->transport, data, fits + 1), -EMSGSIZE);
	world_send(dialled, fits, 'x');
	RUN_UNTIL(&w, accepted->messages == 1);
	assert_int_equal(accepted->last_length, fits);
	// the peer's CSM allows more; over UDP the path has the last word
	transport_set_room(dialled->transport, 1 << 20);
	assert_int_equal(
		transport_room(dialled->transport), w.kind == TRANSPORT_DTLS ? fits : 65536);
	world_send(dialled, transport_room(dialled->transport), 'y');
	RUN_UNTIL(&w, accepted->messages == 2);
	assert_int_equal(accepted->last_length, transport_room(dialled->transport));
	assert_int_equal(accepted->last[65535 < fits ? 65535 : fits - 1], 'y');
	world_stop(&w);
}

// What TCP does not take waits, up to a bound; nothing that was accepted is lost.
static void queue_is_bounded(void **state)
{
	struct end *dialled, *accepted;
	uint8_t data[1152];
	unsigned sent = 0;
	struct world w;

	world_start(&w, kind_of(state), "server");
	dialled = world_connect(&w, "client", &accepted);
	world_message(data, sizeof(data), 'q');
	while (transport_send(dialled->transport, data, sizeof(data)) == 0) {
		sent++;
		assert_true(sent < 100000);
	}
	assert_int_equal(transport_send(dialled->transport, data, sizeof(data)), -EAGAIN);
	RUN_UNTIL(&w, accepted->messages == sent);
	assert_int_equal(transport_send(dialled->transport, data, sizeof(data)), 0);
	RUN_UNTIL(&w, accepted->messages == sent + 1);
	assert_int_equal(accepted->downs + dialled->downs, 0);
	world_stop(&w);
}

// world_connect() gives its credentials back at once; here those of the listener go too.
static void credentials_may_go_first(void **state)
{
	struct end *dialled, *accepted;
	struct credentials *c;
	struct world w;

	world_start(&w, kind_of(state), NULL);
	c = pki_credentials("server", "ca.pem", NULL);
	world_listen(&w, c, 0);
	credentials_free(c);
	dialled = world_connect(&w, "client", &accepted);
	accepted->echo = true;
	world_send(dialled, 10, 'e');
	RUN_UNTIL(&w, dialled->messages);
	world_connect(&w, "client", &accepted);
	world_stop(&w);
}

static void dial_checks_its_words(void **state)
{
	static const struct {
		const char *name, *reason;
	} rows[] = {
		{NULL, "no server name"},
		{"", "no server name"},
		{".example", "\".example\" is not a DNS name"},
		{"*.example", "is not a DNS name"},
		{"192.0.2.1", "is an address"},
		{"2001:db8::1", "is not a DNS name"},
		{"two words", "is not a DNS name"},
	};
	static const struct transport_events none;
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	struct credentials *wrong = pki_credentials("server-only", "ca.pem", NULL);
	struct dial dial = {.port = 9, .timeout_ns = CLOCK_SECOND};
	struct err err;
	struct world w;

	world_start(&w, kind_of(state), NULL);
	dial.addr = w.addr;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		dial.server_name = rows[i].name;
		assert_null((w.kind == TRANSPORT_DTLS ? dtls_dial : tls_dial)(
			w.loop, c, &dial, &none, NULL, &err));
		assert_text_has(err.text, rows[i].reason);
	}
	dial.server_name = PKI_SERVER;
	assert_null((w.kind == TRANSPORT_DTLS ? dtls_dial : tls_dial)(
		w.loop, wrong, &dial, &none, NULL, &err));
	assert_text_has(err.text, "may not be used to dial");
	credentials_free(wrong);
	credentials_free(c);
	world_stop(&w);
}

// What the kernel refuses at once is told at once.
static void dial_fails_at_once(void **state)
{
	static const struct transport_events none;
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	struct dial dial = {.port = 9, .server_name = PKI_SERVER, .timeout_ns = CLOCK_SECOND};
	struct err err;
	struct world w;

	world_start(&w, kind_of(state), NULL);
	ipaddr_parse("255.255.255.255", &dial.addr);
	assert_null((w.kind == TRANSPORT_DTLS ? dtls_dial : tls_dial)(
		w.loop, c, &dial, &none, NULL, &err));
	assert_text_has(err.text,
		w.kind == TRANSPORT_DTLS ? "cannot reach 255.255.255.255:9: "
					 : "cannot connect to 255.255.255.255:9: ");
	credentials_free(c);
	world_stop(&w);
}

static void listen_says_why_not(void **state)
{
	static const struct transport_events none;
	struct credentials *c = pki_credentials("server", "ca.pem", NULL);
	struct ipaddr addr;
	struct err err;
	struct world w;

	world_start(&w, kind_of(state), "server");
	assert_null((w.kind == TRANSPORT_DTLS ? dtls_listen : tls_listen)(
		w.loop, c, &w.addr, w.port, &none, NULL, NULL, &err));
	assert_text_has(err.text, "cannot listen on 127.0.0.1:");
	assert_text_has(err.text, "Address already in use");
	ipaddr_parse("192.0.2.1", &addr);
	assert_null((w.kind == TRANSPORT_DTLS ? dtls_listen : tls_listen)(
		w.loop, c, &addr, 0, &none, NULL, NULL, &err));
	assert_text_has(err.text, "Cannot assign requested address");
	credentials_free(c);
	c = pki_credentials("client", "ca.pem", NULL);
	assert_null((w.kind == TRANSPORT_DTLS ? dtls_listen : tls_listen)(
		w.loop, c, &w.addr, 0, &none, NULL, NULL, &err));
	assert_text_has(err.text, "may not be used to listen");
	credentials_free(c);
	world_stop(&w);
}

// A listener on the wildcard address answers from the address it was called at.
static void wildcard_listener(void **state)
{
	static const char *const wildcards[] = {"0.0.0.0", "::"};
	static const char *const called[] = {"127.0.0.2", "::1"};

	for (unsigned i = 0; i < 2; i++) {
		struct credentials *c = pki_credentials("server", "ca.pem", NULL);
		struct end *dialled, *accepted;
		struct world w;

		world_start(&w, kind_of(state), NULL);
		ipaddr_parse(wildcards[i], &w.addr);
		world_listen(&w, c, 0);
		ipaddr_parse(called[i], &w.addr);
		dialled = world_connect(&w, "client", &accepted);
		accepted->echo = true;
		world_send(dialled, 10, 'w');
		RUN_UNTIL(&w, dialled->messages);
		credentials_free(c);
		world_stop(&w);
	}
}

static void both_families_on_one_port(void **state)
{
	struct credentials *c = pki_credentials("server", "ca.pem", NULL);
	struct end *accepted;
	struct listener *v4;
	struct world w;

	world_start(&w, kind_of(state), NULL);
	ipaddr_parse("0.0.0.0", &w.addr);
	world_listen(&w, c, 0);
	v4 = w.listener;
	ipaddr_parse("::", &w.addr);
	world_listen(&w, c, w.port);
	ipaddr_parse("::1", &w.addr);
	world_connect(&w, "client", &accepted);
	ipaddr_parse("127.0.0.1", &w.addr);
	world_connect(&w, "client", &accepted);
	assert_int_equal(listener_counters(w.listener)->open, 1);
	assert_int_equal(listener_counters(v4)->open, 1);
	listener_close(v4);
	credentials_free(c);
	world_stop(&w);
}

static bool admit_nobody(void *, const struct ipaddr *)
{
	return false;
}

// The drop-list is the user's; a listener only asks (RFC 9066 section 8).
static void gate_turns_away(void **state)
{
	struct end *dialled;
	struct world w;

	world_start(&w, kind_of(state), "server");
	w.admit = admit_nobody;
	dialled = world_dial(&w, "client");
	RUN_UNTIL(&w, listener_counters(w.listener)->not_admitted);
	assert_int_equal(listener_counters(w.listener)->started, 0);
	assert_int_equal(dialled->ups, 0);
	world_stop(&w);
}

static void associations_are_bounded(void **state)
{
	const struct listener_limits limits = {
		.associations = 2, .half_open = 8, .handshake_ns = CLOCK_SECOND};
	struct end *first, *second, *third, *accepted;
	struct world w;

	world_start(&w, kind_of(state), "server");
	listener_limit(w.listener, &limits);
	first = world_connect(&w, "client", &accepted);
	second = world_connect(&w, "client", &accepted);
	third = world_dial(&w, "client");
	RUN_UNTIL(&w, listener_counters(w.listener)->no_room);
	assert_int_equal(third->ups, 0);
	assert_int_equal(listener_counters(w.listener)->open, 2);
	assert_int_equal(first->downs + second->downs, 0);
	transport_close(third->transport);
	third->transport = NULL;
	transport_close(first->transport);
	first->transport = NULL;
	RUN_UNTIL(&w, listener_counters(w.listener)->open == 1);
	world_connect(&w, "client", &accepted);
	world_stop(&w);
}

static void handshake_times_out(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	enum transport_kind kind = kind_of(state);
	int silent = socket(AF_INET, kind == TRANSPORT_DTLS ? SOCK_DGRAM : SOCK_STREAM, 0);
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	socklen_t length = sizeof(at);
	struct end *dialled;
	struct world w;

	world_start(&w, kind, NULL);
	// a socket that takes everything and answers nothing
	assert_int_equal(bind(silent, (struct sockaddr *)&at, sizeof(at)), 0);
	if (kind == TRANSPORT_TLS)
		assert_int_equal(listen(silent, 1), 0);
	getsockname(silent, (struct sockaddr *)&at, &length);
	dialled = world_dial_with(&w, c, PKI_SERVER, ntohs(at.sin_port));
	for (unsigned i = 0; i < 9; i++) {
		world_settle(&w);
		world_wait(&w, 1);
	}
	assert_int_equal(dialled->downs, 0);
	clock_advance(CLOCK_SECOND);
	RUN_UNTIL(&w, dialled->downs);
	assert_string_equal(
		dialled->why.text, "handshake timed out after 10 s (nothing was received)");
	close(silent);
	credentials_free(c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BOTH(both_ends_know_each_other),
		WITH_BOTH(echo_both_ways),
		WITH_BOTH(borders_are_kept),
		WITH_BOTH(room),
		WITH_TLS(queue_is_bounded),
		WITH_BOTH(credentials_may_go_first),
		WITH_BOTH(dial_checks_its_words),
		WITH_BOTH(dial_fails_at_once),
		WITH_BOTH(listen_says_why_not),
		WITH_BOTH(wildcard_listener),
		WITH_BOTH(both_families_on_one_port),
		WITH_BOTH(gate_turns_away),
		WITH_BOTH(associations_are_bounded),
		WITH_BOTH(handshake_times_out),
	};

	pki_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
