// The order of a step's shares on every plug-in's threads: none begins before what it needs is
// done, and one that is held up stops only what needs it.
#include "core/share_wave.h"

#include <atomic>

#include "core/parallel_for.h"
#include "test/check.h"

namespace fairlane::test {
namespace {

constexpr int32_t kShares = 5;
constexpr int32_t kLayers = 400;

// Each piece finds its own and earlier shares' pieces of the layer before done, whatever the
// threads, and shares that follow no further than itself.
void KeepsTheOrder(const Backend& backend, int32_t threads) {
  Workers workers;
  CHECK(workers.Open(&backend, threads));
  ShareWave wave;
  std::atomic<int32_t> done[kShares] = {};
  std::atomic<int32_t> early{0};
  workers.For(kLayers * kShares, [&](int32_t piece) {
    const int32_t layer = piece / kShares;
    const int32_t share = piece % kShares;
    wave.Await(share, layer);
    for (int32_t earlier = 0; earlier <= share; ++earlier)
      if (done[earlier].load() < layer) early.fetch_add(1);
    if (done[share].fetch_add(1) != layer) early.fetch_add(1);
    wave.Pass(share);
  });
  CHECK_EQ(early.load(), 0);
  for (const std::atomic<int32_t>& count : done) CHECK_EQ(count.load(), kLayers);
}

// Share 3 of layer 0 does not end before share 2 of layer 1 has: with a meeting of the threads at
// the layer's end this would never return.
void GoesOnWithoutAHeldUpShare(const Backend& backend) {
  Workers workers;
  CHECK(workers.Open(&backend, 2));
  ShareWave wave;
  std::atomic<bool> is_ahead{false};
  int32_t finished = 0;
  workers.For(2 * kShares, [&](int32_t piece) {
    const int32_t share = piece % kShares;
    wave.Await(share, piece / kShares);
    if (piece == 3) is_ahead.wait(false);
    if (piece == kShares + 2) {
      is_ahead.store(true);
      is_ahead.notify_all();
    }
    if (piece == 2 * kShares - 1) finished = piece;
    wave.Pass(share);
  });
  CHECK_EQ(finished, 2 * kShares - 1);
}

}  // namespace
}  // namespace fairlane::test

int main() {
  fairlane::test::ForEachPlugin([](const fairlane::Backend& backend) {
    for (const int32_t threads : {1, 2, 3, 8}) fairlane::test::KeepsTheOrder(backend, threads);
    fairlane::test::GoesOnWithoutAHeldUpShare(backend);
    std::printf("shares in order on %s\n", backend.name);
  });
  return fairlane::test::Report("share_wave_test");
}
