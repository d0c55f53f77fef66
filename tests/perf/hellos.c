// SPDX-License-Identifier: BSD-3-Clause

// How a home fares while strangers flood the box with ClientHellos from addresses that are made up: the
// DTLS listener of lib/dots in one process, the flood in another, a home that dials again and again in a
// third, on the loopback address, all of whose network the flood uses as sources.
//
// usage: bench-hellos [RATE [DIALS]]        (100000 a second, 50)

#include "base/clock.h"
#include "base/log.h"
#include "dots/transport.h"

#include "../unit/dots/pki.h"
#include "process.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 64

// What the processes tell each other.
struct board {
	_Atomic uint16_t port;
	_Atomic uint64_t sent;
	_Atomic uint64_t answered;
	_Atomic uint64_t cpu_us; // of the box
	_Atomic bool stop;
};

static struct board *board;
static unsigned rate = 100000, dials = 50;

static void wait_for_port(void)
{
	while (!board->port)
		usleep(1000);
}

// ------------------------------------------------------------------ the box

static int somebody;

static void *on_accept(void *, struct transport *)
{
	return &somebody;
}

static void on_up(void *, struct transport *)
{
}

static void on_message(void *, struct transport *, const uint8_t *, size_t)
{
}

static void on_down(void *, struct transport *, const struct err *)
{
}

static void be_box(void *)
{
	static const struct transport_events events = {on_up, on_message, on_down};
	struct credentials *credentials = pki_credentials("server", "ca.pem", NULL);
	struct ipaddr at = {4, {127, 0, 0, 1}};
	struct evloop *loop = evloop_new();
	struct listener *listener;
	struct rusage usage;
	struct err err;

	listener = dtls_listen(loop, credentials, &at, 0, &events, on_accept, NULL, &err);
	must(listener != NULL, "cannot listen");
	board->port = listener_port(listener);
	while (!board->stop) {
		evloop_turn(loop, 10);
		getrusage(RUSAGE_SELF, &usage);
		board->cpu_us =
			(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
			(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
		board->answered = listener_counters(listener)->hellos;
	}
	listener_close(listener);
}

// ------------------------------------------------------------------ the flood

static size_t make_hello(uint8_t out[128])
{
	static const uint8_t head[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, // record
		1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42,                                 // handshake
		0xfe, 0xfd};
	static const uint8_t tail[] = {0, 0, 0, 2, 0xc0, 0x2b, 1, 0};

	memset(out, 0, 128);
	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head) + 32, tail, sizeof(tail));
	return sizeof(head) + 32 + sizeof(tail);
}

static void be_flood(void *)
{
	static uint8_t hello[128], control[BATCH][CMSG_SPACE(sizeof(struct in_pktinfo))];
	static struct mmsghdr messages[BATCH];
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct iovec slice = {hello, make_hello(hello)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t began, source = 0;

	wait_for_port();
	to.sin_port = htons(board->port);
	for (unsigned i = 0; i < BATCH; i++) {
		struct msghdr *msg = &messages[i].msg_hdr;

		*msg = (struct msghdr){
			&to, sizeof(to), &slice, 1, control[i], sizeof(control[i]), 0};
		*CMSG_FIRSTHDR(msg) = (struct cmsghdr){
			CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO};
	}
	began = clock_now();
	while (!board->stop) {
		uint64_t due = (clock_now() - began) * rate / CLOCK_SECOND;

		if (board->sent + BATCH > due) {
			usleep(200);
			continue;
		}
		for (unsigned i = 0; i < BATCH; i++) {
			struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(0x7f010000 +
							  (uint32_t)(source++ % 0xfe0000))};

			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&messages[i].msg_hdr)), &info, sizeof(info));
		}
		must(sendmmsg(fd, messages, BATCH, 0) == BATCH, "cannot send");
		board->sent += BATCH;
	}
}

// ------------------------------------------------------------------ the home

static bool is_up, is_down;

static void home_up(void *, struct transport *)
{
	is_up = true;
}

static void home_down(void *, struct transport *, const struct err *why)
{
	fprintf(stderr, "bench-hellos: %s\n", why->text);
	is_down = true;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double dial_once(struct evloop *loop, struct credentials *credentials)
{
	static const struct transport_events events = {home_up, on_message, home_down};
	struct dial dial = {.addr = {4, {127, 0, 0, 1}},
		.port = board->port,
		.server_name = PKI_SERVER,
		.timeout_ns = 30 * CLOCK_SECOND};
	uint64_t began = clock_now();
	struct transport *t;
	struct err err;

	is_up = is_down = false;
	t = dtls_dial(loop, credentials, &dial, &events, NULL, &err);
	must(t != NULL, "cannot dial");
	while (!is_up && !is_down)
		evloop_turn(loop, 100);
	if (is_up)
		transport_close(t);
	return is_up ? (double)(clock_now() - began) / 1e6 : -1;
}

static void be_home(const char *what)
{
	struct evloop *loop = evloop_new();
	double *took = calloc(dials, sizeof(*took));
	uint64_t sent = board->sent, answered = board->answered, cpu = board->cpu_us;
	uint64_t began = clock_now();
	unsigned failed = 0;
	double seconds;

	for (unsigned i = 0; i < dials; i++) {
		// no ticket of the last time: each is a full handshake
		struct credentials *credentials = pki_credentials("client", "ca.pem", NULL);

		took[i] = dial_once(loop, credentials);
		failed += took[i] < 0;
		credentials_free(credentials);
		usleep(50000);
	}
	seconds = (double)(clock_now() - began) / 1e9;
	qsort(took, dials, sizeof(*took), compare);
	printf("%s: %u dials, %u failed, median %.1f ms, longest %.1f ms; hellos a second %.0f sent, "
	       "%.0f answered; CPU of the box %.0f %%\n",
		what, dials, failed, took[dials / 2], took[dials - 1],
		(double)(board->sent - sent) / seconds,
		(double)(board->answered - answered) / seconds,
		(double)(board->cpu_us - cpu) / 1e4 / seconds);
	free(took);
	evloop_free(loop);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		rate = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		dials = (unsigned)strtoul(argv[2], NULL, 10);
	must(rate > 0 && dials > 0, "usage: bench-hellos [RATE [DIALS]]");
	board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(board != MAP_FAILED, "no memory");
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_LEVEL_ERROR);
	pki_start();
	process_begin(be_box, NULL);
	wait_for_port();
	be_home("quiet");
	process_begin(be_flood, NULL);
	usleep(1000000);
	be_home("flood");
	board->stop = true;
	while (wait(NULL) > 0)
		;
	return 0;
}
