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

#include <rte_byteorder.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMED 501 // requests that are timed; the median is told
#define CUID  "dz6pHjaADkaFTbjr0JGBpw"

static struct evloop *loop;
static struct rcu *rcu;
static struct signal service;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench-mitigations: %s\n", what);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

// ------------------------------------------------------------------ who is who

// Each outside port is another subscriber's.
static int outside(struct resolver *, const struct resolve_req *req, struct resolve_answer *answer)
{
	uint32_t last = ipaddr_be32(&req->outside.addr) >> 24;

	*answer->holder = (struct holder){
		.service = RESOLVE_NAT44,
		.subscriber = subkey_v4(rte_cpu_to_be_32(0x64400000 | last << 16 | req->lower), 1),
		.outside = req->outside.addr,
		.lower = req->lower,
		.upper = req->upper,
	};
	answer->count = 1;
	return 0;
}

static bool is_shared(struct resolver *, const struct ipaddr *)
{
	return true;
}

static uint32_t instance_id(struct resolver *, uint16_t number)
{
	return number;
}

static int instance(struct resolver *, uint32_t)
{
	return -ENOENT;
}

static struct resolver resolver = {outside, is_shared, instance_id, instance};

// ------------------------------------------------------------------ requests

static struct message request(uint32_t mid, uint8_t code)
{
	static char text[16];
	struct message m = message_make(code);

	snprintf(text, sizeof(text), "mid=%u", mid);
	m.type = COAP_MESSAGE_NON;
	message_add_path(&m, ".well-known");
	message_add_path(&m, "dots");
	message_add_path(&m, "mitigate");
	message_add_path(&m, "cuid=" CUID);
	message_add_path(&m, text);
	return m;
}

// Mitigation n is about a source port and a target of its own.
static size_t put(uint32_t n, uint8_t out[1024])
{
	struct ipprefix target = ipprefix_make(&(struct ipaddr){4}, 32);
	struct ipprefix source = ipprefix_make(&(struct ipaddr){4}, 32);
	uint16_t number = (uint16_t)(1024 + n % 64512);
	struct port_range port = {number, number};
	uint8_t protocol = 17, bytes[512];
	struct mitigation_body body = {.scope = {.target = &target,
					       .targets = 1,
					       .source = &source,
					       .sources = 1,
					       .source_port = &port,
					       .source_ports = 1,
					       .protocol = &protocol,
					       .protocols = 1},
		.has_lifetime = true,
		.lifetime = 3600};
	struct message m = request(n + 1, COAP_REQUEST_PUT);
	int length;

	source.addr = ipaddr_v4(rte_cpu_to_be_32(0xcb007100 | n / 64512));
	target.addr = ipaddr_v4(rte_cpu_to_be_32(0x01000000 + n));
	length = codec_write_mitigations(&body, 1, bytes, sizeof(bytes));
	must(length > 0, "a body");
	m.content_format = 271;
	m.payload = (struct slice){bytes, (size_t)length};
	length = message_build(&m, TRANSPORT_DTLS, out, 1024);
	must(length > 0, "a request");
	return (size_t)length;
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
	uint8_t data[1024];
	size_t length = put(n, data);
	uint64_t began = now();

	must(carry_out(data, length) == COAP_RESPONSE_CODE(201), "not accepted");
	return now() - began;
}

static void withdraw(uint32_t n)
{
	struct message m = request(n + 1, COAP_REQUEST_DELETE);
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
	struct enforcer enforcer = {&resolver, acl_new(active + 64, 1, rcu)};
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
