// SPDX-License-Identifier: BSD-3-Clause

// A Call Home DOTS server for tests of whole processes: lib/dots with a resolver made of lines and a
// real ACL that nobody sends packets through.
//
//	testserver --upstream name=N,host=H,port=P,peer=NAME[,transport=dtls|tls][,...]
//	           --cert FILE --key FILE --ca FILE [--crl FILE] [--held-clock] LINE...
//	testserver --upstream ... --psk-identity NAME --psk-file FILE ...
//
// More members of --upstream: domain=PREFIX (once or more), max-subscribers, max-mitigations,
// max-lifetime, retry-interval, heartbeat-interval, overlap=target. LINEs are those of
// table_resolver.h. Prints what changes in the ACL as one line of JSON each, and answers these on
// standard input: "hit SLOT PACKETS BYTES", "advance SECONDS" (of a held clock), "show", "quit".

#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dots/dots.h"

#include "lines.h"
#include "table_resolver.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES         256
#define UPSTREAMS_MAX 8
#define DOMAINS_MAX   8

static struct evloop *loop;
static struct table_resolver resolver;
static struct acl *acl;
static struct dots *dots;
static bool known[RULES]; // slots that have been printed

static struct dots_upstream upstream[UPSTREAMS_MAX];
static struct ipprefix domain[UPSTREAMS_MAX][DOMAINS_MAX];
static unsigned upstreams;

static const char *subscriber_text(const struct subkey *key, char *out)
{
	struct ipaddr addr = {.family = key->family};

	memcpy(addr.bytes, key->addr, sizeof(addr.bytes));
	return ipaddr_format(&addr, out);
}

// ------------------------------------------------------------------ what happens

static void print_acl_changes(void)
{
	char who[IPADDR_TEXT], target[IPPREFIX_TEXT];

	for (uint32_t slot = 0; slot < RULES; slot++) {
		const struct acl_rule *rule = acl_get(acl, slot);

		if (known[slot] == (rule != NULL))
			continue;
		known[slot] = rule != NULL;
		if (!rule) {
			lines_print(json_pack("{ss si}", "event", "acl-remove", "slot", slot));
			continue;
		}
		lines_print(json_pack("{ss si ss ss so si si si si ss}", "event", "acl-add", "slot",
			slot, "subscriber", subscriber_text(&rule->subscriber, who), "target",
			ipprefix_format(&rule->target, target), "protocol",
			rule->any_protocol ? json_null() : json_integer(rule->protocol),
			"lower-port", rule->lower_port, "upper-port", rule->upper_port,
			"lower-type", rule->lower_type, "upper-type", rule->upper_type, "label",
			rule->label));
	}
}

static void show_session(void *ctx, const struct dots_session_row *row)
{
	json_array_append_new(ctx,
		json_pack("{ss ss ss* ss* ss* sI sI si sI sI sI sI}", "upstream", row->upstream,
			"state", row->state, "transport", row->transport, "peer-name",
			row->peer_name, "last-error", row->last_error, "sessions",
			(json_int_t)row->sessions, "failures", (json_int_t)row->failures,
			"mitigations", row->mitigations, "heartbeats-sent",
			(json_int_t)row->heartbeats_sent, "heartbeats-heard",
			(json_int_t)row->heartbeats_heard, "requests", (json_int_t)row->requests,
			"refused", (json_int_t)row->refused));
}

static void show_mitigation(void *ctx, const struct dots_mitigation_row *row)
{
	json_t *suspects = json_array();
	char text[IPADDR_TEXT];

	for (unsigned i = 0; i < row->suspects; i++)
		json_array_append_new(
			suspects, json_string(subscriber_text(&row->suspect[i].subscriber, text)));
	json_array_append_new(ctx,
		json_pack("{ss ss sI sI ss sI so}", "upstream", row->upstream, "cuid", row->cuid,
			"mid", (json_int_t)row->mid, "lifetime", (json_int_t)row->lifetime,
			"status", row->status_label, "packets", (json_int_t)row->packets_dropped,
			"subscribers", suspects));
}

static void show(void)
{
	json_t *sessions = json_array(), *mitigations = json_array();

	dots_list_sessions(dots, show_session, sessions);
	dots_list_mitigations(dots, show_mitigation, mitigations);
	lines_print(json_pack(
		"{ss so so}", "event", "show", "sessions", sessions, "mitigations", mitigations));
}

// ------------------------------------------------------------------ what is asked for

static void command(char *line)
{
	unsigned slot, packets, bytes, seconds;

	if (sscanf(line, "hit %u %u %u", &slot, &packets, &bytes) == 3 && slot < RULES) {
		while (packets--)
			acl_hit(acl, 0, slot, bytes);
	} else if (sscanf(line, "advance %u", &seconds) == 1 && clock_is_held()) {
		clock_advance(seconds * CLOCK_SECOND);
		// what is due then runs before the next command is read
		lines_print(json_pack("{ss}", "event", "advanced"));
	} else if (!strcmp(line, "show")) {
		show();
	} else if (!strcmp(line, "quit")) {
		lines_end();
	} else {
		lines_fail(line, "no such command");
	}
}

static unsigned number(const char *name, const char *value)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (*end || !*value)
		lines_fail(name, "not a number");
	return (unsigned)v;
}

static void take_member(struct dots_upstream *u, struct ipprefix *domains, char *name, char *value)
{
	if (!strcmp(name, "name")) {
		u->name = value;
	} else if (!strcmp(name, "host")) {
		u->host = value;
	} else if (!strcmp(name, "peer")) {
		u->peer_name = value;
	} else if (!strcmp(name, "port")) {
		u->port = (uint16_t)number(name, value);
	} else if (!strcmp(name, "transport")) {
		u->transport[u->transports++] =
			!strcmp(value, "dtls") ? TRANSPORT_DTLS : TRANSPORT_TLS;
	} else if (!strcmp(name, "domain") && u->domains < DOMAINS_MAX) {
		if (ipprefix_parse(value, &domains[u->domains++], NULL) < 0)
			lines_fail(name, value);
		u->domain = domains;
	} else if (!strcmp(name, "max-subscribers")) {
		u->max_subscribers = number(name, value);
	} else if (!strcmp(name, "max-mitigations")) {
		u->max_mitigations = number(name, value);
	} else if (!strcmp(name, "max-lifetime")) {
		u->max_lifetime = number(name, value);
	} else if (!strcmp(name, "retry-interval")) {
		u->retry_interval = number(name, value);
	} else if (!strcmp(name, "heartbeat-interval")) {
		u->heartbeat_interval = number(name, value);
	} else if (!strcmp(name, "overlap")) {
		u->overlap = !strcmp(value, "target") ? OVERLAP_TARGET : OVERLAP_TARGET_SOURCE;
	} else {
		lines_fail(name, "no such member of --upstream");
	}
}

static void take_upstream(char *text)
{
	struct dots_upstream *u = &upstream[upstreams];

	if (upstreams == UPSTREAMS_MAX)
		lines_fail(text, "too many upstreams");
	for (char *member; (member = strsep(&text, ","));) {
		char *value = strchr(member, '=');

		if (!value)
			lines_fail(member, "not NAME=VALUE");
		*value++ = 0;
		take_member(u, domain[upstreams], member, value);
	}
	upstreams++;
}

static void take_options(int argc, char **argv, struct credentials_files *files)
{
	static const struct option options[] = {
		{"upstream", required_argument, NULL, 'u'},
		{"cert", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'},
		{"ca", required_argument, NULL, 'a'},
		{"crl", required_argument, NULL, 'r'},
		{"psk-identity", required_argument, NULL, 'i'},
		{"psk-file", required_argument, NULL, 'f'},
		{"held-clock", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'u':
			take_upstream(optarg);
			break;
		case 'c':
			files->certificate = optarg;
			break;
		case 'k':
			files->private_key = optarg;
			break;
		case 'a':
			files->ca = optarg;
			break;
		case 'r':
			files->crl = optarg;
			break;
		case 'i':
			files->psk_identity = optarg;
			break;
		case 'f':
			files->psk_file = optarg;
			break;
		case 'h':
			clock_hold();
			break;
		default:
			exit(2);
		}
	}
	table_resolver_init(&resolver);
	for (; optind < argc; optind++) {
		if (table_resolver_add(&resolver, argv[optind]) < 0)
			lines_fail(argv[optind], "not a line of the resolver's");
	}
}

int main(int argc, char **argv)
{
	struct credentials_files files = {0};
	struct rcu *rcu = rcu_new(0);
	struct dots_env env;
	struct err err;

	log_init("testserver", LOG_LEVEL_DEBUG);
	take_options(argc, argv, &files);
	loop = evloop_new();
	acl = acl_new(RULES, 1, rcu);
	env = (struct dots_env){loop, &resolver.resolver, acl};
	dots = dots_new(&env);
	for (unsigned i = 0; i < upstreams; i++) {
		upstream[i].credentials = files;
		if (dots_add(dots, &upstream[i], &err) < 0)
			lines_fail(upstream[i].name, err.text);
	}
	lines_read(loop, command);
	lines_print(json_pack("{ss}", "event", "ready"));
	while (!lines_ended() && evloop_turn(loop, -1) == 0) {
		print_acl_changes();
		rcu_poll(rcu);
	}
	dots_free(dots);
	print_acl_changes();
	rcu_barrier(rcu); // rules that have just ended are the ACL's yet
	acl_free(acl);
	rcu_free(rcu);
	evloop_free(loop);
	return 0;
}
