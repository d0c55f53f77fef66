// SPDX-License-Identifier: BSD-3-Clause

// How long the box takes from an upstream's PUT to the rules in force, with so many mitigations active
// already: lib/dots as the box has it without the association around it, one process. The clock runs
// from the bytes of a request to the bytes of its answer, when the rule has been published; the next
// burst of packets meets it.
//
// usage: bench-mitigations [ACTIVE...]        (1 1000 10000)

#include "base/bits.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dots/signal.h"

#include "attacks.h"
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TIMED 501 // requests that are timed; the median is told

static struct evloop *loop;
static struct rcu *rcu;
static struct signal service;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

// What a datagram goes through once it is deciphered. Returns the code of the answer.
static uint8_t carry_out(const uint8_t *data, size_t length)
{
	static struct reply reply;
	uint8_t out[1024];
	struct message m;

	must(message_parse(&m, TRANSPORT_DTLS, data, length) == 0, "a message");
	reply.message = message_make(0);
	reply.room = sizeof(reply.body);
	signal_request(&service, &m, &reply);
	must(message_build(&reply.message, TRANSPORT_DTLS, out, sizeof(out)) > 0, "an answer");
	return reply.message.code;
}

static uint64_t ask(uint32_t n)
{
	uint8_t body[ATTACKS_BODY], data[1024];
	struct message m = attack_put(n, body);
	int length = message_build(&m, TRANSPORT_DTLS, data, sizeof(data));
	uint64_t began = now();

	must(length > 0 && carry_out(data, (size_t)length) == COAP_RESPONSE_CODE(201),
		"not accepted");
	return now() - began;
}

static void withdraw(uint32_t n)
{
	struct message m = attack_delete(n);
	uint8_t data[256];
	int length = message_build(&m, TRANSPORT_DTLS, data, sizeof(data));

	must(length > 0 && carry_out(data, (size_t)length) == COAP_RESPONSE_CODE(202),
		"not withdrawn");
	rcu_poll(rcu);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void measure(unsigned active)
{
	static uint64_t took[TIMED];
	struct enforcer enforcer = {&attacks_resolver, acl_new(active + 64, 1, rcu)};
	struct mitigations *all = mitigations_new(loop, &enforcer);
	struct policy policy = {
		.name = "bench", .max_subscribers = 16, .max_mitigations = active + 1};
	struct config_body config = config_default();
	uint64_t began = now();

	must(enforcer.acl && all, "no memory");
	signal_init(&service, loop, all, &policy, &config, 0);
	for (unsigned n = 0; n + 1 < active; n++)
		ask(n);
	printf("%7u active: made in %.3f s", active, (double)(now() - began) / 1e9);
	for (unsigned i = 0; i < TIMED; i++) {
		took[i] = ask(active - 1);
		withdraw(active - 1);
	}
	qsort(took, TIMED, sizeof(took[0]), compare);
	printf("; PUT to rule: median %.4f ms, 99 of 100 within %.4f ms, longest %.4f ms\n",
		(double)took[TIMED / 2] / 1e6, (double)took[TIMED * 99 / 100] / 1e6,
		(double)took[TIMED - 1] / 1e6);
	signal_end(&service);
	mitigations_free(all);
	rcu_barrier(rcu);
	acl_free(enforcer.acl);
}

int main(int argc, char **argv)
{
	static const char *const usual[] = {"1", "1000", "10000"};

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_LEVEL_ERROR);
	loop = evloop_new();
	rcu = rcu_new(0);
	must(loop && rcu, "no memory");
	for (unsigned i = 0; i < (argc > 1 ? (unsigned)argc - 1 : ARRAY_LEN(usual)); i++)
		measure((unsigned)strtoul(argc > 1 ? argv[i + 1] : usual[i], NULL, 10));
	rcu_free(rcu);
	evloop_free(loop);
	return 0;
}
