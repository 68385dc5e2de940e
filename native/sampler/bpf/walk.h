/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* One step of the walk over a user stack: from a frame to its caller, by the table of the binary that the frame's code is in,
 * by frame pointers elsewhere. perfleet_unwind::stepper is the same walk in user space. The state lies in a map, not on the
 * stack: kernels before 6.2 forget what a callback of bpf_loop changes there. */
#pragma once

#define MAX_USER_FRAMES 512

enum stop {
	STOP_NOT = 0,
	STOP_END = 1, /* the outermost frame was reached */
	STOP_DEPTH = 2, /* cut at the limit */
	STOP_MEMORY = 3, /* a word of the stack could not be read */
	STOP_NO_PROGRESS = 4,
	STOP_UNKNOWN_RULE = 5,
	STOP_LOST_REGISTER = 6,
	STOP_STRAY = 7, /* a frame pointer led outside all code */
	/* User space has to walk, with what it knows of the process and the binary. */
	STOP_ABSENT_PROCESS = 16,
	STOP_ABSENT_MAPPING = 17,
	STOP_ABSENT_TABLE = 18,
};

/* Where rbx is. Few rules ask for it: it is read then. */
enum bx_place { BX_IN_REGISTER, BX_IN_MEMORY, BX_NOWHERE };

struct walk {
	struct registers at;
	__u64 recheck_ns;
	__u64 now;
	/* The mapping of the last frame. */
	struct mapping mapping;
	__u32 mappings_at;
	__u32 mappings;
	__u32 depth;
	__u32 stop;
	/* `at.ip` is the next instruction to run, not a return address. */
	__u32 exact;
	__u32 fp_lost;
	/* The last step followed a frame pointer without a table that said so. */
	__u32 guessed;
	__u32 bx_place;
	__u32 epoch;
	__u32 pad;
	__u64 bx_at;
	/* Leaf first. */
	__u64 frames[MAX_USER_FRAMES];
};

static __always_inline int read_word(__u64 address, __u64 *word)
{
	return bpf_probe_read_user(word, sizeof(*word), (const void *)address);
}

/* Return addresses of arm64 may be signed in the bits above those of an address (pointer authentication). */
#if defined(__TARGET_ARCH_arm64)
#define CODE_ADDRESS(address) ((address) & 0x0000ffffffffffffull)
#else
#define CODE_ADDRESS(address) (address)
#endif

static __always_inline int stop(struct walk *walk, __u32 why)
{
	walk->stop = why;
	return 1;
}

/* cfa = fp + 16, return address at fp + 8, caller's frame pointer at fp. */
static __always_inline int follow_frame_pointer(struct walk *walk, __u32 guessed)
{
	__u64 pair[2];
	if (!walk->at.fp)
		return stop(walk, walk->fp_lost ? STOP_LOST_REGISTER : STOP_END);
	/* Where a table says so the chain may lead to another stack: Go code calls its runtime on one of the system's. */
	if (guessed && walk->at.fp < walk->at.sp)
		return stop(walk, STOP_NO_PROGRESS);
	if (bpf_probe_read_user(pair, sizeof(pair), (const void *)walk->at.fp))
		return stop(walk, STOP_MEMORY);
	walk->at.sp = walk->at.fp + 16;
	walk->at.fp = pair[0];
	walk->at.ip = CODE_ADDRESS(pair[1]);
	walk->at.lr = 0;
	walk->exact = 0;
	walk->guessed = guessed;
	/* Such code need not keep it for its caller. */
	walk->bx_place = BX_NOWHERE;
	return walk->at.ip ? 0 : stop(walk, STOP_END);
}

/* The kernel wrote the interrupted registers above the trampoline's frame. The stack may be another one from here on. */
static __always_inline int leave_signal(struct walk *walk)
{
	__u64 sp = walk->at.sp;
	if (read_word(sp + SIGNAL_IP, &walk->at.ip) || read_word(sp + SIGNAL_SP, &walk->at.sp) ||
	    read_word(sp + SIGNAL_FP, &walk->at.fp) || read_word(sp + SIGNAL_LR, &walk->at.lr))
		return stop(walk, STOP_MEMORY);
	walk->exact = 1;
	walk->fp_lost = 0;
	walk->guessed = 0;
	walk->bx_place = SIGNAL_BX ? BX_IN_MEMORY : BX_NOWHERE;
	walk->bx_at = sp + SIGNAL_BX;
	return 0;
}

static __always_inline int apply_rule(struct walk *walk, const struct rule *rule, __u64 pc)
{
	__u64 cfa, fp = walk->at.fp;
	switch (rule->cfa) {
	case CFA_NONE:
		return follow_frame_pointer(walk, 1);
	case CFA_FRAME_POINTER:
		return follow_frame_pointer(walk, 0);
	case CFA_SP:
		cfa = walk->at.sp + (__s64)rule->cfa_offset;
		break;
	case CFA_FP:
		if (walk->fp_lost)
			return stop(walk, STOP_LOST_REGISTER);
		cfa = fp + (__s64)rule->cfa_offset;
		break;
	case CFA_DEREF_SP:
	case CFA_DEREF_FP:
		if (rule->cfa == CFA_DEREF_FP && walk->fp_lost)
			return stop(walk, STOP_LOST_REGISTER);
		cfa = (rule->cfa == CFA_DEREF_FP ? fp : walk->at.sp) + (__s64)rule->cfa_offset;
		if (read_word(cfa, &cfa))
			return stop(walk, STOP_MEMORY);
		cfa += (__s64)rule->extra;
		break;
	case CFA_PLT:
		cfa = walk->at.sp + (__s64)rule->cfa_offset + ((__s32)(pc & 15) >= rule->extra ? 8 : 0);
		break;
	case CFA_BX:
		cfa = walk->at.bx;
		if (walk->bx_place == BX_NOWHERE)
			return stop(walk, STOP_LOST_REGISTER);
		if (walk->bx_place == BX_IN_MEMORY && read_word(walk->bx_at, &cfa))
			return stop(walk, STOP_MEMORY);
		cfa += (__s64)rule->cfa_offset;
		break;
	case CFA_SCRATCH:
		/* Whoever was called may have changed it. */
		if (walk->depth > 1)
			return stop(walk, STOP_LOST_REGISTER);
		if ((__u32)rule->extra >= SCRATCH_REGISTERS)
			return stop(walk, STOP_UNKNOWN_RULE);
		cfa = walk->at.scratch[(__u32)rule->extra & 7] + (__s64)rule->cfa_offset;
		break;
	case CFA_END:
		return stop(walk, STOP_END);
	case CFA_SIGNAL:
		return leave_signal(walk);
	default:
		return stop(walk, STOP_UNKNOWN_RULE);
	}
	/* A function that pushed nothing has the stack pointer of its caller, but only the leaf can be one. */
	if (cfa < walk->at.sp || (cfa == walk->at.sp && rule->ra != RA_LR))
		return stop(walk, STOP_NO_PROGRESS);
	__u64 fp_at = 0, ra = walk->at.lr, new_fp = fp;
	if (rule->ra == RA_LR) {
		if (!ra)
			return stop(walk, STOP_LOST_REGISTER);
	} else {
#if defined(__TARGET_ARCH_x86)
		/* Most prologues push fp right after the return address: one read for both. */
		if (rule->fp == FP_AT_CFA && rule->fp_offset == -16) {
			__u64 saved[2];
			if (bpf_probe_read_user(saved, sizeof(saved), (const void *)(cfa - 16)))
				return stop(walk, STOP_MEMORY);
			ra = saved[1];
			new_fp = saved[0];
			goto done;
		}
		if (read_word(cfa - 8, &ra))
			return stop(walk, STOP_MEMORY);
#else
		if (read_word(cfa + (__s64)rule->extra, &ra))
			return stop(walk, STOP_MEMORY);
#endif
	}
	switch (rule->fp) {
	case FP_SAME:
		goto same;
	case FP_AT_CFA:
		fp_at = cfa + (__s64)rule->fp_offset;
		break;
	case FP_AT_FP:
		if (walk->fp_lost)
			return stop(walk, STOP_LOST_REGISTER);
		fp_at = fp + (__s64)rule->fp_offset;
		break;
	case FP_AT_SP:
		fp_at = walk->at.sp + (__s64)rule->fp_offset;
		break;
	default:
		new_fp = 0;
		walk->fp_lost = 1;
		goto same;
	}
	if (read_word(fp_at, &new_fp))
		return stop(walk, STOP_MEMORY);
#if defined(__TARGET_ARCH_x86)
done:
#endif
	walk->fp_lost = 0;
same:
	if (rule->bx == BX_LOST) {
		walk->bx_place = BX_NOWHERE;
	} else if (rule->bx != BX_SAME) {
		walk->bx_place = BX_IN_MEMORY;
		walk->bx_at = cfa - 8 * (__u64)rule->bx;
	}
	walk->at.sp = cfa;
	walk->at.fp = new_fp;
	walk->at.ip = CODE_ADDRESS(ra);
	walk->at.lr = 0;
	walk->exact = 0;
	walk->guessed = 0;
	return ra ? 0 : stop(walk, STOP_END);
}

/* Appends the frame that the walk is at and goes to its caller. 1 when it ends; `stop` says why. */
static __always_inline int walk_step(struct walk *walk)
{
	__u64 pc = walk->at.ip - !walk->exact;
	if (pc < walk->mapping.start || pc >= walk->mapping.end) {
		__s32 row = find_mapping(walk->mappings_at, walk->mappings, pc, 0);
		if (row >= 0) {
			__u32 at = walk->mappings_at + row * 4;
			walk->mapping.start = arena_word(at);
			walk->mapping.end = arena_word(at + 1);
			walk->mapping.bias = arena_word(at + 2);
			walk->mapping.binary = arena_word(at + 3);
		} else if (walk->now > walk->recheck_ns) {
			return stop(walk, STOP_ABSENT_MAPPING);
		} else if (walk->guessed) {
			return stop(walk, STOP_STRAY);
		} else {
			walk->mapping.start = 0;
			walk->mapping.end = 0;
			walk->mapping.binary = NO_BINARY;
		}
	}
	__u32 depth = walk->depth;
	if (depth >= MAX_USER_FRAMES)
		return stop(walk, STOP_DEPTH);
	/* Whoever reads the stack takes 1 from every address but the leaf's: an interrupted instruction is no return address. */
	walk->frames[depth] = walk->at.ip + (depth && walk->exact);
	walk->depth = depth + 1;
	if (walk->mapping.binary == NO_BINARY) {
		int ended = follow_frame_pointer(walk, 1);
		/* No thread begins in code that a program made at run time: a chain that ends there was none. */
		if (walk->stop == STOP_END)
			walk->stop = STOP_STRAY;
		return ended;
	}
	__u32 slot = walk->mapping.binary;
	struct binary *binary = bpf_map_lookup_elem(&binaries, &slot);
	if (!binary || binary->state == BINARY_ABSENT)
		return stop(walk, STOP_ABSENT_TABLE);
	if (binary->used != walk->epoch)
		binary->used = walk->epoch;
	if (binary->state == BINARY_WITHOUT_TABLE)
		return follow_frame_pointer(walk, 1);
	pc -= walk->mapping.bias;
	__s32 number = find_rule(slot, pc, 0);
	if (number < 0)
		return follow_frame_pointer(walk, 1);
	__u32 key = number;
	struct rule *rule = bpf_map_lookup_elem(&rules, &key);
	return rule ? apply_rule(walk, rule, pc) : stop(walk, STOP_UNKNOWN_RULE);
}
