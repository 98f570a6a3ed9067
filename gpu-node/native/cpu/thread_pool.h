// Owns the worker threads of a CPU backend. Items are claimed one by one from an atomic counter; an
// idle thread spins for a few microseconds and then sleeps on a futex. The caller of Run works too
// and waits only for threads that have entered the job, so a descheduled thread delays nobody.
// Invariant: Run is called by one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "ops/parallel.h"

namespace fairlane {

class ThreadPool {
 public:
  ThreadPool(int32_t threads, bool pins);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Runs run(context, item) once for each item in [0, items).
  void Run(int32_t items, ParallelItemFn run, void* context);

 private:
  void Work();
  void Stop();
  void Claim();
  // Waits until a job other than `epoch` is open or the pool stops.
  void AwaitJob(uint32_t epoch);

  // Job state in one word: low half counts threads inside the job, kClosed bars more from entering;
  // the high half is the job's epoch.
  std::atomic<uint64_t> state_;
  // Futex words: bumped with each job, and when the last thread leaves a closed job.
  std::atomic<uint32_t> job_signal_{0};
  std::atomic<uint32_t> idle_signal_{0};
  std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> stopping_{false};
  alignas(64) std::atomic<int32_t> next_item_{0};
  int32_t items_ = 0;
  ParallelItemFn run_ = nullptr;
  void* context_ = nullptr;
  std::vector<std::thread> threads_;
};

// The pool functions of the backend table.
Pool* OpenThreadPool(int32_t threads, bool pins);
void CloseThreadPool(Pool* pool);
void PinThread(int32_t index);
void RunThreadPool(Pool* pool, int32_t items, ParallelItemFn run, void* context);

}  // namespace fairlane
