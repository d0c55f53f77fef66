// SPDX-License-Identifier: BSD-3-Clause

// What many homes cost the box: a process with lib/dots as the box has it, and one that is all homes,
// over DTLS on the loopback address. The figures are the box's own: CPU by getrusage(), memory by its
// resident set. How long a relayed request takes runs from the bytes of an upstream's PUT until the last home
// that it is for has confirmed. It is a soak test too (meson's suite soak): it ends well only if every home has
// had its one session throughout, has carried out what it was asked, and was heard when all sent their heartbeats
// at once.
//
// usage: bench-homes [HOMES [FAN-OUT]]        (10000, 1000)

#include "dots/homes.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dots/home.h"
#include "dots/relay.h"
#include "dots/signal.h"

#include "../unit/dots/pki.h"
#include "process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE    64 // handshakes under way
#define RELAYED    51 // requests of an upstream for one home, and for many
#define FIRST_PORT 1024
#define CUID       "dz6pHjaADkaFTbjr0JGBpw"

static unsigned count = 10000, fan_out = 1000;
static struct evloop *loop;

static double seconds(uint64_t since)
{
	return (double)(clock_now() - since) / (double)CLOCK_SECOND;
}

static void name_of(unsigned i, char out[32])
{
	snprintf(out, 32, "home-%u.example", i);
}

static void raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	must(limit.rlim_cur > count + 100, "too few file descriptors are allowed: ulimit -n");
}

// ------------------------------------------------------------------ the box

static struct homes *homes;
static unsigned confirmed;
static struct order **order;

static double cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
		(double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static double resident_kb(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long total = 0, resident = 0;

	must(file && fscanf(file, "%ld %ld", &total, &resident) == 2, "/proc/self/statm");
	fclose(file);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static struct subkey key_of(unsigned i)
{
	return subkey_v4(htonl(0x64400000 + i), 0);
}

static struct ipprefix prefix_of(unsigned i)
{
	struct subkey key = key_of(i);

	return subkey_prefix(&key);
}

static void on_changed(void *ctx, struct order *changed)
{
	bool *done = ctx;

	if (order_state(changed) != ORDER_CONFIRMED || *done)
		return;
	*done = true;
	confirmed++;
}

static bool *done;

// Gives an order to each of the first n homes, waits until all have confirmed, and takes them back.
static void order_all(unsigned n, const char *what)
{
	uint64_t began = clock_now();
	double before = cpu();
	struct dots_homes_counters c;

	confirmed = 0;
	memset(done, 0, count);
	for (unsigned i = 0; i < n; i++) {
		struct subkey key = key_of(i);
		struct scope scope = {.target = calloc(1, sizeof(*scope.target)),
			.targets = 1,
			.source = calloc(1, sizeof(*scope.source)),
			.sources = 1};

		ipprefix_parse("198.51.100.10/32", scope.target, NULL);
		ipprefix_parse("100.64.0.1/32", scope.source, NULL);
		order[i] = order_new(&scope);
		order[i]->ends = clock_now() + 600 * CLOCK_SECOND;
		order[i]->changed = on_changed;
		order[i]->ctx = &done[i];
		must(home_order(homes_of(homes, &key), order[i]) == 0, "an order is refused");
	}
	while (confirmed < n)
		evloop_turn(loop, 10);
	printf("%-26s %6u homes %8.3f s %8.3f ms of CPU each\n", what, n, seconds(began),
		1000 * (cpu() - before) / n);
	for (unsigned i = 0; i < n; i++)
		home_withdraw(order[i]);
	do {
		evloop_turn(loop, 10);
		homes_count(homes, &c);
	} while (c.orders);
}

// ------------------------------------------------------------------ what an upstream asks for

static struct relay *relay;
static struct signal service;

// Each outside port is another home's.
static int outside(struct resolver *, const struct resolve_req *req, struct resolve_answer *answer)
{
	for (unsigned port = req->lower; port <= req->upper; port++) {
		if (answer->count < answer->room)
			answer->holder[answer->count] = (struct holder){.service = RESOLVE_NAT44,
				.subscriber = key_of(port - FIRST_PORT),
				.outside = req->outside.addr,
				.lower = (uint16_t)port,
				.upper = (uint16_t)port};
		answer->count++;
	}
	return 0;
}

static bool is_shared(struct resolver *, const struct ipaddr *)
{
	return true;
}

static struct resolver resolver = {.outside = outside, .is_shared = is_shared};

static struct message upstream_request(uint8_t code)
{
	struct message m = message_make(code);

	m.type = COAP_MESSAGE_NON;
	message_add_path(&m, ".well-known");
	message_add_path(&m, "dots");
	message_add_path(&m, "mitigate");
	message_add_path(&m, "cuid=" CUID);
	message_add_path(&m, "mid=1");
	return m;
}

static void carry_out(struct message *m, uint8_t code)
{
	static struct reply reply;
	uint8_t data[1024], out[1024];
	struct message parsed;
	int length = message_build(m, TRANSPORT_DTLS, data, sizeof(data));

	must(length > 0 && message_parse(&parsed, TRANSPORT_DTLS, data, (size_t)length) == 0,
		"a request");
	reply.message = message_make(0);
	reply.room = sizeof(reply.body);
	signal_request(&service, &parsed, &reply);
	must(reply.message.code == code &&
			message_build(&reply.message, TRANSPORT_DTLS, out, sizeof(out)) > 0,
		"an answer");
}

static void ask_for(unsigned n)
{
	struct ipprefix source, target;
	struct port_range port = {FIRST_PORT, (uint16_t)(FIRST_PORT + n - 1)};
	struct mitigation_body body = {.scope = {.target = &target,
					       .targets = 1,
					       .source = &source,
					       .sources = 1,
					       .source_port = &port,
					       .source_ports = 1},
		.has_lifetime = true,
		.lifetime = 600};
	struct message m = upstream_request(COAP_REQUEST_PUT);
	uint8_t bytes[512];
	int length;

	ipprefix_parse("198.51.100.10/32", &target, NULL);
	ipprefix_parse("203.0.113.7/32", &source, NULL);
	length = codec_write_mitigations(&body, 1, bytes, sizeof(bytes));
	must(length > 0, "a body");
	m.content_format = COAP_MEDIATYPE_APPLICATION_DOTS_CBOR;
	m.payload = (struct slice){bytes, (size_t)length};
	carry_out(&m, COAP_RESPONSE_CODE(201));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void relay_to(unsigned n)
{
	const struct relay_counters *counters = relay_counters(relay);
	struct message end = upstream_request(COAP_REQUEST_DELETE);
	struct dots_homes_counters c;
	double took[RELAYED];

	for (unsigned i = 0; i < RELAYED; i++) {
		uint64_t began = clock_now(), before = counters->confirmed;

		ask_for(n);
		while (counters->confirmed < before + n)
			evloop_turn(loop, 10);
		took[i] = 1000 * seconds(began);
		carry_out(&end, COAP_RESPONSE_CODE(202));
		do {
			evloop_turn(loop, 10);
			homes_count(homes, &c);
		} while (c.orders);
	}
	qsort(took, RELAYED, sizeof(*took), compare);
	printf("%-26s %6u homes %8.3f ms until the last has confirmed, longest %.3f ms\n",
		"PUT of an upstream", n, took[RELAYED / 2], took[RELAYED - 1]);
}

static void relay_all(void)
{
	unsigned many = fan_out < count ? fan_out : count;
	struct policy policy = {.name = "bench",
		.max_subscribers = many,
		.max_mitigations = 2,
		.relay = RELAY_HOME_THEN_BOX};
	struct config_body config = config_default();
	struct rcu *rcu = rcu_new(0);
	struct enforcer enforcer = {&resolver, acl_new(2 * many, 1, rcu), NULL};
	struct mitigations *all;

	relay = relay_new(loop, homes, &resolver, 60 * CLOCK_SECOND);
	must(relay && enforcer.acl, "no memory");
	enforcer.delegate = relay_delegate(relay);
	all = mitigations_new(loop, &enforcer);
	must(all != NULL, "no memory");
	signal_init(&service, loop, all, &policy, &config, 0);
	relay_to(1);
	relay_to(many);
	must(!relay_counters(relay)->stepped_in, "a home is late");
	signal_end(&service);
	mitigations_free(all);
	relay_free(relay);
	rcu_barrier(rcu);
	acl_free(enforcer.acl);
	rcu_free(rcu);
}

// ------------------------------------------------------------------ all that is measured

static void configure_homes(void)
{
	static const struct homes_listener listener = {
		.addr = {4, {127, 0, 0, 1}}, .port = 0, .kind = TRANSPORT_DTLS};
	struct homes_home *home = calloc(count, sizeof(*home));
	char(*name)[32] = calloc(count, sizeof(*name));
	struct homes_setup setup = {
		.credentials = {.certificate = pki_path("server.pem"),
			.private_key = pki_path("server.key"),
			.ca = pki_path("ca.pem")},
		.listener = &listener,
		.listeners = 1,
		.home = home,
		.homes = count,
		.drop = {.failures = 5,
			.window_ns = CLOCK_SECOND,
			.duration_ns = CLOCK_SECOND,
			.len4 = 32,
			.len6 = 64},
		.request_rate = 100000,
		.limits = {65536, 1024, 60 * CLOCK_SECOND},
	};
	struct err err;

	for (unsigned i = 0; i < count; i++) {
		name_of(i, name[i]);
		home[i] = (struct homes_home){.name = name[i],
			.identity = name[i],
			.subscriber = prefix_of(i),
			.any_source = true};
	}
	homes = homes_new(loop);
	must(homes && homes_configure(homes, &setup, &err) == 0, "cannot listen");
	free(home);
	free(name);
}

// The heartbeats of each home, in the order in which homes are listed, which stays.
struct pulse {
	unsigned at;
	unsigned heard; // homes whose count is another than the one kept
	uint64_t *kept;
	bool keep;
};

static void take_pulse(void *ctx, const struct dots_home_row *row)
{
	struct pulse *pulse = ctx;

	if (pulse->keep)
		pulse->kept[pulse->at] = row->heartbeats_heard;
	pulse->heard += row->heartbeats_heard != pulse->kept[pulse->at++];
}

static unsigned heard(struct pulse *pulse, bool keep)
{
	pulse->at = pulse->heard = 0;
	pulse->keep = keep;
	homes_list(homes, NULL, take_pulse, pulse);
	return pulse->heard;
}

// Tells its port, waits for all homes, measures, and has them send their heartbeats.
static void be_box(void *pipe)
{
	int out = *(int *)pipe;
	struct dots_homes_counters c;
	double before_cpu, before_kb;
	struct pulse pulse = {.kept = calloc(count, sizeof(*pulse.kept))};
	uint64_t began;
	uint16_t port;

	loop = evloop_new();
	configure_homes();
	order = calloc(count, sizeof(*order));
	done = calloc(count, 1);
	port = homes_port(homes, 0);
	before_cpu = cpu();
	before_kb = resident_kb();
	began = clock_now();
	must(write(out, &port, sizeof(port)) == sizeof(port), "pipe");
	do {
		for (unsigned i = 0; i < 1000; i++)
			evloop_turn(loop, 1);
		homes_count(homes, &c);
	} while (c.ready < count);
	printf("%-26s %6u homes %8.3f s %8.3f ms of CPU each\n", "handshake and GET /config", count,
		seconds(began), 1000 * (cpu() - before_cpu) / count);
	printf("%-26s %6u homes %8.1f kB each\n", "memory of a session", count,
		(resident_kb() - before_kb) / count);
	order_all(count, "one request to each");
	order_all(fan_out < count ? fan_out : count, "one request to many");
	relay_all();
	heard(&pulse, true);
	began = clock_now();
	before_cpu = cpu();
	must(write(out, &port, 1) == 1, "pipe");
	while (heard(&pulse, false) < count) {
		for (unsigned i = 0; i < 100; i++)
			evloop_turn(loop, 1);
	}
	printf("%-26s %6u homes %8.3f s %8.3f ms of CPU each\n", "heartbeats, all at once", count,
		seconds(began), 1000 * (cpu() - before_cpu) / count);
	homes_count(homes, &c);
	must(c.ready == count && c.handshakes == count, "not every home has kept its session");
	free(pulse.kept);
	homes_free(homes);
	evloop_free(loop);
}

// ------------------------------------------------------------------ the homes

struct far {
	struct exchange *exchange;
	struct heartbeat heartbeat;
};

static unsigned ups, losses;

static uint32_t mid_of(const struct message *m)
{
	uint32_t mid = 0;

	for (size_t i = 4; m->path_count == 5 && i < m->path[4].length; i++)
		mid = mid * 10 + (uint32_t)(m->path[4].data[i] - '0');
	return mid;
}

static void on_request(void *, const struct message *m, struct reply *reply)
{
	struct config_body config = config_default();
	struct mitigation_body body = {.has_mid = true, .mid = mid_of(m)};
	int length = 0;

	reply->message = message_make(COAP_RESPONSE_CODE(205));
	if (slice_is(&m->path[2], "hb")) {
		reply->message.code = COAP_RESPONSE_CODE(204);
	} else if (slice_is(&m->path[2], "config")) {
		length = codec_write_config(&config, reply->body, reply->room);
		reply->message.max_age = UINT32_MAX;
	} else if (m->code == COAP_REQUEST_PUT) {
		reply->message.code = COAP_RESPONSE_CODE(201);
		body.has_lifetime = true;
		body.lifetime = 600;
		length = codec_write_mitigations(&body, 1, reply->body, reply->room);
	} else if (m->code == COAP_REQUEST_DELETE) {
		reply->message.code = COAP_RESPONSE_CODE(202);
	} else {
		body.status = STATUS_MITIGATED;
		body.start = 1;
		length = codec_write_mitigations(&body, 1, reply->body, reply->room);
		if (m->observe == 0)
			reply->message.observe = 1;
	}
	if (length > 0) {
		reply->message.content_format = 271;
		reply->message.payload = (struct slice){reply->body, (size_t)length};
	}
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

static void on_lost(void *)
{
}

static void on_up(void *ctx, struct transport *transport)
{
	struct far *far = ctx;

	far->exchange = exchange_new(loop, transport, &exchange_events, far);
	heartbeat_start(&far->heartbeat, loop, far->exchange, true, on_lost, far);
	ups++;
}

static void on_message(void *ctx, struct transport *, const uint8_t *data, size_t length)
{
	exchange_receive(((struct far *)ctx)->exchange, data, length);
}

static void on_down(void *, struct transport *, const struct err *why)
{
	// at the end the box goes, and all sessions with it
	if (ups < count && !losses++)
		fprintf(stderr, "bench-homes: a home has no session: %s\n", why->text);
}

static const struct transport_events events = {on_up, on_message, on_down};

static void dial_all(struct far *far, uint16_t port)
{
	struct dial dial = {.addr = {4, {127, 0, 0, 1}},
		.port = port,
		.server_name = PKI_SERVER,
		.timeout_ns = 60 * CLOCK_SECOND};
	struct err err;

	for (unsigned i = 0; i < count; i++) {
		char name[32];
		struct credentials *credentials;

		name_of(i, name);
		credentials = pki_credentials(name, "ca.pem", NULL);
		must(dtls_dial(loop, credentials, &dial, &events, &far[i], &err) != NULL, err.text);
		credentials_free(credentials); // the association has its own hold
		while (i + 1 - ups - losses >= AT_ONCE)
			evloop_turn(loop, 1);
	}
	while (ups < count && !losses)
		evloop_turn(loop, 1);
	must(!losses, "not every home has a session");
}

static void be_homes(int in, pid_t box)
{
	struct far *far = calloc(count, sizeof(*far));
	uint16_t port;
	char go;
	int status;

	loop = evloop_new();
	must(read(in, &port, sizeof(port)) == sizeof(port), "the box has not started");
	dial_all(far, port);
	fcntl(in, F_SETFL, O_NONBLOCK);
	while (read(in, &go, 1) != 1)
		evloop_turn(loop, 1);
	for (unsigned i = 0; i < count; i++)
		heartbeat_send(&far[i].heartbeat);
	while (waitpid(box, &status, WNOHANG) == 0)
		evloop_turn(loop, 1);
	must(status == 0, "the box has failed");
	free(far);
}

int main(int argc, char **argv)
{
	int pipes[2];
	pid_t box;

	if (argc > 1)
		count = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		fan_out = (unsigned)strtoul(argv[2], NULL, 10);
	must(count > 0 && fan_out > 0, "usage: bench-homes [HOMES [FAN-OUT]]");
	raise_limit();
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_LEVEL_ERROR);
	pki_start();
	for (unsigned i = 0; i < count; i++) {
		char name[32], dns[40];

		name_of(i, name);
		snprintf(dns, sizeof(dns), "DNS:%s", name);
		pki_issue(&(struct pki_spec){
			.name = name, .dns = dns, .issuer = "ca", .usage = "clientAuth"});
	}
	must(pipe(pipes) == 0, "pipe");
	box = process_begin(be_box, &pipes[1]);
	be_homes(pipes[0], box);
	return 0;
}
