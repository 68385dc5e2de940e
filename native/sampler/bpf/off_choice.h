/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Which blocks of threads are walked. All of them would cost what switches cost. So a block is chosen by chance, before its length is
 * known, and counts its length divided by its chance when it ends (Horvitz and Thompson, 1952): sums over any set of stacks have the
 * right expectation whatever the chances were, so these may be chosen for cost and spread alone:
 *
 *   chance = min(1, expected length / period) * room
 *
 * - `expected` is what blocks of this place (thread, user ip and sp) have lasted: the root of their mean square, since that is what a
 *   block adds to the spread of the result (the least spread for a number of walks has chances that are proportional to it). A place
 *   that is new is expected to last a period: its first block is chosen. So a thread is walked at most once for each period (1 / rate)
 *   that it is blocked, and of waits of a period and longer every one.
 * - `room` (at most 1) keeps a CPU to its budget of walks, by what it would have taken in the intervals before.
 * - What is chosen beyond twice the budget for some intervals is left out, and counted as such: the only blocks that bias the result.
 *
 * The variance of a block of length d is d * d * (1 / chance - 1): none for waits that are as long as a period, about d * period for
 * short ones, as for ticks. */
#pragma once

#define INTERVAL_SHIFT 27 /* of nanoseconds: 134 ms */
#define FADING 16 /* intervals */
#define BURST 8 /* budgets, of walks that were not needed before */
#define CERTAIN 65536u /* a chance of 1 */
#define LEAST_CHANCE 64u
#define PLACES 16384
#define MEMORY 16 /* blocks of a place that its expectation goes back to, about */
#define MICROSECOND_SHIFT 10 /* about */

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
