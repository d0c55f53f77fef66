// SPDX-License-Identifier: BSD-3-Clause

#include "dots/observe.h"

#include "base/bits.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct observer {
	struct observer *next;
	uint8_t token[MESSAGE_TOKEN_MAX];
	uint8_t token_length;
	uint32_t path;                 // of the request, for blocks
	struct session_config *config; // this, or mitigations
	char *cuid;
	bool has_mid;
	uint32_t mid;
	uint32_t sequence;
	uint64_t told_at;
	uint64_t told; // digest of what was told last
	// the last notification, which waits until 3 s have passed since the one before
	uint8_t *farewell;
	size_t farewell_length;
};

static void tick(struct timer *timer);

static struct selection selection_of(const struct observers *all, const struct observer *o)
{
	return (struct selection){.config = o->config,
		.all = all->all,
		.owner = all->owner,
		.cuid = o->cuid,
		.has_mid = o->has_mid,
		.mid = o->mid};
}

void observers_start(struct observers *observers, struct evloop *loop, struct exchange *exchange,
	const struct mitigations *all, const struct owner *owner, struct blocks *blocks)
{
	*observers = (struct observers){
		.loop = loop, .exchange = exchange, .all = all, .owner = owner, .blocks = blocks};
}

static void unlink_and_free(struct observers *all, struct observer **link)
{
	struct observer *o = *link;

	*link = o->next;
	all->count--;
	if (!all->first)
		timer_stop(all->loop, &all->timer);
	free(o->farewell);
	free(o->cuid);
	free(o);
}

void observers_stop(struct observers *observers)
{
	while (observers->first)
		unlink_and_free(observers, &observers->first);
}

void observers_remove(struct observers *observers, const uint8_t *token, uint8_t token_length)
{
	for (struct observer **link = &observers->first; *link; link = &(*link)->next) {
		if ((*link)->token_length == token_length &&
			!memcmp((*link)->token, token, token_length)) {
			unlink_and_free(observers, link);
			return;
		}
	}
}

int32_t observers_add(struct observers *observers, const struct message *request,
	const struct selection *selection)
{
	struct observer *o;

	observers_remove(observers, request->token, request->token_length);
	if (observers->count >= OBSERVERS_MAX)
		return MESSAGE_ABSENT;
	o = calloc(1, sizeof(*o));
	if (!o)
		return MESSAGE_ABSENT;
	o->cuid = strdup(selection->cuid ? selection->cuid : "");
	if (!o->cuid ||
		(!observers->first &&
			timer_set(observers->loop, &observers->timer, clock_now() + CLOCK_SECOND,
				tick) < 0)) {
		free(o->cuid);
		free(o);
		return MESSAGE_ABSENT;
	}
	o->token_length = request->token_length;
	memcpy(o->token, request->token, o->token_length);
	o->path = blocks_path(request);
	o->config = selection->config;
	o->has_mid = selection->has_mid;
	o->mid = selection->mid;
	o->sequence = 1;
	o->told_at = clock_now();
	o->told = status_digest(selection);
	o->next = observers->first;
	observers->first = o;
	observers->count++;
	return (int32_t)o->sequence;
}

static void send_message(struct observers *all, struct observer *o, struct message *m)
{
	exchange_notify(all->exchange, o->token, o->token_length, m);
	o->told_at = clock_now();
	all->notifications++;
}

static struct message status_message(struct observer *o)
{
	struct message m = message_make(COAP_RESPONSE_CODE(205));

	m.observe = (int32_t)(++o->sequence & 0xffffff);
	m.content_format = COAP_MEDIATYPE_APPLICATION_DOTS_CBOR;
	return m;
}

// Tells what a GET would be answered at this time. Returns whether it goes on: an answer that is
// none of 2.xx is the last (RFC 7641 section 4.2). One that does not fit goes as its first block, and
// the observer fetches the others (RFC 7959 section 2.6).
static bool notify(struct observers *all, struct observer *o)
{
	static const char gone[] = "no such mitigation";
	struct selection selection = selection_of(all, o);
	size_t room = exchange_room(all->exchange);
	struct message m;
	uint8_t *body;
	int length = status_write_whole(&selection, &body);

	if (length < 0 && length != -ENOENT)
		return true; // another time
	if (length < 0) {
		m = message_make(COAP_RESPONSE_CODE(404));
		m.payload = (struct slice){(const uint8_t *)gone, sizeof(gone) - 1};
		send_message(all, o, &m);
		return false;
	}
	m = status_message(o);
	if (o->config)
		m.max_age = config_max_age(o->config);
	o->told = status_digest(&selection);
	if ((size_t)length > room) {
		blocks_notify(all->blocks, o->path, room, body, (size_t)length, &m);
		send_message(all, o, &m);
		return true;
	}
	m.payload = (struct slice){body, (size_t)length};
	send_message(all, o, &m);
	free(body);
	return true;
}

// Whether the observer stays.
static bool tick_one(struct observers *all, struct observer *o, uint64_t now)
{
	struct selection selection = selection_of(all, o);
	struct message m;

	if (now - o->told_at < EXCHANGE_PACE) // OB-03
		return true;
	if (o->farewell) {
		m = status_message(o);
		m.payload = (struct slice){o->farewell, o->farewell_length};
		send_message(all, o, &m);
		return false;
	}
	// of the configuration, and what was rejected, there is nothing to tell but changes
	if ((now - o->told_at < OBSERVE_PERIOD || !status_is_live(&selection)) &&
		o->told == status_digest(&selection))
		return true;
	return notify(all, o);
}

static void tick(struct timer *timer)
{
	struct observers *all = CONTAINER_OF(timer, struct observers, timer);
	uint64_t now = clock_now();
	struct observer **link = &all->first;

	timer_set(all->loop, &all->timer, now + CLOCK_SECOND, tick);
	while (*link) {
		if (tick_one(all, *link, now))
			link = &(*link)->next;
		else
			unlink_and_free(all, link);
	}
}

void observers_ending(struct observers *observers, const struct mitigation *mitigation)
{
	for (struct observer *o = observers->first; o; o = o->next) {
		uint8_t body[REPLY_BODY_ROOM];
		int length;

		if (o->farewell || !o->has_mid || o->mid != mitigation->mid ||
			strcmp(o->cuid, mitigation->cuid) != 0)
			continue;
		length = status_write_one(mitigation, body, exchange_room(observers->exchange));
		if (length <= 0)
			continue; // it will hear that there is no such mitigation
		o->farewell = malloc((size_t)length);
		if (!o->farewell)
			continue;
		memcpy(o->farewell, body, (size_t)length);
		o->farewell_length = (size_t)length;
	}
}
