// SPDX-License-Identifier: BSD-3-Clause

// What is particular to datagrams: cookies, loss, many peers on one socket, peers that begin anew,
// and whatever else arrives on an open UDP port (RFC 6347).

#include "base/bits.h"
#include "base/clock.h"

#include "pki.h"
#include "raw.h"
#include "relay.h"
#include "world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HALF_OPEN(w) (listener_counters((w)->listener)->half_open)

static void say(struct end *end, const char *text)
{
	assert_int_equal(transport_send(end->transport, (const uint8_t *)text, strlen(text)), 0);
}

static bool heard(const struct end *end, const char *text)
{
	return end->last_length == strlen(text) && !memcmp(end->last, text, strlen(text));
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int udp_to(uint16_t port)
{
	struct sockaddr_in at = loopback(port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void raw_client(struct raw *raw)
{
	raw_start(raw, &(struct raw_spec){.kind = TRANSPORT_DTLS, .name = "client"});
}

// A second client on the socket of the first: a peer that lost its state and begins anew.
static void raw_again(struct raw *raw, const struct raw *before)
{
	BIO *bio = SSL_get_rbio(before->ssl);
	uint8_t lost[2048];

	while (recv(before->fd, lost, sizeof(lost), MSG_DONTWAIT) >= 0)
		; // what was on its way to the old one
	raw_client(raw);
	raw->ssl = SSL_new(raw->context);
	BIO_up_ref(bio);
	SSL_set_bio(raw->ssl, bio, bio);
	SSL_set_connect_state(raw->ssl);
}

// Goes on with the peer's handshake until the listener keeps it, and not one step further.
static bool is_opening(const struct world *w, struct raw *raw, uint64_t started)
{
	if (listener_counters(w->listener)->started < started)
		SSL_do_handshake(raw->ssl);
	return listener_counters(w->listener)->started == started;
}

// The ClientHello of a client that has no cookie yet.
static size_t a_hello(uint8_t *out, size_t size)
{
	struct sockaddr_in at = loopback(0);
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct raw raw;
	ssize_t n;

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	getsockname(fd, (struct sockaddr *)&at, &length);
	raw_client(&raw);
	raw_dial(&raw, ntohs(at.sin_port));
	raw_step(&raw);
	n = recv(fd, out, size, 0);
	assert_true(n > 60);
	raw_stop(&raw);
	close(fd);
	return (size_t)n;
}

// Strangers who do not answer from where they write leave nothing behind (section 4.2.1), and do
// not get back more than they sent.
static void hellos_without_cookie(void **)
{
	uint8_t hello[2048], answer[2048];
	size_t length = a_hello(hello, sizeof(hello));
	const struct listener_counters *c;
	int fd[100];
	struct world w;

	world_start(&w, TRANSPORT_DTLS, "server");
	c = listener_counters(w.listener);
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
		fd[i] = udp_to(w.port);
	for (unsigned round = 1; round <= 20; round++) {
		for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
			assert_int_equal(send(fd[i], hello, length, 0), (ssize_t)length);
		RUN_UNTIL(&w, c->hellos == round * ARRAY_LEN(fd));
		assert_int_equal(c->half_open + c->open + c->started, 0);
	}
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++) {
		ssize_t n = recv(fd[i], answer, sizeof(answer), 0);

		assert_true(n > 0 && (size_t)n < length);
		assert_int_equal(answer[0], 22); // a handshake record
		assert_int_equal(answer[13], 3); // HelloVerifyRequest
		close(fd[i]);
	}
	// and a home gets in as before
	world_connect(&w, "client", &(struct end *){NULL});
	world_stop(&w);
}

static bool all_up(const struct world *w)
{
	for (unsigned i = 0; i < w->n_dialled; i++) {
		if (!w->dialled[i]->ups)
			return false;
	}
	return w->n_accepted == w->n_dialled;
}

static void many_peers(void **)
{
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	struct world w;

	world_start(&w, TRANSPORT_DTLS, "server");
	w.made.echo = true;
	for (unsigned i = 0; i < 100; i++)
		world_dial_with(&w, c, PKI_SERVER, w.port);
	RUN_UNTIL(&w, all_up(&w));
	assert_int_equal(listener_counters(w.listener)->open, 100);
	for (unsigned i = 0; i < 100; i++) {
		char text[16];

		snprintf(text, sizeof(text), "I am %u", i);
		say(w.dialled[i], text);
	}
	for (unsigned i = 0; i < 100; i++) {
		char text[16];

		snprintf(text, sizeof(text), "I am %u", i);
		RUN_UNTIL(&w, heard(w.dialled[i], text));
	}
	// every other one leaves; the rest is still found
	for (unsigned i = 0; i < 100; i += 2) {
		transport_close(w.dialled[i]->transport);
		w.dialled[i]->transport = NULL;
	}
	RUN_UNTIL(&w, listener_counters(w.listener)->open == 50);
	for (unsigned i = 1; i < 100; i += 2)
		say(w.dialled[i], "still here");
	for (unsigned i = 1; i < 100; i += 2)
		RUN_UNTIL(&w, heard(w.dialled[i], "still here"));
	credentials_free(c);
	world_stop(&w);
}

static void begins_anew_while_live(void **)
{
	struct raw first, second;
	struct end *old;
	struct world w;

	world_start(&w, TRANSPORT_DTLS, "server");
	raw_client(&first);
	raw_dial(&first, w.port);
	RUN_UNTIL(&w, raw_step(&first) && w.n_accepted);
	old = w.accepted[0];
	raw_again(&second, &first);
	// its handshake is under way, and the old association is the peer's still
	RUN_UNTIL(&w, is_opening(&w, &second, 2));
	raw_send(&first, "old", 3);
	RUN_UNTIL(&w, heard(old, "old"));
	assert_int_equal(old->downs, 0);
	RUN_UNTIL(&w, raw_step(&second) && w.n_accepted == 2);
	assert_int_equal(old->downs, 1);
	assert_string_equal(
		old->why.text, "the peer began a new association from the same address and port");
	raw_send(&second, "new", 3);
	RUN_UNTIL(&w, heard(w.accepted[1], "new"));
	say(w.accepted[1], "welcome");
	RUN_UNTIL(&w, (raw_step(&second), second.length == 7));
	assert_int_equal(listener_counters(w.listener)->open, 1);
	assert_int_equal(HALF_OPEN(&w), 0);
	raw_stop(&second);
	raw_stop(&first);
	world_stop(&w);
}

static void begins_anew_and_gives_up(void **)
{
	uint8_t hello[2048];
	size_t length = a_hello(hello, sizeof(hello));
	struct raw first, second, third;
	struct end *old;
	struct world w;

	world_start(&w, TRANSPORT_DTLS, "server");
	raw_client(&first);
	raw_dial(&first, w.port);
	RUN_UNTIL(&w, raw_step(&first) && w.n_accepted);
	old = w.accepted[0];
	// a hello without a cookie, which anyone could have sent in the peer's name
	assert_int_equal(send(first.fd, hello, length, 0), (ssize_t)length);
	RUN_UNTIL(&w, listener_counters(w.listener)->hellos == 2);
	assert_int_equal(HALF_OPEN(&w), 0);
	raw_again(&second, &first);
	RUN_UNTIL(&w, is_opening(&w, &second, 2));
	// a third attempt takes the place of the second
	raw_again(&third, &first);
	RUN_UNTIL(&w, is_opening(&w, &third, 3));
	assert_int_equal(w.failed, 1);
	assert_string_equal(w.failure.text, "the peer began anew");
	assert_int_equal(HALF_OPEN(&w), 1);
	clock_advance(30 * CLOCK_SECOND);
	RUN_UNTIL(&w, w.failed == 2);
	assert_string_equal(
		w.failure.text, "handshake timed out after 30 s (the peer stopped answering)");
	assert_int_equal(HALF_OPEN(&w), 0);
	raw_send(&first, "here", 4);
	RUN_UNTIL(&w, heard(old, "here"));
	assert_int_equal(old->downs, 0);
	// the old one ends while a new one is under way
	raw_stop(&second);
	raw_again(&second, &first);
	RUN_UNTIL(&w, is_opening(&w, &second, 4));
	transport_close(old->transport);
	old->transport = NULL;
	RUN_UNTIL(&w, raw_step(&second) && w.n_accepted == 2);
	raw_stop(&third);
	raw_stop(&second);
	raw_stop(&first);
	world_stop(&w);
}

// The same while the first handshake is not complete: the peer was restarted in the middle.
static void begins_anew_half_open(void **)
{
	struct raw first, second;
	struct world w;

	world_start(&w, TRANSPORT_DTLS, "server");
	raw_client(&first);
	raw_dial(&first, w.port);
	RUN_UNTIL(&w, is_opening(&w, &first, 1));
	raw_again(&second, &first);
	RUN_UNTIL(&w, raw_step(&second) && w.n_accepted);
	assert_string_equal(w.failure.text, "the peer began anew");
	assert_int_equal(HALF_OPEN(&w), 0);
	assert_int_equal(listener_counters(w.listener)->open, 1);
	raw_stop(&second);
	raw_stop(&first);
	world_stop(&w);
}

static void oldest_half_open_goes(void **)
{
	const struct listener_limits limits = {
		.associations = 100, .half_open = 4, .handshake_ns = 30 * CLOCK_SECOND};
	struct raw raw[7];
	struct world w;

	world_start(&w, TRANSPORT_DTLS, "server");
	listener_limit(w.listener, &limits);
	for (unsigned i = 0; i < ARRAY_LEN(raw); i++) {
		raw_client(&raw[i]);
		raw_dial(&raw[i], w.port);
		RUN_UNTIL(&w, is_opening(&w, &raw[i], i + 1));
		assert_int_equal(HALF_OPEN(&w), i < 4 ? i + 1 : 4);
	}
	assert_int_equal(listener_counters(w.listener)->pushed_out, 3);
	assert_string_equal(
		w.failure.text, "pushed out by newer handshakes (4 at a time are allowed)");
	world_connect(&w, "client", &(struct end *){NULL});
	// the youngest is still good
	RUN_UNTIL(&w, raw_step(&raw[6]) && w.n_accepted == 2);
	for (unsigned i = 0; i < ARRAY_LEN(raw); i++)
		raw_stop(&raw[i]);
	world_stop(&w);
}

static void garbage(void **)
{
	static const uint8_t heads[][13] = {
		{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40}, // handshake, epoch 0
		{22, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 40}, // epoch 1
		{23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 40}, // application data
		{21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2},  // an alert in the clear
		{20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
		{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255},
		{99},
	};
	uint8_t data[65000], hello[2048];
	size_t length = a_hello(hello, sizeof(hello));
	uint64_t n = 0;
	struct raw raw;
	struct world w;
	int fd;

	world_start(&w, TRANSPORT_DTLS, "server");
	raw_client(&raw);
	raw_dial(&raw, w.port);
	RUN_UNTIL(&w, raw_step(&raw) && w.n_accepted);
	fd = udp_to(w.port);
	srand(1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rand();
	data[13] = 0xaa; // no ClientHello
	for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
		memcpy(data, heads[i], sizeof(heads[i]));
		for (size_t size = 0; size < 120; size++) {
			// from a stranger, and from a peer that is up
			assert_int_equal(send(fd, data, size, 0), (ssize_t)size);
			assert_int_equal(send(raw.fd, data, size, 0), (ssize_t)size);
		}
		assert_int_equal(send(fd, data, sizeof(data), 0), (ssize_t)sizeof(data));
		n += 121;
		RUN_UNTIL(&w, listener_counters(w.listener)->strays == n);
	}
	// hellos that end early, or say so
	for (size_t size = 0; size < length; size++) {
		assert_int_equal(send(fd, hello, size, 0), (ssize_t)size);
		world_turn(&w);
	}
	for (size_t i = 0; i < length; i++) {
		hello[i] ^= 0xff;
		assert_int_equal(send(fd, hello, length, 0), (ssize_t)length);
		world_turn(&w);
		hello[i] ^= 0xff;
	}
	world_settle(&w);
	assert_int_equal(listener_counters(w.listener)->started, 1);
	raw_send(&raw, "still", 5);
	RUN_UNTIL(&w, heard(w.accepted[0], "still"));
	close(fd);
	raw_stop(&raw);
	world_stop(&w);
}

// Dials through a relay and runs until both ends are up, with a second at a time for what was lost.
static void connect_through(struct world *w, struct relay *relay, const char *client)
{
	struct credentials *c = pki_credentials(client, "ca.pem", NULL);
	struct end *end = world_dial_with(w, c, PKI_SERVER, relay->port);

	for (unsigned i = 0; i < 9 && !(end->ups && w->n_accepted); i++) {
		world_settle(w);
		clock_advance(CLOCK_SECOND);
	}
	RUN_UNTIL(w, end->ups && w->n_accepted);
	credentials_free(c);
}

static enum relay_way lost_way;
static unsigned lost_number;

static bool lose_one(enum relay_way way, unsigned n)
{
	return way == lost_way && n == lost_number;
}

// Whichever single datagram of a handshake is lost, the handshake completes. RSA chains make
// flights of several datagrams, none of which may be longer than what fits an IP packet of 1280
// bytes (RFC 9132 section 7.3).
static void any_one_lost(void **)
{
	for (unsigned i = 0; i < 20; i++) {
		struct relay relay;
		struct world w;

		lost_way = i % 2;
		lost_number = i / 2;
		world_start(&w, TRANSPORT_DTLS, "rsa-server");
		w.made.echo = true;
		relay_start(&relay, w.loop, w.port);
		relay.loses = lose_one;
		connect_through(&w, &relay, "rsa-client");
		relay.loses = NULL;
		say(w.dialled[0], "hello");
		RUN_UNTIL(&w, heard(w.dialled[0], "hello"));
		for (unsigned way = 0; way < 2; way++) {
			assert_true(relay.side[way].longest > 1000);
			assert_true(relay.side[way].longest <= 1280 - 28);
		}
		relay_stop(&relay);
		world_stop(&w);
	}
}

static void doubled_and_swapped(void **)
{
	for (unsigned i = 1; i < 4; i++) {
		struct relay relay;
		struct world w;

		world_start(&w, TRANSPORT_DTLS, "rsa-server");
		w.made.echo = true;
		relay_start(&relay, w.loop, w.port);
		relay.doubles = i & 1;
		relay.swaps = i & 2;
		connect_through(&w, &relay, "rsa-client");
		relay.swaps = false;
		// a doubled record is a replay: one message, one echo
		say(w.dialled[0], "once");
		RUN_UNTIL(&w, heard(w.dialled[0], "once"));
		world_settle(&w);
		assert_int_equal(w.accepted[0]->messages, 1);
		assert_int_equal(w.dialled[0]->messages, 1);
		relay_stop(&relay);
		world_stop(&w);
	}
}

static void garbage_to_dialler(void **)
{
	struct relay relay;
	uint8_t data[64];
	struct world w;

	world_start(&w, TRANSPORT_DTLS, "server");
	w.made.echo = true;
	relay_start(&relay, w.loop, w.port);
	connect_through(&w, &relay, "client");
	srand(2);
	for (unsigned i = 0; i < 500; i++) {
		for (unsigned b = 0; b < sizeof(data); b++)
			data[b] = (uint8_t)rand();
		if (i % 2)
			memcpy(data, (uint8_t[]){21, 254, 253, 0, 0}, 5);
		relay_inject(&relay, RELAY_OUT, data, i % sizeof(data));
		world_turn(&w);
	}
	say(w.dialled[0], "hello");
	RUN_UNTIL(&w, heard(w.dialled[0], "hello"));
	relay_stop(&relay);
	world_stop(&w);
}

// Nobody listens yet, and ICMP says so: the dial goes on until its time is up.
static void refused_at_first(void **)
{
	struct credentials *listener = pki_credentials("server", "ca.pem", NULL);
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	struct end *early, *late;
	struct world w;

	world_start(&w, TRANSPORT_DTLS, "server");
	listener_close(w.listener);
	w.listener = NULL;
	early = world_dial_with(&w, c, PKI_SERVER, w.port);
	world_settle(&w);
	assert_int_equal(early->downs, 0);
	world_listen(&w, listener, w.port);
	clock_advance(CLOCK_SECOND);
	RUN_UNTIL(&w, early->ups);
	listener_close(w.listener);
	w.listener = NULL;
	RUN_UNTIL(&w, early->downs);
	late = world_dial_with(&w, c, PKI_SERVER, w.port);
	world_settle(&w);
	clock_advance(10 * CLOCK_SECOND);
	RUN_UNTIL(&w, late->downs);
	assert_string_equal(late->why.text, "handshake timed out after 10 s (Connection refused)");
	credentials_free(c);
	credentials_free(listener);
	world_stop(&w);
}

// OpenSSL sends a flight 13 times, doubling the wait up to a minute, and then gives up.
static void nobody_answers(void **)
{
	struct sockaddr_in at = loopback(0);
	socklen_t length = sizeof(at);
	int silent = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	unsigned hellos = 0;
	uint8_t data[2048];
	struct end *end;
	struct world w;

	assert_int_equal(bind(silent, (struct sockaddr *)&at, sizeof(at)), 0);
	getsockname(silent, (struct sockaddr *)&at, &length);
	world_start(&w, TRANSPORT_DTLS, NULL);
	w.timeout_ns = 3600 * CLOCK_SECOND;
	end = world_dial_with(&w, c, PKI_SERVER, ntohs(at.sin_port));
	for (unsigned i = 0; i < 15 && !end->downs; i++) {
		world_settle(&w);
		while (recv(silent, data, sizeof(data), 0) > 0)
			hellos++;
		world_wait(&w, 60);
	}
	assert_int_equal(hellos, 13);
	assert_string_equal(end->why.text, "no answer to any of the retransmissions");
	close(silent);
	credentials_free(c);
	world_stop(&w);
}

// Once it is up, what ICMP says is left to the heartbeats above to judge.
static void refused_later(void **)
{
	struct end *dialled;
	struct relay relay;
	struct world w;

	world_start(&w, TRANSPORT_DTLS, "server");
	relay_start(&relay, w.loop, w.port);
	connect_through(&w, &relay, "client");
	dialled = w.dialled[0];
	relay_stop(&relay);
	for (unsigned i = 0; i < 5; i++) {
		// the second finds the answer to the first, and is sent nevertheless
		say(dialled, "anyone?");
		say(dialled, "anyone?");
		world_turn(&w);
	}
	assert_int_equal(dialled->downs, 0);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hellos_without_cookie),
		cmocka_unit_test(many_peers),
		cmocka_unit_test(begins_anew_while_live),
		cmocka_unit_test(begins_anew_and_gives_up),
		cmocka_unit_test(begins_anew_half_open),
		cmocka_unit_test(oldest_half_open_goes),
		cmocka_unit_test(garbage),
		cmocka_unit_test(any_one_lost),
		cmocka_unit_test(doubled_and_swapped),
		cmocka_unit_test(garbage_to_dialler),
		cmocka_unit_test(refused_at_first),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(refused_later),
	};

	pki_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
