// A fiber is a stack and a saved stack pointer. Switching costs 15 instructions on x86-64, a system call elsewhere.
// AddressSanitizer must know which stack is in use, ThreadSanitizer which fiber: both are told at every switch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/mman.h>

#if defined(__x86_64__) && !defined(SHIM_PORTABLE)
#define SHIM_OWN_SWITCH 1
#else
#define SHIM_OWN_SWITCH 0
#include <ucontext.h>
#endif

#if defined(__SANITIZE_THREAD__)
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* tag);
void __tsan_release(void* tag);
}
#define SHIM_UNSEEN __attribute__((no_sanitize("thread")))  // the shim's own bookkeeping is no traffic of the kernel's
#else
#define SHIM_UNSEEN
#endif

#if defined(__SANITIZE_ADDRESS__)
extern "C" {
void __sanitizer_start_switch_fiber(void** save, const void* bottom, size_t size);
void __sanitizer_finish_switch_fiber(void* saved, const void** old_bottom, size_t* old_size);
void __asan_unpoison_memory_region(const volatile void* address, size_t size);
}
#endif

#if SHIM_OWN_SWITCH
// Saves the callee-saved registers and the stack pointer, loads those of the other fiber.
extern "C" void shim_switch_stack(void** save, void* load) __asm__("shim_switch_stack_");
__asm__(
    ".text\n.hidden shim_switch_stack_\n.type shim_switch_stack_, @function\n"
    "shim_switch_stack_:\n"
    " pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
    " movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
    " popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n"
    ".size shim_switch_stack_, . - shim_switch_stack_\n");
#endif

namespace shim {

constexpr size_t STACK = 256 << 10;

struct Fiber {
    char* stack = nullptr;  // none: the thread that launches
    void* sanitizer = nullptr;
    size_t stack_size = STACK;
#if SHIM_OWN_SWITCH
    void* pointer = nullptr;
#else
    ucontext_t context;
#endif
};

// A fiber is never returned from: what AddressSanitizer forbade around its outermost frames has to be allowed again.
inline void forget_frames(Fiber& fiber, size_t size) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(fiber.stack + STACK - size, size);
#else
    (void)fiber, (void)size;
#endif
}

inline void create(Fiber& fiber) {
    fiber.stack = static_cast<char*>(
        mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    forget_frames(fiber, STACK);
#if defined(__SANITIZE_THREAD__)
    fiber.sanitizer = __tsan_create_fiber(0);
#endif
}

inline void destroy(Fiber& fiber) {
    munmap(fiber.stack, STACK);
#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(fiber.sanitizer);
#endif
}

// Makes the next switch to `fiber` call `start`, which must never return.
inline void prepare(Fiber& fiber, void (*start)()) {
    forget_frames(fiber, 4 << 10);
#if SHIM_OWN_SWITCH
    void** top = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(fiber.stack + STACK) & ~uintptr_t(15));
    *--top = nullptr;  // where `start` would return to
    *--top = reinterpret_cast<void*>(start);
    for (int i = 0; i < 6; ++i) *--top = nullptr;  // the six registers
    fiber.pointer = top;
#else
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, start, 0);
#endif
}

// To be called first thing in `start`: the launching thread's stack becomes known.
SHIM_UNSEEN inline void arrive(Fiber& launcher) {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &launcher.stack_size);
    launcher.stack = static_cast<char*>(const_cast<void*>(bottom));
#else
    (void)launcher;
#endif
}

SHIM_UNSEEN inline void switch_fiber(Fiber& from, Fiber& to, bool for_good = false) {
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to.sanitizer, 1);  // 1: switching alone orders nothing
#elif defined(__SANITIZE_ADDRESS__)
    void* saved = nullptr;
    __sanitizer_start_switch_fiber(for_good ? nullptr : &saved, to.stack, to.stack_size);
#endif
    (void)for_good;
#if SHIM_OWN_SWITCH
    shim_switch_stack(&from.pointer, to.pointer);
#else
    swapcontext(&from.context, &to.context);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(saved, nullptr, nullptr);
#endif
}

// Everything before release(tag) in one fiber happens before what follows acquire(tag) in another.
SHIM_UNSEEN inline void release(char* tag) {
#if defined(__SANITIZE_THREAD__)
    __tsan_release(tag);
#else
    (void)tag;
#endif
}

SHIM_UNSEEN inline void acquire(char* tag) {
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(tag);
#else
    (void)tag;
#endif
}

}  // namespace shim
