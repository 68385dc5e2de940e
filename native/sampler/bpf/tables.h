/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Processes, their mappings and the unwind tables of binaries, all filled in by user space (src/table_maps.rs mirrors these
 * structures). Everything of a length that varies lies in one array of words, the arena, so that one bound holds for all of it:
 *
 *   processes[tgid] ── at, count ──▶ arena: mappings of the process, sorted by start
 *   mapping ── binary ──▶ binaries[slot] ── index_at, groups_at, shapes_at ──▶ arena: page index, groups and shapes of the binary
 *   row of a shape ── rule ──▶ rules[]
 *
 * A group is a few rows that follow each other closely, in one 4 KiB page of ELF addresses. It is 32 bits: the offset of its first
 * row within the page (12 bits) and where its shape begins (20 bits). A shape is the rows of a group, 32 bits each: the number of a
 * rule (16 bits), the bytes since the group's first row (8 bits), and the highest bit in the last one. Shapes are shared by groups,
 * since compilers write the same beginnings of functions again and again. The page index says how many groups lie before each
 * page; the last row before a page's first group reaches into it. So a search takes at most 13 steps and then 8, whatever the
 * size of the binary. src/packed_table.rs makes these and searches them as it is done here.
 *
 * A range of the arena is written before anything points to it, and used again only after a grace period of RCU. */
#pragma once

#define PAGE_SHIFT 12
#define SHAPE_BITS 20
#define RULE_BITS 16
#define DISTANCE_MASK 0xff
#define LAST_ROW (1u << 31)
#define GROUP_ROWS 8
#define MAX_MAPPINGS 4096
#define MAX_RULES 65536
#define MAX_BINARIES 8192
#define NO_BINARY 0xffffffffu

struct process {
	/* Address of the kernel's description of the address space that the mappings belong to. A new program in the same process
	 * (exec), and a new process with an old number, have another one. */
	__u64 mm;
	__u32 at; /* word of the arena */
	__u32 count;
	/* Addresses outside all mappings are asked about again after this time (CLOCK_MONOTONIC). */
	__u64 recheck_ns;
};

struct mapping {
	__u64 start;
	__u64 end;
	__u64 bias; /* address in memory - bias = ELF virtual address */
	__u64 binary; /* slot of `binaries`; NO_BINARY = code without a table, walked by frame pointers */
};

enum binary_state {
	BINARY_ABSENT = 0, /* its table is not in the kernel: user space has to walk, and to load it */
	BINARY_LOADED = 1,
	BINARY_WITHOUT_TABLE = 2,
};

struct binary {
	__u32 state;
	__u32 used; /* the number of the last window in which a walk came through */
	__u32 index_at; /* half words of the arena (32 bits), as all below */
	__u32 groups_at;
	__u32 shapes_at;
	__u32 first_page;
	__u32 pages;
};

/* perfleet_unwind::Rule */
struct rule {
	__u8 cfa;
	__u8 fp;
	__u8 ra;
	__u8 bx;
	__s32 cfa_offset;
	__s32 fp_offset;
	__s32 extra;
};

enum { CFA_NONE, CFA_SP, CFA_FP, CFA_DEREF_SP, CFA_DEREF_FP, CFA_PLT, CFA_END, CFA_SIGNAL, CFA_FRAME_POINTER, CFA_UNKNOWN, CFA_BX, CFA_SCRATCH };
enum { FP_SAME, FP_AT_CFA, FP_UNDEFINED, FP_AT_FP, FP_AT_SP };
enum { RA_AT_CFA, RA_LR };
/* Of rule.bx; other values: at cfa - 8 * bx. */
enum { BX_SAME = 0, BX_LOST = 255 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} arena SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_RULES);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_BINARIES);
	__type(key, __u32);
	__type(value, struct binary);
} binaries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct process);
} processes SEC(".maps");

/* Of the current window; written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} epoch SEC(".maps");

static __always_inline __u64 arena_word(__u32 at)
{
	__u64 *word = bpf_map_lookup_elem(&arena, &at);
	return word ? *word : 0;
}

static __always_inline __u32 arena_half(__u32 at)
{
	return arena_word(at >> 1) >> ((at & 1) * 32);
}

/*
 * Lets the verifier forget what it knows of a number. It follows a binary search along every way that leads through it, and what it
 * knows of the ends differs on each, so no two of them are alike to it: that was nine tenths of what it walked through at loading.
 * `zero` is an argument of a function that it checks by itself, so it knows nothing of it, nor, from here on, of the number.
 */
#define FORGET(number, zero) ((number) ^= (zero))

/* Row of the mapping that holds `address`, or -1. Not inlined: the verifier walks through the loop once. `zero` is 0. */
__noinline __s32 find_mapping(__u32 at, __u32 count, __u64 address, __u32 zero)
{
	__u32 low = 0, high = count;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 13; i++) {
		if (low >= high)
			break;
		FORGET(low, zero);
		FORGET(high, zero);
		__u32 middle = (low + high) >> 1;
		if (arena_word(at + middle * 4) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return -1;
	return address < arena_word(at + (low - 1) * 4 + 1) ? (__s32)(low - 1) : -1;
}

/* Number of the rule that holds at the ELF address `pc`, or -1 outside the table. `zero` is 0. */
__noinline __s32 find_rule(__u32 slot, __u64 pc, __u32 zero)
{
	struct binary *binary = bpf_map_lookup_elem(&binaries, &slot);
	if (!binary)
		return -1;
	__u64 page = (pc >> PAGE_SHIFT) - binary->first_page;
	if (page >= binary->pages)
		return -1;
	__u32 groups_at = binary->groups_at;
	__u32 offset = pc & ((1 << PAGE_SHIFT) - 1);
	__u32 first = arena_half(binary->index_at + (__u32)page);
	__u32 low = first;
	__u32 high = arena_half(binary->index_at + (__u32)page + 1);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 13; i++) {
		if (low >= high)
			break;
		FORGET(low, zero);
		FORGET(high, zero);
		__u32 middle = (low + high) >> 1;
		if (arena_half(groups_at + middle) >> SHAPE_BITS <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return -1;
	__u32 group = arena_half(groups_at + low - 1);
	/* A group ends with its page: what reaches into the next one is its last row. */
	__u32 distance = low > first ? offset - (group >> SHAPE_BITS) : 0xffffffffu;
	__u32 at = binary->shapes_at + (group & ((1 << SHAPE_BITS) - 1));
	__s32 rule = -1;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < GROUP_ROWS; i++) {
		__u32 row = arena_half(at + i);
		if ((row >> RULE_BITS & DISTANCE_MASK) > distance)
			break;
		rule = row & ((1 << RULE_BITS) - 1);
		if (row & LAST_ROW)
			break;
	}
	return rule;
}
