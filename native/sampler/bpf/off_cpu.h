/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Off-CPU profiles: how long threads are blocked, and where. Runs at every switch of tasks. A thread that is switched out because it
 * cannot go on (not because somebody else may run) is blocked until it is switched in again; waiting for a CPU after it was woken is
 * a part of that. Its stack does not change meanwhile, so it is walked when it is switched out, by the same steps as a tick's.
 *
 * Walking all of them would cost what switches cost. A block is chosen by chance, before its length is known, and counts its length
 * divided by its chance when it ends (Horvitz and Thompson, 1952): sums over any set of stacks have the right expectation whatever
 * the chances were, so these may be chosen for cost and spread alone:
 *
 *   chance = min(1, expected length / period) * room
 *
 * - `expected` is what blocks of this place (thread, user ip and sp) have lasted: the root of their mean square, since that is what a
 *   block adds to the spread of the result (the least spread for a number of walks has chances that are proportional to it). A place
 *   that is new is expected to last a period: its first block is chosen. So a thread is walked at most once for each period (1 / rate) that it is blocked, and of waits of a period and longer
 *   every one.
 * - `room` (at most 1) keeps a CPU to its budget of walks, by what it would have taken in the intervals before.
 * - What is chosen beyond twice the budget for some intervals is left out, and counted as such: the only blocks that bias the result.
 *
 * The variance of a block of length d is d * d * (1 / chance - 1): none for waits that are as long as a period, about d * period for
 * short ones, as for ticks. Not seen are blocks that have not ended yet, idle tasks, threads of the kernel (which wait for work), and
 * a thread's last switch.
 *
 * The maps are this program's alone: a tick that interrupts it in an NMI takes none of their locks. */
#pragma once

#define INTERVAL_SHIFT 27 /* of nanoseconds: 134 ms */
#define FADING 16 /* intervals */
#define BURST 8 /* budgets, of walks that were not needed before */
#define CERTAIN 65536u /* a chance of 1 */
#define LEAST_CHANCE 64u
#define PLACES 16384
#define MEMORY 16 /* blocks of a place that its expectation goes back to, about */
#define MICROSECOND_SHIFT 10 /* about */
#define LONGEST_NS ((1ull << 46) - 1) /* 19 hours; longer blocks count as that */
/* include/linux/sched.h */
#define TASK_DEAD 0x80

struct off_settings {
	__u64 period_us; /* of 1024 ns, as all of these; a block of this length is certain to be chosen while there is room */
	__u64 budget; /* walks of a CPU in an interval */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct off_settings);
} off_settings SEC(".maps");

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

/* Expected lengths: a mark of the place in the upper half, microseconds in the lower. Places that share an element spoil each other's
 * expectation, which costs spread and nothing else. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, __u64);
} off_places SEC(".maps");

struct off_pace {
	__u64 interval;
	__u64 demand; /* of the interval: sum of the chances without `room`, of which CERTAIN is 1 */
	__u64 expected; /* of intervals to come; fades slowly, since threads that wait for timers often wake together */
	__u64 left; /* walks until nothing more is chosen */
	__u32 room;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct off_pace);
} off_paces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} off_calls SEC(".maps");

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

static __always_inline void off_lost(struct off_books *book, long error)
{
	if (error == -E2BIG)
		book->map_full++;
	else
		book->map_busy++;
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

static __always_inline __u64 expected_us(__u32 place, __u64 period_us)
{
	__u32 at = place & (PLACES - 1);
	__u64 *known = bpf_map_lookup_elem(&off_places, &at);
	__u64 value = known ? *known : 0;
	return (value >> 32) == place ? (value & 0xffffffff) : period_us;
}

static __always_inline __u32 root(__u64 square)
{
	__u64 root = 0;
#pragma clang loop unroll(disable)
	for (__u32 bit = 31; bit < 32; bit--) {
		__u64 more = root | 1ull << bit;
		if (more * more <= square)
			root = more;
	}
	return root;
}

/* A block of this place has ended after so long. */
static __always_inline void learn(__u32 place, __u64 ns)
{
	struct off_settings *settings;
	__u32 at = place & (PLACES - 1), zero = 0;
	__u64 *known = bpf_map_lookup_elem(&off_places, &at);
	settings = bpf_map_lookup_elem(&off_settings, &zero);
	if (!known || !settings)
		return;
	__u64 us = ns >> MICROSECOND_SHIFT;
	us = us < 0x7fffffff ? us : 0x7fffffff;
	__u64 before = expected_us(place, us);
	*known = (__u64)place << 32 | root(before * before - before * before / MEMORY + us * us / MEMORY);
}

enum choice { CHOSEN, NOT_CHOSEN, OVER_BUDGET };

/* The chance that the block has, of CERTAIN, and what comes of it. */
static __always_inline enum choice choose(__u32 place, __u64 now, __u32 *chance)
{
	__u32 zero = 0;
	struct off_settings *settings = bpf_map_lookup_elem(&off_settings, &zero);
	struct off_pace *pace = bpf_map_lookup_elem(&off_paces, &zero);
	if (!settings || !pace || !settings->period_us)
		return NOT_CHOSEN;
	__u64 interval = now >> INTERVAL_SHIFT, budget = settings->budget;
	if (pace->interval != interval) {
		__u64 gap = interval - pace->interval;
		__u64 faded = gap < FADING ? pace->expected - pace->expected * gap / FADING : 0;
		__u64 demand = pace->demand > faded ? pace->demand : faded;
		pace->expected = demand;
		pace->room = demand > budget * CERTAIN ? budget * CERTAIN * CERTAIN / demand : CERTAIN;
		pace->interval = interval;
		pace->demand = 0;
		pace->left = gap < BURST ? pace->left + 2 * budget * gap : BURST * budget;
		if (pace->left > BURST * budget)
			pace->left = BURST * budget;
	}
	__u64 of = expected_us(place, settings->period_us) * CERTAIN / settings->period_us;
	of = of > CERTAIN ? CERTAIN : of < LEAST_CHANCE ? LEAST_CHANCE : of;
	pace->demand += of;
	of = of * pace->room / CERTAIN;
	*chance = of ? of : 1;
	if ((bpf_get_prandom_u32() & (CERTAIN - 1)) >= *chance)
		return NOT_CHOSEN;
	if (!pace->left)
		return OVER_BUDGET;
	pace->left--;
	return CHOSEN;
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
				off_lost(book, error);
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
		off_lost(book, error);
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
		off_lost(book, error);
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

static long step_of_off_loop(__u32 index, void *unused)
{
	struct sample *sample = this_sample(SWITCH);
	return sample ? walk_step(&sample->walk) : 1;
}

SEC("raw_tp/sched_switch")
int off_cpu(struct switch_context *ctx)
{
	unblock((void *)ctx->next);
	struct sample *sample = block(ctx);
	if (!sample)
		return 0;
	bpf_loop(MAX_USER_FRAMES + 1, step_of_off_loop, 0, 0);
	keep_block(sample);
	return 0;
}

/* The same for kernels without bpf_loop. */
SEC("raw_tp/sched_switch")
int off_cpu_by_calls(struct switch_context *ctx)
{
	unblock((void *)ctx->next);
	if (block(ctx))
		bpf_tail_call(ctx, &off_calls, 0);
	return 0;
}

SEC("raw_tp/sched_switch")
int off_walk_by_calls(struct switch_context *ctx)
{
	struct sample *sample = this_sample(SWITCH);
	if (!sample)
		return 0;
	if (walk_on(sample))
		bpf_tail_call(ctx, &off_calls, 0);
	if (!sample->walk.stop)
		sample->walk.stop = STOP_DEPTH;
	keep_block(sample);
	return 0;
}
