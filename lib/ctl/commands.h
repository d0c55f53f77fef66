// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "ctl/call.h"

// The commands, each a function that writes its answer or begins to.

// show_state.c: the box by the standard models.
void show_interfaces(struct call *call);
void show_counters(struct call *call);
void show_config(struct call *call);

// show_workers.c: the workers, and how evenly they share what there is to do.
void show_workers(struct call *call);

// For show_counters(). The caller takes the reference.
json_t *all_workers(const struct call *call);

// show_nat.c: what the workers have.
void show_mappings(struct call *call);
void show_subscribers(struct call *call);
void show_deterministic(struct call *call);

// show_bindings.c: border relays.
void show_bindings(struct call *call);

// show_instance.c: NAT instances, what they can do and how they do; and what they have notified of.
void show_instances(struct call *call);
void show_notifications(struct call *call);

// What an instance has.
void ctl_load_instance(const struct ctl_source *source, uint32_t instance, struct ctl_load *out);

// show_dots.c: mitigations and what enforces them.
void show_acls(struct call *call);
void show_dots(struct call *call);
void show_mitigations(struct call *call);
void show_consent(struct call *call);

// One mitigation.
void show_mitigation(struct call *call, const char *upstream, uint32_t mid);

// What a mitigation is about, as an entry of the list of ietf-dots-signal-channel.
struct scope;
json_t *scope_json(const char *cuid, uint32_t mid, const struct scope *scope);

// show_audit.c: what became of them.
void show_audit(struct call *call);

// show_homes.c: the homes for show_dots(), as its "client"; NULL if there are none, or none of that
// name. The caller takes the reference.
// Adds what there is to say about the end of a certificate (dots/list.h) to a `state`.
void add_warning(const struct call *call, json_t *state, const char *whose, int64_t end);

json_t *all_homes(const struct call *call);
json_t *one_home(const struct call *call, const char *name);

// do_dots.c: what is decided about them.
void do_approve(struct call *call);
void do_reject(struct call *call);
void do_mitigate(struct call *call);
void do_withdraw(struct call *call);
void do_suspend(struct call *call);
void do_resume(struct call *call);

// lookup.c: who is behind an outside address and port.
void do_lookup(struct call *call);

// Unix time in milliseconds as yang:date-and-time. The caller takes the reference.
json_t *json_time(int64_t unix_ms);

// 64-bit numbers are strings in JSON (RFC 7951 section 6.1).
json_t *json_number64(uint64_t value);

json_t *json_address(const struct ipaddr *addr);
json_t *json_prefix(const struct ipprefix *prefix);

// The id of a subscriber's NAT instance in the snapshot in force; NULL if it is gone, or there is none.
json_t *subscriber_instance(const struct call *call, const struct subkey *key);
