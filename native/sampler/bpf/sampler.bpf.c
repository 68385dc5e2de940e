// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Runs at every tick of a CPU's sampling event and counts (process, thread name, cgroups, stacks) in the buffer that is
 * active. User space switches buffers, waits until nobody writes the old one any more, and reads it.
 *
 * Every sample that is taken ends in exactly one of stored, deferred (walked in user space), map_full, map_busy and filtered of
 * its own buffer, so that a buffer's books balance whatever the moment of the switch. src/bpf_maps.rs mirrors these structures. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "registers.h"
#include "tables.h"
#include "walk.h"

#define MAX_KERNEL_FRAMES 127
#define NO_CONTROLLER 0xffffffffu

struct config {
	__u32 only_tgid; /* 0 = everybody */
	__u32 cgroup_subsys; /* index into css_set.subsys; NO_CONTROLLER = none */
	__u64 seed;
	__u64 kernel_stack; /* bytes of a task's stack in the kernel */
	__u32 kernel_frames; /* of a stack, at most; MAX_KERNEL_FRAMES or less */
	__u32 unused;
};

const volatile struct config config = {};

#include "sample.h"
#include "stacks.h"
#include "defer.h"
#include "begin.h"
#include "programs.h"

/* Adds the sample to its buffer. 0 or a negative error. */
static __always_inline long count_sample(struct sample *sample, void *counts)
{
	struct key *key = &sample->key;
	__u32 depth = sample->walk.depth;
	if (depth > MAX_USER_FRAMES)
		depth = MAX_USER_FRAMES;
	long error = put_stack(sample->buffer, depth);
	if (error)
		return error;
	key->user_stack = sample->chunk;
	struct count *count = bpf_map_lookup_elem(counts, key);
	if (!count) {
		struct count first = { .samples = 1, .first_ns = sample->walk.now };
		error = bpf_map_update_elem(counts, key, &first, BPF_NOEXIST);
		if (error != -EEXIST)
			return error;
		count = bpf_map_lookup_elem(counts, key);
		if (!count)
			return -EEXIST;
	}
	__sync_fetch_and_add(&count->samples, 1);
	return 0;
}

/* Enters the sample into the books, whatever became of its walk. */
static __always_inline void enter(struct sample *sample)
{
	__u32 buffer = sample->buffer & 1;
	struct books *book = bpf_map_lookup_elem(&books, &buffer);
	if (!book)
		return;
	__u32 stopped = sample->walk.stop;
	sample->key.flags |= stopped;
	if (stopped >= STOP_ABSENT_PROCESS) {
		if (!defer(sample, TICK, stopped)) {
			book->deferred++;
			return;
		}
		book->not_deferred++;
	}
	long error = buffer ? count_sample(sample, &counts_1) : count_sample(sample, &counts_0);
	if (error)
		ENTER_LOSS(book, error);
	else
		book->stored++;
}

/* What a sample costs whoever it interrupts, without the kernel's own statistics: those are for every program of the machine. */
static __always_inline void finish(struct sample *sample)
{
	__u32 buffer = sample->buffer & 1;
	enter(sample);
	struct books *book = bpf_map_lookup_elem(&books, &buffer);
	if (book)
		book->run_ns += bpf_ktime_get_ns() - sample->walk.now;
}

/* Takes everything of the sample but its user stack. The sample when there is a user stack to be walked. */
static __always_inline struct sample *begin(struct perf_event_context *ctx)
{
	__u64 ids = bpf_get_current_pid_tgid();
	__u32 tgid = ids >> 32;
	if (!(__u32)ids || (config.only_tgid && config.only_tgid != tgid))
		return 0;
	__u32 zero = 0;
	__u32 *current = bpf_map_lookup_elem(&active, &zero);
	if (!current)
		return 0;
	__u32 state = *(volatile __u32 *)current;
	__u32 buffer = state & 1;
	struct books *book = bpf_map_lookup_elem(&books, &buffer);
	struct sample *sample = this_sample(TICK);
	if (!book || !sample)
		return 0;
	book->taken++;
	if (!identify(sample, tgid, state)) {
		book->filtered++;
		return 0;
	}
	sample->walk.now = bpf_ktime_get_ns();
	long error = put_stack(buffer, kernel_frames(ctx, sample));
	if (error) {
		ENTER_LOSS(book, error);
		return 0;
	}
	sample->key.kernel_stack = sample->chunk;
	if (!user_registers(ctx, &sample->at, config.kernel_stack))
		walk_by_kernel(ctx, &sample->walk);
	else if (begin_walk(sample, tgid))
		return sample;
	finish(sample);
	return 0;
}

WALKING_PROGRAMS("perf_event", struct perf_event_context, TICK, take_sample, calls, begin, finish)

#include "off_cpu.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
