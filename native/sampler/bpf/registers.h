/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The registers that a walk starts from: those of user space at the sample or, when the sample hit the kernel, those with
 * which the task entered it. Include after kernel.h and libbpf's headers. */
#pragma once

#define SCRATCH_REGISTERS 6

struct registers {
	__u64 ip;
	__u64 sp;
	__u64 fp;
	__u64 lr; /* x30 on arm64, rdi on x86-64: where the return address of vfork is */
	__u64 bx; /* rbx; 0 on arm64 */
	/* rax, rcx, rsi, r9, r10, r11; 0 on arm64. The last two are nothing: an index below 8 needs no further check. */
	__u64 scratch[8];
};

#if defined(__TARGET_ARCH_x86)

/* arch/x86/include/asm/ptrace.h; the same layout in the kernel and in the program's context. */
struct pt_regs {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

#define USER_CS_64 0x33
#define IN_USER(regs) (((regs)->cs & 3) == 3)
/* Kernels with FRED keep other bits in the upper part of cs. A 32-bit program has another code segment. */
#define IS_64_BIT(regs) (((regs)->cs & 0xffff) == USER_CS_64)
#define TAKE_REGISTERS(to, from) \
	((to)->ip = (from)->ip, (to)->sp = (from)->sp, (to)->fp = (from)->bp, (to)->lr = (from)->di, \
	 (to)->bx = (from)->bx, (to)->scratch[0] = (from)->ax, (to)->scratch[1] = (from)->cx, \
	 (to)->scratch[2] = (from)->si, (to)->scratch[3] = (from)->r9, (to)->scratch[4] = (from)->r10, \
	 (to)->scratch[5] = (from)->r11)
#define THREAD_POINTER(task) BPF_CORE_READ(task, thread.fsbase)

/* Offsets of ip, sp, fp, lr, bx from the sp of a signal's trampoline: struct ucontext. */
#define SIGNAL_IP 168
#define SIGNAL_SP 160
#define SIGNAL_FP 120
#define SIGNAL_LR 104
#define SIGNAL_BX 128

#elif defined(__TARGET_ARCH_arm64)

/* struct user_pt_regs, arch/arm64/include/uapi/asm/ptrace.h: how the kernel's pt_regs begins. */
struct pt_regs {
	__u64 regs[31], sp, pc, pstate;
};

#define IN_USER(from) (((from)->pstate & 0xf) == 0)
#define IS_64_BIT(from) (((from)->pstate & 0x10) == 0)
#define TAKE_REGISTERS(to, from) \
	((to)->ip = (from)->pc, (to)->sp = (from)->sp, (to)->fp = (from)->regs[29], (to)->lr = (from)->regs[30], \
	 (to)->bx = 0)
#define THREAD_POINTER(task) BPF_CORE_READ(task, thread.uw.tp_value)

#define SIGNAL_IP 568
#define SIGNAL_SP 560
#define SIGNAL_FP 544
#define SIGNAL_LR 552
#define SIGNAL_BX 0

#else
#error "registers.h knows x86-64 and arm64"
#endif

/* struct bpf_perf_event_data of both architectures begins so. */
struct perf_event_context {
	struct pt_regs regs;
};

/* Those with which the current task entered the kernel. True when there is a 64-bit user space to walk. `kernel_stack`: bytes of
 * the kernel's stack of a task (THREAD_SIZE). */
static __always_inline int entry_registers(struct registers *to, __u64 kernel_stack)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	if (!BPF_CORE_READ(task, mm))
		return 0;
	struct pt_regs regs;
	const void *from;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		from = (const void *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
	else
		/* task_pt_regs() of both architectures: at the upper end of the kernel's stack. What the kernel keeps there is
		 * longer than what it begins with, on arm64. */
		from = BPF_CORE_READ(task, stack) + kernel_stack - bpf_core_type_size(struct pt_regs);
	if (bpf_probe_read_kernel(&regs, sizeof(regs), from) || !IN_USER(&regs) || !IS_64_BIT(&regs))
		return 0;
	TAKE_REGISTERS(to, &regs);
	return 1;
}

/* Those of a tick, wherever it hit. */
static __always_inline int user_registers(struct perf_event_context *ctx, struct registers *to, __u64 kernel_stack)
{
	if (!IN_USER(&ctx->regs))
		return entry_registers(to, kernel_stack);
	if (!IS_64_BIT(&ctx->regs))
		return 0;
	TAKE_REGISTERS(to, &ctx->regs);
	return 1;
}
