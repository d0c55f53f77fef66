// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Free port blocks that move to a worker which runs out of them, from the one that has most. Control thread.
//
//	the one that wants some        control                the one that has most
//	  MSG_BLOCKS_WANTED ------------->  MSG_BLOCKS_GIVE ------>  names the other in the pool's entries,
//	  has them          <------------------------------------  MSG_BLOCKS_GIVEN
//	                    MSG_BLOCKS_TAKE
//
// The message is the ownership: whoever gives forgets the blocks before it tells, and whoever gets them touches
// none before it has been told. That it goes by the control thread keeps the records of grants in order: what the old
// owner has told of a block has been heard when the new one gets it.

#include "msg/msg.h"

struct snapshot;

// What a worker's message about free blocks leads to. Returns which worker is to be told *answer, or -1 if none.
int moves_answer(const struct snapshot *snapshot, const struct msg *heard, struct msg *answer);
