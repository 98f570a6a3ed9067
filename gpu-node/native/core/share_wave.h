// Owns how far each share of a step has come through the layers, and the waiting for it. Shares do
// not meet at the end of a layer: one needs of the layer before what itself and earlier ones left
// there, so a thread that is held up in a share stops only what comes after, and the others go on
// with earlier shares of the next layer. Invariant: pieces (layer, share) are begun in ascending
// order, so whatever is waited for is being computed.
#pragma once

#include <atomic>
#include <cstdint>

namespace fairlane {

inline constexpr int32_t kSharesMax = 64;  // of a step; more only cost more claims

class ShareWave {
 public:
  // Returns when shares 0 to `share` have each been passed `times` times.
  void Await(int32_t share, int32_t times) const {
    for (int32_t earlier = 0; earlier <= share; ++earlier) AwaitOne(passed_[earlier], times);
  }
  // A share has come through one more layer.
  void Pass(int32_t share) {
    passed_[share].fetch_add(1, std::memory_order_release);
    passed_[share].notify_all();
  }

 private:
  // Looks before sleeping: a few microseconds. Who waits is nearly a layer ahead of somebody.
  static constexpr int32_t kLooks = 1000;

  static void AwaitOne(const std::atomic<int32_t>& passed, int32_t times) {
    for (int32_t look = 0; look < kLooks; ++look)
      if (passed.load(std::memory_order_acquire) >= times) return;
    int32_t seen = passed.load(std::memory_order_acquire);
    while (seen < times) {
      passed.wait(seen, std::memory_order_acquire);
      seen = passed.load(std::memory_order_acquire);
    }
  }

  std::atomic<int32_t> passed_[kSharesMax] = {};
};

}  // namespace fairlane
