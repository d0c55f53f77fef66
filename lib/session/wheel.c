// SPDX-License-Identifier: BSD-3-Clause

#include "session/wheel.h"

#include <rte_malloc.h>

#include <errno.h>

int wheel_init(
	struct wheel *wheel, uint32_t now, struct link *(*link)(void *, uint32_t), void *owner)
{
	*wheel = (struct wheel){.done = now, .link = link, .owner = owner};
	wheel->list = rte_zmalloc("wheel", WHEEL_TICKS * sizeof(*wheel->list), 0);
	return wheel->list ? 0 : -ENOMEM;
}

void wheel_free(struct wheel *wheel)
{
	rte_free(wheel->list);
	wheel->list = NULL;
}

static struct link *link_of(const struct wheel *wheel, uint32_t handle)
{
	return wheel->link(wheel->owner, handle);
}

void wheel_stop(struct wheel *wheel, uint32_t handle)
{
	struct link *link = link_of(wheel, handle);

	if (!link->prev)
		return;
	if (handle_kind(link->prev) == HANDLE_NONE)
		wheel->list[link->prev - 1] = link->next;
	else
		link_of(wheel, link->prev)->next = link->next;
	if (link->next)
		link_of(wheel, link->next)->prev = link->prev;
	*link = (struct link){0};
}

void wheel_set(struct wheel *wheel, uint32_t handle, uint32_t tick)
{
	struct link *link = link_of(wheel, handle);
	uint32_t ahead = tick - wheel->done;
	uint32_t place;

	wheel_stop(wheel, handle);
	if ((int32_t)ahead < 1)
		ahead = 1;
	else if (ahead >= WHEEL_TICKS)
		ahead = WHEEL_TICKS - 1;
	place = (wheel->done + ahead) % WHEEL_TICKS;
	link->next = wheel->list[place];
	link->prev = place + 1;
	if (link->next)
		link_of(wheel, link->next)->prev = handle;
	wheel->list[place] = handle;
}

uint32_t wheel_next(struct wheel *wheel, uint32_t now)
{
	while ((int32_t)(now - wheel->done) > 0) {
		uint32_t handle = wheel->list[(wheel->done + 1) % WHEEL_TICKS];

		if (handle) {
			wheel_stop(wheel, handle);
			return handle;
		}
		wheel->done++;
	}
	return 0;
}
