/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* A sample, under way and counted, and the two buffers that samples are counted in. src/bpf_maps.rs mirrors what user space reads. */
#pragma once

struct key {
	__u64 kernel_stack; /* hash, 0 = empty */
	__u64 user_stack;
	__u64 cgroup_v2;
	__u64 cgroup_v1;
	__u32 tgid;
	__u32 flags; /* how the walk of the user stack ended (enum stop); KERNEL_CUT */
	char comm[16];
};

#define KERNEL_CUT (1 << 8)
/* Of time that a thread was blocked (off_cpu.h). */
#define OFF_CPU (1 << 9)
/* `user_stack` is no hash but the number under which user space has walked the stack. */
#define WALKED_BY_USER (1 << 10)
/* Bits 16 to 31: the sample stands for so many of its cgroup; 0 = for itself. */
#define ONE_IN_SHIFT 16

struct count {
	__u64 samples;
	__u64 first_ns; /* CLOCK_MONOTONIC: places the samples among the mapping records of their process */
};

struct books {
	__u64 taken;
	__u64 stored;
	__u64 deferred;
	__u64 map_full;
	__u64 map_busy;
	/* In a cgroup that is excluded: nothing of it was read. */
	__u64 filtered;
	/* Of the stored: should have been deferred, but the ring was full. Their stacks end where the tables did. */
	__u64 not_deferred;
	/* Nanoseconds that samples took, from their stacks on. */
	__u64 run_ns;
};

/* Counts in the books of either cause what was not stored for this error of a map. */
#define ENTER_LOSS(book, error) ((void)((error) == -E2BIG ? (book)->map_full++ : (book)->map_busy++))

/* What has led to a sample. A tick may interrupt the program that a switch of tasks runs: each has memory of its own. */
enum cause { TICK, SWITCH, CAUSES };

/* A sample under way on this CPU. */
struct sample {
	struct key key;
	struct registers at; /* where the walk began */
	__u64 mm;
	__u64 chunk; /* of the stack that is being stored */
	__u32 buffer;
	__u32 calls;
	/* Of a block: off_cpu.h. */
	__u32 chance;
	__u32 place;
	struct walk walk;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CAUSES);
	__type(key, __u32);
	__type(value, struct sample);
} samples SEC(".maps");

static __always_inline struct sample *this_sample(enum cause cause)
{
	__u32 at = cause;
	return bpf_map_lookup_elem(&samples, &at);
}

/* Bit 0: the buffer; SOME_EXCLUDED: `excluded` is not empty. Together, so that nobody pays for filters who has none. */
#define SOME_EXCLUDED (1 << 1)
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} active SEC(".maps");

struct cgroup_key {
	__u64 id;
	__u64 hierarchy; /* 0: version 2, 1: the one of version 1 that is read */
};

/* Cgroups of which not all samples are wanted: the value is KEEP_NONE, or one in so many is kept. */
#define KEEP_NONE 0
#define KEEP_ALL 1
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct cgroup_key);
	__type(value, __u64);
} excluded SEC(".maps");

/* One in so many samples of these cgroups is kept. */
static __always_inline __u64 kept_of(__u64 v2, __u64 v1)
{
	struct cgroup_key key = { .id = v2, .hierarchy = 0 };
	__u64 *kept = bpf_map_lookup_elem(&excluded, &key);
	if (!kept && v1) {
		key.id = v1;
		key.hierarchy = 1;
		kept = bpf_map_lookup_elem(&excluded, &key);
	}
	return kept ? *kept : KEEP_ALL;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct books);
} books SEC(".maps");

struct counts_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct key);
	__type(value, struct count);
};

struct counts_map counts_0 SEC(".maps");
struct counts_map counts_1 SEC(".maps");
