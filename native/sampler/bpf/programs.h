/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The programs of one cause, which differ in how a sample begins and ends. Between these the user stack is walked: by bpf_loop where
 * the kernel has it (5.17), else by tail calls of a few frames each. User space loads one kind or the other (src/bpf_load.rs, by the
 * end of their names), and puts NAME_on_by_calls into CALLS. */
#pragma once

#define FRAMES_A_CALL 16
#define MAX_CALLS 33

/* A few steps of a walk. True when more are to follow in another call. */
static __always_inline int walk_on(struct sample *sample)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FRAMES_A_CALL; i++) {
		if (walk_step(&sample->walk))
			break;
	}
	return !sample->walk.stop && ++sample->calls < MAX_CALLS;
}

/* SECTION     where libbpf attaches them
 * CONTEXT     what they are given
 * CAUSE       enum cause
 * NAME, CALLS of the first program, and of a new map
 * BEGIN       CONTEXT * -> the sample, when it has a user stack to be walked, or 0
 * END         struct sample *, of which the walk has ended; called once for each that BEGIN gave */
#define WALKING_PROGRAMS(SECTION, CONTEXT, CAUSE, NAME, CALLS, BEGIN, END) \
	struct { \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY); \
		__uint(max_entries, 1); \
		__type(key, __u32); \
		__type(value, __u32); \
	} CALLS SEC(".maps"); \
\
	static long NAME##_step(__u32 index, void *unused) \
	{ \
		struct sample *sample = this_sample(CAUSE); \
		return sample ? walk_step(&sample->walk) : 1; \
	} \
\
	SEC(SECTION) \
	int NAME(CONTEXT *ctx) \
	{ \
		struct sample *sample = BEGIN(ctx); \
		if (!sample) \
			return 0; \
		/* One step more than there are frames: it finds out that the stack is cut. */ \
		bpf_loop(MAX_USER_FRAMES + 1, NAME##_step, 0, 0); \
		END(sample); \
		return 0; \
	} \
\
	SEC(SECTION) \
	int NAME##_by_calls(CONTEXT *ctx) \
	{ \
		struct sample *sample = BEGIN(ctx); \
		if (!sample) \
			return 0; \
		bpf_tail_call(ctx, &CALLS, 0); \
		END(sample); \
		return 0; \
	} \
\
	SEC(SECTION) \
	int NAME##_on_by_calls(CONTEXT *ctx) \
	{ \
		struct sample *sample = this_sample(CAUSE); \
		if (!sample) \
			return 0; \
		if (walk_on(sample)) \
			bpf_tail_call(ctx, &CALLS, 0); \
		if (!sample->walk.stop) \
			sample->walk.stop = STOP_DEPTH; \
		END(sample); \
		return 0; \
	}
