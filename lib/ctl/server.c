// SPDX-License-Identifier: BSD-3-Clause

// The socket and its connections. Each connection has one request at a time; what it sends beyond that
// waits in the kernel. A peer that does not read is not written to until it does.

#include "base/bits.h"
#include "base/log.h"
#include "ctl/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define OUT_ENOUGH  (256u << 10) // bytes waiting, above which no more are made

struct client {
	struct ctl *ctl;
	struct client *next;
	struct watch watch;
	uint8_t in[sizeof(uint32_t) + PROTO_REQUEST_MAX];
	size_t have;
	struct call call;
	size_t sent; // of call.out
	bool busy;
};

struct ctl {
	struct evloop *loop;
	const struct ctl_source *source;
	struct watch watch;
	int fd;
	struct client *clients;
	unsigned count;
	struct sockaddr_un address;
};

static void client_free(struct client *client)
{
	struct client **at = &client->ctl->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client->ctl->count--;
	int fd = client->watch.fd;

	watch_stop(client->ctl->loop, &client->watch);
	close(fd);
	free(client->call.out);
	free(client);
}

// Sends what there is and lets the command make more. Returns false if the connection is gone.
static bool pump(struct client *client)
{
	struct call *call = &client->call;

	for (;;) {
		ssize_t n;

		while (call->more && call->size - client->sent < OUT_ENOUGH && !call->failed)
			call->more(call);
		if (call->failed)
			return false;
		if (client->sent == call->size)
			return true;
		n = send(client->watch.fd, call->out + client->sent, call->size - client->sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
		client->sent += (size_t)n;
		if (client->sent == call->size)
			client->sent = call->size = 0;
	}
}

static void start(struct client *client, size_t length)
{
	struct call *call = &client->call;

	*call = (struct call){.source = client->ctl->source, .out = call->out, .room = call->room};
	client->sent = 0;
	client->busy = true;
	if (proto_request_read(client->in, length, &call->request) < 0)
		call_fail(call, PROTO_USAGE, "malformed request");
	else
		call_start(call);
}

// Takes in what the peer has sent. Returns false if the connection is to end.
static bool take_in(struct client *client)
{
	ssize_t n = recv(client->watch.fd, client->in + client->have,
		sizeof(client->in) - client->have, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
	client->have += (size_t)n;
	return n != 0;
}

// Carries out what has been taken in, one request after the other. Returns false if the connection is to
// end.
static bool serve(struct client *client)
{
	for (;;) {
		if (!client->busy) {
			int length = proto_request_length(client->in, client->have);

			if (length < 0)
				return false;
			if (!length || (size_t)length > client->have)
				return true;
			start(client, (size_t)length);
			client->have -= (size_t)length;
			memmove(client->in, client->in + length, client->have);
		}
		if (!pump(client))
			return false;
		if (!client->call.ended || client->call.size)
			return true;
		client->busy = false;
	}
}

static void on_client(struct watch *watch, uint32_t events)
{
	struct client *client = CONTAINER_OF(watch, struct client, watch);
	bool alive = true;

	if (!client->busy && (events & EPOLLIN))
		alive = take_in(client);
	if (alive)
		alive = serve(client);
	if (!alive || (!client->busy && (events & (EPOLLHUP | EPOLLERR)))) {
		client_free(client);
		return;
	}
	watch_change(client->ctl->loop, watch, client->busy ? EPOLLOUT : EPOLLIN);
}

static void on_connection(struct watch *watch, uint32_t events)
{
	struct ctl *ctl = CONTAINER_OF(watch, struct ctl, watch);
	int fd = accept4(ctl->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client;

	(void)events;
	if (fd < 0)
		return;
	client = ctl->count < CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
	if (!client) {
		log_warning("ctl", "a connection was refused: %u are open", ctl->count);
		close(fd);
		return;
	}
	client->ctl = ctl;
	client->next = ctl->clients;
	ctl->clients = client;
	ctl->count++;
	if (watch_start(ctl->loop, &client->watch, fd, EPOLLIN, on_client) < 0) {
		client->watch.fd = fd;
		client_free(client);
	}
}

// A socket file that nobody listens on is left from a daemon that did not end in good order.
static bool is_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool stale;

	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int open_socket(struct ctl *ctl, struct err *err)
{
	const struct sockaddr *address = (const struct sockaddr *)&ctl->address;
	const char *path = ctl->address.sun_path;
	mode_t mask;
	int rc;

	ctl->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ctl->fd < 0)
		return err_set(err, "control socket: %s", strerror(errno));
	if (is_stale(&ctl->address))
		unlink(path);
	// owner and group only, from the first moment
	mask = umask(0117);
	rc = bind(ctl->fd, address, sizeof(ctl->address));
	umask(mask);
	if (rc < 0) {
		rc = errno;
		close(ctl->fd);
		return err_set(err, "control socket %s: %s", path,
			rc == EADDRINUSE ? "another daemon listens there" : strerror(rc));
	}
	if (listen(ctl->fd, 16) < 0 ||
		watch_start(ctl->loop, &ctl->watch, ctl->fd, EPOLLIN, on_connection) < 0) {
		rc = errno;
		close(ctl->fd);
		unlink(path);
		return err_set(err, "control socket %s: %s", path, strerror(rc));
	}
	return 0;
}

struct ctl *ctl_open(
	struct evloop *loop, const char *path, const struct ctl_source *source, struct err *err)
{
	struct ctl *ctl = calloc(1, sizeof(*ctl));

	if (!ctl) {
		err_set(err, "out of memory");
		return NULL;
	}
	ctl->loop = loop;
	ctl->source = source;
	ctl->address.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(ctl->address.sun_path)) {
		err_set(err, "control socket: %zu characters. Allowed: up to %zu", strlen(path),
			sizeof(ctl->address.sun_path) - 1);
		free(ctl);
		return NULL;
	}
	strcpy(ctl->address.sun_path, path);
	if (open_socket(ctl, err) < 0) {
		free(ctl);
		return NULL;
	}
	return ctl;
}

void ctl_close(struct ctl *ctl)
{
	if (!ctl)
		return;
	while (ctl->clients)
		client_free(ctl->clients);
	watch_stop(ctl->loop, &ctl->watch);
	close(ctl->fd);
	unlink(ctl->address.sun_path);
	free(ctl);
}
