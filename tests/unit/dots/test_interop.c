// SPDX-License-Identifier: BSD-3-Clause

// The openssl program as the peer, on either side: `s_client` dials our listener, we dial
// `s_server`.

#include "base/bits.h"
#include "base/clock.h"

#include "pki.h"
#include "world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct program {
	pid_t pid;
	int in; // we write
	int out;
	char text[4096]; // what it has written
	size_t length;
};

static void run(struct program *p, const char *const *words)
{
	int in[2], out[2];

	*p = (struct program){0};
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (!p->pid) {
		char *argv[32];

		for (unsigned i = 0; (argv[i] = words[i] ? strdup(words[i]) : NULL); i++)
			;
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	p->in = in[1];
	p->out = out[0];
	assert_int_equal(fcntl(p->out, F_SETFL, O_NONBLOCK), 0);
}

static bool wrote(struct program *p, const char *text)
{
	ssize_t n = read(p->out, p->text + p->length, sizeof(p->text) - 1 - p->length);

	if (n > 0)
		p->length += (size_t)n;
	p->text[p->length] = '\0';
	return strstr(p->text, text) != NULL;
}

static void end(struct program *p)
{
	kill(p->pid, SIGTERM);
	waitpid(p->pid, NULL, 0);
	close(p->in);
	close(p->out);
}

// Ten bytes of text as a frame of RFC 8323, none of them zero so that both sides take it for text.
#define FRAME(text) "\xa0\x02" text

static void s_client(void **state)
{
	enum transport_kind kind = kind_of(state);
	char at[32];
	struct program p;
	struct world w;

	world_start(&w, kind, "server");
	snprintf(at, sizeof(at), "127.0.0.1:%u", w.port);
	run(&p,
		(const char *const[]){"openssl", "s_client", "-connect", at, "-cert",
			pki_path("client.pem"), "-key", pki_path("client.key"), "-CAfile",
			pki_path("ca.pem"), "-verify_return_error", "-verify_hostname", PKI_SERVER,
			"-quiet", kind == TRANSPORT_DTLS ? "-dtls1_2" : "-tls1_3", NULL});
	RUN_UNTIL(&w, w.n_accepted);
	assert_string_equal(w.accepted[0]->peer.name, PKI_CLIENT);
	assert_int_equal(write(p.in, FRAME("to a home\n"), 12), 12);
	RUN_UNTIL(&w, w.accepted[0]->messages);
	assert_memory_equal(w.accepted[0]->last, FRAME("to a home\n"), 12);
	assert_int_equal(
		transport_send(w.accepted[0]->transport, (const uint8_t *)FRAME("from home\n"), 12),
		0);
	RUN_UNTIL(&w, wrote(&p, "from home"));
	end(&p);
	world_stop(&w);
}

// s_server tells when it is ready only by answering: until then we dial again.
static struct end *dial_until_up(struct world *w, struct credentials *c, uint16_t port)
{
	for (unsigned attempts = 0; attempts < 100; attempts++) {
		struct end *end = world_dial_with(w, c, PKI_SERVER, port);

		for (unsigned turns = 0; turns < 50 && !end->ups && !end->downs; turns++)
			world_turn(w);
		if (end->ups)
			return end;
		transport_close(end->transport);
		end->transport = NULL;
		world_settle(w);
	}
	fail_msg("s_server does not answer");
	return NULL;
}

static uint16_t free_port(enum transport_kind kind)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, kind == TRANSPORT_DTLS ? SOCK_DGRAM : SOCK_STREAM, 0);
	socklen_t length = sizeof(at);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static void s_server(void **state)
{
	enum transport_kind kind = kind_of(state);
	struct credentials *c = pki_credentials("client", "ca.pem", NULL);
	uint16_t port = free_port(kind);
	struct end *dialled;
	struct program p;
	struct world w;
	char at[32];

	world_start(&w, kind, NULL);
	snprintf(at, sizeof(at), "127.0.0.1:%u", port);
	run(&p,
		(const char *const[]){"openssl", "s_server", "-accept", at, "-cert",
			pki_path("server.pem"), "-key", pki_path("server.key"), "-CAfile",
			pki_path("ca.pem"), "-Verify", "2", "-verify_return_error", "-quiet",
			kind == TRANSPORT_DTLS ? "-dtls1_2" : "-tls1_3",
			kind == TRANSPORT_DTLS ? "-listen" : NULL, NULL});
	dialled = dial_until_up(&w, c, port);
	assert_int_equal(
		transport_send(dialled->transport, (const uint8_t *)FRAME("from home\n"), 12), 0);
	RUN_UNTIL(&w, wrote(&p, "from home"));
	assert_int_equal(write(p.in, FRAME("to a home\n"), 12), 12);
	RUN_UNTIL(&w, dialled->messages);
	assert_memory_equal(dialled->last, FRAME("to a home\n"), 12);
	end(&p);
	credentials_free(c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BOTH(s_client),
		WITH_BOTH(s_server),
	};

	pki_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
