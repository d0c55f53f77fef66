// SPDX-License-Identifier: BSD-3-Clause

#include "args.h"

#include "base/bits.h"
#include "dots/dots.h"
#include "dots/message.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: homeport-dotsc --listen ADDRESS[:PORT] --cert FILE --key FILE --ca FILE\n"
	"                      [OPTION]... COMMAND [ARGUMENT]...\n"
	"       homeport-dotsc ... --script FILE|-\n"
	"\n"
	"A Call Home DOTS client (RFC 9066): waits for Call Home DOTS servers to dial in, and asks\n"
	"them to stop attack traffic at its source. Prints each event as one line of JSON.\n"
	"\n"
	"Options\n"
	"  --listen ADDRESS[:PORT]  where servers dial in; [ADDRESS]:PORT for IPv6; port 4647\n"
	"  --transport dtls|tls     only this one; both otherwise\n"
	"  --cert FILE              own certificate chain, PEM\n"
	"  --key FILE               its private key\n"
	"  --ca FILE                who may have signed the servers' certificates\n"
	"  --crl FILE               which of them have been revoked\n"
	"  --cuid TEXT              instead of the one made from the certificate\n"
	"  --domain PREFIX          refuse sources outside it; may be repeated\n"
	"  --unchecked              send what a server must refuse, for tests of servers\n"
	"  --timeout SECONDS        for a session, an answer or an event; 30\n"
	"  --script FILE|-          one command a line, # begins a comment; - is standard input\n"
	"  --log LEVEL              error, warning, notice, info or debug on standard error; warning\n"
	"  --help, --version\n"
	"\n"
	"Commands\n"
	"  mitigate --source PREFIX... --target PREFIX... [--source-port LOW[-HIGH]]...\n"
	"           [--source-icmp-type LOW[-HIGH]]... [--target-port LOW[-HIGH]]...\n"
	"           [--protocol NUMBER|NAME]... [--target-fqdn NAME]... [--target-uri URI]...\n"
	"           [--lifetime SECONDS|-1] [--mid N]       request a mitigation\n"
	"  refresh [--mid N] [--lifetime SECONDS|-1] [--attack-status 1|2]\n"
	"                           repeat a request; with a status as an efficacy update\n"
	"  withdraw [--mid N]       end a mitigation\n"
	"  get [--mid N|--all]      ask for the status of one, or of all\n"
	"  observe [--mid N|--all] [--cancel]\n"
	"                           be told of it, or no longer\n"
	"  config                   ask for the session configuration\n"
	"  heartbeat [--status true|false]\n"
	"                           send one out of turn\n"
	"  wait SECONDS|EVENT       wait; EVENT is up, down, notification or heartbeat\n"
	"  send METHOD PATH [--content-format N] [--observe N] [--if-match]\n"
	"                           any request; PATH follows /.well-known/dots/\n"
	"Without --mid a command is about the last one used, and mitigate takes the next. All but wait\n"
	"take --cuid TEXT, --confirmable and --raw-body HEX.\n"
	"\n"
	"Exit status: by the class of the last reply, 0 for 2.xx, 4 for 4.xx, 5 for 5.xx, 3 for none;\n"
	"1 if it cannot start, 2 for a wrong command line or a request that it refused to send.\n";

enum {
	OPT_LISTEN = 256,
	OPT_TRANSPORT,
	OPT_CERT,
	OPT_KEY,
	OPT_CA,
	OPT_CRL,
	OPT_CUID,
	OPT_DOMAIN,
	OPT_UNCHECKED,
	OPT_TIMEOUT,
	OPT_SCRIPT,
	OPT_LOG,
	OPT_HELP,
	OPT_VERSION,
	OPT_SOURCE,
	OPT_SOURCE_PORT,
	OPT_SOURCE_TYPE,
	OPT_TARGET,
	OPT_TARGET_PORT,
	OPT_PROTOCOL,
	OPT_FQDN,
	OPT_URI,
	OPT_LIFETIME,
	OPT_MID,
	OPT_ATTACK_STATUS,
	OPT_ALL,
	OPT_CANCEL,
	OPT_CONFIRMABLE,
	OPT_STATUS,
	OPT_RAW_BODY,
	OPT_CONTENT_FORMAT,
	OPT_OBSERVE,
	OPT_IF_MATCH,
};

static bool read_number(const char *text, unsigned long max, unsigned long *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoul(text, &end, 10);
	return !*end && !errno && *value <= max;
}

// LOW or LOW-HIGH.
static bool read_range(const char *text, unsigned long max, unsigned long *low, unsigned long *high)
{
	char copy[32];
	char *dash;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	dash = strchr(copy, '-');
	if (dash)
		*dash = 0;
	if (!read_number(copy, max, low))
		return false;
	*high = *low;
	return !dash || (read_number(dash + 1, max, high) && *high >= *low);
}

static void *grow(void *list, unsigned *count, size_t size)
{
	void *larger = reallocarray(list, *count + 1u, size);

	if (!larger) {
		fprintf(stderr, "homeport-dotsc: out of memory\n");
		exit(1);
	}
	++*count;
	return larger;
}

// ------------------------------------------------------------------ the command line

// ADDRESS, ADDRESS:PORT, [ADDRESS] or [ADDRESS]:PORT.
static bool read_listen(const char *text, struct options *options)
{
	char copy[IPADDR_TEXT + 8];
	char *addr = copy, *port;
	unsigned long number;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	if (*copy == '[') {
		addr = copy + 1;
		port = strchr(addr, ']');
		if (!port)
			return false;
		*port++ = 0;
		if (*port && *port != ':')
			return false;
	} else {
		port = strchr(copy, ':');
		if (port && strchr(port + 1, ':'))
			port = NULL; // an IPv6 address without brackets has no port
	}
	if (port && *port) {
		*port++ = 0;
		if (!read_number(port, UINT16_MAX, &number))
			return false;
		options->port = (uint16_t)number;
	}
	return ipaddr_parse(addr, &options->listen) == 0;
}

static int bad(const char *option, const char *value)
{
	fprintf(stderr, "homeport-dotsc: --%s %s: not understood, see --help\n", option, value);
	return -EINVAL;
}

static int take_option(struct options *options, int option, const char *name, const char *value)
{
	unsigned long number;

	switch (option) {
	case OPT_LISTEN:
		return read_listen(value, options) ? 0 : bad(name, value);
	case OPT_TRANSPORT:
		options->dtls = !strcmp(value, "dtls");
		options->tls = !strcmp(value, "tls");
		return options->dtls || options->tls ? 0 : bad(name, value);
	case OPT_CERT:
		options->files.certificate = value;
		return 0;
	case OPT_KEY:
		options->files.private_key = value;
		return 0;
	case OPT_CA:
		options->files.ca = value;
		return 0;
	case OPT_CRL:
		options->files.crl = value;
		return 0;
	case OPT_CUID:
		options->cuid = value;
		return *value && strlen(value) < sizeof(((struct command *)0)->cuid)
			? 0
			: bad(name, value);
	case OPT_DOMAIN:
		options->domain =
			grow(options->domain, &options->domains, sizeof(*options->domain));
		return ipprefix_parse(value, &options->domain[options->domains - 1], NULL) == 0
			? 0
			: bad(name, value);
	case OPT_UNCHECKED:
		options->unchecked = true;
		return 0;
	case OPT_TIMEOUT:
		if (!read_number(value, 86400, &number) || !number)
			return bad(name, value);
		options->timeout_s = (unsigned)number;
		return 0;
	case OPT_SCRIPT:
		options->script = value;
		return 0;
	case OPT_LOG:
		return log_parse_level(value, &options->log_level) == 0 ? 0 : bad(name, value);
	case OPT_HELP:
		fputs(usage, stdout);
		exit(0);
	case OPT_VERSION:
		puts("homeport-dotsc " HOMEPORT_VERSION);
		exit(0);
	}
	fprintf(stderr, "homeport-dotsc: see --help\n");
	return -EINVAL;
}

int options_parse(int argc, char **argv, struct options *options)
{
	static const struct option known[] = {
		{"listen", required_argument, NULL, OPT_LISTEN},
		{"transport", required_argument, NULL, OPT_TRANSPORT},
		{"cert", required_argument, NULL, OPT_CERT},
		{"key", required_argument, NULL, OPT_KEY},
		{"ca", required_argument, NULL, OPT_CA},
		{"crl", required_argument, NULL, OPT_CRL},
		{"cuid", required_argument, NULL, OPT_CUID},
		{"domain", required_argument, NULL, OPT_DOMAIN},
		{"unchecked", no_argument, NULL, OPT_UNCHECKED},
		{"timeout", required_argument, NULL, OPT_TIMEOUT},
		{"script", required_argument, NULL, OPT_SCRIPT},
		{"log", required_argument, NULL, OPT_LOG},
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
		{0},
	};
	int option, index;

	*options = (struct options){
		.port = DOTS_PORT,
		.dtls = true,
		.tls = true,
		.timeout_s = 30,
		.log_level = LOG_LEVEL_WARNING,
	};
	while ((option = getopt_long(argc, argv, "+", known, &index)) != -1) {
		if (take_option(options, option, option == '?' ? "" : known[index].name, optarg) <
			0)
			return -EINVAL;
	}
	options->command = argv + optind;
	options->command_words = (unsigned)(argc - optind);
	if (!options->listen.family || !options->files.certificate || !options->files.private_key ||
		!options->files.ca) {
		fprintf(stderr, "homeport-dotsc: --listen, --cert, --key and --ca are needed\n");
		return -EINVAL;
	}
	if (!options->script == !options->command_words) {
		fprintf(stderr, "homeport-dotsc: either a command or --script is needed\n");
		return -EINVAL;
	}
	return 0;
}

void options_free(struct options *options)
{
	free(options->domain);
}

// ------------------------------------------------------------------ commands

static const struct {
	const char *name;
	enum verb verb;
} verbs[] = {
	{"mitigate", VERB_MITIGATE},
	{"refresh", VERB_REFRESH},
	{"withdraw", VERB_WITHDRAW},
	{"get", VERB_GET},
	{"observe", VERB_OBSERVE},
	{"config", VERB_CONFIG},
	{"heartbeat", VERB_HEARTBEAT},
	{"send", VERB_SEND},
	{"wait", VERB_WAIT},
};

static bool add_prefix(struct ipprefix **list, unsigned *count, const char *text)
{
	*list = grow(*list, count, sizeof(**list));
	return ipprefix_parse(text, &(*list)[*count - 1], NULL) == 0;
}

static bool add_ports(struct port_range **list, unsigned *count, const char *text)
{
	unsigned long low, high;

	if (!read_range(text, UINT16_MAX, &low, &high))
		return false;
	*list = grow(*list, count, sizeof(**list));
	(*list)[*count - 1] = (struct port_range){(uint16_t)low, (uint16_t)high};
	return true;
}

static bool add_types(struct scope *scope, const char *text)
{
	unsigned long low, high;

	if (!read_range(text, UINT8_MAX, &low, &high))
		return false;
	scope->source_type =
		grow(scope->source_type, &scope->source_types, sizeof(*scope->source_type));
	scope->source_type[scope->source_types - 1] =
		(struct type_range){(uint8_t)low, (uint8_t)high};
	return true;
}

static bool add_protocol(struct scope *scope, const char *text)
{
	struct protoent *entry = getprotobyname(text);
	unsigned long number;

	if (!read_number(text, UINT8_MAX, &number)) {
		if (!entry)
			return false;
		number = (unsigned long)entry->p_proto;
	}
	scope->protocol = grow(scope->protocol, &scope->protocols, 1);
	scope->protocol[scope->protocols - 1] = (uint8_t)number;
	return true;
}

static bool add_name(char ***list, unsigned *count, const char *text)
{
	*list = grow(*list, count, sizeof(**list));
	(*list)[*count - 1] = strdup(text);
	return (*list)[*count - 1] != NULL;
}

static bool read_hex(struct command *c, const char *text)
{
	size_t length = strlen(text) / 2;

	free(c->raw);
	c->raw = malloc(length + 1);
	c->raw_length = length;
	if (!c->raw || strlen(text) % 2 || strspn(text, "0123456789abcdefABCDEF") != 2 * length)
		return false;
	for (size_t i = 0; i < length; i++) {
		char pair[3] = {text[2 * i], text[2 * i + 1], 0};

		c->raw[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return true;
}

static bool read_lifetime(struct command *c, const char *text)
{
	unsigned long seconds = 0;

	c->body.has_lifetime = true;
	c->body.lifetime = LIFETIME_INDEFINITE;
	if (strcmp(text, "-1") != 0) {
		if (!read_number(text, UINT32_MAX, &seconds))
			return false;
		c->body.lifetime = (int64_t)seconds;
	}
	return true;
}

static bool take_argument(struct command *c, int option, const char *value)
{
	struct scope *scope = &c->body.scope;
	unsigned long number = 0;

	switch (option) {
	case OPT_SOURCE:
		return add_prefix(&scope->source, &scope->sources, value);
	case OPT_SOURCE_PORT:
		return add_ports(&scope->source_port, &scope->source_ports, value);
	case OPT_SOURCE_TYPE:
		return add_types(scope, value);
	case OPT_TARGET:
		return add_prefix(&scope->target, &scope->targets, value);
	case OPT_TARGET_PORT:
		return add_ports(&scope->target_port, &scope->target_ports, value);
	case OPT_PROTOCOL:
		return add_protocol(scope, value);
	case OPT_FQDN:
		return add_name(&scope->fqdn, &scope->fqdns, value);
	case OPT_URI:
		return add_name(&scope->uri, &scope->uris, value);
	case OPT_LIFETIME:
		return read_lifetime(c, value);
	case OPT_MID:
		c->has_mid = read_number(value, UINT32_MAX, &number);
		c->mid = (uint32_t)number;
		return c->has_mid;
	case OPT_CUID:
		snprintf(c->cuid, sizeof(c->cuid), "%s", value);
		return *value && strlen(value) < sizeof(c->cuid);
	case OPT_ATTACK_STATUS:
		if (!read_number(value, UINT8_MAX, &number))
			return false;
		c->body.attack_status = (uint8_t)number;
		return true;
	case OPT_ALL:
		c->all = true;
		return true;
	case OPT_CANCEL:
		c->cancel = true;
		return true;
	case OPT_CONFIRMABLE:
		c->confirmable = true;
		return true;
	case OPT_STATUS:
		c->has_status = true;
		c->status = !strcmp(value, "true");
		return c->status || !strcmp(value, "false");
	case OPT_RAW_BODY:
		return read_hex(c, value);
	case OPT_CONTENT_FORMAT:
		if (!read_number(value, UINT16_MAX, &number))
			return false;
		c->content_format = (int32_t)number;
		return true;
	case OPT_OBSERVE:
		if (!read_number(value, 0xffffff, &number))
			return false;
		c->observe = (int32_t)number;
		return true;
	case OPT_IF_MATCH:
		c->if_match = true;
		return true;
	}
	return false;
}

// Which arguments go with which command, as bits of the verbs.
#define WITH(verb) (1u << VERB_##verb)
#define ASKING     (~WITH(WAIT))

static const struct {
	const char *name;
	int has_arg;
	int option;
	unsigned verbs;
} arguments[] = {
	{"source", required_argument, OPT_SOURCE, WITH(MITIGATE)},
	{"source-port", required_argument, OPT_SOURCE_PORT, WITH(MITIGATE)},
	{"source-icmp-type", required_argument, OPT_SOURCE_TYPE, WITH(MITIGATE)},
	{"target", required_argument, OPT_TARGET, WITH(MITIGATE)},
	{"target-port", required_argument, OPT_TARGET_PORT, WITH(MITIGATE)},
	{"protocol", required_argument, OPT_PROTOCOL, WITH(MITIGATE)},
	{"target-fqdn", required_argument, OPT_FQDN, WITH(MITIGATE)},
	{"target-uri", required_argument, OPT_URI, WITH(MITIGATE)},
	{"lifetime", required_argument, OPT_LIFETIME, WITH(MITIGATE) | WITH(REFRESH)},
	{"attack-status", required_argument, OPT_ATTACK_STATUS, WITH(REFRESH)},
	{"mid", required_argument, OPT_MID,
		WITH(MITIGATE) | WITH(REFRESH) | WITH(WITHDRAW) | WITH(GET) | WITH(OBSERVE)},
	{"all", no_argument, OPT_ALL, WITH(GET) | WITH(OBSERVE)},
	{"cancel", no_argument, OPT_CANCEL, WITH(OBSERVE)},
	{"status", required_argument, OPT_STATUS, WITH(HEARTBEAT)},
	{"content-format", required_argument, OPT_CONTENT_FORMAT, WITH(SEND)},
	{"observe", required_argument, OPT_OBSERVE, WITH(SEND)},
	{"if-match", no_argument, OPT_IF_MATCH, WITH(SEND)},
	{"cuid", required_argument, OPT_CUID, ASKING},
	{"confirmable", no_argument, OPT_CONFIRMABLE, ASKING},
	{"raw-body", required_argument, OPT_RAW_BODY, ASKING},
};

// What stands behind the name without a dash: the event of wait, method and path of send.
static bool take_plain(struct command *c, char **words, unsigned count)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "FETCH", "PATCH"};
	static const char *const events[] = {"up", "down", "notification", "heartbeat"};
	unsigned long number;

	if (c->verb == VERB_WAIT && count == 1) {
		if (read_number(words[0], 86400, &number)) {
			c->seconds = (unsigned)number;
			return true;
		}
		for (unsigned i = 0; i < ARRAY_LEN(events); i++) {
			if (!strcmp(words[0], events[i]))
				snprintf(c->event, sizeof(c->event), "%s", events[i]);
		}
		return c->event[0];
	}
	if (c->verb == VERB_SEND && count == 2) {
		for (unsigned i = 0; i < ARRAY_LEN(methods); i++) {
			if (!strcmp(words[0], methods[i]))
				c->method = (uint8_t)(i + 1);
		}
		snprintf(c->path, sizeof(c->path), "%s", words[1]);
		return c->method && strlen(words[1]) < sizeof(c->path);
	}
	return count == 0;
}

int command_parse(char **words, unsigned count, struct command *command, struct err *err)
{
	struct option known[ARRAY_LEN(arguments) + 1] = {0};
	unsigned kinds = 0;
	int option, index;

	*command = (struct command){.observe = MESSAGE_ABSENT, .content_format = MESSAGE_ABSENT};
	for (unsigned i = 0; i < ARRAY_LEN(verbs); i++) {
		if (!strcmp(words[0], verbs[i].name)) {
			command->name = verbs[i].name;
			command->verb = verbs[i].verb;
		}
	}
	if (!command->name)
		return err_set(err, "%s: no such command, see --help", words[0]);
	for (unsigned i = 0; i < ARRAY_LEN(arguments); i++) {
		if (arguments[i].verbs & 1u << command->verb)
			known[kinds++] = (struct option){
				arguments[i].name, arguments[i].has_arg, NULL, arguments[i].option};
	}
	optind = 0; // begins anew
	opterr = 0;
	while ((option = getopt_long((int)count, words, "", known, &index)) != -1) {
		if (option == '?')
			return err_set(err, "%s: %s: not understood, see --help", words[0],
				optind > 0 ? words[optind - 1] : "");
		if (!take_argument(command, option, optarg))
			return err_set(err, "%s: --%s %s: not understood, see --help", words[0],
				known[index].name, optarg ? optarg : "");
	}
	if (!take_plain(command, words + optind, count - (unsigned)optind))
		return err_set(err, "%s: not understood, see --help", words[0]);
	return 0;
}

void command_free(struct command *command)
{
	scope_free(&command->body.scope);
	free(command->raw);
	command->raw = NULL;
}

int line_split(char *line, char **words)
{
	int count = 0;

	for (char *word; (word = strsep(&line, " \t\r\n"));) {
		if (*word == '#')
			break;
		if (!*word)
			continue;
		if (count == WORDS_MAX)
			return -1;
		words[count++] = word;
	}
	words[count] = NULL;
	return count;
}
