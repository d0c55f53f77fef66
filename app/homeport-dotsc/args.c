// SPDX-License-Identifier: BSD-3-Clause

#include "args.h"

#include "base/bits.h"
#include "dots/dots.h"
#include "dots/message.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: homeport-dotsc --listen ADDRESS[:PORT] --cert FILE --key FILE --ca FILE\n"
	"                      [OPTION]... COMMAND [ARGUMENT]...\n"
	"       homeport-dotsc --listen ADDRESS[:PORT] --psk-identity NAME --psk-file FILE ...\n"
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
	"  --psk-identity NAME      of the server, which has a pre-shared key and no certificate\n"
	"  --psk-file FILE          lines IDENTITY:HEX, one of them with that identity\n"
	"  --cuid TEXT              instead of the one made from the certificate or identity\n"
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
	"  config [--sid N] [--observe|--cancel]\n"
	"                           ask for the session configuration\n"
	"  config --sid N --set [mitigating.|idle.]SETTING=VALUE...\n"
	"                           agree on one; SETTING is heartbeat-interval, missing-hb-allowed,\n"
	"                           probing-rate, max-retransmit, ack-timeout or ack-random-factor\n"
	"  config [--sid N] --reset\n"
	"                           back to the defaults\n"
	"  redirect --to NAME [--record ADDRESS]... [--ttl SECONDS]\n"
	"                           send the server to another client\n"
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
	OPT_PSK_IDENTITY,
	OPT_PSK_FILE,
	OPT_CUID,
	OPT_DOMAIN,
	OPT_UNCHECKED,
	OPT_TIMEOUT,
	OPT_SCRIPT,
	OPT_LOG,
	OPT_HELP,
	OPT_VERSION,
};

bool args_number(const char *text, unsigned long max, unsigned long *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoul(text, &end, 10);
	return !*end && !errno && *value <= max;
}

void *args_grow(void *list, unsigned *count, size_t size)
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
		if (!args_number(port, UINT16_MAX, &number))
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
	case OPT_PSK_IDENTITY:
		options->files.psk_identity = value;
		return 0;
	case OPT_PSK_FILE:
		options->files.psk_file = value;
		return 0;
	case OPT_CUID:
		options->cuid = value;
		return *value && strlen(value) < sizeof(((struct command *)0)->cuid)
			? 0
			: bad(name, value);
	case OPT_DOMAIN:
		options->domain =
			args_grow(options->domain, &options->domains, sizeof(*options->domain));
		return ipprefix_parse(value, &options->domain[options->domains - 1], NULL) == 0
			? 0
			: bad(name, value);
	case OPT_UNCHECKED:
		options->unchecked = true;
		return 0;
	case OPT_TIMEOUT:
		if (!args_number(value, 86400, &number) || !number)
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

static bool has_credentials(const struct credentials_files *files)
{
	if (files->psk_file || files->psk_identity)
		return files->psk_file && files->psk_identity;
	return files->certificate && files->private_key && files->ca;
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
		{"psk-identity", required_argument, NULL, OPT_PSK_IDENTITY},
		{"psk-file", required_argument, NULL, OPT_PSK_FILE},
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
	if (!options->listen.family || !has_credentials(&options->files)) {
		fprintf(stderr,
			"homeport-dotsc: --listen, and --cert, --key and --ca or --psk-identity "
			"and --psk-file are needed\n");
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
