// SPDX-License-Identifier: BSD-3-Clause

#include "base/log.h"

#include "client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

static volatile sig_atomic_t stopped;

static void on_signal(int)
{
	stopped = 1;
}

static void catch_signals(void)
{
	struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

static int start(struct client *client)
{
	struct err err;

	client->loop = evloop_new();
	if (!client->loop) {
		perror("homeport-dotsc");
		return -1;
	}
	client->credentials = credentials_load(&client->options.files, &err);
	if (!client->credentials || client_listen(client, &err) < 0) {
		fprintf(stderr, "homeport-dotsc: %s\n", err.text);
		return -1;
	}
	return 0;
}

static void end(struct client *client)
{
	run_end(client);
	client_close(client);
	credentials_free(client->credentials);
	evloop_free(client->loop);
	options_free(&client->options);
}

int main(int argc, char **argv)
{
	static struct client client;

	if (options_parse(argc, argv, &client.options) < 0) {
		options_free(&client.options);
		return EXIT_REFUSED;
	}
	log_init("homeport-dotsc", client.options.log_level);
	catch_signals();
	if (start(&client) < 0) {
		end(&client);
		return EXIT_CANNOT_START;
	}
	print_listening(&client);
	run_start(&client);
	while (client.state != RUN_DONE && !stopped && evloop_turn(client.loop, -1) == 0)
		continue;
	end(&client);
	return client.result;
}
