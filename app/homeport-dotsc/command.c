// SPDX-License-Identifier: BSD-3-Clause

#include "base/bits.h"
#include "dots/message.h"

#include "args.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_SOURCE = 256,
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
	OPT_SID,
	OPT_SET,
	OPT_RESET,
	OPT_OBSERVE_IT,
	OPT_TO,
	OPT_RECORD,
	OPT_TTL,
	OPT_CUID,
};

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
	if (!args_number(copy, max, low))
		return false;
	*high = *low;
	return !dash || (args_number(dash + 1, max, high) && *high >= *low);
}

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
	{"redirect", VERB_REDIRECT},
	{"heartbeat", VERB_HEARTBEAT},
	{"send", VERB_SEND},
	{"wait", VERB_WAIT},
};

static bool add_prefix(struct ipprefix **list, unsigned *count, const char *text)
{
	*list = args_grow(*list, count, sizeof(**list));
	return ipprefix_parse(text, &(*list)[*count - 1], NULL) == 0;
}

static bool add_ports(struct port_range **list, unsigned *count, const char *text)
{
	unsigned long low, high;

	if (!read_range(text, UINT16_MAX, &low, &high))
		return false;
	*list = args_grow(*list, count, sizeof(**list));
	(*list)[*count - 1] = (struct port_range){(uint16_t)low, (uint16_t)high};
	return true;
}

static bool add_types(struct scope *scope, const char *text)
{
	unsigned long low, high;

	if (!read_range(text, UINT8_MAX, &low, &high))
		return false;
	scope->source_type =
		args_grow(scope->source_type, &scope->source_types, sizeof(*scope->source_type));
	scope->source_type[scope->source_types - 1] =
		(struct type_range){(uint8_t)low, (uint8_t)high};
	return true;
}

static bool add_protocol(struct scope *scope, const char *text)
{
	struct protoent *entry = getprotobyname(text);
	unsigned long number;

	if (!args_number(text, UINT8_MAX, &number)) {
		if (!entry)
			return false;
		number = (unsigned long)entry->p_proto;
	}
	scope->protocol = args_grow(scope->protocol, &scope->protocols, 1);
	scope->protocol[scope->protocols - 1] = (uint8_t)number;
	return true;
}

static bool add_name(char ***list, unsigned *count, const char *text)
{
	*list = args_grow(*list, count, sizeof(**list));
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
		if (!args_number(text, UINT32_MAX, &seconds))
			return false;
		c->body.lifetime = (int64_t)seconds;
	}
	return true;
}

// [mitigating.|idle.]NAME=VALUE; of both sets without one.
static bool add_setting(struct command *c, const char *text)
{
	static const char *const sets[] = {"mitigating.", "idle."};
	bool in[] = {true, true};
	const char *value = strchr(text, '=');
	char *end;
	double number;

	for (unsigned i = 0; i < 2; i++) {
		if (!strncmp(text, sets[i], strlen(sets[i]))) {
			in[1 - i] = false;
			text += strlen(sets[i]);
			break;
		}
	}
	if (!value || !value[1])
		return false;
	number = strtod(value + 1, &end);
	if (*end || number < 0 || number > UINT16_MAX)
		return false;
	for (enum setting i = 0; i < SETTINGS; i++) {
		const char *name = schema_find(setting_key(i), IN_SET)->name;
		int32_t current = (int32_t)(setting_is_decimal(i) ? number * 100 + 0.5 : number);

		if (strlen(name) != (size_t)(value - text) ||
			strncmp(name, text, (size_t)(value - text)) != 0)
			continue;
		if (in[0])
			c->config.mitigating.setting[i].current = current;
		if (in[1])
			c->config.idle.setting[i].current = current;
		c->sets++;
		return true;
	}
	return false;
}

static void clear_settings(struct config_body *config)
{
	for (enum setting i = 0; i < SETTINGS; i++) {
		config->mitigating.setting[i] = config->idle.setting[i] =
			(struct setting_values){SETTING_ABSENT, SETTING_ABSENT, SETTING_ABSENT};
	}
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
		c->has_mid = args_number(value, UINT32_MAX, &number);
		c->mid = (uint32_t)number;
		return c->has_mid;
	case OPT_CUID:
		snprintf(c->cuid, sizeof(c->cuid), "%s", value);
		return *value && strlen(value) < sizeof(c->cuid);
	case OPT_ATTACK_STATUS:
		if (!args_number(value, UINT8_MAX, &number))
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
		if (!args_number(value, UINT16_MAX, &number))
			return false;
		c->content_format = (int32_t)number;
		return true;
	case OPT_OBSERVE:
		if (!args_number(value, 0xffffff, &number))
			return false;
		c->observe = (int32_t)number;
		return true;
	case OPT_IF_MATCH:
		c->if_match = true;
		return true;
	case OPT_SID:
		c->has_sid = args_number(value, UINT32_MAX, &number);
		c->sid = (uint32_t)number;
		return c->has_sid;
	case OPT_SET:
		return add_setting(c, value);
	case OPT_RESET:
		c->reset = true;
		return true;
	case OPT_OBSERVE_IT:
		c->observing = true;
		return true;
	case OPT_TO:
		snprintf(c->redirect.name, sizeof(c->redirect.name), "%s", value);
		return *value && strlen(value) < sizeof(c->redirect.name);
	case OPT_RECORD:
		c->redirect.record = args_grow(
			c->redirect.record, &c->redirect.records, sizeof(*c->redirect.record));
		return ipaddr_parse(value, &c->redirect.record[c->redirect.records - 1]) == 0;
	case OPT_TTL:
		c->redirect.has_ttl = args_number(value, UINT32_MAX, &number);
		c->redirect.ttl = (uint32_t)number;
		return c->redirect.has_ttl;
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
	{"cancel", no_argument, OPT_CANCEL, WITH(OBSERVE) | WITH(CONFIG)},
	{"sid", required_argument, OPT_SID, WITH(CONFIG)},
	{"set", required_argument, OPT_SET, WITH(CONFIG)},
	{"reset", no_argument, OPT_RESET, WITH(CONFIG)},
	{"observe", no_argument, OPT_OBSERVE_IT, WITH(CONFIG)},
	{"to", required_argument, OPT_TO, WITH(REDIRECT)},
	{"record", required_argument, OPT_RECORD, WITH(REDIRECT)},
	{"ttl", required_argument, OPT_TTL, WITH(REDIRECT)},
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
		if (args_number(words[0], 86400, &number)) {
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
	clear_settings(&command->config);
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
	free(command->redirect.record);
	command->redirect.record = NULL;
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
