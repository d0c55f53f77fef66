// SPDX-License-Identifier: BSD-3-Clause

#include "support/buffers.h"

#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct stack {
	pthread_mutex_t lock;
	unsigned n;
	void *object[];
};

static int stack_alloc(struct rte_mempool *pool)
{
	struct stack *s = calloc(1, sizeof(*s) + pool->size * sizeof(s->object[0]));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	pool->pool_data = s;
	return 0;
}

static void stack_free(struct rte_mempool *pool)
{
	free(pool->pool_data);
}

static int stack_put(struct rte_mempool *pool, void *const *objects, unsigned n)
{
	struct stack *s = pool->pool_data;

	pthread_mutex_lock(&s->lock);
	memcpy(s->object + s->n, objects, n * sizeof(objects[0]));
	s->n += n;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int stack_take(struct rte_mempool *pool, void **objects, unsigned n)
{
	struct stack *s = pool->pool_data;
	bool enough;

	pthread_mutex_lock(&s->lock);
	enough = s->n >= n;
	if (enough) {
		s->n -= n;
		memcpy(objects, s->object + s->n, n * sizeof(objects[0]));
	}
	pthread_mutex_unlock(&s->lock);
	return enough ? 0 : -ENOBUFS;
}

static unsigned stack_count(const struct rte_mempool *pool)
{
	struct stack *s = pool->pool_data;
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->n;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static struct rte_mempool_ops stack_ops = {
	.name = "stack",
	.alloc = stack_alloc,
	.free = stack_free,
	.enqueue = stack_put,
	.dequeue = stack_take,
	.get_count = stack_count,
};
RTE_MEMPOOL_REGISTER_OPS(stack_ops)

void buffers_by_mutex(void)
{
	rte_mbuf_set_user_mempool_ops(stack_ops.name);
}
