// Owns the little a native test needs: checks that count failures and say where, seeded random
// numbers, and a loop over the plug-ins that this CPU can run, which prints the ones it skips.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/plugin.h"

namespace fairlane::test {

inline int& Failures() {
  static int failures = 0;
  return failures;
}

inline void Fail(const char* file, int line, const std::string& message) {
  if (++Failures() <= 20) std::printf("%s:%d: %s\n", file, line, message.c_str());
}

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) ::fairlane::test::Fail(__FILE__, __LINE__, "failed: " #condition); \
  } while (false)

#define CHECK_EQ(actual, expected)                                                        \
  do {                                                                                    \
    const auto actual_value = (actual);                                                   \
    const auto expected_value = (expected);                                               \
    if (!(actual_value == expected_value)) {                                              \
      ::fairlane::test::Fail(__FILE__, __LINE__,                                          \
                             std::string(#actual " is ") + std::to_string(actual_value) + \
                                 ", expected " + std::to_string(expected_value));         \
    }                                                                                     \
  } while (false)

#define CHECK_NEAR(actual, expected, tolerance)                                           \
  do {                                                                                    \
    const double actual_value = (actual);                                                 \
    const double expected_value = (expected);                                             \
    if (!(std::fabs(actual_value - expected_value) <= (tolerance))) {                     \
      ::fairlane::test::Fail(__FILE__, __LINE__,                                          \
                             std::string(#actual " is ") + std::to_string(actual_value) + \
                                 ", expected " + std::to_string(expected_value));         \
    }                                                                                     \
  } while (false)

// Ends a test's main: prints the outcome and gives the exit status.
inline int Report(const char* name) {
  std::printf("%s: %s\n", name, Failures() == 0 ? "passed" : "FAILED");
  return Failures() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

// A small generator of our own, so that a failure repeats everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 1) {}
  uint32_t Bits() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<uint32_t>(state_ >> 33);
  }
  int32_t Below(int32_t limit) {
    return static_cast<int32_t>(Bits() % static_cast<uint32_t>(limit));
  }
  // In [-1, 1).
  float Float() { return static_cast<float>(Bits()) / 1073741824.0F - 1.0F; }
  std::vector<float> Floats(size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = Float();
    return values;
  }

 private:
  uint64_t state_;
};

// Calls run(backend) for each plug-in of this build that the CPU can run.
template <typename Run>
void ForEachPlugin(Run run) {
  const std::vector<std::string> supported = SupportedIsas();
  for (const char* isa : {"generic", "avx2", "avx512vnni"}) {
    bool found = false;
    for (const std::string& name : supported) found = found || name == isa;
    if (!found) {
      std::printf("SKIPPED %s: this CPU cannot run it\n", isa);
      continue;
    }
    Plugin plugin;
    std::string error;
    if (!plugin.Open(FAIRLANE_PLUGIN_FOLDER, isa, &error)) {
      Fail(__FILE__, __LINE__, error);
      continue;
    }
    run(plugin.backend());
  }
}

}  // namespace fairlane::test
