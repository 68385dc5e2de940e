/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The little of the kernel that the sampling program touches. Field offsets are relocated at load time (CO-RE), so the
 * structures name only what is read, on any kernel with BTF from 5.10 on. */
#pragma once

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_USER_STACK = 1 << 8, BPF_F_MMAPABLE = 1 << 10 };
enum { EEXIST = 17, E2BIG = 7 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0, BPF_RB_RING_SIZE = 1 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	/* The kernel's array is as long as it has controllers; the index comes from its BTF. */
	struct cgroup_subsys_state *subsys[1];
};

struct super_block {
	__u32 s_dev;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct file {
	struct inode *f_inode;
};

struct mm_struct {
	unsigned long start_stack;
	struct file *exe_file;
};

/* arch/arm64/include/asm/processor.h: the register that points to thread-local storage. */
struct thread_uw {
	unsigned long tp_value;
};

struct thread_struct {
	unsigned long fsbase;
	struct thread_uw uw;
};

struct task_struct {
	unsigned int __state; /* `state` before 5.14 */
	int pid;
	struct css_set *cgroups;
	struct mm_struct *mm;
	void *stack;
	struct thread_struct thread;
};

struct task_struct___before_5_14 {
	volatile long state;
};

/* To ask by CO-RE whether the kernel has these helpers. */
enum bpf_func_id { BPF_FUNC_task_pt_regs = 175 };

#pragma clang attribute pop
