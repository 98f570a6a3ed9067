// See thread_pool.h. The futex is used directly because std::atomic::wait spins for a time of its
// own choosing.
#include "cpu/thread_pool.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <new>

namespace fairlane {
namespace {

constexpr uint64_t kClosed = uint64_t{1} << 31;
constexpr uint64_t kInsideMask = kClosed - 1;
// Pauses before sleeping: 2 to 10 microseconds on the CPUs of today, about one barrier between two
// ops.
constexpr int32_t kSpinPauses = 200;

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

void FutexWait(std::atomic<uint32_t>* word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAIT_PRIVATE, expected, nullptr,
          nullptr, 0);
}

void FutexWakeAll(std::atomic<uint32_t>* word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
          nullptr, 0);
}

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

uint32_t EpochOf(uint64_t state) { return static_cast<uint32_t>(state >> 32); }

}  // namespace

void PinThread(int32_t index) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  int32_t left = index % CPU_COUNT(&allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || left-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
    return;
  }
}

ThreadPool::ThreadPool(int32_t threads, bool pins) : state_(kClosed) {
  try {
    for (int32_t i = 1; i < threads; ++i) {
      threads_.emplace_back([this, i, pins] {
        if (pins) PinThread(i);
        Work();
      });
    }
  } catch (...) {
    Stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { Stop(); }

void ThreadPool::Stop() {
  stopping_.store(true, std::memory_order_release);
  job_signal_.fetch_add(1, std::memory_order_seq_cst);
  FutexWakeAll(&job_signal_);
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::Claim() {
  for (;;) {
    const int32_t item = next_item_.fetch_add(1, std::memory_order_relaxed);
    if (item >= items_) return;
    run_(context_, item);
  }
}

void ThreadPool::Run(int32_t items, ParallelItemFn run, void* context) {
  if (threads_.empty() || items <= 1) {
    for (int32_t item = 0; item < items; ++item) run(context, item);
    return;
  }
  // No thread is inside a job here, so its fields may be written.
  items_ = items;
  run_ = run;
  context_ = context;
  next_item_.store(0, std::memory_order_relaxed);
  const uint32_t epoch = EpochOf(state_.load(std::memory_order_relaxed)) + 1;
  state_.store(static_cast<uint64_t>(epoch) << 32, std::memory_order_release);
  job_signal_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) FutexWakeAll(&job_signal_);
  Claim();
  uint64_t state = state_.fetch_or(kClosed, std::memory_order_acq_rel);
  for (int32_t spin = 0; (state & kInsideMask) != 0; ++spin) {
    if (spin < kSpinPauses) {
      Pause();
    } else {
      const uint32_t signal = idle_signal_.load(std::memory_order_seq_cst);
      if ((state_.load(std::memory_order_seq_cst) & kInsideMask) != 0)
        FutexWait(&idle_signal_, signal);
    }
    state = state_.load(std::memory_order_acquire);
  }
}

void ThreadPool::AwaitJob(uint32_t epoch) {
  for (int32_t spin = 0;; ++spin) {
    const uint32_t signal = job_signal_.load(std::memory_order_seq_cst);
    const uint64_t state = state_.load(std::memory_order_acquire);
    if (EpochOf(state) != epoch && (state & kClosed) == 0) return;
    if (stopping_.load(std::memory_order_acquire)) return;
    if (spin < kSpinPauses) {
      Pause();
      continue;
    }
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    FutexWait(&job_signal_, signal);
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    spin = 0;
  }
}

void ThreadPool::Work() {
  uint32_t seen_epoch = 0;
  for (;;) {
    AwaitJob(seen_epoch);
    if (stopping_.load(std::memory_order_acquire)) return;
    uint64_t state = state_.load(std::memory_order_acquire);
    if ((state & kClosed) != 0 || EpochOf(state) == seen_epoch) continue;
    if (!state_.compare_exchange_strong(state, state + 1, std::memory_order_acq_rel)) continue;
    seen_epoch = EpochOf(state);
    Claim();
    const uint64_t left = state_.fetch_sub(1, std::memory_order_acq_rel) - 1;
    if ((left & kClosed) != 0 && (left & kInsideMask) == 0) {
      idle_signal_.fetch_add(1, std::memory_order_seq_cst);
      FutexWakeAll(&idle_signal_);
    }
  }
}

Pool* OpenThreadPool(int32_t threads, bool pins) {
  try {
    return reinterpret_cast<Pool*>(new ThreadPool(threads, pins));
  } catch (...) {
    return nullptr;
  }
}

void CloseThreadPool(Pool* pool) { delete reinterpret_cast<ThreadPool*>(pool); }

void RunThreadPool(Pool* pool, int32_t items, ParallelItemFn run, void* context) {
  reinterpret_cast<ThreadPool*>(pool)->Run(items, run, context);
}

}  // namespace fairlane
