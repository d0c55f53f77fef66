// SPDX-License-Identifier: BSD-3-Clause

// What is particular to a stream: frames that come in pieces (RFC 8323 section 3.2), connections
// that say nothing or something else, and the ways TCP ends.

#include "base/bits.h"
#include "base/clock.h"
#include "dots/frame.h"

#include "pki.h"
#include "raw.h"
#include "world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static int tcp_to(uint16_t port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

// A listener, and plain OpenSSL as a peer that is up.
static void start_with_raw(struct world *w, struct raw *raw, int version)
{
	world_start(w, TRANSPORT_TLS, "server");
	raw_start(raw,
		&(struct raw_spec){.kind = TRANSPORT_TLS, .name = "client", .version = version});
	raw_dial(raw, w->port);
	RUN_UNTIL(w, raw_step(raw) && w->n_accepted);
}

static void frames_in_pieces(void **)
{
	// CSM without options, a Ping with a token, a 20-byte message, an empty one
	static const uint8_t stream[] = {0x00, 0xe1, 0x02, 0xe2, 0xaa, 0xbb, 0xd0, 0x04, 0x02, 'a',
		'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q',
		0x00, 0x00};
	static const size_t lengths[] = {2, 4, 20, 2};

	for (size_t piece = 1; piece <= sizeof(stream); piece++) {
		struct raw raw;
		struct world w;

		start_with_raw(&w, &raw, 0);
		for (size_t at = 0; at < sizeof(stream); at += piece) {
			size_t left = sizeof(stream) - at;

			raw_send(&raw, stream + at, left < piece ? left : piece);
			if (piece < 4)
				world_turn(&w);
		}
		RUN_UNTIL(&w, w.accepted[0]->messages == ARRAY_LEN(lengths));
		for (unsigned i = 0; i < ARRAY_LEN(lengths); i++)
			assert_int_equal(w.accepted[0]->lengths[i], lengths[i]);
		raw_stop(&raw);
		world_stop(&w);
	}
}

static void longest_frame(void **)
{
	static uint8_t data[FRAME_MAX + 2] = {0xe0, 0xfe, 0xef, 0x02};
	struct end *end;
	struct raw raw;
	struct world w;

	start_with_raw(&w, &raw, 0);
	end = w.accepted[0];
	for (size_t i = 4; i < FRAME_MAX; i++)
		data[i] = (uint8_t)(i * 7);
	// once alone, once with a short one right behind it
	for (unsigned round = 0; round < 2; round++) {
		size_t length = FRAME_MAX + 2 * round;

		for (size_t sent = 0; sent < length; sent += 8000) {
			raw_send(&raw, data + sent, min_u32(8000, (uint32_t)(length - sent)));
			world_turn(&w);
		}
		RUN_UNTIL(&w, end->messages == 1 + 2 * round);
		if (!round)
			assert_memory_equal(end->last, data, FRAME_MAX);
	}
	assert_int_equal(end->lengths[0], FRAME_MAX);
	assert_int_equal(end->lengths[1], FRAME_MAX);
	assert_int_equal(end->lengths[2], 2);
	raw_stop(&raw);
	world_stop(&w);
}

static void frames_that_cannot_be(void **)
{
	static const struct {
		uint8_t bytes[8];
		size_t length;
		const char *why;
	} rows[] = {
		{{0xe0, 0xfe, 0xf0}, 3, "the peer sent a message longer than 65536 bytes"},
		{{0xf0, 255, 255, 255, 255}, 5, "the peer sent a message longer than 65536 bytes"},
		{{0x09}, 1, "the peer sent a message with a reserved token length"},
		{{0x00, 0x02, 0x0f}, 3, "the peer sent a message with a reserved token length"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct raw raw;
		struct world w;

		start_with_raw(&w, &raw, 0);
		raw_send(&raw, rows[i].bytes, rows[i].length);
		RUN_UNTIL(&w, w.accepted[0]->downs);
		assert_string_equal(w.accepted[0]->why.text, rows[i].why);
		raw_stop(&raw);
		world_stop(&w);
	}
}

static void tls_1_2(void **)
{
	struct raw raw;
	struct world w;

	start_with_raw(&w, &raw, TLS1_2_VERSION);
	assert_string_equal(w.accepted[0]->peer.version, "TLSv1.2");
	raw_send(&raw, "\x00\x02", 2);
	RUN_UNTIL(&w, w.accepted[0]->messages);
	raw_stop(&raw);
	world_stop(&w);
}

static void what_is_not_tls(void **)
{
	static const struct {
		const char *what, *bytes;
		size_t length;
		const char *why;
	} rows[] = {
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", 18, "what was received is not TLS, but HTTP"},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", 21, "what was received is not TLS"},
		{"too long a record", "\x16\x03\x01\xff\xff\xff\xff", 7, "packet length too long"},
		{"an alert", "\x15\x03\x03\x00\x02\x02\x28", 7, "unexpected message"},
		{"too long a hello", "\x16\x03\x01\x00\x05\x01\xff\xff\xff\x03", 10, "excessive"},
		{"half a record", "\x16\x03\x01\x01\x00\x01\x00", 7,
			"in the middle of the handshake"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		int fd;

		world_start(&w, TRANSPORT_TLS, "server");
		fd = tcp_to(w.port);
		assert_int_equal(
			send(fd, rows[i].bytes, rows[i].length, 0), (ssize_t)rows[i].length);
		shutdown(fd, SHUT_WR);
		RUN_UNTIL(&w, w.failed);
		if (!strstr(w.failure.text, rows[i].why))
			fail_msg("%s: %s", rows[i].what, w.failure.text);
		assert_int_equal(w.unproven, 0);
		close(fd);
		world_stop(&w);
	}
}

static void connections_that_lead_nowhere(void **)
{
	struct linger reset = {.l_onoff = 1};
	struct world w;
	int fd;

	world_start(&w, TRANSPORT_TLS, "server");
	fd = tcp_to(w.port);
	close(fd);
	RUN_UNTIL(&w, w.failed == 1);
	assert_string_equal(w.failure.text, "cut by peer in the middle of the handshake");
	fd = tcp_to(w.port);
	RUN_UNTIL(&w, listener_counters(w.listener)->half_open);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	RUN_UNTIL(&w, w.failed == 2);
	assert_string_equal(w.failure.text, "Connection reset by peer");
	fd = tcp_to(w.port);
	RUN_UNTIL(&w, listener_counters(w.listener)->half_open);
	clock_advance(29 * CLOCK_SECOND);
	world_settle(&w);
	assert_int_equal(w.failed, 2);
	clock_advance(CLOCK_SECOND);
	RUN_UNTIL(&w, w.failed == 3);
	assert_string_equal(
		w.failure.text, "handshake timed out after 30 s (nothing was received)");
	assert_int_equal(listener_counters(w.listener)->half_open, 0);
	close(fd);
	world_stop(&w);
}

static void oldest_half_open_goes(void **)
{
	const struct listener_limits limits = {
		.associations = 100, .half_open = 4, .handshake_ns = 30 * CLOCK_SECOND};
	struct world w;
	char byte;
	int fd[7];

	world_start(&w, TRANSPORT_TLS, "server");
	listener_limit(w.listener, &limits);
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = tcp_to(w.port);
		RUN_UNTIL(&w, listener_counters(w.listener)->started == i + 1);
	}
	assert_int_equal(listener_counters(w.listener)->half_open, 4);
	assert_int_equal(listener_counters(w.listener)->pushed_out, 3);
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
		assert_int_equal(recv(fd[i], &byte, 1, MSG_DONTWAIT), i < 3 ? 0 : -1);
	world_connect(&w, "client", &(struct end *){NULL});
	for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
		close(fd[i]);
	world_stop(&w);
}

// TCP ends without close_notify, in good order and not.
static void cut_while_up(void **)
{
	static const char *const whys[] = {
		"cut by peer, without close_notify", "Connection reset by peer"};

	for (int reset = 0; reset < 2; reset++) {
		struct linger linger = {.l_onoff = reset};
		struct raw raw;
		struct world w;

		start_with_raw(&w, &raw, 0);
		setsockopt(raw.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(raw.fd);
		raw.fd = -1;
		RUN_UNTIL(&w, w.accepted[0]->downs);
		assert_string_equal(w.accepted[0]->why.text, whys[reset]);
		raw_stop(&raw);
		world_stop(&w);
	}
}

// The peer has sent close_notify and waits for ours (RFC 8446 section 6.1).
static void half_closed(void **)
{
	struct raw raw;
	struct world w;

	start_with_raw(&w, &raw, 0);
	assert_int_equal(SSL_shutdown(raw.ssl), 0);
	shutdown(raw.fd, SHUT_WR);
	RUN_UNTIL(&w, w.accepted[0]->downs);
	assert_string_equal(w.accepted[0]->why.text, "closed by peer");
	assert_int_equal(SSL_shutdown(raw.ssl), 1);
	raw_stop(&raw);
	world_stop(&w);
}

static void nobody_listens(void **)
{
	struct end *end;
	struct world w;
	char expected[80];

	world_start(&w, TRANSPORT_TLS, "server");
	listener_close(w.listener);
	w.listener = NULL;
	end = world_dial(&w, "client");
	RUN_UNTIL(&w, end->downs);
	snprintf(expected, sizeof(expected), "cannot connect to 127.0.0.1:%u: Connection refused",
		w.port);
	assert_string_equal(end->why.text, expected);
	world_stop(&w);
}

static void send_at_once(struct end *end)
{
	uint8_t data[1000] = {0xe0, 0x02, 0xd7};

	for (unsigned i = 0; i < 20; i++)
		transport_send(end->transport, data, sizeof(data));
}

// In TLS 1.3 a dialler is up, and may have sent, before the listener has judged its certificate.
// The alert still has to reach it, whatever of its messages is thrown away.
static void refused_after_up(void **)
{
	struct credentials *c = pki_credentials("stranger", "ca.pem", NULL);
	struct end *end;
	struct world w;

	world_start(&w, TRANSPORT_TLS, "server");
	end = world_dial_with(&w, c, PKI_SERVER, w.port);
	end->on_up = send_at_once;
	RUN_UNTIL(&w, end->downs);
	assert_int_equal(end->ups, 1);
	assert_string_equal(
		end->why.text, "the peer refused our certificate: unknown CA (alert 48)");
	assert_int_equal(w.n_accepted, 0);
	credentials_free(c);
	world_stop(&w);
}

// What is written after the peer has gone is not a crash (SIGPIPE), and the reason is found.
static void send_to_nobody(void **)
{
	uint8_t data[1000] = {0xe0, 0x02, 0xd7};
	struct linger reset = {.l_onoff = 1};
	struct raw raw;
	struct world w;
	int r = 0;

	start_with_raw(&w, &raw, 0);
	setsockopt(raw.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(raw.fd);
	raw.fd = -1;
	for (unsigned i = 0; i < 100 && !r; i++)
		r = transport_send(w.accepted[0]->transport, data, sizeof(data));
	assert_int_not_equal(r, 0);
	assert_int_equal(w.accepted[0]->downs, 0); // not from inside transport_send()
	RUN_UNTIL(&w, w.accepted[0]->downs);
	raw_stop(&raw);
	world_stop(&w);
}

// Our end of the connection to a peer on that port.
static int descriptor_of(uint16_t port)
{
	struct sockaddr_in at;
	socklen_t length;

	for (int fd = 3; fd < 1000; fd++) {
		length = sizeof(at);
		if (!getpeername(fd, (struct sockaddr *)&at, &length) && ntohs(at.sin_port) == port)
			return fd;
	}
	fail_msg("no connection to port %u", port);
	return -1;
}

// The socket takes what waits a little at a time: nothing is lost, doubled or out of order.
static void queue_drains_slowly(void **)
{
	uint8_t data[1152] = {0xe0, 0x03, 0x6f, 0x02};
	struct end *dialled, *accepted;
	unsigned sent = 0;
	int little = 4096;
	struct world w;

	world_start(&w, TRANSPORT_TLS, "server");
	dialled = world_connect(&w, "client", &accepted);
	assert_int_equal(
		setsockopt(descriptor_of(w.port), SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)),
		0);
	for (unsigned round = 0; round < 5; round++) {
		do
			memset(data + 4, (uint8_t)sent, sizeof(data) - 4);
		while (!transport_send(dialled->transport, data, sizeof(data)) && ++sent);
		assert_true(sent > 20);
		while (accepted->messages < sent) {
			unsigned before = accepted->messages;

			RUN_UNTIL(&w, accepted->messages > before);
			assert_int_equal(accepted->last[4], (uint8_t)(accepted->messages - 1));
			assert_int_equal(accepted->last[1151], accepted->last[4]);
		}
	}
	assert_int_equal(accepted->messages, sent);
	world_stop(&w);
}

static void close_with_a_full_queue(void **)
{
	uint8_t data[1152] = {0xe0, 0x03, 0x6f};
	struct end *dialled, *accepted;
	struct world w;

	world_start(&w, TRANSPORT_TLS, "server");
	dialled = world_connect(&w, "client", &accepted);
	while (transport_send(dialled->transport, data, sizeof(data)) == 0)
		;
	transport_close(dialled->transport);
	dialled->transport = NULL;
	RUN_UNTIL(&w, accepted->downs);
	world_stop(&w);
}

// Out of descriptors: the listener waits a second instead of spinning, and goes on.
static void out_of_descriptors(void **)
{
	struct rlimit before, none;
	struct raw raw;
	struct world w;
	int fd;

	world_start(&w, TRANSPORT_TLS, "server");
	raw_start(&raw, &(struct raw_spec){.kind = TRANSPORT_TLS, .name = "client"});
	raw_dial(&raw, w.port);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	fd = dup(STDIN_FILENO); // the lowest that is free
	none.rlim_cur = (rlim_t)fd;
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	world_settle(&w);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	world_settle(&w);
	assert_int_equal(listener_counters(w.listener)->started, 0);
	clock_advance(CLOCK_SECOND);
	RUN_UNTIL(&w, raw_step(&raw) && w.n_accepted);
	raw_stop(&raw);
	world_stop(&w);
}

// Strangers decide how many handshakes fail, not how long the log gets.
static void log_is_bounded(void **)
{
	int fd = memfd_create("log", 0), stderr_before = dup(STDERR_FILENO);
	char text[16384] = "";
	unsigned lines = 0;
	struct world w;

	world_start(&w, TRANSPORT_TLS, "server");
	dup2(fd, STDERR_FILENO);
	for (unsigned i = 1; i <= 50; i++) {
		close(tcp_to(w.port));
		RUN_UNTIL(&w, w.failed == i);
	}
	world_wait(&w, 60);
	close(tcp_to(w.port));
	RUN_UNTIL(&w, w.failed == 51);
	dup2(stderr_before, STDERR_FILENO);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	for (const char *at = text; (at = strstr(at, "TLS handshake with 127.0.0.1:")); at++)
		lines++;
	assert_int_equal(lines, 30 + 1);
	assert_text_has(text, "warning: dots: 20 more handshakes failed");
	close(stderr_before);
	close(fd);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_in_pieces),
		cmocka_unit_test(longest_frame),
		cmocka_unit_test(frames_that_cannot_be),
		cmocka_unit_test(tls_1_2),
		cmocka_unit_test(what_is_not_tls),
		cmocka_unit_test(connections_that_lead_nowhere),
		cmocka_unit_test(oldest_half_open_goes),
		cmocka_unit_test(cut_while_up),
		cmocka_unit_test(half_closed),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(refused_after_up),
		cmocka_unit_test(send_to_nobody),
		cmocka_unit_test(queue_drains_slowly),
		cmocka_unit_test(close_with_a_full_queue),
		cmocka_unit_test(log_is_bounded),
		cmocka_unit_test(out_of_descriptors),
	};

	pki_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
