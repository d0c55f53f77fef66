// SPDX-License-Identifier: BSD-3-Clause

// homeport: asks a running homeportd over its control socket, and shows what it says.

#include "ctl/proto.h"

#include "grammar.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/homeport/homeport.sock"
#define EXIT_USAGE     2

static void print_help(void)
{
	printf("usage: homeport [-s SOCKET] [-j] COMMAND\n"
	       "\n"
	       "Asks a running homeportd.\n"
	       "\n"
	       "  -s, --socket PATH  control socket (HOMEPORT_SOCKET, or " DEFAULT_SOCKET ")\n"
	       "  -j, --json         print the answer as JSON (RFC 7951) instead of a table\n"
	       "  -h, --help         this text\n"
	       "  -V, --version      version\n"
	       "\n"
	       "Commands:\n");
	grammar_help();
	printf("\nExit codes: 0 done, 1 homeportd cannot be reached or cannot do it, 2 usage;\n"
	       "of lookup also 3 and 4.\n");
}

struct options {
	const char *socket;
	bool json;
};

// Reads the options before the command. Returns the place of the command's first word, or -1 - exit code.
static int read_options(struct options *o, int argc, char **argv)
{
	int i;

	o->socket = getenv("HOMEPORT_SOCKET");
	o->json = false;
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-j") || !strcmp(argv[i], "--json")) {
			o->json = true;
		} else if ((!strcmp(argv[i], "-s") || !strcmp(argv[i], "--socket")) &&
			i + 1 < argc) {
			o->socket = argv[++i];
		} else if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			print_help();
			return -1;
		} else if (!strcmp(argv[i], "-V") || !strcmp(argv[i], "--version")) {
			puts("homeport " HOMEPORT_VERSION);
			return -1;
		} else if (!strcmp(argv[i], "--complete")) {
			grammar_complete(argv + i + 1, argc - i - 1);
			return -1;
		} else {
			fprintf(stderr, "homeport: unknown option %s. Try `homeport --help`.\n",
				argv[i]);
			return -1 - EXIT_USAGE;
		}
	}
	if (!o->socket)
		o->socket = DEFAULT_SOCKET;
	if (i < argc)
		return i;
	fputs("homeport: which command? Try `homeport --help`.\n", stderr);
	return -1 - EXIT_USAGE;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "homeport: %s: longer than a socket's path may be\n", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	fprintf(stderr, "homeport: %s: %s\n", path,
		errno == ENOENT || errno == ECONNREFUSED ? "no homeportd listens there"
							 : strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool send_request(int fd, char *const *words, int count)
{
	char request[sizeof(uint32_t) + PROTO_REQUEST_MAX];
	size_t length = sizeof(uint32_t);
	uint32_t be;

	for (int i = 0; i < count; i++) {
		size_t n = strlen(words[i]) + 1;

		if (length + n > sizeof(request)) {
			fputs("homeport: the command is too long\n", stderr);
			return false;
		}
		memcpy(request + length, words[i], n);
		length += n;
	}
	be = htonl((uint32_t)(length - sizeof(be)));
	memcpy(request, &be, sizeof(be));
	return send(fd, request, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool receive(int fd, void *data, size_t length)
{
	char *at = data;

	while (length) {
		ssize_t n = recv(fd, at, length, 0);

		if (n <= 0)
			return false;
		at += n;
		length -= (size_t)n;
	}
	return true;
}

// Reads a reply whole: its text, and returns its exit code, or -1 if the connection broke.
static int receive_reply(int fd, char **text, size_t *size, bool *error)
{
	uint8_t header[PROTO_HEADER];

	*text = NULL;
	*size = 0;
	while (receive(fd, header, sizeof(header))) {
		uint32_t length;
		char *more;

		memcpy(&length, header + 4, sizeof(length));
		length = ntohl(length);
		if (header[0] == PROTO_END)
			return header[1];
		more = realloc(*text, *size + length + 1);
		if (!more)
			return -1;
		*text = more;
		if (!receive(fd, more + *size, length))
			return -1;
		if (header[0] == PROTO_ERROR) {
			// an error in the middle of an answer replaces it
			memmove(more, more + *size, length);
			more[length] = '\0';
			*error = true;
			return header[1];
		}
		*size += length;
		more[*size] = '\0';
	}
	return -1;
}

static int show(const struct options *o, const struct command *command, const char *text)
{
	json_error_t error;
	json_t *answer = json_loads(text, 0, &error);

	if (!answer) {
		fprintf(stderr, "homeport: the answer is no JSON: %s\n", error.text);
		return 1;
	}
	if (o->json) {
		if (json_dumpf(answer, stdout, JSON_INDENT(1)) == 0)
			putchar('\n');
	} else if (command->print) {
		command->print(answer);
	}
	json_decref(answer);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o;
	int at = read_options(&o, argc, argv), used = 0, rc, fd;
	const struct command *command;
	bool error = false;
	unsigned further;
	size_t size;
	char *text;

	if (at < 0)
		return -1 - at;
	// -j may also stand at the end, where fingers put it
	if (!strcmp(argv[argc - 1], "-j")) {
		o.json = true;
		argc--;
	}
	command = grammar_find(argv + at, argc - at, &used);
	further = (unsigned)(argc - at - used);
	if (!command || further < command->least || further > command->most) {
		fprintf(stderr, "homeport: %s. Try `homeport --help`.\n",
			command ? "wrong number of words" : "unknown command");
		return EXIT_USAGE;
	}
	fd = connect_to(o.socket);
	if (fd < 0)
		return 1;
	rc = send_request(fd, argv + at, argc - at) ? receive_reply(fd, &text, &size, &error) : -1;
	close(fd);
	if (rc < 0) {
		fputs("homeport: homeportd closed the connection\n", stderr);
		return 1;
	}
	if (error)
		fprintf(stderr, "homeport: %s\n", text);
	else if (text && show(&o, command, text))
		rc = 1;
	free(text);
	return rc;
}
