// SPDX-License-Identifier: BSD-3-Clause

#include "args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE 2

static const char help[] =
	"usage: homeportd -c FILE [options]\n"
	"\n"
	"Carrier-grade NAT with DOTS Call Home. Runs in the foreground, logs to stderr, writes `ready`\n"
	"to stdout (and tells systemd) when packets flow.\n"
	"\n"
	"  -c, --config FILE    configuration: JSON instance data of the YANG modules\n"
	"      --check          check FILE, name every fault with what is allowed, and exit\n"
	"      --until-idle     exit when every net_pcap input has ended and nothing is on its way\n"
	"      --test-clock     time stands still and moves by `homeport test advance SECONDS`\n"
	"      --yang FOLDER    where the YANG modules are (HOMEPORT_YANG, or as installed)\n"
	"      --log-level L    error, warning, notice, info or debug (info)\n"
	"  -h, --help           this text\n"
	"  -V, --version        version\n"
	"\n"
	"Signals: SIGTERM and SIGINT end it, SIGHUP loads FILE again.\n"
	"Exit codes: 0 ended in good order, 1 configuration, 2 usage, 3 failure while running.\n";

enum { OPTION_CHECK = 256, OPTION_UNTIL_IDLE, OPTION_TEST_CLOCK, OPTION_YANG, OPTION_LOG_LEVEL };

int args_read(struct args *args, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"until-idle", no_argument, NULL, OPTION_UNTIL_IDLE},
		{"test-clock", no_argument, NULL, OPTION_TEST_CLOCK},
		{"yang", required_argument, NULL, OPTION_YANG},
		{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int option;

	*args = (struct args){.yang = getenv("HOMEPORT_YANG"), .log_level = LOG_LEVEL_INFO};
	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			args->config = optarg;
			break;
		case OPTION_CHECK:
			args->check = true;
			break;
		case OPTION_UNTIL_IDLE:
			args->until_idle = true;
			break;
		case OPTION_TEST_CLOCK:
			args->test_clock = true;
			break;
		case OPTION_YANG:
			args->yang = optarg;
			break;
		case OPTION_LOG_LEVEL:
			if (log_parse_level(optarg, &args->log_level) == 0)
				break;
			fprintf(stderr,
				"homeportd: --log-level %s. Allowed: error, warning, notice, info, "
				"debug\n",
				optarg);
			return EXIT_USAGE;
		case 'h':
			fputs(help, stdout);
			return 0;
		case 'V':
			puts("homeportd " HOMEPORT_VERSION);
			return 0;
		default:
			fputs("Try `homeportd --help`.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc || !args->config) {
		if (optind < argc)
			fprintf(stderr, "homeportd: unknown word %s\n", argv[optind]);
		else
			fputs("homeportd: -c FILE is missing\n", stderr);
		fputs("Try `homeportd --help`.\n", stderr);
		return EXIT_USAGE;
	}
	return -1;
}
