/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Stacks of any depth in maps of one element size. A stack is cut from the root into chunks of 32 frames; each chunk names the
 * one below it, and its key is the hash of all frames up to its end. So a stack of 30 frames takes one element, one of 500
 * takes 16, and stacks that have their first frames in common share the elements of these. */
#pragma once

#define CHUNK_FRAMES 32
#define MAX_CHUNKS (MAX_USER_FRAMES / CHUNK_FRAMES)

struct chunk {
	__u64 parent; /* the chunk nearer to the root; 0 = none */
	__u64 count;
	__u64 ip[CHUNK_FRAMES]; /* leaf first */
};

/* Preallocated: kernels before 6.1 refuse anything else in programs of this type. */
struct stacks_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct chunk);
};

struct stacks_map stacks_0 SEC(".maps");
struct stacks_map stacks_1 SEC(".maps");

/* Of blocked threads, which may stay so for many windows: not emptied, those not seen for longest go. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct chunk);
} off_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CAUSES);
	__type(key, __u32);
	__type(value, struct chunk);
} chunk_scratch SEC(".maps");

static __always_inline __u64 rotate(__u64 x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

/* Puts frames [begin, begin + count) of this CPU's sample, the chunk after the one before, into `stacks`. 0 or a negative error;
 * the sample's `chunk` becomes its id. */
static __always_inline long put_chunk_into(void *stacks, enum cause cause, __u32 begin, __u32 count)
{
	__u32 at = cause;
	struct chunk *chunk = bpf_map_lookup_elem(&chunk_scratch, &at);
	struct sample *sample = this_sample(cause);
	if (!chunk || !sample)
		return -E2BIG;
	__u64 h = config.seed ^ sample->chunk ^ count;
	chunk->parent = sample->chunk;
	chunk->count = count;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < CHUNK_FRAMES; i++) {
		if (i >= count)
			break;
		__u64 ip = sample->walk.frames[(begin + i) & (MAX_USER_FRAMES - 1)];
		chunk->ip[i] = ip;
		h ^= rotate(ip * 0xc2b2ae3d27d4eb4full, 31) * 0x9e3779b185ebca87ull;
		h = rotate(h, 27) * 0x9e3779b185ebca87ull + 0x85ebca77c2b2ae63ull;
	}
	h ^= h >> 33;
	h *= 0xc2b2ae3d27d4eb4full;
	h ^= h >> 29;
	h = h ? h : 1;
	sample->chunk = h;
	if (bpf_map_lookup_elem(stacks, &h))
		return 0;
	long error = bpf_map_update_elem(stacks, &h, chunk, BPF_NOEXIST);
	return error == -EEXIST ? 0 : error;
}

/* Functions of their own, not inlined, so that the verifier walks through the loop once and not from every place that calls it. */
__noinline long put_chunk(__u32 buffer, __u32 begin, __u32 count)
{
	return put_chunk_into(buffer ? (void *)&stacks_1 : (void *)&stacks_0, TICK, begin, count);
}

__noinline long put_off_chunk(__u32 begin, __u32 count)
{
	return put_chunk_into(&off_stacks, SWITCH, begin, count);
}

/* Frames of the chunk of a stack that is the `n`th from its root, and where it begins; 0 when there is none. */
static __always_inline __u32 chunk_frames(__u32 depth, __u32 n, __u32 *begin)
{
	if (n * CHUNK_FRAMES >= depth)
		return 0;
	__u32 end = depth - n * CHUNK_FRAMES;
	__u32 count = end < CHUNK_FRAMES ? end : CHUNK_FRAMES;
	*begin = end - count;
	return count;
}

/* Puts the first `depth` frames of this CPU's sample into the stacks of a buffer. 0 or a negative error; the sample's `chunk`
 * becomes the stack's id, 0 for an empty one. */
__noinline long put_stack(__u32 buffer, __u32 depth)
{
	struct sample *sample = this_sample(TICK);
	if (!sample)
		return -E2BIG;
	sample->chunk = 0;
#pragma clang loop unroll(disable)
	for (__u32 n = 0; n < MAX_CHUNKS; n++) {
		__u32 begin = 0, count = chunk_frames(depth, n, &begin);
		if (!count)
			break;
		long error = put_chunk(buffer, begin, count);
		if (error)
			return error;
	}
	return 0;
}

/* The same for the stack of a thread that blocks. */
__noinline long put_off_stack(__u32 depth)
{
	struct sample *sample = this_sample(SWITCH);
	if (!sample)
		return -E2BIG;
	sample->chunk = 0;
#pragma clang loop unroll(disable)
	for (__u32 n = 0; n < MAX_CHUNKS; n++) {
		__u32 begin = 0, count = chunk_frames(depth, n, &begin);
		if (!count)
			break;
		long error = put_off_chunk(begin, count);
		if (error)
			return error;
	}
	return 0;
}
