// SPDX-License-Identifier: BSD-3-Clause

// The thread owns `struct question` together with the asker: each lets go of it once, and the second
// to do so frees it. So a look-up that nobody wants any more ends by itself when the resolver
// library gives up.

#include "dots/hostname.h"

#include "base/bits.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct question {
	atomic_int owners;
	int fd; // becomes readable when `answer` is complete
	struct hostname_answer answer;
	char name[256];
};

struct hostname {
	struct evloop *loop;
	struct watch watch;
	struct question *question;
	void (*fn)(void *ctx, const struct hostname_answer *answer);
	void *ctx;
};

static void question_release(struct question *q)
{
	if (atomic_fetch_sub(&q->owners, 1) != 1)
		return;
	close(q->fd);
	free(q);
}

static void *ask(void *arg)
{
	struct question *q = arg;
	// one socket type, or each address comes once for every type
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *list;
	int rc = getaddrinfo(q->name, NULL, &hints, &list);
	uint16_t port;

	if (rc != 0) {
		q->answer.why = gai_strerror(rc);
	} else {
		for (struct addrinfo *ai = list; ai && q->answer.count < HOSTNAME_ADDRESSES;
			ai = ai->ai_next) {
			if (!ipaddr_from_sockaddr(
				    ai->ai_addr, &q->answer.addr[q->answer.count], &port))
				q->answer.count++;
		}
		freeaddrinfo(list);
		if (!q->answer.count)
			q->answer.why = "no addresses";
	}
	eventfd_write(q->fd, 1);
	question_release(q);
	return NULL;
}

static void answered(struct watch *watch, uint32_t)
{
	struct hostname *lookup = CONTAINER_OF(watch, struct hostname, watch);
	void (*fn)(void *, const struct hostname_answer *) = lookup->fn;
	struct hostname_answer answer = lookup->question->answer;
	void *ctx = lookup->ctx;

	hostname_cancel(lookup);
	fn(ctx, &answer);
}

struct hostname *hostname_lookup(struct evloop *loop, const char *name,
	void (*fn)(void *ctx, const struct hostname_answer *answer), void *ctx)
{
	struct hostname *lookup = calloc(1, sizeof(*lookup));
	struct question *q = calloc(1, sizeof(*q));
	pthread_attr_t attr;
	pthread_t thread;
	int rc = -1;

	if (!lookup || !q || strlen(name) >= sizeof(q->name))
		goto fail;
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fd < 0)
		goto fail;
	memcpy(q->name, name, strlen(name));
	atomic_init(&q->owners, 2);
	*lookup = (struct hostname){.loop = loop, .question = q, .fn = fn, .ctx = ctx};
	if (watch_start(loop, &lookup->watch, q->fd, EPOLLIN, answered) == 0) {
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		rc = pthread_create(&thread, &attr, ask, q);
		pthread_attr_destroy(&attr);
	}
	if (rc == 0)
		return lookup;
	watch_stop(loop, &lookup->watch);
	close(q->fd);
fail:
	free(q);
	free(lookup);
	return NULL;
}

void hostname_cancel(struct hostname *lookup)
{
	if (!lookup)
		return;
	watch_stop(lookup->loop, &lookup->watch);
	question_release(lookup->question);
	free(lookup);
}
