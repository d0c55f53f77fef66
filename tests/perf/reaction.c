// SPDX-License-Identifier: BSD-3-Clause

// From an upstream's PUT to the last packet of the attack, with so many mitigations active already: a process that is
// the upstream, over DTLS on the loopback address, and one that is the box, lib/dots on its control thread and a
// worker that carries the attack through the whole pipeline, a packet at a time, on another. Both read one clock.
//
// What the control thread does in one turn, without waiting, nobody can interrupt: the longest such turn is how long a
// request may have to wait, whatever it is about.
//
// usage: bench-reaction [--state] [ACTIVE...]        (1 1000 100000; --state: with a state file)

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dots/dots.h"
#include "dots/exchange.h"

#include "../unit/dots/pki.h"
#include "attacks.h"
#include "perf.h"
#include "process.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMED       301 // reports that are timed
#define UNDER_WAY   32  // requests at once while mitigations are made
#define BETWEEN_NS  (10 * CLOCK_MS)
#define PATIENCE_NS (60 * CLOCK_SECOND)

// What the processes tell each other; times are readings of CLOCK_MONOTONIC.
struct board {
	_Atomic uint16_t port;    // of the upstream
	_Atomic uint64_t passed;  // the last packet of the attack did,
	_Atomic uint64_t stopped; // and the last that was dropped was
	_Atomic uint64_t longest; // turn of the control thread, in ns of its CPU
	_Atomic uint64_t cpu;     // ns of it in all
	_Atomic bool stop;
};

static struct board *board;
static unsigned active;
static bool state;

// The worker has the last core to itself, whatever else there is shares the others.
static void take_cores(bool worker)
{
	unsigned cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = 0; i < cores; i++) {
		if (cores == 1 || worker == (i == cores - 1))
			CPU_SET(i, &set);
	}
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

// ------------------------------------------------------------------ the box

static struct world *world;

static void on_mark(void *, const struct subkey *subscriber, bool marked)
{
	struct msg msg = {.type = MSG_MARK, .mark = {.subscriber = *subscriber, .marked = marked}};

	while (channel_tell(&world->dataplane.worker[0]->channel, &msg) < 0)
		sched_yield();
}

// Packets of the attack, one behind the other, each from a received frame to one that could be sent.
static void *be_worker(void *)
{
	struct worker *w = world->dataplane.worker[0];
	struct transmit *sent = &w->transmit[WORLD_OUTSIDE], *told = &w->transmit[WORLD_INSIDE];
	struct blank blank = blank_udp(world, WORLD_INSIDE);
	struct tuple attack = {.src = attack_inside(active - 1),
		.dst = attack_target(active - 1),
		.src_port = RTE_BE16(5555),
		.dst_port = RTE_BE16(443)};

	sum_tuple(&attack, &blank);
	take_cores(true);
	rcu_online(world->rcu, 0);
	while (!board->stop) {
		worker_turn(w, clock_tick());
		w->burst.mbuf[0] = rte_pktmbuf_alloc(world->mbufs);
		must(w->burst.mbuf[0] != NULL, "no buffer");
		write_frame(w->burst.mbuf[0], &attack, &blank);
		w->burst.n = 1;
		pipeline_run(w, &w->burst, WORLD_INSIDE);
		*(sent->n ? &board->passed : &board->stopped) = clock_now();
		rte_pktmbuf_free_bulk(sent->mbuf, sent->n);
		rte_pktmbuf_free_bulk(told->mbuf, told->n); // why it was dropped
		sent->n = told->n = 0;
		w->transmit_waiting = 0;
		rcu_quiescent(world->rcu, 0);
	}
	rcu_offline(world->rcu, 0);
	return NULL;
}

static uint64_t thread_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

static void turn(struct evloop *loop)
{
	uint64_t before = thread_cpu(), took;
	struct msg heard[64];

	evloop_turn(loop, 1);
	rcu_poll(world->rcu);
	while (channel_hear(&world->dataplane.worker[0]->channel, heard, ARRAY_LEN(heard)))
		;
	took = thread_cpu() - before;
	board->cpu += took;
	if (took > board->longest)
		board->longest = took;
}

static struct dots *dots_begin(struct evloop *loop)
{
	const struct dots_env env = {loop, &attacks_resolver, world->acl, NULL};
	const struct dots_upstream upstream = {
		.name = "bench",
		.host = "127.0.0.1",
		.port = board->port,
		.transport = {TRANSPORT_DTLS},
		.transports = 1,
		.peer_name = PKI_SERVER,
		.credentials = {.certificate = pki_path("client.pem"),
			.private_key = pki_path("client.key"),
			.ca = pki_path("ca.pem")},
		.max_mitigations = active + 1,
		.max_rules = active + 1,
		.max_affected = active + 1,
	};
	struct dots *dots = dots_new(&env);
	struct err err = {""};

	must(dots != NULL, "no memory");
	must(!state || dots_keep(dots, pki_path("state"), 86400, 100000, &err) == 0, err.text);
	must(dots_add(dots, &upstream, &err) == 0, err.text);
	return dots;
}

static void be_box(void *)
{
	struct world_setup setup = world_setup();
	struct evloop *loop = evloop_new();
	struct dots *dots;
	pthread_t worker;

	setup.rules = active + 64;
	setup.threads = true;
	world_eal("bench-reaction", false, 128);
	take_cores(false); // of which EAL has chosen one
	world = world_new(&setup, clock_tick());
	acl_watch(world->acl, on_mark, NULL);
	dots = dots_begin(loop);
	must(pthread_create(&worker, NULL, be_worker, NULL) == 0, "no thread");
	while (!board->stop)
		turn(loop);
	pthread_join(worker, NULL);
	dots_free(dots);
	world_free(world);
	evloop_free(loop);
}

// ------------------------------------------------------------------ the upstream

static struct evloop *loop;
static struct exchange *box; // NULL: no session yet
static unsigned waiting;     // for so many answers
static uint8_t expected;

static void on_request(void *, const struct message *, struct reply *reply)
{
	reply->message = message_make(COAP_RESPONSE_CODE(204)); // a heartbeat
}

static void on_reset(void *, const uint8_t *, uint8_t)
{
}

static void on_ready(void *)
{
}

static void on_ended(void *, const struct err *)
{
}

static const struct exchange_events exchange_events = {on_request, on_reset, on_ready, on_ended};

static void *on_accept(void *, struct transport *)
{
	return &box;
}

static void on_up(void *, struct transport *transport)
{
	box = exchange_new(loop, transport, &exchange_events, NULL);
}

static void on_message(void *, struct transport *, const uint8_t *data, size_t length)
{
	exchange_receive(box, data, length);
}

static void on_down(void *, struct transport *, const struct err *why)
{
	must(board->stop, why->text);
}

static const struct transport_events events = {on_up, on_message, on_down};

static void on_answer(void *, const struct answer *answer)
{
	must(answer->kind == ANSWER_REPLY && answer->message->code == expected, "not carried out");
	waiting--;
}

static void ask(struct message *m, uint8_t code)
{
	const struct call call = {.timeout_ns = PATIENCE_NS, .fn = on_answer};

	expected = code;
	must(exchange_call(box, m, &call) == 0, "cannot ask");
	waiting++;
}

static void wait_for_answers(unsigned most)
{
	while (waiting > most)
		evloop_turn(loop, 1);
}

static void put(uint32_t n)
{
	uint8_t body[ATTACKS_BODY];
	struct message m = attack_put(n, body);

	ask(&m, COAP_RESPONSE_CODE(201));
}

static void withdraw(uint32_t n)
{
	struct message m = attack_delete(n);

	ask(&m, COAP_RESPONSE_CODE(202));
	wait_for_answers(0);
}

// Goes on serving the session until the worker has seen a packet of this fate after an instant.
static void wait_for_packet(const _Atomic uint64_t *fate, uint64_t after)
{
	uint64_t until = clock_now() + PATIENCE_NS;

	while (*fate <= after) {
		evloop_turn(loop, 1);
		must(clock_now() < until, "nothing has become of the attack");
	}
}

static void rest(uint64_t ns)
{
	uint64_t until = clock_now() + ns;

	while (clock_now() < until)
		evloop_turn(loop, 1);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void tell(const char *what, uint64_t *took)
{
	qsort(took, TIMED, sizeof(*took), compare);
	printf("  %-28s median %.3f ms, 99 of 100 within %.3f ms, longest %.3f ms\n", what,
		(double)took[TIMED / 2] / 1e6, (double)took[TIMED * 99 / 100] / 1e6,
		(double)took[TIMED - 1] / 1e6);
}

static void tell_longest(const char *when)
{
	printf("  longest turn of the control thread, %s: %.2f ms of CPU\n", when,
		(double)board->longest / 1e6);
	board->longest = 0;
}

// All but the one that is timed.
static void make(void)
{
	uint64_t began = clock_now(), cpu = board->cpu;
	double seconds;

	for (uint32_t n = 0; n + 1 < active; n++) {
		put(n);
		wait_for_answers(UNDER_WAY);
	}
	wait_for_answers(0);
	seconds = (double)(clock_now() - began) / 1e9;
	if (active > 1)
		printf("  %.0f requests a second, %.4f ms of the control thread's CPU each\n",
			(active - 1) / seconds, (double)(board->cpu - cpu) / 1e6 / (active - 1));
	tell_longest("while they were made");
}

static void measure(void)
{
	static uint64_t last_packet[TIMED], reply[TIMED];

	for (unsigned i = 0; i < TIMED; i++) {
		uint64_t began, passed;

		wait_for_packet(&board->passed, clock_now());
		rest(BETWEEN_NS);
		began = clock_now();
		put(active - 1);
		wait_for_answers(0);
		reply[i] = clock_now() - began;
		wait_for_packet(&board->stopped, clock_now());
		// where the worker had to wait for a core, the last may be one before the PUT
		passed = board->passed;
		last_packet[i] = passed > began ? passed - began : 0;
		withdraw(active - 1);
	}
	tell("PUT to the last packet:", last_packet);
	tell("PUT to the reply:", reply);
	tell_longest("with them active");
}

static void run(unsigned mitigations)
{
	struct credentials *credentials = pki_credentials("server", "ca.pem", NULL);
	struct ipaddr at = {4, {127, 0, 0, 1}};
	struct listener *listener;
	struct err err;
	int status;
	pid_t pid;

	memset(board, 0, sizeof(*board));
	active = mitigations;
	box = NULL;
	loop = evloop_new();
	listener = dtls_listen(loop, credentials, &at, 0, &events, on_accept, NULL, &err);
	must(listener != NULL, "cannot listen");
	board->port = listener_port(listener);
	printf("%u active%s\n", active, state ? ", kept in a state file" : "");
	pid = process_begin(be_box, NULL);
	while (!box) {
		evloop_turn(loop, 1);
		must(waitpid(pid, &status, WNOHANG) == 0, "the box has failed");
	}
	make();
	measure();
	board->stop = true;
	must(waitpid(pid, &status, 0) == pid && status == 0, "the box has failed");
	exchange_free(box);
	listener_close(listener);
	credentials_free(credentials);
	evloop_free(loop);
	if (state)
		unlink(pki_path("state"));
}

int main(int argc, char **argv)
{
	static const unsigned usual[] = {1, 1000, 100000};
	unsigned runs = 0;

	board = mmap(
		NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(board != MAP_FAILED, "no memory");
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_LEVEL_ERROR);
	pki_start();
	take_cores(false);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--state")) {
			state = true;
			continue;
		}
		run((unsigned)strtoul(argv[i], NULL, 10));
		runs++;
	}
	for (unsigned i = 0; !runs && i < ARRAY_LEN(usual); i++)
		run(usual[i]);
	return 0;
}
