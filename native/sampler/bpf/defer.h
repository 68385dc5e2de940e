/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Samples that the kernel has no tables for yet: registers and the upper end of the stack go to user space, which walks them
 * (src/deferred.rs) and loads what was missing, so that the first sample of a process is as complete as its thousandth. */
#pragma once

#define STACK_PIECE (32 << 10)
#define PAGE (4 << 10)
#define BELOW_SP 128
/* Nanoseconds between two wake-ups of user space, and between two samples of a program that make one at once. */
#define WAKE_NS 200000000ull
#define FAMILIAR 4096

struct deferred {
	struct key key;
	__u64 time_ns;
	struct registers at;
	__u64 mm; /* struct process */
	__u32 why; /* enum stop */
	__u32 buffer;
	__u64 stack_at;
	__u64 stack_bytes;
	/* A piece begins anywhere in its page and goes on in whole ones. */
	__u8 stack[STACK_PIECE + PAGE];
};

/* One for each CPU and cause: per-CPU values are limited to 32 KiB. No cause interrupts itself. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct deferred);
} deferred_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} deferred_ring SEC(".maps");

/* When user space was woken, and by which programs. Written by all CPUs without a lock: at worst it is woken once more. */
__u64 woken_ns;
__u64 familiar[FAMILIAR];

/* A wake-up costs more than the walk of the sample, and processes that end soon need nothing in the kernel. But the files of a
 * program that is new have to be opened before it ends. */
static __always_inline __u64 wake_flags(const struct sample *sample, enum cause cause)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct inode *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);
	__u64 id = ((__u64)BPF_CORE_READ(inode, i_sb, s_dev) << 32) ^ (__u64)BPF_CORE_READ(inode, i_ino);
	__u64 *known = &familiar[(id * 0x9e3779b97f4a7c15ull) >> 52];
	__u64 waiting = bpf_ringbuf_query(&deferred_ring, BPF_RB_AVAIL_DATA);
	/* What a blocked thread needs has time until the next tick of anybody or the end of the window. */
	if (*known == id && (cause == SWITCH || sample->walk.now - woken_ns < WAKE_NS) &&
	    waiting * 4 < bpf_ringbuf_query(&deferred_ring, BPF_RB_RING_SIZE))
		return BPF_RB_NO_WAKEUP;
	*known = id;
	woken_ns = sample->walk.now;
	return BPF_RB_FORCE_WAKEUP;
}

/* Copies the stack, page by page, up to its end or the limit. It begins a little below sp, where the registers are that the
 * function has just taken from the stack: tables of gcc say so up to the return. */
static __always_inline __u32 copy_stack(struct deferred *to, __u64 sp)
{
	__u64 start = sp - BELOW_SP;
	__u32 first = PAGE - (start & (PAGE - 1));
	if (first > PAGE)
		return 0;
	if (bpf_probe_read_user(to->stack, first, (const void *)start)) {
		if (first > BELOW_SP)
			return 0;
		/* sp is near the beginning of the page above. */
		start += first;
		first = PAGE;
		if (bpf_probe_read_user(to->stack, PAGE, (const void *)start))
			return 0;
	}
	to->stack_at = start;
	/* Most stacks are small. Beyond the first frame of the main thread lie arguments and environment; C libraries keep the
	 * thread-local storage of other threads at the upper end of their stacks. */
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 main = BPF_CORE_READ(task, mm, start_stack) - start, other = THREAD_POINTER(task) - start;
	__u64 size = main < other ? main : other;
	__u32 limit = size < STACK_PIECE - 64 ? size + 64 : STACK_PIECE;
	__u32 at = first;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < STACK_PIECE / PAGE; i++) {
		if (at >= limit || at > STACK_PIECE)
			break;
		if (bpf_probe_read_user(to->stack + at, PAGE, (const void *)(start + at)))
			break;
		at += PAGE;
	}
	return at < limit ? at : limit;
}

/* 0 when user space will have it. */
static __always_inline long defer(const struct sample *sample, enum cause cause, __u32 why)
{
	__u32 at = bpf_get_smp_processor_id() * CAUSES + cause;
	struct deferred *to = bpf_map_lookup_elem(&deferred_scratch, &at);
	if (!to)
		return -E2BIG;
	to->key = sample->key;
	to->time_ns = sample->walk.now;
	to->at = sample->at;
	to->mm = sample->mm;
	to->why = why;
	to->buffer = sample->buffer;
	to->stack_at = sample->at.sp;
	__u32 bytes = copy_stack(to, sample->at.sp);
	if (bytes > STACK_PIECE)
		bytes = STACK_PIECE;
	to->stack_bytes = bytes;
	return bpf_ringbuf_output(&deferred_ring, to, __builtin_offsetof(struct deferred, stack) + bytes,
				  wake_flags(sample, cause));
}
