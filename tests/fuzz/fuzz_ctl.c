// SPDX-License-Identifier: BSD-3-Clause

// The control socket, as a client may use it: the real server behind a real socket, and in place of the
// box a source with a little of everything. The input is what two clients do:
//
//	0x00-0x3f, n, n bytes   client 0 or 1 (bit 0) sends bytes
//	0x40-0x7f, words, 0x0a  it sends a request, whose words are separated by spaces
//	0x80-0xbf, n            it reads up to n times 64 bytes
//	0xc0-0xff               it closes its connection, and will open another
//
// Every reply must be frames as ctl/proto.h says, and every good one JSON.

#include "base/bits.h"
#include "base/clock.h"
#include "base/evloop.h"
#include "base/log.h"
#include "base/rcu.h"
#include "ctl/ctl.h"
#include "ctl/proto.h"
#include "dots/list.h"
#include "dots/operate.h"
#include "table/acl.h"
#include "table/neighbour.h"

#include "fuzz.h"
#include "table_resolver.h"

#include <jansson.h>

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS 2
#define ROWS    20 // of each table of a worker,
#define SLICE   8  // given out at one time
#define STEPS   24 // of an input; each may be answered by kilobytes
#define HEARD   (1u << 20)

struct client {
	int fd; // -1: not connected
	uint8_t heard[HEARD];
	size_t size;
};

static struct {
	struct evloop *loop;
	struct rcu *rcu;
	struct snapshot snapshot;
	struct nat_policy policy[2];
	struct static_mapping mapping;
	struct table_resolver table;
	struct ctl_source source;
	struct sockaddr_un address;
	struct ctl *ctl;
	struct client client[CLIENTS];
} world;

// The source of all answers

void dots_list_sessions(
	const struct dots *, void (*fn)(void *ctx, const struct dots_session_row *row), void *ctx)
{
	struct dots_session_row row = {.upstream = "isp",
		.host = "192.0.2.77",
		.port = 4647,
		.state = "waiting",
		.last_error = "unknown CA \"x\"\n\xff"};

	fn(ctx, &row);
	row.state = "up";
	row.transport = row.peer_name = row.cipher = row.version = "text";
	row.peer = ipaddr_v4(RTE_BE32(0x01020304));
	fn(ctx, &row);
}

void dots_list_mitigations(const struct dots *,
	void (*fn)(void *ctx, const struct dots_mitigation_row *row), void *ctx)
{
	struct scope scope = {0};
	struct dots_mitigation_row row = {.upstream = "isp",
		.cuid = "cuid",
		.mid = 7,
		.scope = &scope,
		.lifetime = -1,
		.status_label = "attack-mitigation-in-progress",
		.phase = "asked",
		.decide_until = 1,
		.evidence_packets = UINT64_MAX};

	fn(ctx, &row);
}

void dots_list_audit(
	const struct dots *, void (*fn)(void *ctx, const struct dots_audit_row *row), void *ctx)
{
	struct scope scope = {0};
	struct dots_audit_subscriber subscriber = {.outside = ipaddr_v4(RTE_BE32(0x01020304))};
	struct dots_audit_row row = {.upstream = "isp",
		.cuid = "cuid",
		.scope = &scope,
		.subscriber = &subscriber,
		.subscribers = 1,
		.asked = 1,
		.outcome = "open"};

	for (row.number = 2; row.number; row.number--)
		fn(ctx, &row);
}

void homes_list(const struct homes *, const char *name,
	void (*fn)(void *ctx, const struct dots_home_row *row), void *ctx)
{
	struct dots_home_row row = {.name = "one",
		.identity = "one.example",
		.subscriber = {ipaddr_v4(RTE_BE32(0x64400001)), 32},
		.state = "ready",
		.transport = "dtls",
		.peer = ipaddr_v4(RTE_BE32(0x64400001)),
		.last_error = "\"\xff"};

	if (!name || !strcmp(name, row.name))
		fn(ctx, &row);
}

void homes_count(const struct homes *, struct dots_homes_counters *out)
{
	memset(out, 0x7f, sizeof(*out));
	out->certificate_end = 1;
}

bool expiry_text(const struct expiry *, const char *whose, int64_t end, char out[EXPIRY_TEXT])
{
	snprintf(out, EXPIRY_TEXT, "%s %lld", whose, (long long)end);
	return true;
}

void homes_list_dropped(const struct homes *,
	void (*fn)(void *ctx, const struct ipprefix *source, uint64_t left_ns), void *ctx)
{
	struct ipprefix source = {.addr = ipaddr_v4(RTE_BE32(0x01020304)), .len = 32};

	fn(ctx, &source, UINT64_MAX / 2);
}

static uint64_t stepped_in(void *)
{
	return UINT64_MAX;
}

int dots_withdraw(struct dots *, const char *, uint32_t mid, struct err *err)
{
	return mid == 7 ? 0 : err_set(err, "mid %u: no such mitigation", mid);
}

int dots_mitigate(struct dots *, const struct dots_report *report, uint32_t *mid, struct err *err)
{
	*mid = 7;
	return report->scope->sources && report->scope->targets
		? 0
		: err_set(err, "no source or target");
}

int dots_decide(struct dots *, const char *, uint32_t mid, bool agreed, struct err *err)
{
	return mid == 7 && agreed ? 0 : err_set(err, "mid %u: no such mitigation", mid);
}

int dots_suspend(struct dots *, const char *upstream, bool suspended, struct err *err)
{
	return suspended ? 0 : err_set(err, "upstream %s: there is none", upstream);
}

static const struct snapshot *snapshot(void *)
{
	return &world.snapshot;
}

static void totals(void *, struct ctl_totals *out)
{
	memset(out, 0xff, sizeof(*out));
}

static void worker(void *, unsigned, struct ctl_worker *out)
{
	memset(out, 0xff, sizeof(*out));
}

static void iface(void *, unsigned number, struct ctl_iface *out)
{
	*out = (struct ctl_iface){.up = number & 1, .speed_bps = UINT64_MAX, .rx_packets = 1};
}

static enum ctl_neighbour neighbour(void *, uint32_t)
{
	return CTL_NEIGHBOUR_LEARNED;
}

static int walk(void *, unsigned worker, enum walk_table table, uint32_t room, void *rows,
	uint32_t *cursor, uint32_t *count)
{
	uint32_t last = *cursor + SLICE < ROWS ? *cursor + SLICE : ROWS;

	FUZZ_CHECK(room >= SLICE && *cursor < ROWS);
	for (*count = 0; *cursor < last; (*cursor)++) {
		if (table == WALK_MAPPINGS)
			((struct mapping_row *)rows)[(*count)++] = (struct mapping_row){
				.inside = ipaddr_v4(RTE_BE32(0x64400002)),
				.inside_port = (uint16_t)*cursor,
				.protocol = 17,
				.policy = (uint8_t)worker,
				.id = *cursor,
			};
		else
			((struct subscriber_row *)rows)[(*count)++] = (struct subscriber_row){
				.key = subkey_v4(RTE_BE32(0x64400002), 0), .refused = *cursor};
	}
	if (*cursor == ROWS)
		*cursor = 0;
	return 0;
}

static char *config(void *)
{
	return strdup("{\"homeport:homeport\": {\"platform\": {\"workers\": 1}}}");
}

static int advance(void *, uint64_t seconds)
{
	return seconds & 1 ? 0 : -1;
}

static void snapshot_make(struct snapshot *s)
{
	s->ifaces = 2;
	snprintf(s->iface[0].name, sizeof(s->iface[0].name), "inside \"1\"");
	snprintf(s->iface[1].name, sizeof(s->iface[1].name), "outside");
	s->iface[0].realm = REALM_INTERNAL;
	s->iface[1].realm = REALM_EXTERNAL;
	s->iface[1].vlan = 7;
	for (unsigned i = 0; i < ARRAY_LEN(world.policy); i++) {
		world.policy[i] =
			(struct nat_policy){.instance_id = i + 1, .instance = (uint16_t)i};
		snapshot_add_policy(s, i, &world.policy[i]);
	}
	world.mapping = (struct static_mapping){
		.protocol = 6, .inside_lower = 80, .outside_lower = 8080, .ports = 1};
	s->statics = (struct static_table){
		.count = 1, .by_inside = &world.mapping, .by_outside = &world.mapping};
}

static void forget(void)
{
	unlink(world.address.sun_path);
}

static void make(void)
{
	static const char *const lines[] = {"pool 203.0.113.0/28",
		"203.0.113.7:1024-2047=100.64.0.1", "203.0.113.7:1500-2500=100.64.0.2"};
	struct ipaddr gateway = ipaddr_v4(RTE_BE32(0xc00002fe));
	struct acl_rule rule = {.target = {.addr = gateway, .len = 32},
		.protocol = 17,
		.upper_port = 80,
		.label = "isp"};
	struct neighbour_table *neighbours;
	uint32_t entry;
	struct err err;

	clock_hold();
	log_set_level(LOG_LEVEL_ERROR);
	world.loop = evloop_new();
	world.rcu = rcu_new(0);
	neighbours = neighbour_table_new(16, world.rcu);
	world.source = (struct ctl_source){
		.workers = 2,
		.started = clock_unix_ms(),
		.acl = acl_new(16, 1, world.rcu),
		.resolver = &world.table.resolver,
		.neighbours = neighbours,
		.snapshot = snapshot,
		.totals = totals,
		.worker = worker,
		.iface = iface,
		.neighbour = neighbour,
		.stepped_in = stepped_in,
		.walk = walk,
		.config = config,
		.advance = advance,
	};
	FUZZ_CHECK(world.loop && neighbours && world.source.acl);
	entry = neighbour_add(neighbours, 1, &gateway);
	neighbour_set(neighbours, entry, &(struct rte_ether_addr){{2, 0, 0, 0, 0, 1}});
	FUZZ_CHECK(acl_add(world.source.acl, &rule, &entry) == 0);
	snapshot_make(&world.snapshot);
	table_resolver_init(&world.table);
	for (unsigned i = 0; i < ARRAY_LEN(lines); i++)
		FUZZ_CHECK(table_resolver_add(&world.table, lines[i]) == 0);
	world.address.sun_family = AF_UNIX;
	snprintf(world.address.sun_path, sizeof(world.address.sun_path), "/tmp/fuzz-ctl-%d.sock",
		getpid());
	world.ctl = ctl_open(world.loop, world.address.sun_path, &world.source, &err);
	FUZZ_CHECK(world.ctl);
	atexit(forget);
	for (unsigned i = 0; i < CLIENTS; i++)
		world.client[i].fd = -1;
}

// The clients

static void client_open(struct client *client)
{
	const struct sockaddr *address = (const struct sockaddr *)&world.address;

	if (client->fd >= 0)
		return;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(client->fd >= 0);
	FUZZ_CHECK(connect(client->fd, address, sizeof(world.address)) == 0);
	evloop_turn(world.loop, 0);
}

// Looks at what a client has heard so far: whole frames only, in an order that makes replies.
static void client_check(const struct client *client)
{
	char *text = NULL;
	size_t at = 0, length = 0;

	while (client->size - at >= PROTO_HEADER) {
		const uint8_t *header = client->heard + at;
		uint32_t n;

		memcpy(&n, header + 4, sizeof(n));
		n = ntohl(n);
		FUZZ_CHECK(header[1] <= PROTO_SEVERAL && !header[2] && !header[3]);
		if (client->size - at - PROTO_HEADER < n)
			break;
		switch (header[0]) {
		case PROTO_DATA:
			FUZZ_CHECK(n && !header[1]);
			text = realloc(text, length + n);
			FUZZ_CHECK(text);
			memcpy(text + length, header + PROTO_HEADER, n);
			length += n;
			break;
		case PROTO_ERROR:
			FUZZ_CHECK(n && header[1]);
			length = 0;
			break;
		default:
			FUZZ_CHECK(header[0] == PROTO_END && !n);
			json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);

			FUZZ_CHECK(value);
			json_decref(value);
			length = 0;
			break;
		}
		at += PROTO_HEADER + n;
	}
	free(text);
}

static void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	evloop_turn(world.loop, 0);
	client_check(client);
	client->fd = -1;
	client->size = 0;
}

// Reads up to `most` bytes. Returns how many there were.
static size_t client_read(struct client *client, size_t most)
{
	ssize_t n;

	if (client->fd < 0)
		return 0;
	FUZZ_CHECK(client->size < HEARD);
	if (most > HEARD - client->size)
		most = HEARD - client->size;
	n = recv(client->fd, client->heard + client->size, most, 0);
	if (n == 0)
		client_close(client); // the server has ended it
	if (n <= 0)
		return 0;
	client->size += (size_t)n;
	evloop_turn(world.loop, 0);
	return (size_t)n;
}

static void client_send(struct client *client, const void *data, size_t length)
{
	client_open(client);
	// what the server has ended or does not take any more is lost
	send(client->fd, data, length, MSG_NOSIGNAL);
	evloop_turn(world.loop, 0);
}

// Sends the words up to the end of the line. Returns how many bytes they were.
static size_t client_ask(struct client *client, const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t length = end ? (size_t)(end - data) : size;
	uint8_t request[sizeof(uint32_t) + PROTO_REQUEST_MAX];
	uint32_t be;

	if (length > PROTO_REQUEST_MAX - 1)
		length = PROTO_REQUEST_MAX - 1;
	be = htonl((uint32_t)length + 1);
	memcpy(request, &be, sizeof(be));
	for (size_t i = 0; i < length; i++)
		request[sizeof(be) + i] = data[i] == ' ' ? 0 : data[i];
	request[sizeof(be) + length] = 0;
	client_send(client, request, sizeof(be) + length + 1);
	return length + (end != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!world.ctl)
		make();
	for (unsigned steps = 0; size && steps < STEPS; steps++) {
		struct client *client = &world.client[data[0] & 1];
		uint8_t op = data[0];
		size_t taken = 1;

		if (op < 0x40) {
			size_t length = size > 1 ? data[1] : 0;

			taken = size < 2 ? size : 2;
			if (length > size - taken)
				length = size - taken;
			client_send(client, data + taken, length);
			taken += length;
		} else if (op < 0x80) {
			taken += client_ask(client, data + 1, size - 1);
		} else if (op < 0xc0) {
			client_read(client, size > 1 ? (data[1] + 1) * 64u : 64);
			taken = size < 2 ? size : 2;
		} else {
			client_close(client);
		}
		data += taken;
		size -= taken;
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		while (client_read(&world.client[i], HEARD))
			;
		client_close(&world.client[i]);
	}
	return 0;
}
