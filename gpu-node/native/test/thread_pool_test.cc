// The thread pool of every plug-in: each item once, whatever the thread count, over many short
// jobs.
#include <sched.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "core/parallel_for.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

void EachItemOnce(const Backend& backend, int32_t threads) {
  Workers workers;
  CHECK(workers.Open(&backend, threads));
  for (int32_t round = 0; round < 3000; ++round) {
    const int32_t items = round % 17;
    std::vector<std::atomic<int32_t>> counts(17);
    workers.For(items, [&](int32_t item) { counts[static_cast<size_t>(item)].fetch_add(1); });
    for (int32_t item = 0; item < 17; ++item)
      CHECK_EQ(counts[static_cast<size_t>(item)].load(), item < items ? 1 : 0);
  }
}

// Threads that have gone to sleep between jobs wake again.
void WakesAfterSleep(const Backend& backend) {
  Workers workers;
  CHECK(workers.Open(&backend, 4));
  std::atomic<int32_t> sum{0};
  for (int32_t round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    workers.For(64, [&](int32_t item) { sum.fetch_add(item); });
  }
  CHECK_EQ(sum.load(), 20 * 2016);
}

// Each of the pool's own threads may use one CPU; the caller is left alone.
void PinsItsThreads(const Backend& backend) {
  const auto usable = [] {
    cpu_set_t cpus;
    CHECK_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    return CPU_COUNT(&cpus);
  };
  const int32_t before = usable();
  const std::thread::id self = std::this_thread::get_id();
  Workers workers;
  CHECK(workers.Open(&backend, 3, true));
  std::atomic<int32_t> pinned{0};
  for (int32_t round = 0; round < 1000 && pinned.load() == 0; ++round) {
    workers.For(8, [&](int32_t) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (std::this_thread::get_id() == self) return;
      CHECK_EQ(usable(), 1);
      pinned.fetch_add(1);
    });
  }
  CHECK(pinned.load() > 0);
  CHECK_EQ(usable(), before);
}

void SizeOneIsAPlainLoop(const Backend& backend) {
  Workers workers;
  CHECK(workers.Open(&backend, 1));
  const std::thread::id self = std::this_thread::get_id();
  int32_t next = 0;
  workers.For(100, [&](int32_t item) {
    CHECK_EQ(item, next++);
    CHECK(std::this_thread::get_id() == self);
  });
  CHECK_EQ(next, 100);
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    for (const int32_t threads : {1, 2, 3, 8}) fairlane::test::EachItemOnce(backend, threads);
    fairlane::test::WakesAfterSleep(backend);
    fairlane::test::PinsItsThreads(backend);
    fairlane::test::SizeOneIsAPlainLoop(backend);
    std::printf("thread pool on %s\n", backend.name);
  });
  return fairlane::test::Report("thread_pool_test");
}
