// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The notifications of RFC 8512: a pool or an instance has crossed a threshold of the configuration; and that of
// RFC 8513: a B4 has changed its address too soon. Each is
// logged, and the newest are kept to be shown. Control thread only.

#include "ctl/ctl.h"

#include <jansson.h>

struct notifier;

// The source must outlive it. Returns NULL if memory runs out.
struct notifier *notifier_new(const struct ctl_source *source);
void notifier_free(struct notifier *notifier);

// Looks at everything that has a threshold, once a second. `now` in Unix milliseconds; to be called often.
void notifier_poll(struct notifier *notifier, int64_t now);

// A worker tells that a B4 has changed its address too soon (MSG_B4_CHANGE). `now` as above.
struct msg;
void notifier_b4_change(struct notifier *notifier, const struct msg *msg, int64_t now);

// What has been raised, oldest first, as homeport:homeport/notification. The caller takes the reference.
json_t *notifier_list(const struct notifier *notifier);
