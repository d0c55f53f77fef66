// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Read-copy-update between one writer (the control thread) and the workers, on rte_rcu_qsbr.
//
// A worker says once a turn that it holds no pointer into published data; the control thread
// unpublishes, hands what is left to rcu_defer(), and gets it back for freeing when every worker
// has said so. Workers never wait, the control thread only in rcu_barrier().

#include <stdint.h>

struct rcu;

// Makes the domain for `readers` workers (0 is allowed: everything is then safe at once).
// Returns NULL if memory runs out.
struct rcu *rcu_new(unsigned readers);

// Runs all that is still deferred and frees the domain. No reader may be online. NULL is allowed.
void rcu_free(struct rcu *rcu);

// Reader: begins and ends being waited for. `reader` counts from 0.
void rcu_online(struct rcu *rcu, unsigned reader);
void rcu_offline(struct rcu *rcu, unsigned reader);

// Reader: holds no pointer into published data at this moment.
void rcu_quiescent(struct rcu *rcu, unsigned reader);

// Writer: runs fn(arg) when every reader online now has been quiescent since; from rcu_poll(),
// rcu_barrier() or rcu_free(). If memory for the note runs out, waits instead, so it cannot fail.
void rcu_defer(struct rcu *rcu, void (*fn)(void *), void *arg);

// Writer: runs what has become safe. Returns how many are still waiting.
unsigned rcu_poll(struct rcu *rcu);

// Writer: waits until all that is deferred has run.
void rcu_barrier(struct rcu *rcu);
