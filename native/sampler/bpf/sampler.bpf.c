// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Runs at every tick of a CPU's sampling event and counts (process, thread name, cgroups, stacks) in the buffer that is
 * active. User space switches buffers, waits until nobody writes the old one any more, and reads it.
 *
 * Every sample that is taken ends in exactly one of stored, map_full and map_busy of its own buffer, so that a buffer's books
 * balance whatever the moment of the switch. src/bpf.rs mirrors these structures. */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define MAX_DEPTH 127
#define NO_CONTROLLER 0xffffffffu

struct config {
	__u32 only_tgid; /* 0 = everybody */
	__u32 cgroup_subsys; /* index into css_set.subsys; NO_CONTROLLER = none */
	__u64 seed;
};

struct stack {
	__u64 depth;
	__u64 ip[MAX_DEPTH];
};

struct key {
	__u64 kernel_stack; /* hash, 0 = empty */
	__u64 user_stack;
	__u64 cgroup_v2;
	__u64 cgroup_v1;
	__u32 tgid;
	__u32 pad;
	char comm[16];
};

struct count {
	__u64 samples;
	__u64 first_ns; /* CLOCK_MONOTONIC: places the samples among the mapping records of their process */
};

struct books {
	__u64 taken;
	__u64 stored;
	__u64 map_full;
	__u64 map_busy;
};

const volatile struct config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} active SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct books);
} books SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct stack);
} scratch SEC(".maps");

/* Preallocated: kernels before 6.1 refuse anything else in programs of this type. */
struct stacks_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct stack);
};

struct counts_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct key);
	__type(value, struct count);
};

struct stacks_map stacks_0 SEC(".maps");
struct stacks_map stacks_1 SEC(".maps");
struct counts_map counts_0 SEC(".maps");
struct counts_map counts_1 SEC(".maps");

static __always_inline __u64 rotate(__u64 x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

static __always_inline __u64 hash_stack(const struct stack *stack, __u64 depth)
{
	__u64 h = config.seed ^ depth;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MAX_DEPTH; i++) {
		if (i >= depth)
			break;
		h ^= rotate(stack->ip[i] * 0xc2b2ae3d27d4eb4full, 31) * 0x9e3779b185ebca87ull;
		h = rotate(h, 27) * 0x9e3779b185ebca87ull + 0x85ebca77c2b2ae63ull;
	}
	h ^= h >> 33;
	h *= 0xc2b2ae3d27d4eb4full;
	h ^= h >> 29;
	return h ? h : 1;
}

/* Walks one side of the stack into the map of stacks. 0 or a negative error; *id is 0 for an empty stack. */
static __always_inline long put_stack(void *ctx, void *stacks, __u32 slot, __u64 flags, __u64 *id)
{
	struct stack *stack = bpf_map_lookup_elem(&scratch, &slot);
	if (!stack)
		return -E2BIG;
	long bytes = bpf_get_stack(ctx, stack->ip, sizeof(stack->ip), flags);
	*id = 0;
	if (bytes <= 0)
		return 0;
	stack->depth = (__u64)bytes / 8;
	*id = hash_stack(stack, stack->depth);
	if (bpf_map_lookup_elem(stacks, id))
		return 0;
	long error = bpf_map_update_elem(stacks, id, stack, BPF_NOEXIST);
	return error == -EEXIST ? 0 : error;
}

static __always_inline __u64 cgroup_v1_id(void)
{
	if (config.cgroup_subsys == NO_CONTROLLER)
		return 0;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *state = 0;
	__u64 at = bpf_core_field_offset(struct css_set, subsys) + (__u64)config.cgroup_subsys * sizeof(void *);
	if (!set || bpf_probe_read_kernel(&state, sizeof(state), (char *)set + at))
		return 0;
	return BPF_CORE_READ(state, cgroup, kn, id);
}

static __always_inline long put_sample(void *ctx, __u32 tgid, void *stacks, void *counts)
{
	struct key key = {};
	long error = put_stack(ctx, stacks, 0, 0, &key.kernel_stack);
	if (error)
		return error;
	error = put_stack(ctx, stacks, 1, BPF_F_USER_STACK, &key.user_stack);
	if (error)
		return error;
	key.tgid = tgid;
	key.cgroup_v2 = bpf_get_current_cgroup_id();
	key.cgroup_v1 = cgroup_v1_id();
	bpf_get_current_comm(key.comm, sizeof(key.comm));
	struct count *count = bpf_map_lookup_elem(counts, &key);
	if (!count) {
		struct count first = { .samples = 1, .first_ns = bpf_ktime_get_ns() };
		error = bpf_map_update_elem(counts, &key, &first, BPF_NOEXIST);
		if (error != -EEXIST)
			return error;
		count = bpf_map_lookup_elem(counts, &key);
		if (!count)
			return -EEXIST;
	}
	__sync_fetch_and_add(&count->samples, 1);
	return 0;
}

SEC("perf_event")
int take_sample(void *ctx)
{
	__u64 ids = bpf_get_current_pid_tgid();
	__u32 tgid = ids >> 32;
	if (!(__u32)ids || (config.only_tgid && config.only_tgid != tgid))
		return 0;
	__u32 zero = 0;
	__u32 *current = bpf_map_lookup_elem(&active, &zero);
	if (!current)
		return 0;
	__u32 buffer = *(volatile __u32 *)current & 1;
	struct books *book = bpf_map_lookup_elem(&books, &buffer);
	if (!book)
		return 0;
	book->taken++;
	long error = buffer ? put_sample(ctx, tgid, &stacks_1, &counts_1) : put_sample(ctx, tgid, &stacks_0, &counts_0);
	if (!error)
		book->stored++;
	else if (error == -E2BIG)
		book->map_full++;
	else
		book->map_busy++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
