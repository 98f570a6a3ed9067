// Measures what this host can do at all, for `npm run bench`: the int8 peak (vpdpbusd; f32
// multiply-adds where there is no VNNI) and the rates of reading DRAM and a set that stays in the
// last-level cache. Prints one line of JSON. Usage: limits_bench THREADS
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "core/aligned_buffer.h"

namespace fairlane::bench {
namespace {

constexpr int kRuns = 7;
constexpr int64_t kPeakLoops = 4'000'000;
constexpr int kPeakInstructions = 12;
constexpr size_t kDramBytes = size_t{512} << 20;
constexpr size_t kCacheBytesDefault = size_t{16} << 20;

// Seconds that all threads need together, the best of some runs: a limit is what can be reached.
double Best(int32_t threads, const std::function<void(int32_t)>& work) {
  double best = 1e30;
  for (int run = 0; run < kRuns; ++run) {
    std::atomic<int32_t> waiting{threads};
    const auto start_together = [&] {
      waiting.fetch_sub(1);
      while (waiting.load() > 0) {
      }
    };
    std::vector<std::thread> others;
    for (int32_t i = 1; i < threads; ++i) {
      others.emplace_back([&, i] {
        start_together();
        work(i);
      });
    }
    start_together();
    const auto start = std::chrono::steady_clock::now();
    work(0);
    for (std::thread& other : others) other.join();
    const auto wall = std::chrono::steady_clock::now() - start;
    best = std::min(best, std::chrono::duration<double>(wall).count());
  }
  return best;
}

#if defined(__x86_64__)

// The accumulators stay in registers only inside one block of assembly.
// clang-format off
#define FAIRLANE_TWELVE(LINE) \
  LINE("0") LINE("1") LINE("2") LINE("3") LINE("4") LINE("5") \
  LINE("6") LINE("7") LINE("8") LINE("9") LINE("10") LINE("11")
#define FAIRLANE_VNNI(N) "vpdpbusd %%zmm12, %%zmm13, %%zmm" N "\n"
#define FAIRLANE_FMA(N) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" N "\n"
#define FAIRLANE_ZERO(N) "vxorps %%ymm" N ", %%ymm" N ", %%ymm" N "\n"
#define FAIRLANE_CLOBBERS \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
  "xmm11", "xmm12", "xmm13", "cc"
// clang-format on

__attribute__((target("avx512f,avx512vnni"))) void LoopVnni(int64_t loops) {
  asm volatile(
      "vpxord %%zmm12, %%zmm12, %%zmm12\nvpxord %%zmm13, %%zmm13, %%zmm13\n1:\n" FAIRLANE_TWELVE(
          FAIRLANE_VNNI) "dec %0\njnz 1b\nvzeroupper\n"
      : "+r"(loops)
      :
      : FAIRLANE_CLOBBERS);
}

__attribute__((target("avx2,fma"))) void LoopFma(int64_t loops) {
  asm volatile(
      "vxorps %%ymm12, %%ymm12, %%ymm12\nvxorps %%ymm13, %%ymm13, %%ymm13\n" FAIRLANE_TWELVE(
          FAIRLANE_ZERO) "1:\n" FAIRLANE_TWELVE(FAIRLANE_FMA) "dec %0\njnz 1b\nvzeroupper\n"
      : "+r"(loops)
      :
      : FAIRLANE_CLOBBERS);
}

__attribute__((target("avx2"))) void ReadAll(const uint8_t* data, size_t bytes) {
  const uint8_t* const end = data + bytes;
  for (; data < end; data += 256) {
    asm volatile(
        "vmovdqa (%0), %%ymm0\nvmovdqa 32(%0), %%ymm1\nvmovdqa 64(%0), %%ymm2\n"
        "vmovdqa 96(%0), %%ymm3\nvmovdqa 128(%0), %%ymm0\nvmovdqa 160(%0), %%ymm1\n"
        "vmovdqa 192(%0), %%ymm2\nvmovdqa 224(%0), %%ymm3\n"
        :
        : "r"(data)
        : "xmm0", "xmm1", "xmm2", "xmm3", "memory");
  }
  asm volatile("vzeroupper");
}

#endif

// Giga-operations a second, a multiply-add being two.
double PeakGops(int32_t threads, bool has_vnni) {
  const double seconds = Best(threads, [&](int32_t) {
    if (has_vnni) {
      LoopVnni(kPeakLoops);
    } else {
      LoopFma(kPeakLoops);
    }
  });
  const double per_instruction = has_vnni ? 2 * 64 : 2 * 8;
  return static_cast<double>(kPeakLoops) * kPeakInstructions * per_instruction * threads / seconds /
         1e9;
}

// GB/s of reading a set that is split among the threads, `passes` times.
double ReadRate(int32_t threads, size_t set_bytes, int32_t passes) {
  const size_t share = set_bytes / static_cast<size_t>(threads) / 256 * 256;
  std::vector<AlignedBuffer> buffers(static_cast<size_t>(threads));
  for (AlignedBuffer& buffer : buffers) {
    if (!buffer.Allocate(share)) std::exit(1);
    std::fill_n(buffer.As<uint8_t>(), share, uint8_t{1});
  }
  const double seconds = Best(threads, [&](int32_t thread) {
    const AlignedBuffer& buffer = buffers[static_cast<size_t>(thread)];
    for (int32_t pass = 0; pass < passes; ++pass) ReadAll(buffer.As<uint8_t>(), share);
  });
  return static_cast<double>(share) * threads * passes / seconds / 1e9;
}

// The last-level cache as the kernel says it; a default where it does not.
size_t CacheBytes() {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");
  size_t kib = 0;
  return file >> kib && kib > 0 ? kib << 10 : kCacheBytesDefault;
}

int Main(int32_t threads) {
  __builtin_cpu_init();
  const bool has_vnni = __builtin_cpu_supports("avx512vnni") != 0;
  const size_t cache = CacheBytes();
  const double peak = PeakGops(threads, has_vnni);
  const double dram = ReadRate(threads, kDramBytes, 1);
  // Half of the cache: the rest is for what else runs.
  const double cached = ReadRate(threads, cache / 2, 16);
  std::printf(
      "{\"threads\": %d, \"peak_kind\": \"%s\", \"peak_gops\": %.1f, \"dram_gb_s\": %.2f, "
      "\"cache_gb_s\": %.2f, \"cache_bytes\": %lld}\n",
      threads, has_vnni ? "int8 vpdpbusd" : "f32 fma", peak, dram, cached,
      static_cast<long long>(cache));
  return 0;
}

}  // namespace
}  // namespace fairlane::bench

int main(int argc, char** argv) {
  const int32_t threads = argc == 2 ? std::atoi(argv[1]) : 0;
  if (threads >= 1 && threads <= 256) return fairlane::bench::Main(threads);
  std::fprintf(stderr, "usage: limits_bench THREADS\n");
  return 2;
}
