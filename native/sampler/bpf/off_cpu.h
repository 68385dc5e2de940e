/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Off-CPU profiles: how long threads are blocked, and where. Runs at every switch of tasks. A thread that is switched out because it
 * cannot go on (not because somebody else may run) is blocked until it is switched in again; waiting for a CPU after it was woken is
 * a part of that. Its stack does not change meanwhile, so it is walked when it is switched out, by the same steps as a tick's.
 * Which of them are walked, and what they stand for then, is in off_choice.h.
 *
 * Blocks that have not ended wait in a map, which user space reads when a window ends (src/open_blocks.rs). Not seen are idle tasks,
 * threads of the kernel (which wait for work), a thread's last switch, and what began before this program did.
 *
 * The maps are this program's alone: a tick that interrupts it in an NMI takes none of their locks. */
#pragma once

#include "off_choice.h"

#define LONGEST_NS ((1ull << 46) - 1) /* 19 hours; longer blocks count as that */
/* include/linux/sched.h */
#define TASK_DEAD 0x80

/* Every block that is chosen ends in exactly one of the fields below `taken`, in the books of the buffer that was active then:
 * `stored` when it has ended, the others at once. */
struct off_books {
	__u64 blocks; /* all of them, chosen or not */
	__u64 taken;
	__u64 stored;
	__u64 map_full;
	__u64 map_busy;
	__u64 filtered;
	__u64 over_budget;
	/* Of the stored: should have been walked by user space, but the ring was full. */
	__u64 not_deferred;
	/* Nanoseconds that walks took. */
	__u64 run_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct off_books);
} off_books SEC(".maps");

struct off_count {
	__u64 samples;
	__u64 first_ns; /* when the first of them ended */
	__u64 ns; /* lengths divided by chances */
};

struct off_counts_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct key);
	__type(value, struct off_count);
};

struct off_counts_map off_counts_0 SEC(".maps");
struct off_counts_map off_counts_1 SEC(".maps");

/* Chosen blocks that have not ended, by thread. */
struct off_block {
	struct key key;
	__u64 task; /* the kernel's description of the thread: numbers are used again */
	__u64 since_ns;
	__u32 chance;
	__u32 place;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct off_block);
} off_blocks SEC(".maps");

/* TP_PROTO(bool preempt, struct task_struct *prev, struct task_struct *next, …) */
struct switch_context {
	__u64 preempt;
	__u64 prev;
	__u64 next;
};

static __always_inline __u32 buffers_state(void)
{
	__u32 zero = 0;
	__u32 *state = bpf_map_lookup_elem(&active, &zero);
	return state ? *(volatile __u32 *)state : 0;
}

static __always_inline struct off_books *off_books_of(__u32 buffer)
{
	__u32 at = buffer & 1;
	return bpf_map_lookup_elem(&off_books, &at);
}

/* Whether a thread is blocked that is being switched out: TASK_RUNNING is 0. */
static __always_inline int is_blocked(struct task_struct *task)
{
	long state;
	if (bpf_core_field_exists(task->__state))
		state = BPF_CORE_READ(task, __state);
	else
		state = BPF_CORE_READ((struct task_struct___before_5_14 *)task, state);
	return state != 0 && !(state & TASK_DEAD);
}

static __always_inline long count_block(void *counts, const struct key *key, __u64 now, __u64 ns)
{
	struct off_count *count = bpf_map_lookup_elem(counts, key);
	if (!count) {
		struct off_count first = { .samples = 1, .first_ns = now, .ns = ns };
		long error = bpf_map_update_elem(counts, key, &first, BPF_NOEXIST);
		if (error != -EEXIST)
			return error;
		count = bpf_map_lookup_elem(counts, key);
		if (!count)
			return -EEXIST;
	}
	__sync_fetch_and_add(&count->samples, 1);
	__sync_fetch_and_add(&count->ns, ns);
	return 0;
}

/* The thread goes on. */
static __always_inline void unblock(struct task_struct *task)
{
	__u32 tid = BPF_CORE_READ(task, pid);
	struct off_block *block = tid ? bpf_map_lookup_elem(&off_blocks, &tid) : 0;
	if (!block)
		return;
	if (block->task == (__u64)task) {
		__u32 buffer = buffers_state() & 1;
		struct off_books *book = off_books_of(buffer);
		__u64 now = bpf_ktime_get_ns(), ns = now - block->since_ns;
		if (ns > LONGEST_NS)
			ns = LONGEST_NS;
		learn(block->place, ns);
		__u32 one_in = block->key.flags >> ONE_IN_SHIFT;
		ns = ns * CERTAIN / (block->chance ? block->chance : 1) * (one_in ? one_in : 1);
		long error = buffer ? count_block(&off_counts_1, &block->key, now, ns) :
				      count_block(&off_counts_0, &block->key, now, ns);
		if (book) {
			book->taken++;
			if (error)
				ENTER_LOSS(book, error);
			else
				book->stored++;
		}
	}
	bpf_map_delete_elem(&off_blocks, &tid);
}

/* The walk has ended: what is known of the block waits for its end. */
static __always_inline void keep_block(struct sample *sample)
{
	struct off_books *book = off_books_of(sample->buffer);
	struct key *key = &sample->key;
	if (!book)
		return;
	__u32 stopped = sample->walk.stop, deferred = 0;
	key->flags |= stopped;
	if (stopped >= STOP_ABSENT_PROCESS) {
		/* The time alone would do but for CPUs that block a thread in the same nanosecond. */
		key->user_stack = sample->walk.now << 10 | (bpf_get_smp_processor_id() & 1023);
		deferred = !defer(sample, SWITCH, stopped);
		book->not_deferred += !deferred;
	}
	long error = 0;
	if (deferred) {
		key->flags |= WALKED_BY_USER;
	} else {
		__u32 depth = sample->walk.depth;
		error = put_off_stack(depth > MAX_USER_FRAMES ? MAX_USER_FRAMES : depth);
		key->user_stack = sample->chunk;
	}
	if (!error) {
		struct off_block block = { .key = *key, .task = bpf_get_current_task(), .since_ns = sample->walk.now };
		block.chance = sample->chance;
		block.place = sample->place;
		__u32 tid = bpf_get_current_pid_tgid();
		error = bpf_map_update_elem(&off_blocks, &tid, &block, BPF_ANY);
	}
	if (error) {
		book->taken++;
		ENTER_LOSS(book, error);
	}
	book->run_ns += bpf_ktime_get_ns() - sample->walk.now;
}

/* The current task is switched out. The sample, when it is blocked, chosen, and has a user stack to be walked. */
static __always_inline struct sample *block(struct switch_context *ctx)
{
	__u64 ids = bpf_get_current_pid_tgid();
	__u32 tid = ids, tgid = ids >> 32;
	if ((ctx->preempt & 1) || !tid || (config.only_tgid && config.only_tgid != tgid))
		return 0;
	struct task_struct *task = (void *)ctx->prev;
	if (!is_blocked(task) || !BPF_CORE_READ(task, mm))
		return 0;
	__u32 state = buffers_state();
	struct off_books *book = off_books_of(state);
	struct sample *sample = this_sample(SWITCH);
	if (!book || !sample)
		return 0;
	book->blocks++;
	__u64 now = sample->walk.now = bpf_ktime_get_ns();
	int walkable = entry_registers(&sample->at, config.kernel_stack);
	__u64 place = tid * 0x9e3779b97f4a7c15ull;
	if (walkable)
		place = rotate(place ^ sample->at.ip, 29) * 0xc2b2ae3d27d4eb4full ^ sample->at.sp * 0x85ebca77c2b2ae63ull;
	sample->place = (place ^ place >> 29) >> 16;
	enum choice choice = choose(sample->place, now, &sample->chance);
	if (choice == NOT_CHOSEN)
		return 0;
	if (choice == OVER_BUDGET) {
		book->taken++;
		book->over_budget++;
		return 0;
	}
	if (!identify(sample, tgid, state)) {
		book->taken++;
		book->filtered++;
		return 0;
	}
	sample->key.flags |= OFF_CPU;
	long error = put_off_stack(kernel_frames(ctx, sample));
	if (error) {
		book->taken++;
		ENTER_LOSS(book, error);
		return 0;
	}
	sample->key.kernel_stack = sample->chunk;
	if (!walkable)
		walk_by_kernel(ctx, &sample->walk);
	else if (begin_walk(sample, tgid))
		return sample;
	keep_block(sample);
	return 0;
}

/* The sample of the thread that is switched out; the one that is switched in goes on. */
static __always_inline struct sample *at_switch(struct switch_context *ctx)
{
	unblock((void *)ctx->next);
	return block(ctx);
}

WALKING_PROGRAMS("raw_tp/sched_switch", struct switch_context, SWITCH, off_cpu, off_calls, at_switch, keep_block)
