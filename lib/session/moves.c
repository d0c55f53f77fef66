// SPDX-License-Identifier: BSD-3-Clause

#include "session/moves.h"

#include "base/bits.h"

// The share that a message is about; NULL: of a pool that is gone, or has yet to come.
static struct portblk *share_of(const struct nat *nat, const struct msg_blocks *blocks)
{
	struct portblk *share = nat->share[blocks->policy];

	return share && share->pool->id == blocks->pool ? share : NULL;
}

void moves_want(struct nat *nat, unsigned policy, uint32_t address, uint32_t now)
{
	struct portblk *share = nat->share[policy];
	struct msg msg = {
		.type = MSG_BLOCKS_WANTED,
		.worker = (uint16_t)share->worker,
		.blocks = {.pool = share->pool->id, .policy = (uint8_t)policy, .address = address},
	};

	uint32_t blocks = portblk_free_blocks(share);

	if (share->pool->workers == 1 || !nat->channel ||
		(share->asked == now && share->asked_with <= blocks))
		return;
	share->asked = now;
	share->asked_with = blocks;
	// a full ring forgets it: the next grant or refusal asks again
	channel_say(nat->channel, &msg);
}

unsigned moves_give(struct nat *nat, const struct msg_blocks *wanted, uint32_t now)
{
	struct portblk *share = share_of(nat, wanted);
	struct msg msg = {.type = MSG_BLOCKS_GIVEN, .blocks = *wanted};

	// a share that is closed has blocks that ought to rest
	if (!share || !channel_room(nat->channel) || (int32_t)(share->closed_until - now) > 0)
		return 0;
	msg.worker = (uint16_t)share->worker;
	msg.blocks.entries =
		portblk_give(share, wanted->address, wanted->count, wanted->to, &msg.blocks.word);
	if (msg.blocks.entries)
		channel_say(nat->channel, &msg);
	return bit_count(msg.blocks.entries);
}

unsigned moves_take(struct nat *nat, const struct msg_blocks *given)
{
	struct portblk *share = share_of(nat, given);

	if (!share)
		return 0;
	portblk_take(share, given->word, given->entries);
	share->asked_with = UINT32_MAX;
	return bit_count(given->entries);
}
