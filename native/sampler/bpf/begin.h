/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* How a sample of the current task begins, whatever has led to it: whose it is, and where the walk of its user stack starts. */
#pragma once

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

/* Whose it is. 0 when it is not wanted: nothing of its cgroup is, or one in so many and not this one. */
static __always_inline int identify(struct sample *sample, __u32 tgid, __u32 state)
{
	struct key *key = &sample->key;
	sample->calls = 0;
	sample->buffer = state & 1;
	key->tgid = tgid;
	key->flags = 0;
	key->user_stack = 0;
	key->cgroup_v2 = bpf_get_current_cgroup_id();
	key->cgroup_v1 = cgroup_v1_id();
	if (state & SOME_EXCLUDED) {
		__u64 kept = kept_of(key->cgroup_v2, key->cgroup_v1);
		/* By chance: a program that counts with the ticks must not always be met at the same place. */
		if (kept == KEEP_NONE || (kept > KEEP_ALL && bpf_get_prandom_u32() % (__u32)kept))
			return 0;
		if (kept > KEEP_ALL)
			key->flags = (__u32)kept << ONE_IN_SHIFT;
	}
	bpf_get_current_comm(key->comm, sizeof(key->comm));
	sample->walk.depth = 0;
	sample->walk.stop = STOP_NOT;
	return 1;
}

/* Frames of the kernel, into the sample's own. */
static __always_inline __u32 kernel_frames(void *ctx, struct sample *sample)
{
	__u32 most = config.kernel_frames;
	if (most > MAX_KERNEL_FRAMES)
		most = MAX_KERNEL_FRAMES;
	long bytes = bpf_get_stack(ctx, sample->walk.frames, most * 8, 0);
	__u32 depth = bytes > 0 ? (__u32)bytes / 8 : 0;
	if (depth == most)
		sample->key.flags |= KERNEL_CUT;
	return depth;
}

/* The user stack of threads of the kernel, which have none, and of 32-bit programs: the kernel's own walk by frame pointers. */
static __always_inline void walk_by_kernel(void *ctx, struct walk *walk)
{
	long bytes = bpf_get_stack(ctx, walk->frames, MAX_KERNEL_FRAMES * 8, BPF_F_USER_STACK);
	walk->depth = bytes > 0 ? (__u32)bytes / 8 : 0;
	walk->stop = walk->depth == MAX_KERNEL_FRAMES ? STOP_DEPTH : STOP_END;
}

/* Begins the walk at `sample->at`. 0 when the process is not known: then the walk has ended. */
static __always_inline int begin_walk(struct sample *sample, __u32 tgid)
{
	struct walk *walk = &sample->walk;
	__u32 zero = 0;
	struct task_struct *task = (void *)bpf_get_current_task();
	sample->mm = (__u64)BPF_CORE_READ(task, mm);
	__u32 *now = bpf_map_lookup_elem(&epoch, &zero);
	struct process *process = bpf_map_lookup_elem(&processes, &tgid);
	if (!process || process->mm != sample->mm) {
		/* What to store if it cannot be deferred. */
		walk->frames[0] = sample->at.ip;
		walk->depth = 1;
		walk->stop = STOP_ABSENT_PROCESS;
		return 0;
	}
	walk->at = sample->at;
	walk->recheck_ns = process->recheck_ns;
	walk->mappings_at = process->at;
	walk->mappings = process->count;
	walk->mapping.start = 0;
	walk->mapping.end = 0;
	walk->exact = 1;
	walk->fp_lost = 0;
	walk->guessed = 0;
	walk->bx_place = BX_IN_REGISTER;
	walk->epoch = now ? *now : 0;
	return 1;
}
